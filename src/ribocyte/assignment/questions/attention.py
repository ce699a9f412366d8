"""Question 2.2: attention added to a network that had none, its heads, and what it attends to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ribocyte.assignment.phrases import count_things, join_words, write_short
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.claims import (
    SPEARMAN,
    Claim,
    Expectation,
    Measure,
    capitalise,
    describe_seeds,
    expect,
    tell,
)
from ribocyte.assignment.questions.facts import any_simulated, refer, show_figures
from ribocyte.assignment.questions.networks import name_network
from ribocyte.assignment.questions.published import tabulate_published_probes
from ribocyte.assignment.questions.tables import tabulate_groups
from ribocyte.documents.document import Section, TableBlock
from ribocyte.learn.evaluation import Difference
from ribocyte.learn.runs import Run
from ribocyte.pipeline import compare_groups, score_group
from ribocyte.rna.attention_profile import AttentionProfile

EXPECTED = {
    ("rna-bilstm", "self"): Expectation(
        "self-attention over the states of the BiLSTM",
        "no difference",
        "the recurrence already carries to each position what stands at the others, and the three published groups who "
        "added attention to a BiLSTM moved by −0.008, −0.002 and +0.004",
    ),
    ("rna-bilstm", "pool"): Expectation(
        "attention pooling in the place of the maximum and the mean",
        "no difference",
        "the states at any one position sum up both sides of it already",
    ),
    ("rna-cnn", "self"): Expectation(
        "self-attention over the detections of the CNN",
        "better",
        "a filter sees a dozen nucleotides, and attention lets it count what was detected elsewhere on the probe",
    ),
    ("rna-cnn", "pool"): Expectation(
        "attention pooling in the place of the maximum",
        "worse",
        "an average, however weighted, blurs the best match, and the one published group who tried fell from 0.612 to "
        "0.588",
    ),
}
"""What each kind of attention was expected to do to the test Spearman of each kind of network."""
HEADS = Expectation(
    "dividing the same width among more heads",
    "no difference",
    "a probe of 41 nt with one short site holds little that one head could not look for",
)
ATTENDS = Expectation(
    "the real k-mer in the place of a shuffled one",
    "better",
    "a network that uses its attention would look where the protein binds",
)
ATTENTION_ON_SITE = Measure("the attention on it", 1.0, 2, " times uniform", "", 0.05)
AGREED = 0.05
"""Share of the probes that the commonest k-mer holds at least, for the k-mers to say where the protein binds."""

_KINDS = {
    "self": (
        "Multi-head self-attention (`self`) [@vaswani2017] lets every position gather from all others, weighted by how "
        "their contents match; what is pooled afterwards is pooled as before."
    ),
    "pool": (
        "Attention pooling (`pool`) [@bahdanau2015] replaces the pooling itself: a learned query weighs the positions, "
        "once a head, and their weighted means go on."
    ),
}
_BESIDES = {
    "rna-cnn": (
        "More than attention changes in the CNN with it: normalisation and ReLU act at every position before the "
        "attention, no longer on the maximum alone, and padding takes part in the statistics of the normalisation."
    ),
    "rna-bilstm": "Before its attention the BiLSTM stays as it is: attention is all that changes.",
}
"""What attention changes of a network besides."""
_CAPTIONS = {
    "losses": (
        "Loss on the training and the validation split without attention and with each kind of it, epoch by epoch, on "
        "shared axes: mean and range over the seeds."
    ),
    "effects": (
        "What attention changes in test Spearman, by kind and number of heads, with 95 % intervals over seeds and "
        "probes. A filled marker is an interval that leaves zero out."
    ),
    "profile": (
        "Attention around the strongest k-mer of a test probe, relative to uniform attention, with 95 % intervals; "
        "beside it the same probes with their positions shuffled."
    ),
}
_RESULTS = (
    "Attention by kind and number of heads on the test probes (Set B): means over the seeds, 95 % intervals over seeds "
    "and probes, the difference paired. All have the same width, which the heads divide among them."
)


def answer_attention(
    groups: Mapping[str, Sequence[Run]], profile: AttentionProfile | None, figures: Mapping[str, Path]
) -> Answer:
    """Answer question 2.2.

    Parameters
    ----------
    groups : mapping of str to sequence of Run
        Finished runs at one seed or more each: ``none`` without attention, and ``KIND-HEADS`` such as ``self-4`` or
        ``pool-1``.
    profile : AttentionProfile or None
        What one of them attends to; None where that was not looked at, and the text says how it is done.
    figures : mapping of str to Path
        SVG files, those there are of ``losses``, ``effects`` (`learn.plots.plot_effects`) and ``profile``.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same probes.
    """
    base = str(groups["none"][0].recipe["model"]["kind"])
    variants = {name: runs for name, runs in groups.items() if name != "none"}
    claims = {name: _compare(base, name, groups) for name in variants}
    chosen, heads = choose_variants(variants), _compare_heads(variants)
    simulated = any_simulated(run for runs in groups.values() for run in runs)
    shown = {name: said for name, said in _CAPTIONS.items() if name != "profile" or profile is not None}
    tables = _tabulate(base, {"none": groups["none"], **variants}, claims, chosen)
    others = " [#attention-published] gives what others reached." if len(tables) > 1 else ""
    section = Section(
        heading="Attention (question 2.2)",
        paragraphs=(
            _describe_choice(base, variants),
            f"{expect([EXPECTED[base, kind] for kind in chosen], SPEARMAN)} {HEADS.sentence(SPEARMAN)}",
            f"{_describe_result(claims, chosen, heads, figures)}{others}",
            describe_profile(profile, figures, best_variant(variants)),
        ),
        tables=tables,
        figures=show_figures(figures, shown, "attention", simulated),
        simulated=simulated,
    )
    found = [claims[name] for name in chosen.values()]
    said = tell(found)
    headline = f"{capitalise(join_words(said, 'and'))}." if said else ""
    looked = [claim_attention(profile)] if profile is not None else []
    lesson = _draw_lesson(base, {kind: claims[name] for kind, name in chosen.items()})
    untold = tuple(claim for claim in found if not claim.told)
    return Answer(section, headline, (*found, *heads, *looked), lesson, untold)


def choose_variants(variants: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Name the variant of each kind of attention with the best mean validation score; the test has no say in it.

    Returns
    -------
    dict of str to str
        Kind of attention to variant, such as ``self`` to ``self-4``.
    """
    chosen: dict[str, str] = {}
    for name, runs in variants.items():
        kind = name.partition("-")[0]
        if kind not in chosen or validation_score(runs) > validation_score(variants[chosen[kind]]):
            chosen[kind] = name
    return chosen


def best_variant(variants: Mapping[str, Sequence[Run]]) -> str:
    """Name the variant with the best mean validation score of all: the one whose attention is looked at."""
    return max(variants, key=lambda name: validation_score(variants[name]))


def validation_score(runs: Sequence[Run]) -> float:
    """Give the mean of the best validation scores; a run that has none is below all others."""
    values = [run.scores["best"]["value"] for run in runs]
    return -math.inf if any(v is None or math.isnan(v) for v in values) else sum(values) / len(values)


def name_variant(variant: str) -> str:
    """Call a variant by what it is: ``self-4`` is ``self, 4 heads``."""
    kind, _, heads = variant.partition("-")
    return f"{kind}, {count_things(heads, 'head')}" if heads else "no attention"


def claim_attention(profile: AttentionProfile) -> Claim:
    """Set the attention on a real k-mer against that on a shuffled one."""
    enrichment = profile.enrichment
    gain = enrichment.difference
    difference = Difference(
        enrichment.shuffled.value, enrichment.real.value, gain.value, gain.low, gain.high, ""
    )
    return Claim(ATTENDS, difference, ATTENTION_ON_SITE)


def describe_profile(profile: AttentionProfile | None, figures: Mapping[str, Path], variant: str) -> str:
    """Say whether the attention of a variant looks at the strongest k-mers; or how one finds out."""
    if profile is None:
        return (
            "What the attention attends to was not looked at here; `ribocyte reproduce --question 2.2` does it in the "
            "same folder."
        )
    commonest, count = max(profile.kmers.items(), key=lambda pair: pair[1])
    said = [
        f"What does {_write_variant(variant)}, the best by validation, attend to? In {profile.probes:,} test probes we "
        f"took the {profile.k}-mer with the highest score on the training probes (most often `{commonest}`, in "
        f"{count:,} of them), and compared the attention on it with the attention at the same place of the same probe "
        "shuffled.",
        claim_attention(profile).sentence(),
        _describe_look(profile, count),
        _describe_heads(profile),
        "One training was looked at, that of the first seed, and the interval covers the probes alone.",
        refer(figures, "profile", "attention", "it by position"),
    ]
    return " ".join(filter(None, said))


def _describe_look(profile: AttentionProfile, count: int) -> str:
    """Say where attention looks; of binding only where many probes share the commonest k-mer."""
    lesson = claim_attention(profile).lesson
    if count >= AGREED * profile.probes:
        return {
            "better": "The attention looks where the protein binds.",
            "worse": "The attention looks away from where the protein binds.",
            "no difference": "That the attention looks where the protein binds is not shown.",
        }[lesson]
    looks = {
        "better": "The attention gathers on that k-mer.",
        "worse": "The attention keeps off that k-mer.",
        "no difference": "That the attention gathers on that k-mer is not shown.",
    }[lesson]
    return f"{looks} The k-mers agree too little to stand for the protein's site."


def _describe_heads(profile: AttentionProfile) -> str:
    """Say how far the heads differ, where there are several."""
    if len(profile.heads) < 2:
        return ""
    found = sorted(head.real.value for head in profile.heads)
    return f"Its heads differ: from {found[0]:.2f} to {found[-1]:.2f} times uniform on it."


def _compare(base: str, variant: str, groups: Mapping[str, Sequence[Run]]) -> Claim:
    """Compare a variant with the network without attention."""
    kind, _, heads = variant.partition("-")
    expectation = EXPECTED[base, kind]
    subject = f"{expectation.subject} ({count_things(heads, 'head')})"
    plain, runs = groups["none"], groups[variant]
    return Claim(
        replace(expectation, subject=subject),
        compare_groups(plain, runs)["spearman"],
        SPEARMAN,
        min(len(plain), len(runs)),
    )


def _compare_heads(variants: Mapping[str, Sequence[Run]]) -> list[Claim]:
    """Compare the most heads with the fewest, of each kind of attention."""
    claims = []
    for kind in dict.fromkeys(name.partition("-")[0] for name in variants):
        numbers = sorted(int(name.partition("-")[2]) for name in variants if name.startswith(f"{kind}-"))
        if len(numbers) < 2:
            continue
        few, many = (variants[f"{kind}-{number}"] for number in (numbers[0], numbers[-1]))
        subject = f"taking {numbers[-1]} heads in the place of {numbers[0]} (`{kind}`)"
        difference = compare_groups(few, many)["spearman"]
        claims.append(Claim(replace(HEADS, subject=subject), difference, SPEARMAN, min(len(few), len(many))))
    return claims


def _describe_choice(base: str, variants: Mapping[str, Sequence[Run]]) -> str:
    """Say which attention is tried on which network, with how many heads, and why."""
    kinds = dict.fromkeys(name.partition("-")[0] for name in variants)
    heads = {
        kind: [name.partition("-")[2] for name in variants if name.startswith(f"{kind}-")] for kind in kinds
    }
    counts = [f"{count_things(join_words(heads[kind], 'and'), 'head')} of `{kind}`" for kind in kinds]
    return (
        f"Attention is added to the {name_network(base)} with the settings that the search of question 2.1 chose for "
        f"it, without attention; they were not tuned again. {' '.join(_KINDS[kind] for kind in kinds)} "
        f"{_BESIDES[base]} We tried {join_words(counts, 'and')}. {_compare_sizes(variants)} Padding is masked out of "
        "every attention."
    )


def _write_variant(variant: str) -> str:
    kind, _, heads = variant.partition("-")
    return f"`{kind}` with {count_things(heads, 'head')}"


def _compare_sizes(variants: Mapping[str, Sequence[Run]]) -> str:
    """Say whether more heads are more parameters: at equal width they should hardly be."""
    sizes: dict[str, set[int]] = {}
    for name, runs in variants.items():
        sizes.setdefault(name.partition("-")[0], set()).add(int(runs[0].scores["cost"]["parameters"]))
    divided = "The heads divide the width of the network among them"
    spread = max(max(counts) / min(counts) for counts in sizes.values()) - 1
    if spread == 0:
        return f"{divided} and the parameters stay as many, so that more heads change the division alone."
    return f"{divided}; what each needs for itself makes up to {write_short(100 * spread)} % more parameters."


def _describe_result(
    claims: Mapping[str, Claim],
    chosen: Mapping[str, str],
    heads: Sequence[Claim],
    figures: Mapping[str, Path],
) -> str:
    """Say what attention changed, by kind, for the number of heads that validation chose; then what heads change."""
    said = [
        f"By validation we take {join_words([_write_variant(name) for name in chosen.values()], 'and')}.",
        *(claims[name].sentence() for name in chosen.values()),
        refer(figures, "losses", "attention", "the losses with and without attention"),
        f"All variants are in [#attention-results]. {refer(figures, 'effects', 'attention', 'the differences')}",
        *(claim.sentence() for claim in heads),
        describe_seeds([*claims.values(), *heads], "probes"),
    ]
    if (count := len(claims) + len(heads)) > 2:
        said.append(
            f"With {count} intervals side by side, one may leave zero out by chance: each does once in twenty."
        )
    return " ".join(filter(None, said))


def _tabulate(
    base: str,
    groups: Mapping[str, Sequence[Run]],
    claims: Mapping[str, Claim],
    chosen: Mapping[str, str],
) -> tuple[TableBlock, ...]:
    """Lay out all variants; and ours beside the published ones, where the same was tried."""
    called = {name_variant(key): runs for key, runs in groups.items()}
    scores = {name: score_group(runs) for name, runs in called.items()}
    differences = {name_variant(key): claim for key, claim in claims.items()}
    results = tabulate_groups(called, scores, differences, _RESULTS, "attention-results")
    if not (published := _find_published(base, chosen)):
        return (results,)
    attentive, variant = published
    plain = name_network(base)
    ours = {
        plain: scores["no attention"]["spearman"],
        attentive: scores[name_variant(variant)]["spearman"],
    }
    return results, tabulate_published_probes(called, ours, (plain, attentive), "attention-published")


def _find_published(base: str, chosen: Mapping[str, str]) -> tuple[str, str] | None:
    """Say what others called what we tried, and which variant it is; None where nobody published it."""
    if base == "rna-bilstm":
        return "BiLSTM + attention", chosen.get("self", next(iter(chosen.values())))
    return ("CNN + attention pooling", chosen["pool"]) if base == "rna-cnn" and "pool" in chosen else None


def _draw_lesson(base: str, claims: Mapping[str, Claim]) -> str:
    """Say whether one would add attention, and which."""
    called = {"self": "self-attention", "pool": "attention pooling"}
    earned = [called[kind] for kind, claim in claims.items() if claim.lesson == "better"]
    if earned:
        return f"{capitalise(join_words(earned, 'and'))} earned a place in the {name_network(base)}."
    if all(claim.lesson == "worse" for claim in claims.values()):
        return f"The {name_network(base)} is better off without attention."
    return f"That the {name_network(base)} needs attention is not shown."
