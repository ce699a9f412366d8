"""Search the settings of a recipe on the validation split; the test split is not there while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from ribocyte import catalog
from ribocyte.errors import InterruptedRunError, RecipeError, RunError
from ribocyte.learn.definition import Definition
from ribocyte.learn.hardware import settle_precision
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe, check
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search, TrialProgress, ignore
from ribocyte.learn.space import Tuning
from ribocyte.learn.splits import Splits
from ribocyte.learn.training import Progress, fit, never
from ribocyte.version import VERSION

__all__ = ["Search", "TrialProgress", "chosen_recipe", "tune"]


def tune(
    recipe: Recipe,
    out: Path,
    *,
    data: Path | None = None,
    trials: int | None = None,
    resume: bool = False,
    report: Callable[[TrialProgress], None] = ignore,
    stop: Callable[[], bool] = never,
    checkpoint_seconds: float = 15.0,
) -> Search:
    """Search the best settings of a recipe, as its ``[tuning]`` table says, by the validation split alone.

    Several processes may call this with the same folder and `resume`: each takes the trials that no other has.
    One that ends while others still train gives a search that is not `finished`.

    Parameters
    ----------
    recipe : Recipe
        With a ``[tuning]`` table.
    out : Path
        The search's folder.
    data : Path, optional
        A data folder; else the usual search.
    trials : int, optional
        Another number of trials than the recipe's; a search may be given more of them at any time.
    resume : bool
        Go on with the search in `out`, or begin it if there is none. Killed at any moment and resumed by one
        process, a search on a CPU ends in the same trials, bit for bit.
    report, stop : callable
        Told of the progress after every step of every trial; asked after every step whether to stop.
    checkpoint_seconds : float
        As for `ribocyte.learn.training.fit`.

    Raises
    ------
    RunError
        If the folder exists and `resume` is not set, or holds another search, or anything else.
    RecipeError
        If the recipe has no ``[tuning]`` table, or would score the test split while training.
    DataError
        If the data cannot be had.
    InterruptedRunError
        If `stop` said so; what was done is kept.
    """
    from ribocyte.learn.tuning import run_search

    search, tuning = Search(out), _tuning_of(recipe)
    wanted = tuning.trials if trials is None else trials
    check(1 <= wanted <= 10**5, "trials", wanted, "from 1 to 100,000")
    _refuse_unless_it_goes_on(search, recipe, tuning, resume)
    if search.begun and len(search.trials) >= wanted:
        search.ask_for(wanted)
        search.write_results()
        return search
    splits = catalog.load_data(recipe, data).without_test()
    search = Search.create(search.path, _define(search, recipe, tuning, splits))
    search.ask_for(wanted)
    try:
        run_search(
            search,
            splits,
            partial(_train, checkpoint_seconds=checkpoint_seconds),
            trials=wanted,
            report=report,
            stop=stop,
        )
    except InterruptedRunError as error:
        again = f"ribocyte tune {search.path / 'search.toml'} --out {search.path} --resume"
        raise InterruptedRunError(error.problem, mend=f"go on with: {again}") from error
    return search


def chosen_recipe(search: Search) -> Recipe:
    """Give the recipe of a search with its best settings: what ``best.toml`` holds.

    Raises
    ------
    RunError
        If no trial has run to its end.
    """
    tables = search.tables(search.best)
    return catalog.parse_recipe(tables, tables["name"])


def _tuning_of(recipe: Recipe) -> Tuning:
    """Give a recipe's tuning, or say why it cannot be tuned."""
    if recipe.tuning is None:
        raise RecipeError(
            f"{recipe.name}: has no [tuning] table",
            expected="one with a [tuning.space], such as in the repository's recipes/rna/cnn.toml",
        )
    check(
        not recipe.training.score_test_each_epoch,
        "training.score_test_each_epoch",
        True,
        "false: a search never sees the test split",
    )
    check(
        recipe.training.processes == 1,
        "training.processes",
        recipe.training.processes,
        "1: to search with several processes, give the same command several times",
    )
    return recipe.tuning


def _refuse_unless_it_goes_on(search: Search, recipe: Recipe, tuning: Tuning, resume: bool) -> None:
    """Refuse, before any data is read, what can be refused without it."""
    if not search.begun:
        search.refuse_others()
        return
    if not resume:
        raise RunError(
            f"{search.path}: holds a search already",
            expected="a new folder",
            mend="go on with it with --resume, or choose another with --out",
        )
    known = _definition(recipe, tuning, {}).as_json()
    del known["data"]
    Search.open(search.path).refuse_change(known)


def _define(search: Search, recipe: Recipe, tuning: Tuning, splits: Splits) -> Definition:
    """Say what is searched, with the precision settled: once, by whoever begins."""
    if search.begun:
        recipe = catalog.parse_recipe(search.tables(), recipe.name)
    else:
        network = catalog.build_network(recipe, splits.info)
        encoding, objective = catalog.make_encoding(recipe, splits.info), cast(Objective, recipe.objective)
        settled = settle_precision(recipe.training, network, splits, encoding=encoding, objective=objective)
        recipe = replace(recipe, training=settled)
    info = splits.info
    facts = {"source": info.source, "fingerprint": info.fingerprint, "simulated": info.simulated}
    return _definition(recipe, tuning, facts)


def _definition(recipe: Recipe, tuning: Tuning, data: Mapping[str, Any]) -> Definition:
    return Definition(recipe.as_tables(), tuning, recipe.objective.best, data, VERSION)


def _train(
    tables: Mapping[str, Any],
    splits: Splits,
    run: Run,
    report: Callable[[Progress], None],
    stop: Callable[[], bool],
    *,
    checkpoint_seconds: float,
) -> None:
    """Train a trial."""
    recipe = catalog.parse_recipe(tables, tables["name"])
    fit(
        catalog.build_network(recipe, splits.info),
        splits,
        encoding=catalog.make_encoding(recipe, splits.info),
        objective=cast(Objective, recipe.objective),
        training=recipe.training,
        run=run,
        card={"version": VERSION, "recipe": recipe.as_tables(), "data": splits.info.as_json()},
        augment=catalog.make_augment(recipe),
        report=report,
        stop=stop,
        checkpoint_seconds=checkpoint_seconds,
    )
