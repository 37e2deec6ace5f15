"""Reconstructions: originals beside what each level gives back, decoded down to the input."""

from __future__ import annotations

import streamlit as st

from explorer import insights
from explorer.widgets import outliers
from explorer.widgets import reconstructions as parts
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run
from explorer.widgets.waiting import result_of

at = look_at_run(
    "Reconstructions", intro="Every level decoded down to the input: what it keeps of a row, and what it loses."
)
session, data, model = at.session, at.data, at.model
with guarded():
    errors = result_of(insights.row_errors(at.run_id), key="row-errors")
    if errors is not None:
        chosen = parts.choose(session, data, errors, model.units)
        rows, places, far, found = st.tabs(
            ["Rows", "Errors by level", "Outliers", "Anomalies"], key="recon-tab", on_change="rerun"
        )
        if rows.open:
            with rows, guarded():
                parts.show_chosen(session, model, data, errors, chosen)
        if places.open:
            with places:
                left, right = st.columns(2, gap="large")
                with left, guarded():
                    parts.show_levels(session, at.run_id, errors, model.units, chosen.pool)
                with right, guarded():
                    parts.show_columns(session, at.run_id, data, chosen.level, model.units)
        if far.open:
            with far, guarded():
                outliers.show_outliers(session, data, errors, chosen)
        if found.open:
            with found, guarded():
                outliers.show_detection(data, errors, chosen.pool)
next_step("codes", label="See the codes")
