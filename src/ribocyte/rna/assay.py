"""A simulated RNAcompete experiment: probes, binding, noise, and the official file.

**Everything here is a simulation.** Whatever it writes says so: each ``Probe_ID`` and each experiment begins
with ``SIM_``, and ``norm_data.simulation.json`` beside the table records every parameter. It is for trying
things out without a download, and for asking whether a network finds what is known to be there.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribocyte.errors import DataError, RecipeError
from ribocyte.files import atomic_write, write_text
from ribocyte.learn.recipe import check
from ribocyte.rna.alphabet import LETTERS, tokens
from ribocyte.rna.meme import write_meme
from ribocyte.rna.motifs import RBFOX1_KD, Array, Motif, association, occupancy
from ribocyte.version import VERSION

STAMP = "SIM_"
"""What every probe's and experiment's name begins with when it is simulated."""
TABLE = "norm_data.txt.gz"
RECORD = "norm_data.simulation.json"
BOUND = "norm_data.simulation.meme"
PREFIXES = ("AGA", "AGG")
"""How the real array's probes begin: two thirds AGA, one third AGG."""


@dataclass(frozen=True)
class AssayConfig:
    """How the array is designed and the experiment simulated.

    With the defaults an experiment on RBFOX1 resembles published normalised intensities: nine probes in ten
    between −2 and 2, the rest a long tail to about 150 (A1CF's, RNCMPT00001, is clamped at 55).

    Concentration and contrast are **chosen, not fitted**: so that RBFOX1's seven measured affinities (0.83 to
    1830 nM) can be told apart, which no assay promises. At 5 nM its best site is six sevenths occupied, its
    worst mutant one part in 370, and the pairs that lie close (4.8 and 4.9, 280 and 350 nM) stay hard. Most
    probes have no site, so even the true occupancies reach a Spearman of only about 0.26 with the noisy
    intensities of RBFOX1, and a Pearson of 0.8 after taking logarithms: judge networks against that ceiling.

    Parameters
    ----------
    k : int
        Each set contains every k-mer. The real array covers 9-mers; 7 make a set of ten thousand probes,
        trained in minutes.
    copies : int
        How often each set contains every k-mer, at least.
    lengths : tuple of int
        Lengths of probes in nt, all equally likely. 30, 35, 38 (twice) are nearly the array's proportions.
    concentration : float
        Free protein, in nM.
    contrast : float
        Signal of a fully occupied probe, in units of the background.
    noise : float
        Standard deviation of the logarithm of the multiplicative noise. 0.3 gives the shape of A1CF's
        lower half, which is mostly background.
    failed : float
        Fraction of spots that failed, which are NaN.
    seed : int
        The one source of randomness.
    """

    k: int = 7
    copies: int = 16
    lengths: tuple[int, ...] = (30, 35, 38, 38)
    concentration: float = 5.0
    contrast: float = 40.0
    noise: float = 0.3
    failed: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        room = min(self.lengths, default=0) - len(PREFIXES[0])
        check(
            bool(self.lengths) and all(30 <= length <= 41 for length in self.lengths),
            "assay.lengths",
            self.lengths,
            "one or more, from 30 to 41",
        )
        check(4 <= self.k <= 10, "assay.k", self.k, f"from 4 to 10 (a probe has room for {room} nt)")
        check(self.copies >= 1, "assay.copies", self.copies, "1 or more")
        check(0 < self.concentration < np.inf, "assay.concentration", self.concentration, "above 0, in nM")
        check(0 <= self.contrast < np.inf, "assay.contrast", self.contrast, "0 or more")
        check(0 <= self.noise < 5, "assay.noise", self.noise, "from 0 to below 5")
        check(0 <= self.failed < 1, "assay.failed", self.failed, "from 0 to below 1")
        check(0 <= self.seed < 2**32, "assay.seed", self.seed, "from 0 to 4294967295")


def design_probes(config: AssayConfig) -> tuple[list[str], list[str]]:
    """Design an array of two sets of probes, each of which contains every k-mer `copies` times or more.

    Each set is one random de Bruijn circuit, cut into pieces that share k − 1 bases with the next, so that
    no k-mer is lost at a cut. The sets come from different circuits and share no probe.

    Returns
    -------
    (list of str, list of str)
        ``SetA`` or ``SetB``, and the probe's RNA; sets are mixed and no probe appears twice.
    """
    generator = np.random.default_rng([config.seed, 0])
    while True:
        probes = [(name, rna) for name in ("SetA", "SetB") for rna in _cut_circuit(config, generator)]
        # Two probes agree by chance once in about 4^27 pairs; drawing again costs less than patching.
        if len({rna for _, rna in probes}) == len(probes):
            break
    mixed = [probes[at] for at in generator.permutation(len(probes))]
    return [name for name, _ in mixed], [rna for _, rna in mixed]


def simulate_intensities(
    sequences: Sequence[str], motif: Motif, config: AssayConfig, experiment: int = 0
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Simulate the normalised intensities of one experiment.

    A spot shines with ``(1 + contrast · occupancy) · exp(noise · normal)``: background of 1 and bound
    protein, both with the same multiplicative noise. The median is subtracted and the result divided by
    1.4826 times the median absolute deviation (left undivided where that is 0), which puts it where the
    published values lie; failed spots are drawn last and become NaN.

    Parameters
    ----------
    sequences : sequence of str
        RNA of each probe.
    motif : Motif
        What the protein binds.
    config : AssayConfig
        Concentration, contrast, noise, failed and seed.
    experiment : int
        Which of several experiments on the same array: each has its own noise.

    Returns
    -------
    numpy array, float64, shape (len(sequences),)
        Around 0, and a long tail to the right; NaN where the spot failed.
    """
    generator = np.random.default_rng([config.seed, 1, experiment])
    bound = occupancy(tokens(sequences), motif, config.concentration)
    shine = (1.0 + config.contrast * bound) * np.exp(config.noise * generator.standard_normal(len(bound)))
    centred = shine - np.median(shine)
    spread = 1.4826 * float(np.median(np.abs(centred)))
    intensities: Array = centred / (spread or 1.0)
    intensities[generator.random(len(bound)) < config.failed] = np.nan
    return intensities


def simulate_table(motifs: Sequence[Motif], config: AssayConfig) -> pl.DataFrame:
    """Simulate an array and one experiment per motif, as a table of the official file's columns.

    Returns
    -------
    DataFrame
        ``Probe_Set``, ``Probe_ID`` (``SIM_000001`` …), ``RNA_Seq``, and ``SIM_NAME`` for each motif.

    Raises
    ------
    RecipeError
        If there is no motif, or two have the same name.
    """
    names = [motif.name for motif in motifs]
    check(bool(names) and len(set(names)) == len(names), "motifs", names, "one or more, with different names")
    sets, sequences = design_probes(config)
    probes = {
        "Probe_Set": sets,
        "Probe_ID": [f"{STAMP}{number:06d}" for number in range(1, len(sequences) + 1)],
        "RNA_Seq": sequences,
    }
    measured = {
        STAMP + motif.name: simulate_intensities(sequences, motif, config, experiment)
        for experiment, motif in enumerate(motifs)
    }
    return pl.DataFrame({**probes, **measured})


def write_experiment(directory: Path, motifs: Sequence[Motif], config: AssayConfig) -> Path:
    """Simulate, and write ``norm_data.txt.gz`` in the official format; beside it how, and the motifs that were bound.

    The same motifs and configuration give the same bytes. An earlier simulation in the folder is replaced;
    a table that is none of ours is not.

    Returns
    -------
    Path
        The table; ``norm_data.simulation.json`` and ``norm_data.simulation.meme`` lie beside it.

    Raises
    ------
    DataError
        If the folder holds a table that is not known to be simulated.
    RecipeError
        As for `simulate_table`.
    DiskError
        If the files cannot be written.
    """
    path = directory / TABLE
    for standing in (path, path.with_suffix("")):  # an unpacked table would be hidden by ours
        if standing.exists() and not _is_simulated(standing):
            raise DataError(
                f"{standing}: already there, and not known to be simulated",
                expected="a folder without measurements",
                mend="choose another folder",
            )
    table = simulate_table(motifs, config)
    write_text(directory / RECORD, json.dumps(describe(table, motifs, config), indent=1) + "\n")
    write_meme(directory / BOUND, {STAMP + motif.name: motif.probabilities for motif in motifs})
    with (
        atomic_write(path) as stream,
        # No name and no time in the header, so that equal tables are equal files.
        gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed,
    ):
        packed.write(table.write_csv(separator="\t", float_precision=6).encode())
    return path


def describe(table: pl.DataFrame, motifs: Sequence[Motif], config: AssayConfig) -> dict[str, Any]:
    """Give all that is needed to repeat a simulation, as JSON values."""
    return {
        "what": "SIMULATED by ribocyte.rna.assay: not a measurement",
        "version": VERSION,
        "table": TABLE,
        "probes": {name: int((table["Probe_Set"] == name).sum()) for name in ("SetA", "SetB")},
        "assay": {**asdict(config), "lengths": list(config.lengths)},
        "motifs": [
            {
                "experiment": STAMP + motif.name,
                "kd_nM": motif.kd,
                "energies_kT": motif.energies.tolist(),
                "source": motif.source,
            }
            for motif in motifs
        ],
    }


def affinity_panel() -> tuple[list[str], Array]:
    """Give the seven RNAs whose affinity for RBFOX1 was measured, and the constants in nM; best first.

    Rank a network by them with `embed`: Spearman between its mean prediction over contexts and −log Kd.
    """
    ordered = sorted(RBFOX1_KD, key=lambda rna: RBFOX1_KD[rna])
    return ordered, np.array([RBFOX1_KD[rna] for rna in ordered])


def embed(
    rnas: Sequence[str], motif: Motif, contexts: int = 200, length: int = 38, seed: int = 0
) -> list[list[str]]:
    """Put RNAs of one length into random probes that bind the motif nowhere else.

    Every RNA is put into the same contexts at the same places, so that a difference between two RNAs is not
    one between their surroundings. In a context used, all sites but the RNA's own together bind 10,000 times
    weaker than the motif's best site, or less, whichever RNA is in it.

    Parameters
    ----------
    rnas : sequence of str
        RNAs of the same length, such as `affinity_panel` gives.
    motif : Motif
        What must not be there a second time.
    contexts : int
        How many surroundings.
    length : int
        Of each probe in nt; it begins with AGA, as probes do.
    seed : int
        The same gives the same contexts.

    Returns
    -------
    list of list of str, shape (len(rnas), contexts)
        Probes.

    Raises
    ------
    RecipeError
        If the RNAs differ in length or do not fit, or if the motif binds nearly everything, so that too few
        contexts are free of it.
    """
    widths, start = {len(rna) for rna in rnas}, len(PREFIXES[0])
    check(len(widths) == 1 and 0 not in widths, "rnas", list(rnas), "one or more, of one length")
    width = widths.pop()
    check(start + width <= length, "length", length, f"{start + width} nt or more")
    check(contexts >= 1, "contexts", contexts, "1 or more")
    generator = np.random.default_rng([seed, 2])
    own = association(tokens(rnas), motif)
    chosen: list[list[str]] = []
    for _ in range(100 * contexts):
        context = PREFIXES[0] + "".join(generator.choice(list(LETTERS), size=length - start))
        at = int(generator.integers(start, length - width + 1))
        probes = [context[:at] + rna + context[at + width :] for rna in rnas]
        if np.all(association(tokens(probes), motif) - own < 1e-4 / motif.kd):
            chosen.append(probes)
        if len(chosen) == contexts:
            return [list(row) for row in zip(*chosen, strict=True)]
    raise RecipeError(
        f"contexts = {contexts}: {motif.name} binds nearly everywhere, {len(chosen)} contexts are free of it",
        expected="a motif that few random RNAs have",
    )


def _cut_circuit(config: AssayConfig, generator: np.random.Generator) -> list[str]:
    """Draw one set: pieces of a circuit behind the array's prefix."""
    circuit = _random_circuit(config.k, config.copies, generator)
    size, probes, at = len(circuit), [], 0
    letters = np.frombuffer(b"ACGU", dtype="S1")[circuit].tobytes().decode()
    letters += letters[: max(config.lengths)]  # the last piece runs into the beginning
    while at < size:
        prefix = PREFIXES[int(generator.random() < 1 / 3)]
        body = int(generator.choice(config.lengths)) - len(prefix)
        probes.append(prefix + letters[at : at + body])
        at += body - config.k + 1
    return probes


def _random_circuit(k: int, copies: int, generator: np.random.Generator) -> list[int]:
    """Walk through every k-mer exactly `copies` times and back to where it began (Hierholzer 1873).

    Nodes are (k − 1)-mers, edges k-mers: each node is left four times per copy, in random order. The walk
    goes on until it is stuck, which can only be where it began, then backs up to the last node with exits
    left and inserts a detour.
    """
    nodes = 4 ** (k - 1)
    exits = np.tile(np.arange(4), (nodes, copies))
    left = generator.permuted(exits, axis=1).tolist()
    path, circuit = [0], []
    while path:
        if left[path[-1]]:
            path.append((path[-1] * 4 + left[path[-1]].pop()) % nodes)
        else:
            circuit.append(path.pop() % 4)
    return circuit[:0:-1]


def _is_simulated(table: Path) -> bool:
    """Tell whether the first probe of a table, packed or not, bears the stamp."""
    unpack = gzip.open if table.suffix == ".gz" else open
    try:
        with unpack(table, "rt", encoding="utf-8") as stream:
            stream.readline()
            return f"\t{STAMP}" in stream.readline()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error):
        return False
