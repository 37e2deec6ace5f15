from __future__ import annotations

import pytest

from explorer.charts.style import escape, shorten
from explorer.widgets.text import count, literal

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    r"$\href{javascript:alert(1)}{x}$",
    "%{x}",
    "![picture](http://example.com/x.png)",
    "[link](javascript:alert(1))",
    ":red[colour] :smile: :material/home:",
    "**bold** _under_ `code` ~~gone~~",
    "# heading",
    "https://example.com www.example.com a@example.com",
    "a -> b <- c -- d >= e",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_character_that_markdown_reads_is_escaped(text: str) -> None:
    shown = literal(text)
    unescaped = [
        character
        for position, character in enumerate(shown)
        if character in "\\`*_{}[]()<>#!|~$" and (position == 0 or shown[position - 1] != "\\") and character != "\\"
    ]
    assert unescaped == []


@pytest.mark.parametrize("text", HOSTILE)
def test_plotly_sees_no_tag_no_entity_and_no_formula(text: str) -> None:
    shown = escape(text, 200)
    assert "<" not in shown
    assert ">" not in shown
    assert "$" not in shown


def test_shorten_keeps_one_line_without_direction_marks() -> None:
    assert shorten("a\nb\u202ec", 10) == "a b c"
    assert shorten("x" * 100, 10) == "x" * 9 + "…"
    assert shorten("") == "(empty)"


def test_count_agrees_with_its_noun() -> None:
    assert count(1, "class", "classes") == "1 class"
    assert count(1_000, "row") == "1,000 rows"
