"""What can be taken away of a chart: its picture in either format, its numbers without formulas."""

from __future__ import annotations

import json

import pandas as pd
from streamlit.testing.v1 import AppTest

from explorer.widgets.figures import table_csv
from tests.pages.conftest import press


def charted() -> None:
    import plotly.graph_objects as go

    from explorer.widgets.figures import show_chart

    show_chart(go.Figure(go.Bar(x=["a"], y=[1.0])), key="bars", alt="One bar", name="my bars")


def test_the_camera_saves_the_format_that_was_chosen() -> None:
    app = AppTest.from_function(charted).run()
    for wanted, button in (("png", "Save pictures as SVG"), ("svg", "Save pictures as PNG")):
        options = json.loads(app.get("plotly_chart")[0].proto.config)["toImageButtonOptions"]
        assert (options["format"], options["filename"]) == (wanted, "my bars")
        press(app, button)
    assert not app.exception


def test_numbers_hold_no_formula() -> None:
    text = table_csv(pd.DataFrame({"=cmd()": ["@x", "plain"], "y": [-1.5, 2.0]})).decode()
    assert text.splitlines() == ["'=cmd(),y", "'@x,-1.5", "plain,2.0"]
