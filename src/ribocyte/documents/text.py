"""Text with a few marks, taken apart so that each rendering can write it safely.

``backticks`` set code, ``[@ray2013]`` or ``[@ray2013; @koo2021]`` cites, and ``[#curves]`` refers to the figure or
table labelled ``curves``: every rendering writes "Figure 3".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_INLINE = re.compile(r"`([^`]+)`|\[((?:@[\w-]+)(?:; ?@[\w-]+)*)\]|\[#([a-z0-9-]+)\]")
_SPACE = re.compile(r"[^\S\u00a0\u2007\u202f]+")  # a space that may not break stays what it is


@dataclass(frozen=True)
class Words:
    """Plain text in a line."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text set as code."""

    text: str


@dataclass(frozen=True)
class Citation:
    """Works cited together: their keys."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class BlockReference:
    """A reference to a labelled figure or table."""

    label: str


Span = Words | Code | Citation | BlockReference


def parse_text(text: str) -> tuple[Span, ...]:
    """Take a text apart into words, code, citations and references to blocks.

    White space of any kind becomes one space; control characters, which no rendering can show, are left out.
    """
    text = clean(text)
    spans: list[Span] = []
    end = 0
    for found in _INLINE.finditer(text):
        spans += [Words(text[end : found.start()])] if found.start() > end else []
        spans.append(_parse_mark(*found.groups()))
        end = found.end()
    return (*spans, Words(text[end:])) if end < len(text) else tuple(spans)


def clean(text: str) -> str:
    """Give a text in one line: any white space becomes one space, and what cannot be shown is left out."""
    shown = (letter for letter in text if letter.isspace() or not _is_unfit(letter))
    return _SPACE.sub(" ", "".join(shown)).strip()


def as_code(text: str) -> str:
    """Write any text, such as the name of a folder, so that it is set as code."""
    return f"`{text.replace('`', chr(39))}`" if text else ""


def as_words(text: str) -> str:
    """Give a text as it reads without marks: code without its backticks, no citations, labels as they are."""
    return "".join(span.text for span in parse_text(text) if isinstance(span, Words | Code))


def _parse_mark(code: str | None, keys: str | None, label: str | None) -> Span:
    if code is not None:
        return Code(code)
    if keys is not None:
        return Citation(tuple(key.strip().removeprefix("@") for key in keys.split(";")))
    return BlockReference(label or "")


def _is_unfit(letter: str) -> bool:
    """Say whether a character is a control, half of a pair, or none at all: no rendering may hold it."""
    return unicodedata.category(letter) in ("Cc", "Cs") or ord(letter) & 0xFFFE == 0xFFFE
