"""Train, compare, explain and apply deep networks for RNA-protein binding and blood cells.

>>> from ribocyte import Predictor
>>> Predictor.load("runs/residual").predict(["UGCAUGUUUUACGGAGAGCAUGCAUGC"])  # doctest: +SKIP

Nothing heavy is imported until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ribocyte.version import VERSION

if TYPE_CHECKING:
    from ribocyte.applications.adapting import adapt_protein
    from ribocyte.applications.binding import bind
    from ribocyte.applications.hub import from_pretrained, push_to_hub
    from ribocyte.applications.specificity import find_specificity
    from ribocyte.catalog import Predictor, build_network, load_data, read_recipe
    from ribocyte.errors import RibocyteError
    from ribocyte.learn.runs import Run
    from ribocyte.learn.splits import Split, Splits
    from ribocyte.learn.training import fit
    from ribocyte.pipeline import compare, evaluate, train
    from ribocyte.rna.joint.aiming import aim
    from ribocyte.rna.proteins.sequences import read_proteins

__version__ = VERSION

_HOMES = {
    "Predictor": "ribocyte.catalog",
    "RibocyteError": "ribocyte.errors",
    "Run": "ribocyte.learn.runs",
    "Split": "ribocyte.learn.splits",
    "Splits": "ribocyte.learn.splits",
    "adapt_protein": "ribocyte.applications.adapting",
    "aim": "ribocyte.rna.joint.aiming",
    "bind": "ribocyte.applications.binding",
    "build_network": "ribocyte.catalog",
    "compare": "ribocyte.pipeline",
    "evaluate": "ribocyte.pipeline",
    "find_specificity": "ribocyte.applications.specificity",
    "fit": "ribocyte.learn.training",
    "from_pretrained": "ribocyte.applications.hub",
    "load_data": "ribocyte.catalog",
    "push_to_hub": "ribocyte.applications.hub",
    "read_proteins": "ribocyte.rna.proteins.sequences",
    "read_recipe": "ribocyte.catalog",
    "train": "ribocyte.pipeline",
}

__all__ = [
    "Predictor",
    "RibocyteError",
    "Run",
    "Split",
    "Splits",
    "adapt_protein",
    "aim",
    "bind",
    "build_network",
    "compare",
    "evaluate",
    "find_specificity",
    "fit",
    "from_pretrained",
    "load_data",
    "push_to_hub",
    "read_proteins",
    "read_recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
