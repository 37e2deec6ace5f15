"""Reconstruction errors in both scales, and the choice of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_core.analysis.reconstruction import (
    Reconstructions,
    choose_rows,
    column_errors,
    difference,
    reconstructions,
    row_errors,
    signed_difference,
    squared_errors,
)
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError
from sae_core.model.trained import TrainedStack


def test_row_errors_are_those_of_the_model(iris: Dataset, iris_model: TrainedStack) -> None:
    rows = np.array([5, 3, 149])
    found = row_errors(iris_model, iris, rows)
    assert found.levels == (1, 2)
    x = iris_model.prepare(iris.take(rows))
    for level in (1, 2):
        expected = np.square(iris_model.reconstruct_prepared(x, level).astype(np.float64) - x).mean(axis=1)
        np.testing.assert_allclose(found.at(level), expected, rtol=1e-4, atol=1e-9)


def test_all_rows_unless_told_otherwise(iris: Dataset, iris_model: TrainedStack) -> None:
    found = row_errors(iris_model, iris)
    np.testing.assert_array_equal(found.rows, np.arange(150))
    assert found.values.shape == (2, 150)


def test_deeper_narrower_levels_lose_more(iris: Dataset, iris_model: TrainedStack) -> None:
    found = row_errors(iris_model, iris)
    assert found.at(1).mean() < found.at(2).mean() < 1.0, "a standardised mean row would cost 1"


def test_row_errors_can_be_cancelled(iris: Dataset, iris_model: TrainedStack) -> None:
    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        row_errors(iris_model, iris, report=stop)


def test_reconstructions_are_in_the_users_units(iris: Dataset, iris_model: TrainedStack) -> None:
    shown = reconstructions(iris_model, iris, [0, 100])
    pd.testing.assert_frame_equal(shown.original, iris.features.iloc[[0, 100]])
    for level in (1, 2):
        back = shown.at(level)
        assert isinstance(back, pd.DataFrame)
        assert list(back.columns) == list(iris.features.columns)
        assert np.abs(back.to_numpy() - shown.original.to_numpy()).max() < 2.5, "centimetres, not standard deviations"


ERRORS = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.5])


def test_best_and_worst() -> None:
    assert choose_rows(ERRORS, "best", 2).tolist() == [5, 1]
    assert choose_rows(ERRORS, "worst", 2).tolist() == [0, 2]


def test_random_rows_follow_the_seed() -> None:
    assert choose_rows(ERRORS, "random", 4, seed=1).tolist() == choose_rows(ERRORS, "random", 4, seed=1).tolist()
    assert len({tuple(choose_rows(ERRORS, "random", 3, seed=seed)) for seed in range(10)}) > 1


def test_each_class_is_shown_by_its_most_typical_row() -> None:
    codes = np.array([0, 0, 0, 1, 1, -1])
    assert choose_rows(ERRORS, "each class", 2, class_codes=codes).tolist() == [2, 3]
    assert sorted(choose_rows(ERRORS, "each class", 10, class_codes=codes).tolist()) == [0, 1, 2, 3, 4]


def test_rows_without_an_error_come_last() -> None:
    errors = np.array([np.nan, 2.0, 1.0])
    assert choose_rows(errors, "worst", 3).tolist() == [1, 2, 0]
    assert choose_rows(errors, "best", 3).tolist() == [2, 1, 0]


@given(
    errors=st.lists(st.floats(0, 1e9), max_size=30),
    how=st.sampled_from(["random", "best", "worst", "each class"]),
    count=st.integers(0, 40),
)
def test_chosen_rows_are_different_and_as_many_as_asked(errors: list[float], how: str, count: int) -> None:
    codes = np.arange(len(errors)) % 3
    chosen = choose_rows(np.array(errors), how, count, class_codes=codes)  # type: ignore[arg-type]
    assert len(set(chosen.tolist())) == len(chosen) == min(count, len(errors))
    assert all(0 <= position < len(errors) for position in chosen)


def shown(original: pd.DataFrame, given_back: pd.DataFrame) -> Reconstructions:
    return Reconstructions(np.arange(len(original)), (1,), original, (given_back,))


def test_column_errors_of_every_kind_of_column() -> None:
    original = pd.DataFrame(
        {
            "age": [10.0, 20.0, np.nan, 30.0],
            "colour": pd.Series(["red", "red", "blue", None], dtype="str"),
            "seen": pd.to_datetime(["2024-01-01", "2024-01-03", None, "2024-01-05"]),
            "member": pd.Series([True, False, None, True], dtype="boolean"),
        }
    )
    back = pd.DataFrame(
        {
            "age": [11.0, 18.0, 5.0, 30.0],
            "colour": pd.Series(["red", "blue", "blue", None], dtype="str"),
            "seen": pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-01", "2024-01-05"]),
            "member": pd.Series([True, True, None, True], dtype="boolean"),
        }
    )
    found = column_errors(shown(original, back))
    assert found.names == ("age", "colour", "seen", "member")
    np.testing.assert_allclose(found.values[0], [1.0, 0.25, 1 / 3, 0.25])
    assert found.units == ("mean absolute error", "share of rows changed") * 2
    # guesses: the median 20 costs (10 + 0 + 10) / 3; "red" and True are wrong for 2 of 4; 3 January costs 4 / 3 days
    np.testing.assert_allclose(found.relative[0], [1.0 / (20 / 3), 0.25 / 0.5, (1 / 3) / (4 / 3), 0.25 / 0.5])


def test_constant_and_empty_columns_have_no_relative_error() -> None:
    original = pd.DataFrame({"constant": [1.0, 1.0], "empty": [np.nan, np.nan]})
    found = column_errors(shown(original, original))
    assert np.isnan(found.relative).all()
    assert found.values[0, 0] == 0
    assert np.isnan(found.values[0, 1])


def test_pixels_have_an_error_each() -> None:
    original = np.array([[0.0, 1.0], [1.0, 1.0]], dtype=np.float32)
    found = column_errors(
        Reconstructions(np.arange(2), (1,), original, (np.array([[0.5, 1.0], [1.0, 0.0]], np.float32),))
    )
    np.testing.assert_allclose(found.values, [[0.25, 0.5]])
    np.testing.assert_allclose(found.relative, [[0.5, np.nan]])


def test_columns_of_a_real_mixed_table(mixed: Dataset, mixed_model: TrainedStack) -> None:
    found = column_errors(reconstructions(mixed_model, mixed, np.arange(60)))
    assert found.values.shape == (2, 4)
    assert np.isfinite(found.values).all()


def test_a_missing_value_given_back_as_something_else() -> None:
    before, after = pd.Series(["a", None], dtype="str"), pd.Series(["a", "b"], dtype="str")
    assert difference(before, after).tolist() == [0.0, 1.0]


def test_signs_of_differences() -> None:
    assert signed_difference(pd.Series([1.0, 5.0]), pd.Series([3.0, 4.0])).tolist() == [2.0, -1.0]
    days = signed_difference(pd.to_datetime(pd.Series(["2024-01-02"])), pd.to_datetime(pd.Series(["2024-01-01"])))
    assert days.tolist() == [-1.0]


def test_squared_errors_do_not_overflow_float32() -> None:
    assert np.isfinite(squared_errors(np.zeros((1, 2), np.float32), np.full((1, 2), 1e30, np.float32))).all()
