"""Accuracy against the share of labels, drawn."""

from __future__ import annotations

from explorer.charts.label_shares import accuracy_by_share
from sae_core.training.few_labels import ShareResult, by_share


def test_means_spread_and_single_seeds() -> None:
    found = by_share(
        [
            ShareResult("pretrained", 0.1, 0, 9, 0.5),
            ShareResult("pretrained", 0.1, 1, 9, 0.7),
            ShareResult("random weights", 1.0, 0, 90, 0.9),
        ]
    )
    dots, line, _, other = accuracy_by_share(found).data
    assert list(dots.y) == [0.5, 0.7]
    assert list(line.y) == [0.6]
    assert line.error_y.array[0] > 0.1
    assert other.error_y.array == (0.0,)  # one seed has no spread
    assert list(accuracy_by_share(found).layout.xaxis.ticktext) == ["10 %<br>9 rows", "100 %<br>90 rows"]
