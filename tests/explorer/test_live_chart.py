"""Charts that are updated in place."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script() -> None:
    import plotly.graph_objects as go
    import streamlit as st

    from explorer.widgets.live_chart import live_chart

    st.session_state.n = st.session_state.get("n", 0) + 1
    live_chart(
        go.Figure(layout={"height": 123}).add_scatter(y=list(range(st.session_state.n))), key="curve", alt="A curve"
    )


def test_the_chart_stays_the_same_element_when_its_data_change() -> None:
    app = AppTest.from_function(script).run()
    (first,) = app.get("bidi_component")
    app.run()
    (second,) = app.get("bidi_component")
    assert first.proto.id == second.proto.id
    assert first.proto != second.proto
    assert not app.exception


def test_plotly_is_served_from_its_own_package() -> None:
    from explorer.widgets.plotly_library import library_address

    address = library_address()
    assert address.startswith("component/")
    assert address.endswith("/plotly.min.js")
