"""The numbers of a chart as a table, read off the figure itself, so that table and chart cannot disagree."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

BOX = ("lowerfence", "q1", "median", "q3", "upperfence")


def figure_numbers(figure: go.Figure) -> pd.DataFrame:
    """One line for each point, bar, box, cell or part of a drawing that a figure shows.

    Returns:
        columns: "series" where there are several, then what the axes are called; for maps of rows "row". Ticks that
        stand for names are given by their names.
    """
    tables = [table for trace in figure.data if (table := _of_trace(figure, trace)) is not None and len(table)]
    if not tables:
        return pd.DataFrame()
    whole = pd.concat(tables, ignore_index=True)
    if "series" in whole and (whole["series"] == "").all():
        whole = whole.drop(columns="series")
    return whole.dropna(axis=1, how="all")


def picture_numbers(titles: Iterable[object], pixels: NDArray[np.floating], *, of: str = "picture") -> pd.DataFrame:
    """One line for each picture: its title, then its values, pixel by pixel in the order height, width, channel.

    Args:
        titles: of the m pictures.
        pixels: (m, n_pixels).
        of: what the first column is called.

    >>> picture_numbers(["a"], np.array([[0.0, 1.0]])).to_dict("list")
    {'picture': ['a'], 'pixel0': [0.0], 'pixel1': [1.0]}
    """
    table = pd.DataFrame(pixels, columns=[f"pixel{i}" for i in range(pixels.shape[1])])
    table.insert(0, of, list(titles))
    return table


def _of_trace(figure: go.Figure, trace: Any) -> pd.DataFrame | None:
    name = _plain(trace.name or "")
    if getattr(trace, "hoveron", None) == "fills":  # a part of a drawing: what it says of itself
        return pd.DataFrame({"part": [_plain(trace.text)]})
    if trace.type == "heatmap":
        return _of_heatmap(figure, trace, name)
    if trace.type == "box":
        columns = {end: list(getattr(trace, end)) for end in BOX if getattr(trace, end) is not None}
        return pd.DataFrame({"series": name, _title(figure, trace, "x"): list(trace.x), **columns}) if columns else None
    if trace.type not in ("scatter", "scattergl", "bar") or trace.x is None or trace.y is None:
        return None
    if getattr(trace.marker, "opacity", None) == 0 or (trace.type != "bar" and trace.mode == "text"):
        return None  # marks that are only there to be pointed at, and numbers written into cells
    x, y = _named(figure, trace, "x", trace.x), _named(figure, trace, "y", trace.y)
    titles = (_title(figure, trace, "x"), _title(figure, trace, "y"))
    table = pd.DataFrame({"series": name, titles[0]: x, titles[1] if titles[1] != titles[0] else "y": y})
    if trace.type == "scattergl" and trace.customdata is not None:
        rows = [value[0] if isinstance(value, list | tuple | np.ndarray) else value for value in trace.customdata]
        table.insert(0, "row", rows)
    return table[~(table.iloc[:, -2].isna() & table.iloc[:, -1].isna())]  # gaps between lines


def _of_heatmap(figure: go.Figure, trace: Any, name: str) -> pd.DataFrame:
    z = np.asarray(trace.z)
    x = _named(figure, trace, "x", range(z.shape[1]) if trace.x is None else trace.x)
    y = _named(figure, trace, "y", range(z.shape[0]) if trace.y is None else trace.y)
    titles = [_title(figure, trace, "y"), _title(figure, trace, "x")]
    if titles[0] == titles[1]:
        titles = ["y", "x"]
    table = pd.DataFrame(
        {
            "series": name,
            titles[0]: np.repeat(np.array(y, dtype=object), len(x)),
            titles[1]: np.tile(np.array(x, dtype=object), len(y)),
            "value": z.ravel(),
        }
    )
    return table[table["value"].notna()]


def _axis(figure: go.Figure, trace: Any, which: str) -> Any:
    place = getattr(trace, f"{which}axis") or which
    return figure.layout[f"{which}axis{place[1:]}"]


def _title(figure: go.Figure, trace: Any, which: str) -> str:
    return _plain(_axis(figure, trace, which).title.text or "") or which


def _named(figure: go.Figure, trace: Any, which: str, values: Iterable[Any]) -> list[Any]:
    axis = _axis(figure, trace, which)
    if axis.tickvals is None or axis.ticktext is None:
        return list(values)
    names = {value: _plain(text) for value, text in zip(axis.tickvals, axis.ticktext, strict=False)}
    return [names.get(value, value) for value in values]


def _plain(text: object) -> str:
    """Text as the user wrote it, from what was escaped for plotly."""
    return html.unescape(str(text).replace("<br>", " ")).strip()
