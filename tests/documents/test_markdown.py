from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from specimen import draw, make_document

from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.markdown import render_markdown, write_markdown
from ribocyte.documents.text import clean
from ribocyte.errors import DataError

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def svg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("figures") / "losses.svg")


def read(markdown: str) -> list[tuple[str, str]]:
    """Give each block's kind and its text, as a reader sees it."""
    kinds = [""]
    found = []
    for token in GITHUB.parse(markdown):
        if token.type.endswith("_open"):
            kinds.append(token.tag)
        elif token.type.endswith("_close"):
            kinds.pop()
        elif token.type == "inline":
            found.append((kinds[-1], "".join(map(shown, token.children or []))))
        else:
            found.append((token.type, token.content))
    return found


def shown(token: Token) -> str:
    if token.type in ("text", "code_inline", "text_special"):
        return token.content
    if token.type == "image":
        return f"<{token.attrs['src']}>"
    return "\n" if token.type.endswith("break") else ""


SPECIAL = st.lists(
    st.sampled_from(
        [*"\\`*_{}[]()<>#+-.!|~$&:@^=\"' 019aZ", "&amp;", "1. ", "http://", ":smile:", "***", "<b>"]
    )
).map("".join)


@settings(max_examples=300)
@given(st.one_of(SPECIAL, st.text()))
@example("1. a # b | c * d _e_ <f> &lt; ![g](h) ~~i~~ \\ ` $j$ 95 %")
@example("---")
@example("1)")
def test_any_text_comes_out_as_itself(text: str) -> None:
    text = clean(text.replace("`", ""))
    if not text or "[@" in text or "[#" in text:
        return
    table = TableBlock((text, "n"), ((text, "1"),), text)
    document = Document(text, (text,), text, text, (Section(text, (text,), tables=(table,)),), footer=text)
    blocks = read(render_markdown(document))
    edge = "\u00a0\u2007\u202f"  # spaces that GitHub's tables and ours strip alike
    expected = [
        ("h1", text),
        ("p", f"{text}\n{text}"),
        ("p", text),
        ("h2", text),
        ("p", text),
        ("p", f"Table 1. {text}"),
        ("th", text),
        ("th", "n"),
        ("td", text),
        ("td", "1"),
        ("hr", ""),
        ("p", text),
    ]
    assert [(kind, said.strip(edge)) for kind, said in blocks] == [(k, s.strip(edge)) for k, s in expected]


@given(st.text(st.sampled_from("|\\a "), min_size=1).filter(str.strip))
def test_code_is_code_in_a_table_too(code: str) -> None:
    code = f"x{clean(code)}x"
    table = TableBlock(("a", "b"), ((f"`{code}`", "1"),), "")
    blocks = read(render_markdown(Document("t", sections=(Section("s", tables=(table,)),))))
    assert [said for kind, said in blocks if kind == "td"] == [code, "1"]


def test_commands_keep_their_lines_whatever_they_hold() -> None:
    commands = ("ribocyte demo", "", "```", "a | b")
    blocks = read(render_markdown(Document("t", sections=(Section("s", commands=commands),))))
    assert ("fence", "ribocyte demo\n\n```\na | b\n") in blocks


def test_everything_is_there(svg: Path, tmp_path: Path) -> None:
    path = write_markdown(make_document(svg), tmp_path / "my report.md")
    blocks = read(path.read_text())
    for block in (
        ("p", "Two networks were trained [1, 2], as Figure 1 shows."),
        ("p", "<my%20report-figures/curves.svg>"),
        ("p", "Figure 1. Loss, epoch by epoch."),
        ("h3", "A detail"),
        ("h2", "References"),
        ("p", "Koo PK. Global importance analysis. PLoS Comput Biol 17:e1008925, 2021."),
        ("h2", "Appendix"),
        ("p", "Table A1. Test scores."),
    ):
        assert block in blocks
    assert "SIMULATED" not in path.read_text()
    assert (tmp_path / "my report-figures" / "curves.svg").read_bytes() == svg.read_bytes()


def test_a_simulation_is_stamped(svg: Path) -> None:
    blocks = read(render_markdown(make_document(svg, simulated=True)))
    said = [text for _, text in blocks if "SIMULATED" in text]
    assert said[0].startswith("SIMULATED Every number")
    assert "Table 1. Test scores. SIMULATED" in said
    assert "Figure 1. Loss, epoch by epoch. SIMULATED" in said


def test_a_damaged_figure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "broken.svg").write_text("<svg")
    document = Document("t", sections=(Section("s", figures=(FigureBlock(tmp_path / "broken.svg", ""),)),))
    with pytest.raises(DataError, match=r"broken\.svg: not an SVG figure"):
        write_markdown(document, tmp_path / "out" / "report.md")
    assert not (tmp_path / "out").exists()
