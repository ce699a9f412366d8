from __future__ import annotations

import re

from ribocyte.assignment.references import CELL_NETWORKS, PUBLISHED, find_published
from ribocyte.documents.document import Document, number_document
from ribocyte.literature import LITERATURE


def test_every_work_can_be_cited_and_is_described() -> None:
    keys = [reference.key for reference in LITERATURE]
    assert len(set(keys)) == len(keys)
    for reference in LITERATURE:
        assert reference.key.endswith(reference.year)
        assert reference.key[:-4] in reference.authors.lower()
        assert not reference.title.endswith(".")
        assert not reference.doi or re.fullmatch(r"10\.\d{4,}/\S+", reference.doi)
    numbered = number_document(Document("t", abstract=f"[@{'; @'.join(keys)}]", references=LITERATURE))
    assert numbered.cited == LITERATURE


def test_every_published_figure_has_a_source_and_says_why_it_does_not_compare() -> None:
    known = {reference.key for reference in LITERATURE}
    for one in PUBLISHED:
        assert one.source
        assert one.key in known or (not one.key and ("/" in one.source or "public report" in one.source))
        assert one.comparable or one.why
        assert 0 < one.value < 1
    facts = [(one.task, one.source, one.network, one.metric) for one in PUBLISHED]
    assert len(set(facts)) == len(facts)


def test_four_groups_published_all_four_cell_networks() -> None:
    by_source: dict[str, list[str]] = {}
    for one in find_published("bloodmnist", "accuracy"):
        by_source.setdefault(one.source, []).append(one.network)
    assert sum(tuple(networks) == CELL_NETWORKS for networks in by_source.values()) == 4


def test_what_is_best_in_the_literature() -> None:
    best = max(find_published("rnacompete"), key=lambda one: one.value)
    assert (best.network, best.value, best.comparable) == ("MultiRBP", 0.693, False)
    spearman = max(find_published("rbfox1", "spearman"), key=lambda one: one.value)
    assert (spearman.network, spearman.value, spearman.comparable) == ("BiLSTM", 0.681, True)
