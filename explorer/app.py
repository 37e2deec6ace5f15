"""Entry of the application: `streamlit run explorer/app.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from explorer.places import ICON, LOGO, PAGES  # noqa: E402
from explorer.reruns import drop_late_polls  # noqa: E402
from explorer.widgets.frame import guarded  # noqa: E402

drop_late_polls()

st.set_page_config(
    page_title="Stacked Autoencoder Explorer", page_icon=str(ICON), layout="wide", initial_sidebar_state=256
)
st.logo(str(LOGO), icon_image=str(ICON), size="large")

pages = {
    place.address: st.Page(place.path, title=place.title, icon=place.icon, url_path=place.address, help=place.about)
    for place in PAGES
}


def start() -> None:
    """The bare address leads to the first page; a default page itself would have no address of its own."""
    st.switch_page(pages["data"], query_params=st.query_params.to_dict())


sections: dict[str, list[Any]] = {"": [st.Page(start, title="Start", default=True, visibility="hidden")]}
for place in PAGES:
    sections.setdefault(place.section, []).append(pages[place.address])
chosen = st.navigation(sections, expanded=True)
with guarded():
    chosen.run()
