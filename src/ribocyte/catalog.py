"""Everything that can be learned from and everything that can be built, in two tables.

Recipes and saved models are resolved here; what is not in these tables cannot be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ribocyte.cells import augmentation, bloodmnist, images
from ribocyte.cells import networks as cell_networks
from ribocyte.cells.trust import CellTrust
from ribocyte.errors import ModelError, RecipeError, RequestError, suggest
from ribocyte.learn import predictor
from ribocyte.learn.batches import Augment, mix
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.objectives import Classification, Regression
from ribocyte.learn.predictor import Encoding, Trust, read_model, take_trust
from ribocyte.learn.recipe import Recipe, Training, override, parse, read_toml
from ribocyte.learn.space import fit_tuning
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.rna import networks as rna_networks
from ribocyte.rna import rnacompete, transformer
from ribocyte.rna.compendium.config import CompendiumConfig
from ribocyte.rna.compendium.config import load as load_compendium
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint import adapting, bank, film, multi, towers
from ribocyte.rna.joint.trust import UnseenTrust
from ribocyte.rna.trust import RNATrust
from ribocyte.version import VERSION


@dataclass(frozen=True)
class DataKind:
    """A kind of data: how to load it, how its inputs and outputs are written, what is learned from it."""

    domain: str
    config: type
    load: Callable[[Any, Path | None], Splits]
    objective: type
    about: str


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network: its configuration, how it is built for some data, and how its members are prepared.

    To prepare is to work out, once before a training, what lies in the model file afterwards.
    """

    domain: str
    config: type
    build: Callable[[Any, Info], nn.Module]
    about: str
    prepare: Callable[[Sequence[nn.Module], Info], None] | None = None


DATA: dict[str, DataKind] = {
    "rnacompete": DataKind(
        "rna",
        rnacompete.RNAcompeteConfig,
        rnacompete.load,
        Regression,
        "RNAcompete intensities of one or more experiments (Ray et al. 2013)",
    ),
    "compendium": DataKind(
        "rna",
        CompendiumConfig,
        load_compendium,
        Regression,
        "all RNAcompete experiments at once, with their proteins, some of which may be held out",
    ),
    "bloodmnist": DataKind(
        "cells",
        bloodmnist.BloodMNISTConfig,
        bloodmnist.load,
        Classification,
        "BloodMNIST: 17,092 blood cells, 28 px",
    ),
    "cell-folder": DataKind(
        "cells",
        bloodmnist.CellFolderConfig,
        bloodmnist.load_folder,
        Classification,
        "a folder of photographs, CLASS/*.jpg|png|tif",
    ),
}

NETWORKS: dict[str, NetworkKind] = {
    "rna-cnn": NetworkKind(
        "rna",
        rna_networks.CNNConfig,
        lambda config, info: rna_networks.CNN(config, len(info.outputs)),
        "motif detectors and their strongest match (DeepBind)",
    ),
    "rna-bilstm": NetworkKind(
        "rna",
        rna_networks.BiLSTMConfig,
        lambda config, info: rna_networks.BiLSTM(config, len(info.outputs)),
        "motif detectors read by an LSTM from either end",
    ),
    "rna-residual": NetworkKind(
        "rna",
        rna_networks.ResidualConfig,
        lambda config, info: rna_networks.Residual(config, len(info.outputs)),
        "dilated residual convolutions (ResidualBind)",
    ),
    "rna-transformer": NetworkKind(
        "rna",
        transformer.TransformerConfig,
        lambda config, info: transformer.Transformer(config, len(info.outputs)),
        "motif detectors read by self-attention",
    ),
    "rna-multi": NetworkKind(
        "rna", multi.MultiConfig, multi.build, "one trunk for many proteins, an output each (MultiRBP)"
    ),
    "rna-towers": NetworkKind(
        "rna",
        towers.TowersConfig,
        towers.build,
        "RNA and protein read by a tower each, for proteins measured or not",
        bank.prepare,
    ),
    "rna-film": NetworkKind(
        "rna",
        film.FilmConfig,
        film.build,
        "as rna-towers, but each protein conditions what is made of the RNA (FiLM)",
        bank.prepare,
    ),
    "cell-cnn": NetworkKind(
        "cells",
        cell_networks.CellCNNConfig,
        lambda config, info: cell_networks.CellCNN(config, len(info.outputs), info.normalisation["size"]),
        "the assignment's three convolutions, with or without pooling and softmax",
    ),
    "cell-residual": NetworkKind(
        "cells",
        cell_networks.CellResidualConfig,
        lambda config, info: cell_networks.CellResidual(config, len(info.outputs)),
        "a residual network for 28 px",
    ),
}


TRUST: dict[str, type[Trust]] = {"rna": RNATrust, "cells": CellTrust}
"""How far to trust a prediction, for each domain."""


class Predictor(predictor.Predictor):
    """A trained model, loaded from its file and ready for raw inputs: see `ribocyte.learn.predictor.Predictor`."""

    @classmethod
    def load(cls, path: Path | str, device: str = "auto") -> Self:
        """Load a model file, or the model of a run's folder. Nothing in the file is executed.

        Parameters
        ----------
        path : Path or str
            ``model.safetensors``, or a run's folder.
        device : str
            ``auto`` takes a GPU where there is one.

        Raises
        ------
        ModelError
            If the file is damaged, no model of ours, or from a version that knew other kinds.
        """
        path = Path(path)
        card, weights = read_model(path)
        try:
            recipe, info = parse_recipe(card["recipe"], "model"), Info.from_json(card["data"])
            trust = _load_trust(take_trust(weights), card, recipe)
            network = build_network(recipe, info, prepared=False)
            network.load_state_dict(weights)
            encoding = make_encoding(recipe, info)
        except (
            RecipeError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RuntimeError,
            MemoryError,
        ) as error:
            reason = " ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
            found = card.get("version", "unknown")
            other = found != VERSION
            raise ModelError(
                f"{path}: does not fit {'this version' if other else 'its own description'}: {reason[:300]}",
                expected=f"a model of ribocyte {VERSION}, found {found}"
                if other
                else "the file as it was saved",
            ) from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(network, encoding, card, device, trust)

    @property
    def recipe(self) -> Recipe:
        """What the model was trained by."""
        return parse_recipe(self.card["recipe"], "model")

    @property
    def domain(self) -> str:
        """``rna`` or ``cells``."""
        return domain_of(self.recipe)


def shipped_recipe(name: str) -> Path:
    """Find a recipe that comes with the package.

    Parameters
    ----------
    name : str
        Such as ``rna/cnn``, for what is ``recipes/rna/cnn.toml`` in the repository.

    Raises
    ------
    RecipeError
        If there is none of that name.
    """
    here = Path(__file__).parent
    folders = [here / "recipes", here.parents[1] / "recipes"]  # as installed, and in a clone
    for folder in folders:
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = sorted(
        {
            path.relative_to(folder).with_suffix("").as_posix()
            for folder in folders
            for path in folder.rglob("*.toml")
        }
    )
    raise RecipeError(
        f"{name}: no such recipe", expected=f"a file, or one of {', '.join(known)}", mend=suggest(name, known)
    )


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file, with ``key=value`` settings on top.

    What is no file is taken for the name of a recipe that comes with the package, such as ``rna/cnn``.

    Raises
    ------
    RecipeError
        Naming the file, the key, and what was expected.
    """
    path = Path(path)
    if not path.suffix and not path.exists():
        path = shipped_recipe(path.as_posix())
    tables = override(read_toml(path), settings)
    try:
        return parse_recipe(tables, path.stem)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error.problem}", expected=error.expected, mend=error.mend) from error


def parse_recipe(tables: Mapping[str, Any], name: str) -> Recipe:
    """Make a recipe of TOML tables: ``data`` and ``model`` name their kind, the rest may be left out.

    Parameters
    ----------
    tables : mapping
        ``name`` (optional), ``data``, ``model``, ``objective``, ``training`` and ``tuning`` (each optional).
    name : str
        What it is called where it does not say.

    Raises
    ------
    RecipeError
        For anything unknown or impossible.
    """
    known = ("name", "data", "model", "objective", "training", "tuning")
    for key in tables:
        if key not in known:
            raise RecipeError(
                f"{key}: unknown table",
                expected=f"one of {', '.join(known)}",
                mend=suggest(key, known),
            )
    called = tables.get("name", name)
    if not isinstance(called, str) or called != Path(called).name or called in ("", ".", ".."):
        raise RecipeError(f"name = {called!r}", expected="a name that a folder can have")
    data_kind, data_table = _kind(tables, "data", DATA)
    model_kind, model_table = _kind(tables, "model", NETWORKS)
    data, model = DATA[data_kind], NETWORKS[model_kind]
    if data.domain != model.domain:
        fitting = [kind for kind, network in NETWORKS.items() if network.domain == data.domain]
        raise RecipeError(
            f"model.kind = {model_kind!r} does not take {data_kind} data",
            expected=f"one of {', '.join(fitting)}",
        )
    model_config: Any = parse(model.config, model_table, "model")
    objective: Any = parse(data.objective, tables.get("objective", {}), "objective")
    if isinstance(objective, Classification):  # the network's shape decides, whatever was written
        objective = replace(objective, probabilities=getattr(model_config, "softmax", False))
    recipe = Recipe(
        name=called,
        data_kind=data_kind,
        data=parse(data.config, data_table, "data"),
        model_kind=model_kind,
        model=model_config,
        objective=objective,
        training=parse(Training, tables.get("training", {}), "training"),
    )
    return _with_tuning(recipe, tables["tuning"]) if "tuning" in tables else recipe


def domain_of(recipe: Recipe) -> str:
    """Say what a recipe is about: ``rna`` or ``cells``."""
    return NETWORKS[recipe.model_kind].domain


def load_data(recipe: Recipe, root: Path | None = None) -> Splits:
    """Load what a recipe learns from.

    Parameters
    ----------
    recipe : Recipe
        Whose data is wanted.
    root : Path, optional
        A data folder; else the usual search.
    """
    return DATA[recipe.data_kind].load(recipe.data, Path(root) if root is not None else None)


def build_network(recipe: Recipe, info: Info, prepared: bool = True) -> nn.Module:
    """Build a recipe's network with weights that depend on its seed alone.

    The first member of an ensemble begins as the network does that is trained alone. Unless `prepared`, it is of
    use only once weights are loaded into it.
    """
    kind, seed = NETWORKS[recipe.model_kind], recipe.training.seed
    build = partial(adapting.build, kind.build) if adapting.ADAPTED in info.normalisation else kind.build
    members = []
    with torch.random.fork_rng(devices=[]):
        for member in range(recipe.training.members):
            torch.manual_seed(mix(seed, member) if member else mix(seed))
            members.append(build(recipe.model, info))
    if prepared and kind.prepare is not None:
        kind.prepare(members, info)
    return _join(members, recipe)


def make_encoding(recipe: Recipe, info: Info) -> Encoding:
    """Make the encoding of a recipe's inputs and outputs."""
    if domain_of(recipe) == "rna":
        return RNAEncoding.from_info(info)
    return images.CellEncoding.from_info(info, getattr(recipe.model, "softmax", False))


def calibrate_trust(model: Predictor, split: Split) -> Trust:
    """Learn how far to trust a model's predictions, on a split that it was not fitted to: the validation split.

    Raises
    ------
    RequestError
        If the model has a trust in proteins that nobody measured: a split of known ones cannot replace that.
    """
    if isinstance(model.trust, UnseenTrust):
        raise RequestError(
            "model: its trust was learned of proteins held out, which no split of its own data has",
            mend="make it anew with: ribocyte transfer cluster",
        )
    return TRUST[model.domain].calibrate(model, split)


def make_augment(recipe: Recipe) -> Augment | None:
    """Make what changes training batches at random, None where nothing does."""
    if not getattr(recipe.data, "augment", False):
        return None
    return partial(_shifted, shift=recipe.data.shift)


def _join(members: Sequence[nn.Module], recipe: Recipe) -> nn.Module:
    """Make one network of several; a single one stays what it is."""
    if len(members) == 1:
        return members[0]
    objective = recipe.objective
    return Ensemble(members, isinstance(objective, Classification) and not objective.probabilities)


def _load_trust(state: Mapping[str, Tensor], card: Mapping[str, Any], recipe: Recipe) -> Trust | None:
    """Take up the trust of a model file; None where it has none."""
    if "trust" not in card:
        return None
    kind = UnseenTrust if card["trust"].get("kind") == "unseen" else TRUST[domain_of(recipe)]
    return kind.from_state(state, card["trust"])


def _shifted(inputs: Tensor, generator: torch.Generator, shift: int) -> Tensor:
    return augmentation.augment(inputs, generator, shift)


def _with_tuning(recipe: Recipe, table: Mapping[str, Any]) -> Recipe:
    """Add a ``[tuning]`` table to a recipe, once every value of its space has proved to be one of the recipe's."""
    tuning = fit_tuning(
        table, recipe.as_tables(), lambda tables: parse_recipe(tables, recipe.name).as_tables()
    )
    return replace(recipe, tuning=tuning)


def _kind(tables: Mapping[str, Any], part: str, known: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
    """Take the kind out of a recipe's table."""
    table = tables.get(part)
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        raise RecipeError(f"{part}.kind: missing", expected=f"one of {', '.join(known)}")
    kind = table["kind"]
    if kind not in known:
        raise RecipeError(
            f"{part}.kind = {kind!r} is unknown",
            expected=f"one of {', '.join(known)}",
            mend=suggest(kind, known),
        )
    return kind, {key: value for key, value in table.items() if key != "kind"}
