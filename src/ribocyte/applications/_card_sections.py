"""The sections of a model card: each takes the subject of the card and tells one thing about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w

from ribocyte.cells.bloodmnist import BLOODMNIST
from ribocyte.documents.document import Section, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.learn import measure
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint.adapting import ADAPTED
from ribocyte.rna.rnacompete import NORM_DATA

if TYPE_CHECKING:
    from ribocyte.applications.card import Subject


@dataclass(frozen=True)
class _Data:
    """What a card says of a kind of data where it was measured."""

    name: str
    citations: str
    licence: str


DATA = {
    "rnacompete": _Data(
        "RNAcompete",
        "Cite the measurements as [@ray2013].",
        f"No licence of the measurements is recorded here; the published table is `{NORM_DATA.url}`.",
    ),
    "compendium": _Data(
        "the RNAcompete compendium",
        "Cite the measurements as [@ray2013].",
        f"No licence of the measurements is recorded here; the published table is `{NORM_DATA.url}`.",
    ),
    "bloodmnist": _Data(
        "BloodMNIST",
        "Cite the data as [@yang2023] and the photographs as [@acevedo2020].",
        f"The data: {BLOODMNIST.about}.",
    ),
    "cell-folder": _Data(
        "a folder of photographs",
        "Whose photographs they are, this model does not know.",
        "Under which licence they may be used, this model does not know.",
    ),
}
"""What a card says of each kind of data; `tests/applications/test_card.py` holds it to the catalog."""
PROTOCOLS = {
    "strict": "The protocol `strict` takes every statistic from the training rows and keeps repeats of a probe on "
    "one side, so test scores are those of probes the model knew nothing of.",
    "assignment": "The protocol `assignment` scales the test probes by their own statistics, and repeats of a probe "
    "can lie in training and validation: scores compare only with those made the same way, and validation is "
    "not of unseen probes alone.",
    "official": "The splits are those of the file.",
    "stratified": "The splits were drawn from each class: cells of one person or slide can lie in all three.",
}
METRICS = {
    "spearman": "Spearman correlation",
    "pearson": "Pearson correlation",
    "mse": "mean squared error",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro-averaged AUROC",
}
TRUST = {
    "rna": "Of the intervals, `level` is the share of measurements they are meant to hold, `coverage` the share they "
    "held, with the ends of its 95 % interval; `coverage of highest` is that of the tenth of the probes predicted "
    "highest; `width` is their mean width in z-scores; `unbounded` the share without ends.",
    "cells": "Of the sets of classes, `level` is the share of cells whose class they are meant to hold, `coverage` the "
    "share they held, with the ends of its 95 % interval; `coverage of worst` is that of the worst class. "
    "`calibration error` is how far probabilities lie from the share of right answers, on average; `nll` the mean "
    "-log of the probability of the right class; `before`: without the temperature. `called unlike` is the share of "
    "test cells that were marked by mistake, and each `auroc` the chance that a picture made unlike a cell looks "
    "stranger than a cell: noise, cells packed as in a tissue, the negative, a blurred cell.",
}
"""What the names in the table about trust mean."""
SHOWN = 12
"""Outputs that a sentence lists by name; of more it gives the number."""


def title(subject: Subject) -> str:
    """Say in a line what is predicted; plain text."""
    names = [subject.proteins.get(name, name) for name in subject.model.info.outputs]
    if subject.model.domain == "cells":
        return f"{len(names)} kinds of blood cell"
    return f"RNA bound by {', '.join(names) if len(names) <= 3 else f'{len(names)} proteins'}"


def abstract(subject: Subject) -> str:
    """Say what the model is."""
    model = subject.model
    what = {
        "rna": "how strongly a protein binds an RNA, from its sequence",
        "cells": "which kind of blood cell a photograph shows",
    }[model.domain]
    members = model.recipe.training.members
    made = f"{'an ensemble of ' + str(members) + ' networks' if members > 1 else 'a network'} of the kind"
    size = f"{measure.parameters(model.network):,} parameters"
    return (
        f"Predicts {what}. It is {made} {as_code(model.recipe.model_kind)} ({size}), trained with ribocyte "
        f"{model.card.get('version', 'of an unknown version')} on {_data_of(subject)}."
    )


def use(subject: Subject, repo: str) -> Section:
    """Show how to use it."""
    load = (
        ("from ribocyte import from_pretrained", f'model = from_pretrained("{repo}")')
        if repo
        else ("from ribocyte import Predictor", 'model = Predictor.load("model.safetensors")')
    )
    given = {"rna": "AGAUUGCAUGUAAGGCUUACGAUUCGAUCA", "cells": "cell.jpg"}[subject.model.domain]
    installing = "pip install 'ribocyte[hub]'" if repo else "pip install ribocyte"
    return Section(
        "Use",
        (f"After {as_code(installing)}, in Python:",),
        commands=(*load, f'print(model.predict(["{given}"]))'),
    )


def outputs(subject: Subject) -> Section:
    """Say what the numbers mean."""
    model = subject.model
    names = model.info.outputs
    told = tuple(_doubt(subject))
    if model.domain == "cells":
        listed = ", ".join(map(as_code, names))
        meaning = f"The probability of each of {len(names)} classes: {listed}."
        return Section("What it predicts", (meaning, *told))
    meaning = (
        "For each experiment the z-score of its log intensity: 0 is the mean of the training probes, 1 is one "
        "standard deviation above it."
    )
    if isinstance(model.encoding, RNAEncoding) and model.encoding.shift:
        meaning += " The columns `NAME_intensity` hold the same on the scale of the array."
    if len(names) > SHOWN:
        return Section(
            "What it predicts", (meaning, f"It has {len(names)} outputs, an experiment each.", *told)
        )
    rows = tuple((as_code(name), as_code(subject.proteins.get(name, "")) or "not recorded") for name in names)
    table = TableBlock(("experiment", "protein"), rows, "The outputs, in their order.")
    return Section("What it predicts", (meaning, *told), tables=(table,))


def scores(subject: Subject) -> Section:
    """Say how good it is, or that nobody knows."""
    if subject.scores is None:
        text = "This model came without scores on test data; where it is part of a study, the study has them."
        return Section("Scores", (text,))
    facts, info = subject.scores, subject.model.info
    rows = tuple((METRICS.get(name, name), *_with_interval(score)) for name, score in facts["test"].items())
    caption = (
        f"The test split, {facts['rows'].get('test', 0):,} rows of {_data_of(subject)}, protocol "
        f"{as_code(info.protocol)}. Intervals: 95 %, from a bootstrap over the rows."
    )
    table = TableBlock(("metric", "value", "95 % interval"), rows, caption)
    texts = (
        "The epoch was chosen on the validation split, never on the test split.",
        PROTOCOLS.get(info.protocol, f"The protocol is {as_code(info.protocol)}."),
    )
    trust = tuple(_trust(subject))
    told = (TRUST[subject.model.domain],) if trust else ()
    return Section("Scores", (*texts, *told), tables=(table, *trust))


def limits(subject: Subject) -> Section:
    """Say what it is for and where it ends."""
    tell = {"rna": _limits_of_rna, "cells": _limits_of_cells}[subject.model.domain]
    return Section("Intended use and limits", tuple(tell(subject)))


def adaptation(subject: Subject) -> Iterator[Section]:
    """Say what a joint model was adapted to, where it was."""
    told = subject.model.info.normalisation.get(ADAPTED)
    if told is None:
        return
    facts = {
        "measured RNAs": f"{told['rnas']:,}",
        "scale": told["scale"],
        "share of the prediction from the protein's sequence"
        if told["sequence"]
        else "share of the mean over the known proteins": f"{told['share']:.2f}",
        "known proteins that count most": ", ".join(
            as_code(voice["gene"] or voice["protein"]) for voice in told["voices"][:5]
        ),
    }
    for name, score in told["scores"].items():
        value, bounds = _with_interval(score)
        facts[METRICS.get(name, name)] = f"{value} ({bounds})"
    text = (
        "A joint network of many proteins was adapted to measurements of one. The network stayed as it was; fitted is "
        "how much what it says of the known proteins, and finds in the RNA, counts."
    )
    judged = (
        "The correlations are those of the measured RNAs, each predicted without it; with 95 % intervals from a "
        "bootstrap over them."
        if told["scores"]
        else "With so few RNAs it was not measured how good it is."
    )
    yield Section("Adaptation", (text, judged), tables=(_table(facts, "What it was adapted to."),))


def data(subject: Subject) -> Section:
    """Say what it learned from."""
    info = subject.model.info
    facts = {
        "kind": DATA[info.kind].name,
        "file or folder": as_code(info.source),
        "simulated": "yes: the numbers come from a simulator, not from a measurement"
        if info.simulated
        else "no",
        "protocol": as_code(info.protocol),
        "fingerprint (SHA-256)": as_code(info.fingerprint),
    }
    if subject.scores is not None:
        counts = ", ".join(f"{name} {count:,}" for name, count in subject.scores["rows"].items())
        facts["rows"] = counts
    return Section("Data", tables=(_table(facts, "What it learned from."),))


def training(subject: Subject) -> Section:
    """Say how it was made: the recipe, and what that cost."""
    recipe, best = subject.model.recipe, subject.model.card.get("best", {})
    facts = {"seed": str(recipe.training.seed)}
    if recipe.training.members > 1:
        facts["networks trained together"] = str(recipe.training.members)
    if best.keys() >= {"epoch", "metric", "value"}:
        metric = METRICS.get(best["metric"], best["metric"])
        facts["epoch taken"] = f"{best['epoch']}, by {metric} on validation: {_number(best['value'])}"
    if subject.scores is not None:
        facts |= _costs(subject.scores)
    text = (
        "The recipe, complete: training it again on the same data, machine and libraries gives the same run."
    )
    return Section(
        "Training",
        (text,),
        commands=tuple(tomli_w.dumps(recipe.as_tables()).splitlines()),
        tables=(_table(facts, "How it was trained."),),
    )


def sources(subject: Subject, licence: str) -> Section:
    """Say whose data it is, and under which licences."""
    info = subject.model.info
    about = DATA[info.kind]
    weights = (
        f"The weights: {as_code(licence)}."
        if licence
        else "No licence was named for the weights of this model."
    )
    simulated = ("The data are simulated; there is no measurement to cite.",)
    texts = simulated if info.simulated else (about.citations, about.licence)
    return Section("Sources and licences", (*texts, weights))


def _limits_of_rna(subject: Subject) -> Iterator[str]:
    model, info = subject.model, subject.model.info
    names = ", ".join(as_code(subject.proteins.get(name, name)) for name in info.outputs[:SHOWN])
    listed = names if len(info.outputs) <= SHOWN else f"{len(info.outputs)} proteins"
    if info.simulated:
        yield (
            "It learned from a simulator. It is good for trying methods and software, and says nothing about "
            "any real protein."
        )
    else:
        yield (
            f"It is for ranking RNAs, sites and variants by how strongly {listed} would bind them in vitro, as "
            "a hypothesis to test. It knows nothing of other proteins, and is not for clinical decisions."
        )
        yield (
            "RNAcompete measures a protein and a pool of short designed RNAs in vitro [@ray2013]: partners, "
            "competitors, expression and the structure of long RNAs in a cell are not in the numbers. They are "
            "relative to the other probes of the array, no dissociation constants."
        )
    if isinstance(model.encoding, RNAEncoding):
        yield (
            f"It reads {model.encoding.length} nt at a time. Of a longer RNA, windows that begin every "
            f"{model.encoding.stride} nt are read and the strongest counts: sites further apart than a window are "
            "never weighed together."
        )


def _limits_of_cells(subject: Subject) -> Iterator[str]:
    info = subject.model.info
    how = info.normalisation
    if info.simulated:
        yield (
            "It learned from drawn pictures. It is good for trying methods and software, and says nothing about "
            "real cells."
        )
    else:
        yield (
            "It is for sorting photographs of single blood cells in research and teaching, beside a person who "
            "looks at the doubtful ones. It is no medical device and not for diagnosis."
        )
    yield (
        f"It sees {how['size']} × {how['size']} px, made from the central {how['crop']} × {how['crop']} px of a "
        "photograph: the cell must be in the middle, and what is finer than that is not seen."
    )
    yield f"It knows its {len(info.outputs)} classes and names one of them whatever a picture shows."
    if info.kind == "bloodmnist" and not info.simulated:
        yield (
            "The photographs are of normal cells, stained and taken in one laboratory with one instrument "
            "[@acevedo2020]: other stains, cameras and diseases were never seen."
        )


def _doubt(subject: Subject) -> Iterator[str]:
    """Say which columns tell how far to trust a prediction, where the model was calibrated for that."""
    trust = subject.model.trust
    if trust is None:
        return
    level = f"{100 * trust.facts()['level']:.4g} %"
    if subject.model.domain == "rna":
        yield f"Between the columns `NAME_low` and `NAME_high`, {level} of the measurements of probes are expected."
        if subject.model.recipe.training.members > 1:
            yield "The column `NAME_spread` is the standard deviation over the networks of the ensemble."
    else:
        yield (
            f"The column `set` lists the classes that hold the right one for {level} of cells like those it knows; "
            "`unlike` marks pictures unlike all of those, of which nothing is promised."
        )


def _trust(subject: Subject) -> Iterator[TableBlock]:
    """Lay out how well the model knows its own doubt, where that was measured."""
    measured = (subject.scores or {}).get("trust")
    if measured:
        facts = {
            name.replace("_", " "): "undefined" if value is None else f"{value:.4g}"
            for name, value in measured.items()
        }
        yield _table(facts, "How far the stated doubt can be trusted, measured on the test split.")


def _costs(facts: Any) -> dict[str, str]:
    cost = facts["cost"]
    return {
        "epochs": str(facts["epochs"]),
        "time": f"{cost['seconds']:,.0f} s",
        "device": f"{cost['device']}; CPU threads: {cost['threads']}",
        "precision": cost["precision"],
        "multiply-adds an example": f"{cost['multiply_adds']:,}",
    }


def _table(facts: dict[str, str], caption: str) -> TableBlock:
    return TableBlock(("fact", "value"), tuple(facts.items()), caption)


def _with_interval(score: Any) -> tuple[str, str]:
    low, high = score.get("low"), score.get("high")
    bounds = "not known" if low is None or high is None else f"{low:.4f} to {high:.4f}"
    return _number(score.get("value")), bounds


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _data_of(subject: Subject) -> str:
    info = subject.model.info
    return f"{DATA[info.kind].name}{' (simulated)' if info.simulated else ''}"
