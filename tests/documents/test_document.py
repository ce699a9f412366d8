from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimen import KOO, RAY, draw, make_document, make_table

from ribocyte.documents.document import (
    Document,
    FigureBlock,
    Section,
    TableBlock,
    is_simulated,
    number_document,
)
from ribocyte.documents.text import (
    BlockReference,
    Citation,
    Code,
    Words,
    as_code,
    as_words,
    clean,
    parse_text,
)


def test_text_is_taken_apart() -> None:
    assert parse_text("See `a [@b]` in [#curves]  [@x2; @y-3].") == (
        Words("See "),
        Code("a [@b]"),
        Words(" in "),
        BlockReference("curves"),
        Words(" "),
        Citation(("x2", "y-3")),
        Words("."),
    )


@pytest.mark.parametrize("text", ["[@]", "[#]", "[# a]", "[1]", "``", "`", "[@a, b]", "a@b"])
def test_what_only_looks_like_a_mark_is_text(text: str) -> None:
    assert parse_text(text) == (Words(text),)


@given(st.text())
def test_any_text_becomes_one_line_that_loses_nothing_that_can_be_seen(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert "\n" not in once
    seen = [letter for letter in text if letter.isprintable() and not letter.isspace()]
    assert [letter for letter in once if letter.isprintable() and not letter.isspace()] == seen


@given(st.text(min_size=1))
def test_any_name_can_be_set_as_code(name: str) -> None:
    spans = parse_text(as_code(name))
    assert all(isinstance(span, Code) for span in spans) or not clean(name)
    assert as_words(as_code(name)) == clean(f"`{name}`".replace("`", "'"))[1:-1] or not clean(name)


def test_blocks_are_numbered_by_kind_and_those_of_the_appendix_apart(tmp_path: Path) -> None:
    svg = tmp_path / "x.svg"
    parts = Section("In", tables=(make_table("second"),), figures=(FigureBlock(svg, "", label="drawn"),))
    document = Document(
        "t",
        sections=(Section("Out", tables=(make_table("first"),), subsections=(parts,)),),
        appendix=(Section("End", tables=(make_table("last"),)),),
    )
    assert number_document(document).names == {
        "first": "Table 1",
        "second": "Table 2",
        "drawn": "Figure 1",
        "last": "Table A1",
    }


def test_only_what_is_cited_is_listed_in_order_of_citation(tmp_path: Path) -> None:
    numbered = number_document(make_document(tmp_path / "x.svg"))
    assert numbered.cited == (KOO, RAY)
    assert numbered.numbers_of(Citation(("ray2013", "koo2021"))) == (1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[#curve]", r"\[#curve\]: no figure or table has this label; did you mean curves\?"),
        ("[@ray2031]", r"\[@ray2031\]: not among the references; did you mean ray2013\?"),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error(text: str, says: str, tmp_path: Path) -> None:
    blocks = (FigureBlock(tmp_path / "x.svg", "", label="curves"),)
    for section in (
        Section("s", (text,), blocks),
        Section(text, figures=blocks),
        Section("s", figures=blocks, tables=(TableBlock(("a",), ((text,),), ""),)),
    ):
        with pytest.raises(ValueError, match=says):
            number_document(Document("t", sections=(section,), references=(RAY,)))


def test_a_title_cites_nothing() -> None:
    assert number_document(Document("[@nobody] and [#nothing]", ("[@nobody]",))).cited == ()


def test_labels_are_simple_and_unique(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'Two words': a label is made of"):
        FigureBlock(tmp_path / "x.svg", "", label="Two words")
    twice = Section("s", tables=(make_table("a"), make_table("a")))
    with pytest.raises(ValueError, match="'a': two figures or tables have this label"):
        number_document(Document("t", sections=(twice,)))


def test_sections_nest_two_levels_deep() -> None:
    with pytest.raises(ValueError, match="two levels"):
        Section("1", subsections=(Section("2", subsections=(Section("3"),)),))


def test_columns_of_numbers_are_known() -> None:
    rows = (("1", "−0.3 to +0.2", "—", "2 of 3", "no"), ("2", "95.2 %", "0.1", "≈ 4", "1"))
    assert TableBlock(("a", "b", "c", "d", "e"), rows, "").numeric == (False, True, True, True, False)


def test_what_is_simulated_is_found_however_deep(tmp_path: Path) -> None:
    inner = Section("in", tables=(make_table(simulated=True),))
    assert is_simulated(Section("out", subsections=(inner,)))
    assert not is_simulated(Section("out", figures=(FigureBlock(draw(tmp_path / "x.svg"), ""),)))
    assert Document("t", appendix=(inner,)).simulated_in_part
