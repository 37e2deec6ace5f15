"""Settings against a result, as parallel coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from explorer.charts.parallel import MOST_AXES, parallel


def test_numbers_words_and_the_result() -> None:
    settings = pd.DataFrame({"units": [8, 12, 16], "rate": [1e-4, 1e-2, 1.0], "<b>": ["relu", "tanh", "relu"]})
    figure = parallel(settings, np.array([0.5, 0.7, 0.6]), "accuracy", share=True, names=["a", "<i>b", "c"])
    assert list(figure.layout.xaxis.ticktext) == ["units", "rate", "&lt;b&gt;", "accuracy"]
    drawn = {trace.name: list(trace.y) for trace in figure.data}
    assert drawn["a"] == [0, 0, 0, 0]
    assert drawn["&lt;i&gt;b"] == pytest.approx([0.5, 0.5, 1, 1])  # the rates are on a logarithmic axis
    assert [trace.name for trace in figure.data][-1] == "&lt;i&gt;b"  # the best on top
    texts = {(note.x, note.text) for note in figure.layout.annotations}
    assert {(0, "8"), (1, "0.0001"), (1, "1"), (2, "relu"), (3, "70.0%")} <= texts
    assert "rate: 0.01" in figure.data[-1].customdata[0][1]
    assert "<b>" not in str(figure.to_dict())
    assert not any("gl" in trace.type for trace in figure.data)


def test_equal_results_many_settings_and_crowded_values() -> None:
    settings = pd.DataFrame({f"setting {i}": np.arange(60) + i for i in range(20)})
    figure = parallel(settings, np.full(60, 0.5), "error")
    assert len(figure.layout.xaxis.tickvals) == MOST_AXES + 1
    first = [note for note in figure.layout.annotations if note.x == 0]
    assert 2 <= len(first) <= 15
    assert {note.text for note in first} >= {"0", "59"}
