"""Question 2.3 as a design: one model for many proteins, where there is nothing to measure it on."""

from __future__ import annotations

from ribocyte.assignment.phrases import write_number
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.references import find_published
from ribocyte.documents.document import Section

TOGETHER, ALONE = "MultiRBP", "MultiRBP, one protein at a time"
EXPERIMENTS, CONSTRUCTS = 244, 219
"""RNAcompete experiments of Ray et al. 2013, and the distinct amino-acid sequences among them."""


def answer_many_proteins(why: str = "") -> Answer:
    """Answer question 2.3: a design in our own words, with the literature's figures. Nothing of it is measured here.

    Parameters
    ----------
    why : str
        Why nothing is, as a clause.
    """
    figures = {one.network: one.value for one in find_published("rnacompete", "pearson")}
    together, alone = figures[TOGETHER], figures[ALONE]
    section = Section(
        heading="Many proteins (question 2.3)",
        paragraphs=(
            "This part is a design: none of it was trained for this article, and every figure in it is the "
            f"literature's{f'; {why}' if why else ''}.",
            _describe_data(),
            _describe_architecture(),
            _describe_evaluation(),
            f"A benefit: the proteins teach each other. On the same probes, the same network trained on all "
            f"{EXPERIMENTS} experiments together reached a mean Pearson of {write_number(together, 3)}, and "
            f"{write_number(alone, 3)} trained one at a time ({write_number(together - alone, 3, '+')}) [@karin2021]: "
            "the detectors are shared, and what one experiment is too noisy to show another may. A challenge: the "
            f"proteins are few. {EXPERIMENTS} columns of RNA come with only {CONSTRUCTS} different proteins to learn "
            "the other side from, many of one family and one kind of domain; a model can fit all of them by "
            "recognising the family, and fail on a new one.",
        ),
    )
    headline = "For many proteins at once a two-tower network is designed, but not measured."
    return Answer(section, headline)


def _describe_data() -> str:
    return (
        f"Data and labels. RNAcompete measured the same 241,000 probes in {EXPERIMENTS} experiments [@ray2013], so the "
        "label of a probe becomes a row of intensities, one for each experiment, with gaps where a spot failed. Each "
        "column is transformed on its own, by statistics of its training probes, since an intensity means something "
        "only within its experiment. Each experiment brings the amino-acid sequence of its construct and the kind and "
        "number of its binding domains: an identity alone could never speak of a protein that was not measured."
    )


def _describe_architecture() -> str:
    return (
        "Architecture. The networks above become the tower of the RNA: they read a probe once and give a vector. A "
        "second tower makes a vector of the protein, from a language model of proteins kept fixed or from counts of "
        "short peptides, and attention between the two lets a domain choose among the sites. Their product is the "
        "affinity. With the protein's tower replaced by a table of learned vectors this is the multi-task network with "
        f"{EXPERIMENTS} outputs, which serves known proteins and is the yardstick for the other."
    )


def _describe_evaluation() -> str:
    return (
        "Objective and evaluation. The loss is the masked error averaged within each experiment first, so that none "
        "counts for having fewer gaps, and one that forgives outliers: with 244 outputs log-cosh was found ahead of "
        "squared errors (0.692 against 0.669) [@karin2021]; a term for the order of pairs of probes would "
        "come closer to the metric. Spearman is computed for each protein and reported as mean, median and spread, "
        "never over all pairs at once, where the proteins' levels would pass for skill. Two splits are two questions. "
        "For new RNA, train on Set A, test on Set B. For new proteins, hold out clusters of sequence identity, never "
        f"single experiments: {EXPERIMENTS} experiments hold only {CONSTRUCTS} distinct constructs, and RBFOX1 has "
        "near-identical relatives of fly and worm among them (`RNCMPT00123`, `RNCMPT00017`), from which its "
        "preferences could simply be copied. The yardstick there is the profile of the nearest protein."
    )
