"""Text of the user's inside Streamlit labels, which read markdown: shown literally."""

from __future__ import annotations

import re

from explorer.charts.style import shorten

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@/])")
_JOINER = "\u2060"  # invisible and unbreakable; parts what the browser would turn into an emoji, arrow or link
_REPLACED = re.compile(
    r"(?<=:)(?=[\w+\-/]+:)|(?<=-)(?=[->])|(?<=<)(?=-)|(?<=[<>=~!])(?==)|(?<=\bhttp)(?=s?:)|(?<=\bwww)(?=\.)|(?<=\w)(?=@\w)"
)


def literal(text: object, limit: int = 80) -> str:
    """A name or label of the user's for st.markdown, captions, buttons, metrics and rows of choices, escaped.

    Options of drop-down lists are plain text already: `shorten` is for them.

    >>> literal("**bold** [link](x)")
    '\\\\*\\\\*bold\\\\*\\\\* \\\\[link\\\\]\\\\(x\\\\)'
    """
    parted = _REPLACED.sub(_JOINER, shorten(text, limit))
    return _MARKDOWN.sub(r"\\\1", parted)


def sentence(text: object, limit: int = 600) -> str:
    """A message that may quote the user's names, for st.error and st.warning."""
    return literal(text, limit)


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(12000, "row"), count(2, "class", "classes")
    ('1 row', '12,000 rows', '2 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
