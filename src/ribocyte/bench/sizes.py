"""How large the works of a benchmark are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from ribocyte.errors import RequestError, suggest


@dataclass(frozen=True)
class BenchSize:
    """How much each side is given to do. The defaults are what the README's figures were measured with.

    Where a plain loop would take hours it is given less than this package, and its time is scaled up to the same
    number: loops are as slow for the last item as for the first.

    Parameters
    ----------
    steps : int
        Training steps of a peer that are timed, after five to warm up.
    rows : int
        Training rows of an epoch of ours; 0 is what each work has of its own, a few seconds.
    table_rows, table_experiments : int
        Of the made table; the official one has 241,357 and 244.
    rnas, fewer_rnas : int
        Predicted for; two numbers, so that the peaks of memory show whether it grows.
    loader_rnas, single_rnas : int
        That the peers predict for: with a DataLoader, and one by one.
    probes, peer_probes : int
        Mutated at every position: by this package, and by the peer.
    pairs_probes, pairs_proteins : int
        Of the training of one network for many proteins.
    """

    steps: int = 40
    rows: int = 0
    table_rows: int = 241_357
    table_experiments: int = 244
    rnas: int = 1_000_000
    fewer_rnas: int = 100_000
    loader_rnas: int = 40_000
    single_rnas: int = 5_000
    probes: int = 1_000
    peer_probes: int = 20
    pairs_probes: int = 20_000
    pairs_proteins: int = 244

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "rows" else 1
            if value < least:
                raise RequestError(f"bench.{field.name} = {value} is impossible", expected=f"{least} or more")


def parse_size(settings: Sequence[str]) -> BenchSize:
    """Read ``key=value`` settings of a size.

    Raises
    ------
    RequestError
        For an unknown key (with the nearest known one), or an impossible value.
    """
    size = BenchSize()
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        known = [field.name for field in fields(BenchSize)]
        if key not in known:
            raise RequestError(
                f"--set {setting}: no such size",
                expected=f"one of {', '.join(known)}",
                mend=suggest(key, known),
            )
        if not equals or not text.isdecimal():
            raise RequestError(f"--set {setting}: no number", expected=f"such as {key}=100")
        size = replace(size, **{key: int(text)})
    return size
