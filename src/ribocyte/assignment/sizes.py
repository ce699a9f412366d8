"""How much a study trains: minutes, an evening, or the assignment's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ribocyte.cells.smear import SmearConfig
from ribocyte.learn.recipe import check
from ribocyte.rna.assay import AssayConfig
from ribocyte.transfer import study as transfer


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Parameters
    ----------
    cell_epochs : int
        Of each network of question 1. The assignment: 200.
    rna_epochs : int
        Of each network of question 2; 0 takes what its recipe says.
    trials : int
        Of each search; the further networks have two thirds of it.
    seeds : int
        Trainings of each chosen configuration.
    smear, assay
        The data drawn where the study is a simulation.
    many : transfer.Size
        Of question 2.3, where it can be measured.
    array : int
        Probes of question 2.3's array, where its measurements are simulated; 0 is all.
    """

    cell_epochs: int
    rna_epochs: int
    trials: int
    seeds: int
    smear: SmearConfig = field(default_factory=SmearConfig)
    assay: AssayConfig = field(default_factory=AssayConfig)
    many: transfer.Size = field(default_factory=transfer.Size)
    array: int = 36_000

    def __post_init__(self) -> None:
        check(self.cell_epochs >= 1, "study.cell_epochs", self.cell_epochs, "1 or more")
        check(
            self.rna_epochs >= 0, "study.rna_epochs", self.rna_epochs, "1 or more, or 0 for the recipes' own"
        )
        check(self.trials >= 2, "study.trials", self.trials, "2 or more")
        check(self.seeds >= 1, "study.seeds", self.seeds, "1 or more")
        check(self.array == 0 or self.array >= 1000, "study.array", self.array, "1000 or more, or 0 for all")


_MANY_QUICK = transfer.Size(
    probes=4800,
    test=2000,
    epochs=20,
    detectors=32,
    hidden=256,
    members=1,
    folds=3,
    singles=10,
    single_epochs=10,
)
SIZES: Mapping[str, Size] = {
    "quick": Size(
        6,
        5,
        5,
        3,
        SmearConfig(train=768, val=160, test=480),
        AssayConfig(k=6, copies=24),
        _MANY_QUICK,
        array=12_000,
    ),
    "standard": Size(20, 18, 10, 3),
    "full": Size(200, 0, 60, 5, many=replace(transfer.SIZES["full"], singles=60), array=0),
}
"""``quick`` takes minutes; ``standard`` an evening on two cores; ``full`` is the assignment's own and wants a GPU."""
