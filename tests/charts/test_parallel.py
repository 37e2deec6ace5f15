"""Settings against a result, as parallel coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from explorer.charts.parallel import MOST_AXES, parallel


def test_numbers_words_and_the_result() -> None:
    settings = pd.DataFrame({"units": [8, 16, 32], "rate": [1e-4, 1e-2, 1.0], "<b>": ["relu", "tanh", "relu"]})
    figure = parallel(settings, np.array([0.5, 0.7, 0.6]), "accuracy", share=True)
    units, rate, words, result = figure.data[0].dimensions
    assert list(units["values"]) == [8, 16, 32]
    assert np.allclose(rate["values"], [-4, -2, 0])  # over four orders of magnitude: on a logarithmic axis
    assert list(rate["ticktext"]) == ["0.0001", "0.01", "1"]
    assert words["label"] == "&lt;b&gt;"
    assert list(words["values"]) == [0, 1, 0]
    assert list(words["ticktext"]) == ["relu", "tanh"]
    assert list(result["values"]) == list(figure.data[0].line["color"]) == [0.5, 0.7, 0.6]


def test_equal_results_and_many_settings() -> None:
    settings = pd.DataFrame({f"setting {i}": [i, i + 1] for i in range(20)})
    figure = parallel(settings, np.array([0.5, 0.5]), "error")
    assert len(figure.data[0].dimensions) == MOST_AXES + 1
    assert figure.data[0].line["cmin"] < 0.5 < figure.data[0].line["cmax"]
