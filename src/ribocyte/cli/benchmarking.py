"""``ribocyte bench``: how fast this package is here, beside plain loops and beside the hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ribocyte.cli import options, present
from ribocyte.cli.guard import Command, StopRequest
from ribocyte.errors import RequestError

if TYPE_CHECKING:
    from ribocyte.bench.comparing import SideResult, WorkResult
    from ribocyte.bench.works import Bench

ORDINARY = "speed"


class DefaultsToSpeed(TyperGroup):
    """Commands of which the first need not be named: ``ribocyte bench help`` is ``ribocyte bench speed help``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the ordinary command in front where none is named."""
        named = bool(args) and (args[0] in self.commands or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if named else [ORDINARY, *args])


bench_app = typer.Typer(
    cls=DefaultsToSpeed,
    help="Measure this package beside the loops a user would otherwise write, and beside the hardware. "
    "What follows is the first command, speed, where none is named: ribocyte bench cells-pooled.",
    rich_markup_mode=None,
)

Works = Annotated[list[str] | None, typer.Argument(metavar="[WORK…]", help="See --list.", show_default="all")]
Peers = Annotated[
    Path | None,
    typer.Option(
        "--peers",
        metavar="DIR",
        help="Scripts that are run in place of the package's own peers of the same name.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where what is made once is kept: a table of 0.6 GB, sequences, a model.",
        show_default="the user's cache",
    ),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a size, as in rnas=100000 or steps=10."),
]


@bench_app.command(cls=Command)
def speed(
    works: Works = None,
    repetitions: Annotated[int, typer.Option(help="How often each side is measured.")] = 5,
    peers: Peers = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Every measurement, as JSON.")] = Path(
        "bench.json"
    ),
    listed: Annotated[bool, typer.Option("--list", help="List the works, and end.")] = False,
    folder: Folder = None,
    settings: Sizes = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Compare speed and memory with the peers'.

    This package and its peers are measured in turn, each time in a fresh process. The ratio is the median over
    neighbours, with its bootstrap interval over repetitions; the limit is the least time in which this machine
    could do the same products and move the same bytes, from a matrix product and a copy timed in the same run.
    Where there is a GPU, and no work is named, whole trainings on it come after: ribocyte bench gpu.
    """
    from ribocyte.bench.comparing import compare_works
    from ribocyte.bench.gpu import measure_trainings
    from ribocyte.bench.works import WORKS, choose_works

    if listed:
        present.show_facts({work.name: work.about for work in WORKS.values()})
        return
    chosen = choose_works(works or (), WORKS)
    if repetitions < 1:
        raise RequestError(f"--repetitions {repetitions}: nothing would be measured", expected="1 or more")
    bench = begin(folder, settings, peers, data)
    warn_if_busy()
    with StopRequest():
        results = compare_works(chosen, bench, repetitions, out, tell)
        on_gpu = results.limits["device"] == "cuda" and not works
        whole = measure_trainings(bench, out.with_suffix(".gpu"), present.say) if on_gpu else None
    if as_json:
        present.show_json({**results.as_json(), **({"gpu": whole} if whole else {})})
        return
    show_machine(results.machine, results.limits)
    rows = [row for work in results.works for row in describe_work(work, results.limits)]
    header = ("work", "ribocyte", "peer", "its", "ratio", "95 % interval", "of the limit", "MB", "its MB")
    present.show_table(header, rows, numbers=(1, 3, 4, 6, 7, 8))
    for work in results.works:
        for side in work.sides:
            if side.about:
                present.show(f"{work.name}: {side.name} did {side.about}, scaled")
        if "utilisation" in work.facts:
            present.show(f"{work.name}: kernels ran {work.facts['utilisation']:.0%} of the time of a step")
    made = [work.name for work in results.works if work.simulated]
    if made:
        present.show(f"on made data: {', '.join(made)}")
    if whole:
        present.show()
        show_trainings(whole)
    present.say(f"every repetition: {out}")


@bench_app.command(cls=Command)
def accuracy(
    works: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORK…]", help="Of those that train a network.", show_default="all five"),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of every training.")] = 10,
    seeds: Annotated[int, typer.Option(help="How many trainings on each side.")] = 3,
    peers: Peers = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Runs and accuracy.json; what is there goes on.")
    ] = Path("out/bench-accuracy"),
    folder: Folder = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Compare accuracy after the same epochs.

    Trains in the precision that is fastest here, in float32, and as the peer does, each at several seeds. The
    interval is of fast less float32, over test rows and seeds. Stop it at any moment, and give the same command to
    go on.
    """
    from ribocyte.bench.accuracy import FAST, FULL, PEER, measure_accuracy

    bench = begin(folder, None, peers, data)
    with StopRequest():
        found = measure_accuracy(works or (), bench, epochs, seeds, out, tell_seed)
    if as_json:
        present.show_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.work,
            one.metric,
            *(f"{one.mean(side):.4f}" for side in (FAST, FULL, PEER)),
            one.precision,
            f"{one.gain:+.4f}",
            f"[{one.low:+.4f}, {one.high:+.4f}]",
        )
        for one in found
    ]
    header = ("work", "metric", "fast", "float32", "peer", "fast is", "fast − float32", "95 % interval")
    present.show(f"test split, mean of {seeds} seeds, {epochs} epochs")
    present.show_table(header, rows, numbers=(2, 3, 4, 6))
    if any(one.simulated for one in found):
        present.show(present.SIMULATED)


@bench_app.command(cls=Command)
def growth(
    axes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[AXIS…]", help="predicting, training, proteins, scanning or workers.", show_default="all"
        ),
    ] = None,
    repetitions: Annotated[int, typer.Option(help="How often each size is measured.")] = 1,
    largest: Annotated[int, typer.Option(min=0, help="Leave larger sizes out; 0 takes all.")] = 0,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Receives growth.json, growth.tsv and growth.svg.")
    ] = Path("out/bench-growth"),
    folder: Folder = None,
    settings: Sizes = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Measure how time and memory grow.

    With the number of RNAs predicted and trained on, of proteins, with the length of what is scanned, and with the
    processes that share a training. Each point is a fresh process, its start included; a power of 1 is proportional.
    """
    from ribocyte.bench.growth import FIGURE, RESULTS, TABLE, caption, measure_growth

    bench = begin(folder, settings, None, data)
    with StopRequest():
        grown = measure_growth(axes or (), bench, repetitions, out, tell_size, largest)
    if as_json:
        present.show_json([{**asdict(one), "caption": caption(one)} for one in grown])
        return
    for one in grown:
        rows = [(f"{p.size:,}", f"{p.seconds:.3g}", f"{p.peak_mb:,.0f}") for p in one.points]
        present.show_table((one.unit, "s", "MB"), rows, numbers=(0, 1, 2))
        present.show(caption(one))
        present.show()
    present.show(f"{out}: {RESULTS}, {TABLE}, {FIGURE}")


@bench_app.command(cls=Command)
def gpu(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for the runs and gpu.json.")] = Path(
        "out/bench-gpu"
    ),
    folder: Folder = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Train whole on a GPU.

    The assignment's four CNNs for 200 epochs, and the residual network on an array of full size.
    """
    from ribocyte.bench.gpu import measure_trainings

    bench = begin(folder, None, None, data)
    with StopRequest():
        found = measure_trainings(bench, out, present.say)
    if as_json:
        present.show_json(found)
        return
    show_machine(found["machine"], found["limits"])
    show_trainings(found)


def show_trainings(found: Mapping[str, Any]) -> None:
    """Print whole trainings, a line each."""
    rows = [
        (
            name,
            present.duration(one["seconds"]),
            f"{one['epochs']}",
            f"{one['examples_per_second']:,.0f}",
            f"{one['metric']} {one['test']:.4f}",
            f"{one['peak_mb']:,.0f}",
        )
        for name, one in found["trainings"].items()
    ]
    present.show_table(
        ("training", "end to end", "epochs", "examples/s", "test", "MB"), rows, numbers=(1, 2, 3, 5)
    )


def begin(folder: Path | None, settings: list[str] | None, peers: Path | None, data: Path | None) -> Bench:
    """Set up what all benchmarks share."""
    from ribocyte.bench.peers import find_peers
    from ribocyte.bench.sizes import BenchSize, parse_size
    from ribocyte.bench.works import Bench
    from ribocyte.files import cache_directory

    if data is not None and not data.exists():
        raise RequestError(f"{data}: no such folder", expected="a data folder")
    size: BenchSize = parse_size(settings or ())
    return Bench(folder or cache_directory() / "bench", size, find_peers(peers), data)


def warn_if_busy() -> None:
    """Say so where others are at work, which no alternating undoes."""
    from ribocyte.bench.machine import describe_machine, is_busy

    machine = describe_machine()
    if is_busy(machine):
        present.warn(
            f"the machine is busy (load average {machine['load_average']}): times will be longer than they need be"
        )


def tell(work: str, side: str, repetition: int) -> None:
    """Say what is being measured."""
    present.say(f"{work}: {side}" + (f", {repetition}" if repetition else ""))


def tell_seed(work: str, side: str, seed: int) -> None:
    """Say what is being trained."""
    present.say(f"{work}: {side}, seed {seed}")


def tell_size(axis: str, size: int) -> None:
    """Say what is being measured."""
    present.say(f"{axis}: {size:,}")


def show_machine(machine: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
    """Print what was measured on, and its limits."""
    where = limits["name"] or f"{machine['processor']}, {limits['threads']} threads"
    present.show(f"{where}; torch {machine['torch']}, python {machine['python']}, {machine['date']}")
    products = ", ".join(
        f"{2 * limits[f'multiply_adds_{precision}'] / 1e12:.2f} TFLOP/s in {name}"
        for precision, name in (("32", "float32"), ("bf16", "bfloat16"))
    )
    present.show(f"at most {products}; copies {limits['bytes'] / 1e9:.0f} GB/s, read and written")
    present.show()


def describe_work(work: WorkResult, limits: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Make a line for each side of a work that is compared with this package; one where there is none."""
    ours, *others = work.sides
    known = work.share(limits)
    share = "" if known is None else f"{known:.1%}"
    own = (work.name, pace(ours, work.unit))
    if not others:
        return [(*own, "", "", "", "", share, f"{ours.peak_mb:,.0f}", "")]
    return [
        (
            *(own if number == 0 else ("", "")),
            side.name,
            pace(side, work.unit),
            f"{side.ratio.median:.3g}" if side.ratio else "",
            f"[{side.ratio.low:.3g}, {side.ratio.high:.3g}]" if side.ratio and side.ratio.low > 0 else "",
            share if number == 0 else "",
            f"{ours.peak_mb:,.0f}" if number == 0 else "",
            f"{side.peak_mb:,.0f}",
        )
        for number, side in enumerate(others)
    ]


def pace(side: SideResult, unit: str) -> str:
    """Write how fast a side is: items a second, or its seconds."""
    if unit:
        rate = 1 / side.seconds
        return f"{rate:,.0f} {unit}/s" if rate >= 100 else f"{rate:.3g} {unit}/s"
    return f"{side.seconds:.3g} s"
