"""Every chart of the application has its menu: only the functions that add it may draw."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRAWING = {  # what puts a chart on the page -> where it may be called
    "plotly_chart": {"figures.py", "selection.py"},
    "selectable_chart": {"figures.py"},
    "live_chart": {"figures.py"},
    "map_chart": {"figures.py"},
}
OTHER_CHARTS = {"altair_chart", "vega_lite_chart", "line_chart", "bar_chart", "area_chart", "scatter_chart", "pyplot"}


def calls() -> Iterator[tuple[str, str, int]]:
    """(function, file, line) of every call by name in pages and widgets."""
    for path in sorted([*(ROOT / "pages").glob("*.py"), *(ROOT / "explorer").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield name, path.name, node.lineno


def test_no_chart_without_its_menu() -> None:
    found = list(calls())
    assert {"plotly_chart", "live_chart", "show_chart"} <= {name for name, _, _ in found}
    elsewhere = [
        f"{file}:{line} calls {name}"
        for name, file, line in found
        if name in OTHER_CHARTS or (name in DRAWING and file not in DRAWING[name])
    ]
    assert elsewhere == [], "use explorer.widgets.figures"
