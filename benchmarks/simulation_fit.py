"""How well the simulated array resembles the measured one: what the docstring of `rna/compendium/array.py` rests on.

    python benchmarks/simulation_fit.py [--data DIR] [--refit] [--recipe RECIPE] [--set KEY=VALUE ...]

Takes the measured experiment of A1CF (RNCMPT00001) and its measured motif from the data folder, simulates the same
probes, and prints quantiles of both and what a fresh network of one recipe reaches on each, trained alike. With
``--refit`` the conditions are fitted anew (a minute), else the background is fitted and the conditions are those kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ribocyte import catalog
from ribocyte.files import locate
from ribocyte.learn import evaluation
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.learn.training import fit
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.compendium.array import A1CF, add_noise, ceiling, expect, sum_sites
from ribocyte.rna.compendium.fitting import QUANTILES, Fit, describe, fit_background, fit_experiment
from ribocyte.rna.compendium.simulation import MOTIFS
from ribocyte.rna.motifs import Motif, read_hmot
from ribocyte.rna.protocols import scale_experiment, split_rows
from ribocyte.rna.rnacompete import find_table
from ribocyte.rna.table import FIRST_ROW, read_table

EXPERIMENT = "RNCMPT00001"
SPEARMAN, PEARSON = 0.70, 0.725
"""What the ceiling was fitted to; see `fit_experiment`."""


def simulate(data: Path | None, refit: bool) -> tuple[Any, Fit]:
    """Give the measured table, and the simulation of its probes."""
    table = read_table(find_table(data), [EXPERIMENT])
    intensities = table[EXPERIMENT].to_numpy()
    known = ~np.isnan(intensities)
    table = table.filter(known)
    measured, rna = intensities[known], tokens(table["RNA_Seq"].to_list(), 41)
    motif = Motif.from_pwm(EXPERIMENT, read_hmot(locate(MOTIFS, data))[EXPERIMENT])
    if refit:
        return table, fit_experiment(rna, measured, motif, SPEARMAN, PEARSON)
    bound = sum_sites(rna, motif) * motif.kd
    background, signal = expect(bound, fit_background(rna, measured, bound), A1CF)
    made = add_noise(background, signal, A1CF, np.random.default_rng(0).standard_normal((3, len(bound))))
    agreement = ceiling(background + signal, made)
    return table, Fit(A1CF, np.quantile(measured, QUANTILES), np.quantile(made, QUANTILES), agreement, made)


def train(table: Any, intensities: Any, recipe: Any) -> dict[str, float]:
    """Train the recipe's network on some intensities of the table's probes; its scores on Set B."""
    first_row = table[FIRST_ROW].to_numpy().astype(np.int64)
    rows = split_rows("strict", (table["Probe_Set"] == "SetB").to_numpy(), first_row, 0.2)
    scaled, _ = scale_experiment("strict", intensities, rows)
    inputs, names = tokens(table["RNA_Seq"].to_list(), 41), table["Probe_ID"].to_numpy().astype(np.str_)
    parts = {
        name: Split(inputs[part], torch.from_numpy(scaled[name])[:, None], names[part])
        for name, part in rows.items()
    }
    info = Info("rnacompete", "fit", "", "strict", (EXPERIMENT,), {"length": 41})
    splits = Splits(parts["train"], parts["val"], parts["test"], info).stamped()
    with tempfile.TemporaryDirectory() as folder:
        model = fit(
            catalog.build_network(recipe, info),
            splits,
            encoding=catalog.make_encoding(recipe, info),
            objective=recipe.objective,
            training=recipe.training,
            run=Run.create(Path(folder) / "run", recipe.as_tables()),
            card={"data": info.as_json()},
        )
    scores = evaluation.evaluate(recipe.objective, model.outputs(splits.test.inputs), splits.test)
    return {name: score.value for name, score in scores.items()}


def main() -> None:
    """Simulate, train twice, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--recipe", type=Path, default=Path("rna/cnn"))
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    recipe = catalog.read_recipe(asked.recipe, asked.settings)
    table, made = simulate(asked.data, asked.refit)
    sys.stdout.write(describe(made) + "\n\n")
    for name, values in (("measured", table[EXPERIMENT].to_numpy()), ("simulated", made.intensities)):
        scores = train(table, values, recipe)
        told = ", ".join(f"{metric} {value:.3f}" for metric, value in scores.items())
        sys.stdout.write(f"a fresh network, trained and tested on the {name}: {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
