"""What can be taken away of a chart: its picture, and its numbers without formulas."""

from __future__ import annotations

import json

import pandas as pd
from streamlit.testing.v1 import AppTest

from explorer.widgets.figures import table_csv


def charted() -> None:
    import plotly.graph_objects as go

    from explorer.widgets.figures import show_chart

    show_chart(go.Figure(go.Bar(x=["a"], y=[1.0])), key="bars", alt="One bar", name="my bars")


def test_the_menu_saves_both_pictures_and_the_numbers() -> None:
    app = AppTest.from_function(charted).run()
    options = json.loads(app.get("plotly_chart")[0].proto.config)["toImageButtonOptions"]
    assert options["filename"] == "my bars"
    (buttons,) = app.get("bidi_component")
    asked = json.loads(buttons.proto.json)
    assert (asked["chart"], asked["name"]) == ("bars", "my bars")
    assert [button.label for button in app.get("download_button")] == ["Numbers as CSV"]
    assert not app.exception


def test_numbers_hold_no_formula() -> None:
    text = table_csv(pd.DataFrame({"=cmd()": ["@x", "plain"], "y": [-1.5, 2.0]})).decode()
    assert text.splitlines() == ["'=cmd(),y", "'@x,-1.5", "plain,2.0"]
