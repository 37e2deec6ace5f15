"""Experiments: greedy against joint against PCA, and what pretraining is worth with few labels."""

from __future__ import annotations

from explorer.widgets import contest
from explorer.widgets.frame import begin_page, guarded

session = begin_page(
    "Experiments",
    intro="One architecture, trained in several ways on the same rows: is it worth learning level by level?",
    needs="data",
)
data = session.data
assert data is not None
with guarded():
    contest.show(session, data)
