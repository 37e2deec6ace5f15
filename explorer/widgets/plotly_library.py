"""plotly.js of the plotly package, for parts of pages that draw by themselves or make pictures of charts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import plotly

HERE = Path(__file__).parent


@cache
def library_address() -> str:
    """Where the browser finds plotly.min.js, relative to the page."""
    from streamlit.components.v1 import declare_component

    # Only for its address; nothing of it is ever mounted.
    library = declare_component("plotly", path=Path(plotly.__file__).parent / "package_data")
    return f"component/{library.name}/plotly.min.js"


def script(*names: str) -> str:
    """JavaScript files of this folder as one; "plotly_library" has the function `plotly(address)` that loads it."""
    return "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)
