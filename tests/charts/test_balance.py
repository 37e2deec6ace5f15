from __future__ import annotations

import numpy as np

from explorer.charts.balance import MAX_BARS, class_balance


def test_parts_are_stacked_by_class() -> None:
    figure = class_balance(("a", "b"), {"train": np.array([3, 1]), "test": np.array([2, 0])}, "kind")
    assert figure.layout.barmode == "stack"
    assert {bar.name: list(bar.y) for bar in figure.data} == {"train": [3, 1], "test": [2, 0]}
    assert list(figure.layout.xaxis.ticktext) == ["a", "b"]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("kind", "rows")


def test_many_classes_are_summed_up_and_none_is_lost() -> None:
    counts = np.arange(1000)
    figure = class_balance(tuple(range(1000)), {"train": counts}, "id")
    assert len(figure.data[0].y) == MAX_BARS
    assert sum(figure.data[0].y) == counts.sum()
    assert "others" in figure.layout.xaxis.ticktext[-1]


def test_hostile_names_are_escaped_and_names_that_look_alike_stay_apart() -> None:
    names = ("<script>x</script>", "%{y}", "a" * 50 + "1", "a" * 50 + "2")
    figure = class_balance(names, {"train": np.array([1, 2, 3, 4])}, "<b>")
    assert "<" not in "".join(figure.layout.xaxis.ticktext)
    assert "%{y}" not in figure.data[0].hovertemplate.replace("%{y:,}", "")
    assert list(figure.data[0].x) == [0, 1, 2, 3]
