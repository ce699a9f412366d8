"""A simulated compendium: the real array and the real motifs, with background and noise as measured of A1CF.

**Everything here is a simulation**, and says so as `ribocyte.rna.assay` does: Probe_IDs and experiments begin with
``SIM_``, and ``compendium.json`` records every parameter.

`ribocyte.rna.compendium.array` has the formula. The potential of the background is a sum over the probe's trimers and
a little of its length. Each protein has its own, since the published normalisation takes away what probes have in
common: it subtracts each probe's median over the experiments, and divides by its median absolute deviation. A part
of it, 0.38 of A1CF's by correlation, is the motif's own affinity for the trimer; the rest is a fixed random turn of
that, so that **proteins of like motifs have like backgrounds**, and the others do not. That it is so is an
assumption: one measured protein cannot tell.

RNA folding, several proteins on a probe, and whatever a position weight matrix cannot say are left out, so real data
are harder in kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from ribocyte.files import Source, new_folder
from ribocyte.learn.recipe import check
from ribocyte.rna.alphabet import LETTERS, tokens
from ribocyte.rna.assay import STAMP
from ribocyte.rna.compendium.array import (
    A1CF,
    TRIMERS,
    Column,
    Conditions,
    add_noise,
    ceiling,
    count_trimers,
    expect,
    standardise,
    sum_sites,
    trimer_affinity,
)
from ribocyte.rna.compendium.store import Compendium
from ribocyte.rna.compendium.writing import LENGTH, Report, Rounding, write_facts, write_probes
from ribocyte.rna.motifs import Motif
from ribocyte.rna.table import PROBE_COLUMNS, check_probes, stream_table

DESIGN = Source(
    name="rnacompete/array_design.tsv.gz",
    url="",
    about="the 241,399 probes of the RNAcompete array and their sets (morrislab/RNAcompete, MIT)",
    alternatives=("rnacompete/array_design.tsv",),
)
MOTIFS = Source(
    name="rnacompete/pwms.hmot",
    url="https://raw.githubusercontent.com/morrislab/RBPbinding/"
    "8166dad7b0ee404a8b4d2ec557e2d6a358319394/Outdir/Zscores_420_origrncmpt_pwm.hmot",
    about="measured motifs of 420 RNAcompete experiments (morrislab/RBPbinding, BSD-3)",
)
LENGTH_EFFECT = 0.2
"""Standard deviations of the potential for one of the probes' length, as fitted to A1CF."""
_COLUMNS = 16
# Experiments written together.
_FARTHEST = 4.0
# Standard deviations of a potential.
_STRANGEST = 2.5
# Standard deviations of a draw: one protein in a hundred would be stranger.
_LOGARITHMIC = 1 / 3
# Spread of the noise, which is an exponent, as a part of that of the floor.


@dataclass(frozen=True)
class SimulationConfig:
    """How experiments differ, around the conditions of one that was measured.

    Each protein draws its own conditions: the median times ``exp(spread · normal)``. Level and spread of the noise
    are such that the ceilings lie where the published scores do: over 244 experiments the best network reaches a
    Pearson of 0.69 on average and 0.76 in the median on clipped intensities (MultiRBP, Karin et al. 2021, table S3),
    what is expected here has 0.72 and 0.73 with what is measured.

    Parameters
    ----------
    conditions : Conditions
        Those of the experiment that was fitted.
    level : float
        Median of noise, floor and scatter, in units of that experiment's.
    strength : float
        Spread of contrast and, independently, of concentration.
    noise : float
        Spread of the floor. The noise varies with it, with a third of its spread; the scatter does not: a spot that
        shines a thousand times too strong has failed.
    background : float
        Spread of the background.
    resemblance : float
        Correlation of a background with the motif's own affinity for trimers.
    failed : float
        Fraction of spots that failed, which are NaN; 4 of 60,004 did of A1CF.
    seed : int
        The one source of randomness.
    """

    conditions: Conditions = A1CF
    level: float = 0.75
    strength: float = 1.0
    noise: float = 1.2
    background: float = 0.3
    resemblance: float = 0.38
    failed: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("strength", "noise", "background"):
            check(
                0 <= getattr(self, name) < 5, f"simulation.{name}", getattr(self, name), "from 0 to below 5"
            )
        check(0 < self.level < 100, "simulation.level", self.level, "above 0")
        check(-1 <= self.resemblance <= 1, "simulation.resemblance", self.resemblance, "from -1 to 1")
        check(0 <= self.failed < 1, "simulation.failed", self.failed, "from 0 to below 1")
        check(0 <= self.seed < 2**32, "simulation.seed", self.seed, "from 0 to 4294967295")


def read_design(path: Path) -> pl.DataFrame:
    """Read the probes of an array from a table that has them: `DESIGN`, or one of intensities.

    Returns
    -------
    DataFrame
        As `ribocyte.rna.table.check_probes` gives it.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    return check_probes(path, pl.concat(stream_table(path, [])).select(PROBE_COLUMNS))


def simulate(
    directory: Path,
    design: pl.DataFrame,
    motifs: Sequence[Motif],
    config: SimulationConfig | None = None,
    report: Report | None = None,
) -> Compendium:
    """Simulate an experiment for each motif on one array, some at a time, into a folder.

    Parameters
    ----------
    directory : Path
        A new or empty folder; it appears whole, or not at all.
    design : DataFrame
        The probes, as `read_design` gives them.
    motifs : sequence of Motif
        What the proteins bind; named as their experiments are (``RNCMPT00001``).
    config : SimulationConfig, optional
        How; the defaults where not given.
    report : callable, optional
        Called with (experiments so far, experiments in all).

    Returns
    -------
    Compendium
        Its facts hold, for each experiment, the conditions drawn, and the ``ceiling``: how well even the true
        expectation agrees with the noisy intensities (see `ceiling`). Judge networks against that.

    Raises
    ------
    RecipeError
        If there is no motif, or two have one name.
    DataError, DiskError
        If the folder holds something, or cannot be written.
    """
    config = config or SimulationConfig()
    names = [motif.name for motif in motifs]
    check(bool(names) and len(set(names)) == len(names), "motifs", names, "one or more, with different names")
    stamped = design.with_columns((pl.lit(STAMP) + pl.col("Probe_ID")).alias("Probe_ID"))
    with new_folder(directory) as folder:
        write_probes(folder, stamped, directory)
        array = SimulatedArray(tokens(design["RNA_Seq"].to_list(), LENGTH), config)
        kept = np.lib.format.open_memmap(
            folder / "intensities.npy", mode="w+", dtype=np.float16, shape=(design.height, len(motifs))
        )
        rounding, records = Rounding("float16"), []
        for start in range(0, len(motifs), _COLUMNS):
            block = motifs[start : start + _COLUMNS]
            columns = []
            for number, motif in enumerate(block, start):
                intensities, record = array.measure(motif, number)
                columns.append(intensities)
                records.append(record)
                if report is not None:
                    report(number + 1, len(motifs))
            kept[:, start : start + len(block)] = rounding.round(np.stack(columns, axis=1), str(directory))
        kept.flush()
        write_facts(
            folder,
            {
                "what": "SIMULATED by ribocyte.rna.compendium: not a measurement",
                "source": directory.name,
                "simulated": True,
                "experiments": [STAMP + name for name in names],
                "precision": rounding.describe(),
                "simulation": asdict(config),
                "drawn": records,
            },
        )
    return Compendium.open(directory)


class SimulatedArray:
    """Probes on which experiments are simulated: what they have in common is worked out once.

    Parameters
    ----------
    rna : Tensor, uint8, shape (N, L)
        The probes' tokens.
    config : SimulationConfig
        How experiments differ.
    """

    def __init__(self, rna: Tensor, config: SimulationConfig) -> None:
        self.rna, self.config = rna, config
        self.trimers = count_trimers(rna)
        self.lengths = (rna.numpy() < len(LETTERS)).sum(axis=1).astype(np.float64)
        # The same for all proteins, so that like motifs are turned into like backgrounds.
        normal = np.random.default_rng([config.seed, 2]).standard_normal((TRIMERS, TRIMERS))
        self.turn = np.linalg.qr(normal)[0]

    def measure(self, motif: Motif, number: int) -> tuple[Column, dict[str, Any]]:
        """Simulate one experiment.

        Parameters
        ----------
        motif : Motif
            What is bound.
        number : int
            Which experiment: each draws its own conditions and noise.

        Returns
        -------
        intensities : numpy array, float64, shape (N,)
            Around 0 and a long tail to the right; NaN where the spot failed.
        record : dict of JSON values
            Experiment, conditions, ceiling, and the motif's source.
        """
        generator = np.random.default_rng([self.config.seed, 1, number])
        conditions = draw_conditions(self.config, generator)
        bound = sum_sites(self.rna, motif) * motif.kd
        background, signal = expect(bound, self.potential(motif), conditions)
        normal = generator.standard_normal((3, len(bound)))
        intensities = add_noise(background, signal, conditions, normal)
        agreement = ceiling(background + signal, intensities)
        intensities[generator.random(len(bound)) < self.config.failed] = np.nan
        record = {
            "experiment": STAMP + motif.name,
            "motif": motif.source,
            "conditions": asdict(conditions),
            "ceiling": agreement,
        }
        return intensities, record

    def potential(self, motif: Motif) -> Column:
        """Give the logarithm of a protein's background at each probe, of mean 0 and standard deviation 1.

        Probes of one letter repeated would lie ten deviations out, where nothing was measured: 4 is the most.
        """
        own = trimer_affinity(motif)
        resemblance = self.config.resemblance
        weights = resemblance * own + np.sqrt(1 - resemblance**2) * (self.turn @ own)
        potential = standardise(self.trimers @ weights.astype(np.float32)) + LENGTH_EFFECT * standardise(
            self.lengths
        )
        return standardise(potential).clip(-_FARTHEST, _FARTHEST)


def draw_conditions(config: SimulationConfig, generator: np.random.Generator) -> Conditions:
    """Draw one experiment's conditions."""
    spreads = (config.background, config.strength, config.strength, config.noise)
    background, contrast, concentration, noise = np.exp(
        generator.standard_normal(4).clip(-_STRANGEST, _STRANGEST) * spreads
    )
    median = config.conditions
    return Conditions(
        background=float(median.background * background),
        contrast=float(median.contrast * contrast),
        concentration=float(median.concentration * concentration),
        scatter=median.scatter * config.level,
        noise=float(median.noise * config.level * noise**_LOGARITHMIC),
        floor=float(median.floor * config.level * noise),
    )
