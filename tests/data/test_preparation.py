"""Preparation: scikit-learn is the oracle; fitted on the training rows only; back to the user's columns."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

from sae_core import limits
from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_columns import BooleanColumn, CategoryColumn, DateColumn, NumericColumn
from sae_core.errors import ModelFileError, ShapeError, TooLargeError, VersionError

SCALERS = {"standard": StandardScaler, "min_max": lambda: MinMaxScaler(clip=True), "robust": RobustScaler}


def dataset(frame: pd.DataFrame, **kinds: str) -> Dataset:
    guessed = {"f": "numeric", "M": "date", "b": "boolean"}
    columns = tuple(
        Column(name, kinds.get(name, guessed.get(dtype.kind, "category"))) for name, dtype in frame.dtypes.items()
    )  # type: ignore[arg-type]
    return Dataset("test", "table", frame, columns=columns)


def mixed(rows: int = 400, missing: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 12, rows),
            "income": rng.lognormal(10, 1, rows),
            "colour": pd.array(rng.choice(["red", "green", "blue"], rows), dtype="str"),
            "since": pd.to_datetime("2001-05-17") + pd.to_timedelta(rng.integers(0, 5000, rows), unit="D"),
            "seen": pd.to_datetime("2021-01-01 08:30:15") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s"),
            "member": pd.array(rng.random(rows) > 0.3, dtype="boolean"),
        }
    )
    frame["since"] = frame["since"].astype("datetime64[us]")
    frame["seen"] = frame["seen"].astype("datetime64[us]")
    if missing:
        for at, name in enumerate(frame.columns):
            frame.loc[rng.random(rows) < 0.1 + 0.01 * at, name] = None
    return frame


# -- the oracle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", SCALERS)
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_numbers_as_scikit_learn_prepares_them(scaling: str, share: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(5, 3, (300, 4)) * [1, 1e-6, 1e6, 1] + [0, 0, 0, 1e4]
    x[:, 3] = x[:, 3].round()
    x[rng.random(x.shape) < share] = np.nan
    data = dataset(pd.DataFrame(x, columns=list("abcd")))
    prepared = Preparation.fit(data, scaling).transform(data)  # type: ignore[arg-type]
    train = data.split.train
    oracle = make_pipeline(SimpleImputer(strategy="median"), SCALERS[scaling]()).fit(x[train]).transform(x)
    values = prepared[:, ::2] if share else prepared
    np.testing.assert_allclose(values, oracle, rtol=1e-6, atol=1e-6)
    if share:
        np.testing.assert_array_equal(prepared[:, 1::2], MissingIndicator().fit(x[train]).transform(x))


@pytest.mark.parametrize("scaling", SCALERS)
def test_constant_columns_as_scikit_learn(scaling: str) -> None:
    x = np.array([[3.7, 0.0, 1 / 3, -7e9]]).repeat(60, axis=0)
    data = dataset(pd.DataFrame(x, columns=list("abcd")))
    prepared = Preparation.fit(data, scaling).transform(data)  # type: ignore[arg-type]
    np.testing.assert_allclose(prepared, SCALERS[scaling]().fit_transform(x), atol=1e-6)
    assert (prepared == 0).all()


def test_categories_as_scikit_learn_encodes_them() -> None:
    rng = np.random.default_rng(2)
    many = [f"v{int(k):03d}" for k in rng.geometric(0.03, 5000)]
    few = rng.choice(["b", "a", "ä", "Z"], 5000)
    rare = np.where(rng.random(5000) < 0.0004, "rare", few)
    frame = pd.DataFrame(
        {"many": pd.array(many, dtype="str"), "few": pd.array(few, dtype="str"), "rare": pd.array(rare, dtype="str")}
    )
    data = dataset(frame)
    train = data.split.train
    oracle = OneHotEncoder(
        max_categories=limits.MAX_CATEGORIES,
        min_frequency=limits.RARE_CATEGORY_SHARE,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    ).fit(frame.to_numpy(dtype=object)[train])
    fitted = Preparation.fit(data)
    # scikit-learn breaks ties of equal counts by position, we by the value: compare where there are none at the limit.
    np.testing.assert_array_equal(
        fitted.transform(frame)[:, -9:], oracle.transform(frame.to_numpy(dtype=object))[:, -9:]
    )
    assert fitted.n_inputs == oracle.transform(frame.to_numpy(dtype=object)).shape[1]
    assert fitted.columns[0].has_other  # type: ignore[union-attr]
    unseen = pd.DataFrame({"many": ["new"], "few": ["new"], "rare": ["new"]})
    np.testing.assert_array_equal(fitted.transform(unseen), oracle.transform(unseen.to_numpy(dtype=object)))


@pytest.mark.parametrize("scaling", SCALERS)
@pytest.mark.parametrize("kind", ["arrays", "images"])
def test_arrays_as_scikit_learn_prepares_them(scaling: str, kind: Any) -> None:
    rng = np.random.default_rng(4)
    x = rng.random((200, 12)).astype(np.float32)
    x[:, 5] = 0.25
    data = Dataset("a", kind, x, image_shape=(2, 2, 3) if kind == "images" else None)
    fitted = Preparation.fit(data, scaling)  # type: ignore[arg-type]
    oracle = SCALERS[scaling]().fit(x[data.split.train].astype(np.float64)).transform(x.astype(np.float64))
    np.testing.assert_allclose(fitted.transform(data), oracle, atol=2e-6)
    back = fitted.inverse_transform(fitted.transform(data))
    rows = data.split.train
    np.testing.assert_allclose(back[rows], x[rows], atol=1e-6)


# -- training rows only ----------------------------------------------------------------------------------------------


def test_held_out_rows_do_not_change_what_is_fitted() -> None:
    data = dataset(mixed())
    before = Preparation.fit(data)
    frame = data.features.copy()
    held_out = np.concatenate([data.split.validation, data.split.test])
    frame.loc[held_out, "age"] = 1e6
    frame.loc[held_out, "colour"] = "violet"
    frame.loc[held_out, "member"] = None
    assert Preparation.fit(dataset(frame)) == before


def test_indicator_only_where_training_rows_have_missing_cells() -> None:
    frame = mixed(missing=False)
    data = dataset(frame)
    frame.loc[data.split.test[0], "age"] = np.nan
    fitted = Preparation.fit(dataset(frame))
    assert "age is missing" not in fitted.feature_names_out
    train_median = frame["age"].iloc[data.split.train].median()
    row = fitted.inverse_transform(fitted.transform(frame.iloc[data.split.test[:1]]))
    assert row["age"].iloc[0] == pytest.approx(train_median, rel=1e-6)


# -- and back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("scaling", ["standard", "robust", "none"])
def test_round_trip_gives_the_users_columns_back(missing: bool, scaling: Any) -> None:
    frame = mixed(missing=missing)
    data = dataset(frame)
    fitted = Preparation.fit(data, scaling)
    back = fitted.inverse_transform(fitted.transform(data))
    assert isinstance(back, pd.DataFrame)
    assert list(back.columns) == list(frame.columns)
    pd.testing.assert_series_equal(back["colour"], frame["colour"])
    pd.testing.assert_series_equal(back["member"], frame["member"])
    pd.testing.assert_series_equal(back["since"], frame["since"])
    np.testing.assert_allclose(back["age"], frame["age"], rtol=1e-5)
    np.testing.assert_allclose(back["income"], frame["income"], rtol=1e-4, atol=5)
    assert back["seen"].dtype == "datetime64[us]"
    assert (back["seen"] - frame["seen"]).abs().max() < pd.Timedelta("10min")
    assert (back["seen"].isna() == frame["seen"].isna()).all()


def test_min_max_round_trip_of_training_rows_and_clipping_of_others() -> None:
    data = dataset(mixed(missing=False))
    fitted = Preparation.fit(data, "min_max")
    assert fitted.output_range == (0.0, 1.0)
    prepared = fitted.transform(
        pd.concat([data.features, data.features.assign(age=1e9), data.features.assign(age=-1e9)])
    )
    assert prepared.min() >= 0
    assert prepared.max() <= 1
    rows = data.split.train
    back = fitted.inverse_transform(prepared[rows])
    np.testing.assert_allclose(back["age"], data.features["age"].iloc[rows], rtol=1e-5)


def test_reconstructions_are_decided() -> None:
    """The largest input decides a category, 0.5 a boolean, the indicator whether a cell is missing."""
    fitted = Preparation(
        kind="table", scaling="standard", feature_names_in=("n", "c", "b"),
        columns=(
            NumericColumn("n", fill=1.0, center=10.0, scale=2.0, has_indicator=True),
            CategoryColumn("c", ("x", "y"), has_other=True, has_indicator=True),
            BooleanColumn("b", 1, has_indicator=False),
        ),
    )  # fmt: skip
    back = fitted.inverse_transform(
        [[0.5, 0.4, 0.2, 0.3, 0.1, 0.0, 0.51], [0.5, 0.6, 0, 0, 0.9, 0.1, 0.5], [-1, 0, 0, 0, 0.1, 0.9, -3]]
    )
    assert back["n"].tolist()[::2] == [11.0, 8.0]
    assert np.isnan(back["n"].iloc[1])
    assert back["c"].tolist()[:2] == ["y", "other"]
    assert pd.isna(back["c"].iloc[2])
    assert back["b"].tolist() == [True, False, False]


def test_dates_beyond_the_calendar_are_missing() -> None:
    fitted = Preparation(
        kind="table", scaling="standard", feature_names_in=("d",),
        columns=(DateColumn("d", fill=0.0, center=0.0, scale=1e6, has_indicator=False, whole_days=False),),
    )  # fmt: skip
    back = fitted.inverse_transform([[0.0], [1e6], [-1e6]])
    assert back["d"].isna().tolist() == [False, True, True]


# -- what raw rows may be --------------------------------------------------------------------------------------------


def test_columns_in_any_order_and_further_ones() -> None:
    data = dataset(mixed())
    fitted = Preparation.fit(data)
    shuffled = data.features[data.features.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(fitted.transform(shuffled), fitted.transform(data))


def test_other_dtypes_of_the_same_values() -> None:
    frame = pd.DataFrame(
        {
            "n": [1.0, 2.0, 3.0, 4.0] * 5,
            "c": pd.array(["1", "2", "3", "4"] * 5, dtype="str"),
            "b": pd.array([True, False] * 10, dtype="boolean"),
        }
    )
    data = dataset(frame)
    fitted = Preparation.fit(data)
    expected = fitted.transform(data)
    variants = pd.DataFrame({"n": [1, 2, 3, 4] * 5, "c": [1, 2, 3, 4] * 5, "b": [1, 0] * 10})
    for raw in (
        variants,
        variants.astype({"n": "Int64", "c": "float64", "b": "bool"}),
        variants.astype({"n": "str", "c": "category"}).assign(b=["yes", "no"] * 10),
        variants.astype(object),
        variants.to_numpy(),
        variants.to_numpy().tolist(),
    ):
        np.testing.assert_array_equal(fitted.transform(raw), expected)


def test_dates_as_text() -> None:
    data = dataset(mixed(missing=False)[["since", "age"]])
    fitted = Preparation.fit(data)
    as_text = data.features.assign(since=data.features["since"].dt.strftime("%Y-%m-%d"))
    np.testing.assert_allclose(fitted.transform(as_text), fitted.transform(data), atol=1e-6)
    zoned = data.features.assign(since=data.features["since"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    np.testing.assert_allclose(fitted.transform(zoned), fitted.transform(data), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="age"), "lack the column 'age'"),
        (lambda f: f.assign(age="old"), "Column 'age' was numeric in training, but these rows hold 'old'"),
        (lambda f: f.assign(age=pd.Timestamp("2020-01-01")), "Column 'age' was numeric"),
        (lambda f: f.assign(since=3.5), "Column 'since' was a date"),
        (lambda f: f.assign(since="yesterday"), "Column 'since' was a date"),
        (lambda f: f.assign(member="perhaps"), "Column 'member' was true or false"),
        (lambda f: f.to_numpy()[:, :3], r"table of 6 columns, but these rows have the form \(400, 3\)"),
        (lambda f: f["age"], "table of 6 columns"),
        (lambda f: 3, "table of 6 columns"),
        (lambda f: None, "table of 6 columns"),
        (lambda f: [[1], [1, 2]], "table of 6 columns"),
        (lambda f: pd.concat([f, f], axis=1), "several columns called 'age'"),
    ],
)
def test_rows_of_another_form_are_refused_in_words(change: Any, message: str) -> None:
    frame = mixed(missing=False)
    fitted = Preparation.fit(dataset(frame))
    with pytest.raises(ShapeError, match=message):
        fitted.transform(change(frame))


def test_pictures_in_every_form() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 4, 3, 1), dtype=np.uint8)
    x = (pixels / np.float32(255)).reshape(20, 12)
    fitted = Preparation.fit(Dataset("p", "images", x, image_shape=(4, 3, 1)))
    assert fitted.scaling == "none"
    assert fitted.output_range == (0.0, 1.0)
    for raw in (x, x.astype(np.float64), x.reshape(20, 4, 3, 1), x.reshape(20, 4, 3), pixels, pixels.reshape(20, 12)):
        np.testing.assert_allclose(fitted.transform(raw), x, atol=1e-7)
    for wrong in (x[:, :11], x.reshape(20, 3, 4), x.astype(str), x[0], "no", None):
        with pytest.raises(ShapeError, match=r"\(rows, 12\)"):
            fitted.transform(wrong)
    broken = x.copy()
    broken[3, 4] = np.nan
    with pytest.raises(ShapeError, match=r"Row 3 .* position 4"):
        fitted.transform(broken)


def test_unscaled_pictures_are_not_copied() -> None:
    x = np.random.default_rng(0).random((4000, 784), dtype=np.float32)
    data = Dataset("p", "images", x, image_shape=(28, 28, 1))
    tracemalloc.start()
    fitted = Preparation.fit(data)
    prepared = fitted.transform(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.shares_memory(prepared, x)
    assert peak < x.nbytes


def test_tables_are_prepared_without_a_second_copy() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200_000, 20)))
    frame.columns = [f"x{at}" for at in range(20)]
    data = dataset(frame)
    fitted = Preparation.fit(data)
    tracemalloc.start()
    prepared = fitted.transform(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert prepared.dtype == np.float32
    assert peak < 1.6 * prepared.nbytes


# -- extremes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", [*SCALERS, "none"])
@pytest.mark.parametrize("extreme", [1e300, -1e300, 1e308, np.inf, -np.inf, 5e-324, 1e-300])
def test_extreme_numbers_stay_finite(scaling: Any, extreme: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    x[::7, 1] = extreme
    x[:, 2] = np.where(rng.random(50) > 0.5, extreme, -extreme)
    data = dataset(pd.DataFrame(x, columns=list("abc")))
    fitted = Preparation.fit(data, scaling)
    with np.errstate(over="ignore"):
        prepared = fitted.transform(data)
        back = fitted.inverse_transform(prepared)
    assert np.isfinite(prepared).all()
    assert np.isfinite(prepared.astype(np.float64) ** 2).all()
    assert np.isfinite((prepared**2).sum(dtype=np.float32))
    np.testing.assert_allclose(back["a"], x[:, 0], rtol=1e-5) if scaling != "min_max" else None
    Preparation.from_json(json.loads(json.dumps(fitted.to_json())))


def test_infinite_numbers_count_as_missing() -> None:
    x = np.arange(40.0)
    x[5] = np.inf
    data = dataset(pd.DataFrame({"a": x, "b": np.arange(40.0)})).with_split(SplitOptions(validation=0, test=0))
    fitted = Preparation.fit(data)
    assert fitted.feature_names_out == ("a", "a is missing", "b")
    prepared = fitted.transform(data)
    assert prepared[5, 1] == 1
    assert np.isnan(fitted.inverse_transform(prepared)["a"].iloc[5])


def test_arrays_with_missing_values() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 70)).astype(np.float32)
    x[3, 1] = np.nan
    x[:, 69] = np.nan
    data = Dataset("a", "arrays", x)
    for scaling in ("standard", "none"):
        fitted = Preparation.fit(data, scaling)  # type: ignore[arg-type]
        prepared = fitted.transform(x)
        assert np.isfinite(prepared).all()
        assert np.isnan(x[3, 1])
        back = fitted.inverse_transform(prepared)
        assert back[3, 1] == pytest.approx(np.nanmedian(x[data.split.train, 1]), abs=1e-5)
        assert Preparation.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_very_few_rows(rows: int) -> None:
    frame = mixed(rows)
    fitted = Preparation.fit(dataset(frame))
    assert np.isfinite(fitted.transform(frame)).all()
    assert len(fitted.inverse_transform(fitted.transform(frame))) == rows
    assert fitted.transform(frame.iloc[:0]).shape == (0, fitted.n_inputs)


def test_a_column_without_any_value() -> None:
    frame = pd.DataFrame(
        {
            "n": [np.nan] * 9,
            "c": pd.array([None] * 9, dtype="str"),
            "d": pd.array([pd.NaT] * 9, dtype="datetime64[us]"),
            "b": pd.array([None] * 9, dtype="boolean"),
        }
    )
    fitted = Preparation.fit(dataset(frame))
    prepared = fitted.transform(frame)
    assert np.isfinite(prepared).all()
    assert fitted.inverse_transform(prepared).isna().all(axis=None)


def test_other_is_never_a_value() -> None:
    values = [f"v{at:03d}" for at in range(60)] * 3 + ["other"] * 20
    data = dataset(pd.DataFrame({"c": pd.array(values, dtype="str"), "n": np.arange(200.0)}))
    fitted = Preparation.fit(data)
    assert "c = (other values)" in fitted.feature_names_out
    back = fitted.inverse_transform(fitted.transform(pd.DataFrame({"c": ["other", "unseen"], "n": [1, 2]})))
    assert back["c"].tolist() == ["other", "(other values)"]


def test_names_of_inputs_are_unique() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan] * 10, "a is missing": np.arange(20.0)})
    names = Preparation.fit(dataset(frame)).feature_names_out
    assert len(set(names)) == len(names) == 3


def test_source_columns_point_at_the_users_columns() -> None:
    fitted = Preparation.fit(dataset(mixed()))
    assert fitted.n_inputs == len(fitted.feature_names_out) == len(fitted.source_columns)
    for name, source in zip(fitted.feature_names_out, fitted.source_columns, strict=True):
        assert name.startswith(fitted.feature_names_in[source])


# -- limits ----------------------------------------------------------------------------------------------------------


def test_limit_of_prepared_features(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(mixed())
    width = Preparation.fit(data).n_inputs
    monkeypatch.setattr("sae_core.data.preparation.MAX_PREPARED_FEATURES", width)
    Preparation.fit(data)
    monkeypatch.setattr("sae_core.data.preparation.MAX_PREPARED_FEATURES", width - 1)
    with pytest.raises(TooLargeError, match=f"{width} inputs once categories are one-hot, more than {width - 1}"):
        Preparation.fit(data)


def test_limit_of_prepared_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(mixed())
    size = Preparation.fit(data).transform(data).nbytes
    monkeypatch.setattr("sae_core.data.preparation.MAX_PREPARED_BYTES", size)
    Preparation.fit(data)
    monkeypatch.setattr("sae_core.data.preparation.MAX_PREPARED_BYTES", size - 1)
    with pytest.raises(TooLargeError, match="more than the"):
        Preparation.fit(data)


def test_limit_of_categories() -> None:
    for distinct, inputs, has_other in (
        (limits.MAX_CATEGORIES, limits.MAX_CATEGORIES, False),
        (limits.MAX_CATEGORIES + 1, limits.MAX_CATEGORIES, True),
    ):
        values = [f"v{at:03d}" for at in range(distinct)] * 4
        data = dataset(pd.DataFrame({"c": pd.array(values, dtype="str")})).with_split(SplitOptions(0, 0))
        fitted = Preparation.fit(data)
        assert fitted.n_inputs == inputs
        assert fitted.columns[0].has_other is has_other  # type: ignore[union-attr]


def test_limit_of_rare_categories() -> None:
    rows = round(2 / limits.RARE_CATEGORY_SHARE)
    for rare, kept in ((2, True), (1, False)):
        values = ["common"] * (rows - rare) + ["rare"] * rare
        data = dataset(pd.DataFrame({"c": pd.array(values, dtype="str")})).with_split(SplitOptions(0, 0))
        assert ("rare" in Preparation.fit(data).columns[0].values) is kept  # type: ignore[union-attr]


@pytest.mark.parametrize("scaling", ["robust", "none"])
def test_limit_of_prepared_values(scaling: Any) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, 1e299] * 9})
    fitted = Preparation.fit(dataset(frame), scaling)
    limit = limits.LARGEST_UNSCALED if scaling == "none" else limits.LARGEST_SCALED
    assert fitted.clip == (-limit, limit)
    assert fitted.transform(frame).max() == np.float32(limit)


def test_limit_of_numbers() -> None:
    frame = pd.DataFrame(
        {"a": [limits.LARGEST_NUMBER, np.nextafter(limits.LARGEST_NUMBER, np.inf), -limits.LARGEST_NUMBER, 1.0] * 5}
    )
    fitted = Preparation.fit(dataset(frame).with_split(SplitOptions(0, 0)))
    assert fitted.transform(frame)[:4, 1].tolist() == [0, 1, 0, 0]


# -- JSON ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fitted() -> Preparation:
    return Preparation.fit(dataset(mixed()))


def test_json_there_and_back(fitted: Preparation) -> None:
    loaded = Preparation.from_json(json.loads(json.dumps(fitted.to_json())))
    assert loaded == fitted
    assert loaded.feature_names_out == fitted.feature_names_out
    frame = mixed()
    np.testing.assert_array_equal(loaded.transform(frame), fitted.transform(frame))
    for kind, shape in (("images", (2, 3, 2)), ("arrays", None)):
        x = np.random.default_rng(0).random((30, 12), dtype=np.float32)
        for scaling in ("auto", "standard", "none"):
            one = Preparation.fit(Dataset("x", kind, x, image_shape=shape), scaling)  # type: ignore[arg-type]
            assert Preparation.from_json(json.loads(json.dumps(one.to_json()))) == one


def change(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    changed = json.loads(json.dumps(value))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target = changed
    for part in parents:
        target = target[part]
    target[last] = new
    return changed  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("kind", "sound"), ("kind", "images"), ("kind", "arrays"), ("scaling", "auto"), ("scaling", 3),
        ("columns", []), ("columns", None), ("columns.0.fill", float("nan")), ("columns.0.fill", "3"),
        ("columns.0.center", float("inf")), ("columns.0.center", None), ("columns.0.scale", 0),
        ("columns.0.scale", -1.0),
        ("columns.0.has_indicator", 1), ("columns.0.kind", "text"), ("columns.0.name", 7), ("columns.0.name", "income"),
        ("columns.2.values", ["a", "a"]), ("columns.2.values", [1]),
        ("columns.2.values", [f"v{at}" for at in range(51)]),
        ("columns.5.fill", 2), ("image_shape", [2, 3, 2]), ("image_shape", [0, 1, 1]), ("surprise", 1),
        ("columns.0.surprise", 1), ("names", ["a"]), ("array", {"center": [0.0], "scale": [1.0], "fill": None}),
    ],
)  # fmt: skip
def test_altered_json_is_refused(fitted: Preparation, path: str, new: Any) -> None:
    with pytest.raises(ModelFileError, match="broken or was altered"):
        Preparation.from_json(change(fitted.to_json(), path, new))


@pytest.mark.parametrize("value", [None, [], {}, "x", 3, {"version": 1}, {"version": None}, {"columns": []}])
def test_other_json_is_refused(value: Any) -> None:
    with pytest.raises(ModelFileError):
        Preparation.from_json(value)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("array.center", [0.0]), ("array.scale", None), ("array.scale", [0.0] * 12), ("image_shape", [2, 3, 3]),
        ("image_shape", None), ("image_shape", [10**9, 10**9, 1]), ("array", None),
        ("array.center", [float("nan")] * 12),
    ],
)  # fmt: skip
def test_altered_json_of_pictures_is_refused(path: str, new: Any) -> None:
    x = np.random.default_rng(0).random((30, 12), dtype=np.float32)
    made = Preparation.fit(Dataset("x", "images", x, image_shape=(2, 3, 2)), "standard")
    with pytest.raises(ModelFileError, match="broken or was altered"):
        Preparation.from_json(change(made.to_json(), path, new))


def test_other_versions_are_named(fitted: Preparation) -> None:
    with pytest.raises(VersionError, match="format 2, this program reads format 1"):
        Preparation.from_json(change(fitted.to_json(), "version", 2))


def test_prepared_rows_of_another_form_are_refused(fitted: Preparation) -> None:
    for wrong in (np.zeros(3), np.zeros((2, fitted.n_inputs + 1)), "x", None, [[1], [1, 2]]):
        with pytest.raises(ShapeError, match=f"\\(rows, {fitted.n_inputs}\\)"):
            fitted.inverse_transform(wrong)
