from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimen import make_document

from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError
from ribocyte.learn import plots

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and insists that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


@pytest.fixture(scope="module")
def svg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures") / "losses.svg"
    epochs = np.arange(1, 6)
    history = pl.DataFrame({"epoch": epochs, "train_loss": 1 / epochs, "val_loss": 1.2 / epochs})
    plots.save_figure(plots.plot_losses({"CNN": history}), path)
    return path


def table(simulated: bool = False) -> TableBlock:
    rows = (("CNN", "0.638", "good"), ("residual", "0.694 ± 0.002", "better"))
    return TableBlock(("network", "Spearman", "verdict"), rows, "Test scores.", simulated)


def page(svg: Path, simulated: bool = False, part: bool = False) -> Document:
    figures = (FigureBlock(svg, "First.", part), FigureBlock(svg, "Second.", part, "Two falling curves"))
    section = Section("Networks", ("Trained.",), figures, (table(part),))
    return Document(
        "A title",
        abstract="What was found.",
        sections=(section, Section("Next", commands=("ribocyte demo",))),
        footer="Made.",
        simulated=simulated,
    )


def test_a_page_is_well_formed_and_tells_its_parts(svg: Path) -> None:
    read = Reader(render_page(page(svg)))
    assert read.all("html")[0]["lang"] == "en"
    assert [len(read.all(tag)) for tag in ("h1", "h2", "main", "footer", "figure", "figcaption")] == [
        1,
        2,
        1,
        1,
        2,
        2,
    ]
    for said in (
        "A title",
        "What was found.",
        "Figure 1. First.",
        "Figure 2. Second.",
        "Table 1. Test scores.",
    ):
        assert said in read.text
    assert "ribocyte demo" in read.text


def test_a_page_needs_nothing_but_itself(svg: Path) -> None:
    html = render_page(page(svg))
    assert not re.search(r"<script|<link|<iframe|@import|javascript:", html)
    for _, attributes in Reader(html).elements:
        for key, value in attributes.items():
            if key in ("src", "href", "xlink:href", "srcset", "data"):
                assert value is not None
                assert value.startswith("#")
    assert not re.search(r"url\((?!#)", html)


def test_figures_side_by_side_do_not_share_ids_and_refer_to_their_own(svg: Path) -> None:
    read = Reader(render_page(page(svg)))
    ids = [value for _, attributes in read.elements if (value := attributes.get("id"))]
    assert len(ids) == len(set(ids))
    referred = [a["href"] for a in read.all("use") if a["href"]]
    clips = re.findall(r"url\(#([^)]+)\)", str(read.elements))
    assert referred
    assert clips
    assert {*(reference[1:] for reference in referred), *clips} <= set(ids)
    for attributes in read.all("div"):
        assert {label for label in (attributes.get("aria-labelledby"),) if label} <= set(ids)


def test_styles_of_a_figure_stay_inside_it(svg: Path) -> None:
    assert "*{" in svg.read_text()
    assert re.search(r"#figure-1 \*\{", render_page(page(svg)))


def test_figures_are_named_for_those_who_cannot_see_them(svg: Path) -> None:
    first, second = Reader(render_page(page(svg))).all("svg")
    assert (first["role"], first["aria-label"]) == ("img", "Figure 1. First.")
    assert second["aria-label"] == "Figure 2. Two falling curves"


def test_tables_have_headers_and_numbers_flush_right(svg: Path) -> None:
    read = Reader(render_page(page(svg)))
    assert [th["scope"] for th in read.all("th")] == ["col"] * 3 + ["row"] * 2
    assert [td.get("class") for td in read.all("td")] == ["number", None] * 2


def test_only_wide_tables_reach_beyond_the_text() -> None:
    blocks = [TableBlock(("a", "b"), (("x", "1"),), "Said.", wide=wide) for wide in (False, True)]
    read = Reader(render_page(Document("t", sections=(Section("s", tables=tuple(blocks)),))))
    assert [div["class"] for div in read.all("div")] == ["table", "table wide"]


def test_a_real_page_never_says_simulated(svg: Path) -> None:
    read = Reader(render_page(page(svg)))
    assert "SIMULATED" not in read.text
    assert "SIMULATED" not in str(read.elements)


def test_a_simulated_page_says_so_in_title_banner_and_everywhere(svg: Path) -> None:
    read = Reader(render_page(page(svg, simulated=True)))
    assert read.text.startswith("SIMULATED · A title")
    assert "SIMULATED Every number, table and figure on this page comes from simulation" in read.text
    for marked in ("What was found.", "Networks", "First.", "Second.", "Test scores.", "CNN", "residual"):
        assert f"{marked} SIMULATED" in read.text
    assert all("SIMULATED" in str(figure["aria-label"]) for figure in read.all("svg"))
    assert "Next SIMULATED" not in read.text


def test_a_mixed_page_marks_what_is_simulated(svg: Path) -> None:
    sections = (Section("Real", tables=(table(),)), Section("Not", tables=(table(True),)))
    mixed = Document("Mixed", abstract="Both.", sections=sections)
    read = Reader(render_page(mixed))
    assert "Parts of this page come from simulation" in read.text
    assert read.text.count("Test scores. SIMULATED") == 1
    assert read.text.count("CNN SIMULATED") == 1
    assert "Real SIMULATED" not in read.text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    section = Section(text, (text,), tables=(TableBlock((text,), ((text,),), text),))
    read = Reader(render_page(Document(text, (text,), text, text, (section,), footer=text)))
    shown = " ".join(text.split())
    assert " ".join(re.sub("`", "", shown).split()) in " ".join(re.sub("`", "", read.text).split())
    assert {tag for tag, _ in read.elements} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "header",
            "footer",
            "section",
            "h1",
            "h2",
        ),
        *("br", "p", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "b", "code"),
    }


def test_backticks_make_code_and_escape_it() -> None:
    html = render_page(Document("t", abstract="Run `ribocyte predict <MODEL> & go`."))
    assert "<code>ribocyte predict &lt;MODEL&gt; &amp; go</code>." in html


def test_a_row_must_fit_its_header() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 headings"):
        TableBlock(("a", "b"), (("1",),), "")


NAMESPACE = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not xml", "not an SVG figure"),
        ("<html/>", "not an SVG figure"),
        (f"<svg {NAMESPACE}><script>alert(1)</script></svg>", "holds a <script>"),
        (f"<svg {NAMESPACE}><g onclick='alert(1)'/></svg>", "onclick"),
        (f"<svg {NAMESPACE}><image href='https://example.org/x.png'/></svg>", "loads and runs nothing"),
        (f"<svg {NAMESPACE}><g style='fill: url(https://example.org/x)'/></svg>", "loads and runs nothing"),
        (f"<svg {NAMESPACE}><style>@import 'x.css';</style></svg>", "loads and runs nothing"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "viewBox"),
    ],
)
def test_a_figure_that_is_none_or_would_load_something_is_refused(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "figure.svg"
    path.write_text(content)
    with pytest.raises(DataError, match=says) as refused:
        render_page(page(path))
    assert str(refused.value).startswith(str(path))


def test_a_missing_figure_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.svg: figure cannot be read"):
        render_page(page(tmp_path / "gone.svg"))


def test_authors_citations_references_and_appendix(svg: Path) -> None:
    read = Reader(render_page(make_document(svg)))
    for said in (
        "Which network? Ada Lovelace, Grace HopperGroup 7 What was found.",
        "Two networks were trained [1, 2], as Figure\xa01 shows.",
        "A detail Type ribocyte demo.",
        "References Koo PK. Global importance analysis. PLoS Comput Biol 17:e1008925, 2021. Ray D, et al.",
        "Recipes In full. epochs = 3 Table A1. Test scores.",
    ):
        assert " ".join(said.split()) in read.text, said
    assert "Efron" not in read.text


def test_links_lead_somewhere(svg: Path) -> None:
    read = Reader(render_page(make_document(svg)))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = [str(link["href"]) for link in read.all("a")]
    assert {target for target in targets if not target.startswith("#")} == {
        "https://doi.org/10.1038/nature12311"
    }
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    assert len(targets) == 6


def test_what_others_published_is_never_marked_as_simulated() -> None:
    block = TableBlock(
        ("source", "score"), (("ours, simulated", "0.5"), ("others", "0.6")), "Both.", True, published=True
    )
    page = render_page(Document("Title", sections=(Section("Result", tables=(block,)),), simulated=True))
    table = page[page.index("<table") : page.index("</table>")]
    assert "ours, simulated" in table
    assert "SIMULATED" not in table
