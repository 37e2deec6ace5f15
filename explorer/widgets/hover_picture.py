"""The picture of a row beside the pointer, on maps whose points are pictures.

The browser asks for one picture at a time, when the pointer rests on its point: many rows cost no more than few.
Without a mouse, "Pictures on the maps" and the chosen rows show the same.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from explorer import pictures
from explorer.cache import Cache
from explorer.charts import style
from sae_core.data.dataset import Dataset

HTML = '<div class="card" popover="manual" aria-hidden="true"><img alt=""><div></div></div>'
CSS = """
.card {
  position: fixed; inset: auto; margin: 0; padding: 6px; pointer-events: none; text-align: center;
  background: var(--st-background-color); color: var(--st-text-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  box-shadow: 0 2px 10px rgba(0, 0, 0, 0.25); font: 12px var(--st-font);
}
.card img { display: block; width: 104px; height: 104px; object-fit: contain; image-rendering: pixelated; }
.card div { max-width: 104px; margin-top: 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""

_thumbnails: Cache[str] = Cache(4_000)


@cache
def _component() -> Any:
    from streamlit.components.v2 import component

    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return component("explorer_hover_picture", html=HTML, css=CSS, js=script)


def hover_pictures(data: Dataset, charts: str, *, key: str) -> None:
    """Show the picture of the row that is pointed at in some charts; nothing for tables.

    Args:
        charts: what the keys of these charts begin with. Their customdata begin with the row number.
        key: unique on the page.
    """
    if data.image_shape is None:
        return

    @st.fragment
    def answer() -> None:
        state = st.session_state.get(key) or {}
        found = picture_of(data, state.get("row"))
        _component()(data={"charts": charts, **found}, key=key, on_row_change=_nothing)

    answer()


def _nothing() -> None:
    """The fragment runs again; that is all."""


def picture_of(data: Dataset, asked: object) -> dict[str, object]:
    """What the browser shows of a row that it asked for: its picture as a data URI and its label; {} for no row."""
    if not isinstance(asked, int | float) or not 0 <= asked < len(data):
        return {}
    row = int(asked)
    label = "" if data.labels is None or data.labels[row] is None else style.shorten(data.labels[row], 24)
    return {"row": row, "source": pictures_of(data, np.array([row]))[0], "text": label or f"row {row:,}"}


def pictures_of(data: Dataset, rows: NDArray[np.int64]) -> list[str]:
    """A data URI of each row's picture, made once."""
    assert data.image_shape is not None
    shape = data.image_shape

    def one(row: int) -> str:
        return pictures.thumbnails(np.asarray(data.take([row]), dtype=np.float32), shape, side=1)[0]

    return [_thumbnails.get((data.fingerprint, row), partial(one, row)) for row in rows.tolist()]
