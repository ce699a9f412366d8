from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typst
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from pypdf import PdfReader
from specimen import draw, make_document, make_table, read_content

from ribocyte.documents._typst import PREAMBLE, escape_text
from ribocyte.documents.article import (
    PAGE_LIMIT,
    compile_article,
    render_typst,
    write_article,
)
from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.text import clean
from ribocyte.errors import DataError, DiskError, WorkError
from ribocyte.learn import plots

FONTS = typst.Fonts(include_system_fonts=False)
WORDS = "Pooling saves time, and what it costs in accuracy is told by the paired bootstrap. " * 4


@pytest.fixture(scope="module")
def svg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("figures") / "losses.svg")


def read(pdf: Path) -> list[str]:
    """Give the text of each page, hyphens and lines undone."""
    pages = [page.extract_text() for page in PdfReader(pdf).pages]
    return [" ".join(text.replace("\u200b", "").replace("\xa0", " ").split()) for text in pages]


def ask(source: str, selector: str, field: str | None = None) -> list[Any]:
    """Have Typst look for something in a source."""
    compiler = typst.Compiler(source.encode(), font_paths=FONTS, ignore_system_fonts=True)
    found: list[Any] = json.loads(compiler.query(selector, field))
    return found


def set_text(markup: str) -> str:
    """Have Typst read markup; give the text it saw."""
    (content,) = ask(f"#[{markup}] <it>", "<it>")
    content.pop("label", None)
    return "".join(read_content(content))


SPECIAL = st.lists(
    st.sampled_from([*"\\#$*_`@<>[]{}()~=+-/'\".:;,!?%&|^ 0129aZ\n", "http://", "//", "/*", "...", "--"])
).map("".join)


@settings(max_examples=150)
@given(st.one_of(SPECIAL, st.text()))
@example("1. = + - / * [x]#y http://a.b/c?d#e -? --- ... 95 % 12-3 -4 $x$ @y <z> ~ `")
@example("1.")
@example("x" * 90)
def test_any_text_comes_out_as_itself(text: str) -> None:
    text = clean(text)
    shown = set_text(escape_text(text)).replace("\u200b", "").replace("\xa0", " ")
    assert shown == text.replace("\u200b", "").replace("\xa0", " ")


@settings(max_examples=40)
@given(st.one_of(SPECIAL, st.text()))
@example("`a`.b `c`(d) `e`[f] `g`;")
def test_any_text_compiles_wherever_it_stands(text: str) -> None:
    table = TableBlock((text, "n"), ((text, "1"),), text)
    section = Section(text, (text, text), tables=(table,), commands=(text,))
    document = Document(text, (text,), text, text, (section,), appendix=(section,))
    source = render_typst(document).encode()
    pdf = typst.compile(source, font_paths=FONTS, ignore_system_fonts=True)
    assert len(PdfReader(io.BytesIO(pdf)).pages) >= 2


def test_everything_is_on_its_page(svg: Path, tmp_path: Path) -> None:
    pages = write_article(make_document(svg), tmp_path / "report.pdf")
    body, appendix = read(tmp_path / "report.pdf")
    assert (pages.body, pages.appendix, pages.excess) == (1, 1, "")
    assert 0.2 < pages.filled < 0.8
    for said in (
        "Which network?",
        "Ada Lovelace, Grace Hopper",
        "Group 7",
        "Abstract. What was found.",
        "1 What was done",
        "1.1 A detail",
        "2 What remains",
        "trained [1, 2], as Figure 1 shows",
        "Table 1 says more [2].",
        "Figure 1. Loss, epoch by epoch.",
        "Table 1. Test scores.",
        "residual 0.694 better",
        "[1] Koo PK. Global importance analysis. PLoS Comput Biol 17:e1008925, 2021.",
        "[2] Ray D, et al. A compendium of motifs. Nature 499:172–177, 2013. doi:10.1038/nature12311",
        "ribocyte demo --out out",
    ):
        assert said in body, said
    assert "Efron" not in body
    assert "SIMULATED" not in body
    for said in ("Appendix", "A Recipes", "Table A1. Test scores.", "epochs = 3"):
        assert said in appendix, said


def test_the_pdf_knows_title_and_authors_and_no_date(svg: Path, tmp_path: Path) -> None:
    write_article(make_document(svg), tmp_path / "report.pdf")
    facts = PdfReader(tmp_path / "report.pdf").metadata
    assert facts is not None
    assert facts.title == "Which network?"
    assert facts.author == "Ada Lovelace, Grace Hopper"
    assert facts.creation_date is None


def test_the_same_document_gives_the_same_bytes(svg: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_article(make_document(svg), tmp_path / name / "report.pdf")
    one, two = ((tmp_path / name / "report.pdf").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_simulation_is_stamped_everywhere(svg: Path, tmp_path: Path) -> None:
    write_article(make_document(svg, simulated=True), tmp_path / "report.pdf")
    for page in read(tmp_path / "report.pdf"):
        assert "SIMULATED every number, table and figure comes from simulation" in page
        assert page.count("Test scores. SIMULATED") == 1
    assert "Which network? SIMULATED" in read(tmp_path / "report.pdf")[0]


def test_parts_that_are_simulated_are_stamped(tmp_path: Path) -> None:
    sections = (Section("Real", tables=(make_table("a"),)), Section("Not", tables=(make_table("b", True),)))
    write_article(Document("Mixed", sections=sections), tmp_path / "report.pdf")
    (page,) = read(tmp_path / "report.pdf")
    assert "SIMULATED what is marked so comes from simulation" in page
    assert page.count("Test scores. SIMULATED") == 1


def test_the_source_compiles_again_where_it_is_taken(svg: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "here" / "my report.pdf"
    write_article(make_document(svg), pdf)
    (tmp_path / "here").rename(tmp_path / "there")
    source = tmp_path / "there" / "my report.typ"
    again, _ = compile_article(source)
    assert again == (tmp_path / "there" / "my report.pdf").read_bytes()
    figure = tmp_path / "there" / "my report-figures" / "curves.svg"
    assert figure.read_bytes() == svg.read_bytes()
    source.write_text(source.read_text().replace("Nothing.", "Everything."))
    edited, _ = compile_article(source)
    assert edited != again


def test_a_figure_is_shown_whole_where_the_page_is_short(tmp_path: Path) -> None:
    corners = {"#ff0000": (0, 0), "#00ff00": (180, 0), "#0000ff": (0, 280), "#ff00ff": (180, 280)}
    squares = "".join(
        f'<rect x="{x}" y="{y}" width="20" height="20" fill="{c}"/>' for c, (x, y) in corners.items()
    )
    box = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 300">'
    (tmp_path / "tall.svg").write_text(f"{box}{squares}</svg>")
    source = tmp_path / "short.typ"
    source.write_text(
        f"{PREAMBLE}\n#set page(width: 220pt, height: 120pt, margin: 5pt)\n"
        '#drawing("tall.svg", "Figure 1", [Tall.], width: 100%, float: false)'
    )
    drawn = typst.compile(source, format="png", ppi=72, font_paths=FONTS, ignore_system_fonts=True)
    pages = drawn if isinstance(drawn, list) else [drawn]
    pixels = np.concatenate([imread(io.BytesIO(page))[..., :3].reshape(-1, 3) for page in pages])
    seen = {tuple(pixel) for pixel in np.rint(255 * pixels).astype(int).tolist()}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in corners} <= seen
    assert 'fit: "contain"' in PREAMBLE


def test_a_source_that_typst_refuses_is_named(svg: Path, tmp_path: Path) -> None:
    source = tmp_path / "report.typ"
    source.write_text("#let")
    with pytest.raises(WorkError, match=r"report\.typ: Typst cannot set it"):
        compile_article(source)


def test_pages_are_counted_and_what_is_too_much_is_told(tmp_path: Path) -> None:
    long = Document("Long", sections=tuple(Section(f"Part {i}", (WORDS,) * 8) for i in range(20)))
    pages = write_article(long, tmp_path / "long.pdf")
    count = len(PdfReader(tmp_path / "long.pdf").pages)
    assert (pages.body, pages.appendix) == (count, 0)
    assert count > PAGE_LIMIT
    assert pages.body - 1 < pages.filled <= pages.body
    assert pages.excess == f"{pages.filled - PAGE_LIMIT:.1f} pages more than the 6 allowed"


def test_the_appendix_is_outside_the_limit(tmp_path: Path) -> None:
    long = tuple(Section(f"Part {i}", (WORDS,) * 8) for i in range(12))
    pages = write_article(Document("t", sections=long[:1], appendix=long), tmp_path / "long.pdf")
    assert (pages.body, pages.excess) == (1, "")
    assert pages.appendix == len(PdfReader(tmp_path / "long.pdf").pages) - 1


def test_a_heading_is_never_the_last_line_of_a_column(tmp_path: Path) -> None:
    seen = set()
    for lead in range(30, 75, 3):
        sections = (Section("First", (" ".join(["word"] * lead),) * 12), Section("Orphan", (WORDS,)))
        source = render_typst(Document("t", sections=sections))
        place = "#context [#metadata(here().position()) <place>]"
        source = source.replace("= Orphan", f"= Orphan {place}").replace("\nPooling", f"\n{place}Pooling")
        heading, text = ask(source, "<place>", "value")
        columns = [float(at["x"].removesuffix("pt")) > 250 for at in (heading, text)]
        assert heading["page"] == text["page"]
        assert columns[0] == columns[1]
        seen.add((heading["page"], columns[0]))
    assert len(seen) > 1


def test_what_is_wide_spans_both_columns(tmp_path: Path) -> None:
    page_wide = draw(tmp_path / "wide.svg", plots.PAGE)
    figures = (
        FigureBlock(page_wide, "Drawn wide.", label="drawn"),
        FigureBlock(draw(tmp_path / "narrow.svg"), "Narrow.", label="narrow"),
        FigureBlock(draw(tmp_path / "narrow.svg"), "Asked for.", label="asked", wide=True),
    )
    source = render_typst(Document("t", sections=(Section("s", (WORDS,), figures),)))
    drawn, narrow, asked = (part.split("\n)")[0] for part in source.split("#drawing(")[1:])
    assert "wide: true" in drawn
    assert "wide: false" in narrow
    assert "wide: true" in asked


def test_a_figure_stands_after_the_paragraph_that_names_it(svg: Path) -> None:
    section = Section(
        "s",
        ("First.", "Now [#b].", "Then [#a]."),
        (FigureBlock(svg, "A.", label="a"), FigureBlock(svg, "B.", label="b")),
    )
    source = render_typst(Document("t", sections=(section,)))
    order = [
        source.index(said)
        for said in ("First.", "Now #see", '"figures/b.svg"', "Then #see", '"figures/a.svg"')
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("columns", [2, 5, 9, 14])
def test_a_table_stays_within_its_column(columns: int, tmp_path: Path) -> None:
    header = ("network", *(f"test score {i}, %" for i in range(1, columns)))
    rows = tuple((f"network-{i}-with-a-long-name", *["93.4"] * (columns - 1)) for i in range(4))
    source = render_typst(
        Document("t", sections=(Section("s", (WORDS,), tables=(TableBlock(header, rows, "c"),)),))
    )
    probe = "align(center, table("
    note = "place(context [#metadata((widths.sum() + gap * (head.len() - 1), room.width).map(x => x / 1pt)) <fits>])\n"
    found = ask(source.replace(probe, note + probe), "<fits>", "value")
    assert found
    assert all(taken <= room + 0.01 for taken, room in found)


def test_a_long_table_goes_on_over_the_page(tmp_path: Path) -> None:
    rows = tuple((f"row {i}", str(i)) for i in range(150))
    for wide in (False, True):
        table = TableBlock(("name", "n"), rows, "Long.", wide=wide)
        write_article(
            Document("t", sections=(Section("s", (WORDS,), tables=(table,)),)), tmp_path / "long.pdf"
        )
        text = " ".join(read(tmp_path / "long.pdf"))
        assert all(f"row {i} {i}" in text for i in range(150))


def test_figures_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    broken = tmp_path / "broken.svg"
    broken.write_text("<svg")
    document = Document("t", sections=(Section("s", figures=(FigureBlock(broken, ""),)),))
    with pytest.raises(DataError, match=r"broken\.svg: not an SVG figure"):
        write_article(document, tmp_path / "out" / "report.pdf")
    section = Section("s", figures=(FigureBlock(tmp_path / "gone.svg", ""),))
    with pytest.raises(DataError, match=r"gone\.svg: figure cannot be read"):
        write_article(replace(document, sections=(section,)), tmp_path / "out" / "report.pdf")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_named(svg: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="file"):
        write_article(make_document(svg), tmp_path / "file" / "report.pdf")
