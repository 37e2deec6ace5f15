"""Runs laid over each other."""

from __future__ import annotations

import pandas as pd
import pytest

from explorer.charts.compare import AUTOENCODERS, CLASSIFIERS, RunCurve, levels_compared, overlaid, phases
from explorer.charts.loss import MAX_POINTS
from sae_core.training.history import COLUMNS

NAN = float("nan")


def history(*rows: tuple[str, int, int, int, float], validation: bool = True, accuracy: float = NAN) -> pd.DataFrame:
    """Rows of (phase, level, epoch, step, seconds); the loss is 1 / step."""
    table = [
        (phase, level, epoch, step, step * 8, seconds, 1 / step, 0.0, 2 / step if validation else NAN)
        for phase, level, epoch, step, seconds in rows
    ]
    return pd.DataFrame([(*row, accuracy, accuracy, 1e-3) for row in table], columns=list(COLUMNS))


A = RunCurve(
    "a", "first", history(("pretrain", 1, 1, 5, 1.0), ("pretrain", 1, 2, 10, 2.0), ("pretrain", 2, 1, 15, 4.0))
)
B = RunCurve("b", "second", history(("pretrain", 1, 1, 3, 0.5), ("joint", 2, 1, 9, 2.5), validation=False))
C = RunCurve("c", "third", history(("softmax", 0, 1, 2, 1.0), ("fine_tune", 2, 1, 4, 2.0), accuracy=0.9))
COLOURS = {"a": "#1f7fbf", "b": "#e08a00", "c": "#009e73"}


def test_phases_in_the_order_of_training() -> None:
    assert phases([C, B, A]) == [("pretrain", 1), ("pretrain", 2), ("joint", 2), ("softmax", 0), ("fine_tune", 2)]
    assert phases([A, B, C], AUTOENCODERS) == [("pretrain", 1), ("pretrain", 2), ("joint", 2)]
    assert phases([A, B, C], CLASSIFIERS) == [("softmax", 0), ("fine_tune", 2)]
    assert phases([]) == []
    assert phases([RunCurve("x", "none yet", history())]) == []


@pytest.mark.parametrize(
    ("axis", "first", "second"), [("epoch", [1, 2], [1]), ("step", [5, 10], [5]), ("seconds", [1.0, 2.0], [2.0])]
)
def test_places_are_counted_from_the_beginning_of_each_phase(
    axis: str, first: list[float], second: list[float]
) -> None:
    figure = overlaid([A], phases([A]), COLOURS, axis=axis)  # type: ignore[arg-type]
    solid = [trace for trace in figure.data if trace.line.dash == "solid"]
    assert [list(trace.x) for trace in solid] == [first, second]
    assert figure.layout.xaxis.title.text in ("epoch", "gradient steps", "training time (s)")


def test_validation_is_solid_and_training_dotted() -> None:
    figure = overlaid([A, B], [("pretrain", 1)], COLOURS)
    lines = {(trace.legendgroup, trace.line.dash): trace for trace in figure.data}
    assert set(lines) == {("a", "dot"), ("a", "solid"), ("b", "solid")}
    assert list(lines["a", "solid"].y) == [2 / 5, 2 / 10]
    assert list(lines["a", "dot"].y) == [1 / 5, 1 / 10]
    assert list(lines["b", "solid"].y) == [1 / 3]  # without validation rows
    assert {trace.line.color for trace in figure.data if trace.legendgroup == "a"} == {COLOURS["a"]}


def test_one_legend_entry_a_run_for_all_panels() -> None:
    figure = overlaid([A, B], phases([A, B]), COLOURS)
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["first", "second"]
    assert [annotation.text for annotation in figure.layout.annotations] == ["Level 1", "Level 2", "Deep autoencoder"]
    assert len({trace.xaxis for trace in figure.data}) == 3


def test_the_legend_names_a_run_whose_first_panel_is_another() -> None:
    figure = overlaid([A, C], phases([A, C]), COLOURS)
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["first", "third"]


def test_accuracy_is_per_cent_and_loss_has_units() -> None:
    figure = overlaid([C], phases([C]), COLOURS, measure="accuracy")
    assert figure.layout.yaxis.tickformat == ".0%"
    assert figure.layout.yaxis.title.text == "accuracy (share of rows)"
    assert {y for trace in figure.data for y in trace.y} == {0.9}
    assert overlaid([C], phases([C]), COLOURS).layout.yaxis.title.text == "cross-entropy per row (nats)"
    assert overlaid([A], phases([A]), COLOURS, logarithmic=True).layout.yaxis.type == "log"


def test_rows_of_panels_grow_with_the_phases() -> None:
    few, many = overlaid([A], phases([A]), COLOURS), overlaid([A, B, C], phases([A, B, C]), COLOURS)
    assert many.layout.height > few.layout.height
    assert overlaid([], [], {}).data == ()


def test_names_are_shown_literally() -> None:
    name = "<b>%{x}</b>"
    figure = overlaid([RunCurve("a", name, A.history)], phases([A]), COLOURS)
    for trace in figure.data:
        assert "<b>" not in trace.name
        assert "%{x}</b>" not in trace.hovertemplate
        assert trace.customdata[0][0].startswith("&lt;b&gt;")


def test_levels_side_by_side() -> None:
    figures = {
        "a": {"level 1": 0.1, "level 2": 0.2, "level 10": 0.4},
        "b": {"input": 0.3, "level 1": 0.2, "fine-tuned": 0.9},
    }
    figure = levels_compared([A, B, C], figures, COLOURS, y_title="accuracy", share=True)
    assert list(figure.layout.xaxis.categoryarray) == ["input", "level 1", "level 2", "level 10", "fine-tuned"]
    assert list(figure.data[1].y) == [0.3, 0.2, 0.9]
    assert figure.layout.yaxis.tickformat == ".0%"
    assert len(figure.data[2].x) == 0


def test_long_runs_are_thinned() -> None:
    long = RunCurve("a", "long", history(*(("pretrain", 1, i, i, i / 10) for i in range(1, 5001))))
    figure = overlaid([long], [("pretrain", 1)], COLOURS)
    for trace in figure.data:
        assert len(trace.x) <= MAX_POINTS
        assert (trace.x[0], trace.x[-1]) == (1, 5000)


def test_few_epochs_have_whole_ticks() -> None:
    assert overlaid([A], phases([A]), COLOURS).layout.xaxis.dtick == 1
    assert overlaid([A], phases([A]), COLOURS, axis="step").layout.xaxis.dtick is None


def test_many_runs_of_long_names_leave_room_for_their_legend() -> None:
    curves = [RunCurve(str(i), f"a name that is far too long for a legend, {i}", A.history) for i in range(10)]
    shown = phases(curves)
    few, many = (overlaid(some, shown, dict.fromkeys(map(str, range(10)), "#000000")) for some in (curves[:1], curves))
    assert max(len(trace.name) for trace in many.data) == 34
    assert many.layout.margin.t - few.layout.margin.t == many.layout.height - few.layout.height == 4 * 19
