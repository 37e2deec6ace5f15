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


def script(name: str) -> str:
    """The JavaScript of a part of this folder, with the function `plotly(address)` that loads the library."""
    return "\n".join((HERE / file).read_text(encoding="utf-8") for file in ("plotly_library.js", f"{name}.js"))
