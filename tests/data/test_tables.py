"""Reading tables: sources, options, labels as written, notes, limits, and the two readers against each other."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_core import limits
from sae_core.data import fast_rows, table_load
from sae_core.data.tables import Dialect, TableOptions, inspect_table, read_table
from sae_core.errors import CancelledError, DataError, LabelError, SaeError, TooLargeError, UnreadableFileError

PLAIN = b"height,colour,kind\n" + b"".join(
    b"%d.5,%s,%s\n" % (at, [b"red", b"blue"][at % 2], [b"a", b"b", b"c"][at % 3]) for at in range(30)
)


def table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"a": rng.normal(size=rows).round(4), "b": rng.integers(0, 90, rows), "c": rng.choice(["x", "y", "z"], rows)}
    )


# -- sources ---------------------------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(PLAIN)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(PLAIN))
    expected = read_table(path, label="kind")
    with path.open("rb") as binary, path.open(newline="") as text:
        for source in (
            str(path),
            PLAIN,
            bytearray(PLAIN),
            memoryview(PLAIN),
            io.BytesIO(PLAIN),
            binary,
            text,
            tmp_path / "t.csv.gz",
        ):
            data = read_table(source, label="kind")
            pd.testing.assert_frame_equal(data.features, expected.features)
            assert data.fingerprint == expected.fingerprint
        assert not binary.closed


def test_name_of_the_data_set(tmp_path: Path) -> None:
    path = tmp_path / "iris (1).csv"
    path.write_bytes(PLAIN)
    assert read_table(path).name == "iris (1).csv"
    assert read_table(path, name="mine").name == "mine"
    assert read_table(PLAIN, name="up.csv").name == "up.csv"
    with path.open("rb") as file:
        assert read_table(file).name == "iris (1).csv"


def test_a_file_object_is_read_from_where_it_stands_and_stays_open() -> None:
    file = io.BytesIO(b"garbage\x00" + PLAIN)
    file.seek(8)
    assert len(read_table(file)) == 30
    assert not file.closed


def test_a_stream_that_cannot_seek() -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError("not seekable")

    assert len(read_table(Stream(PLAIN), name="s.csv")) == 30


@pytest.mark.parametrize(
    "source", ["no/such/file.csv", "https://example.org/x.csv", "", "\0", 3, None, [1, 2], "x" * 5000]
)
def test_sources_that_are_none(source: Any) -> None:
    with pytest.raises(UnreadableFileError):
        read_table(source)


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="is a folder"):
        read_table(tmp_path)


# -- labels ----------------------------------------------------------------------------------------------------------


def test_no_label_unless_asked_for() -> None:
    assert inspect_table(PLAIN).label_guess == "kind"
    data = read_table(PLAIN)
    assert data.y is None
    assert data.feature_names == ("height", "colour", "kind")


def test_labels_as_written() -> None:
    words = ["NA", "None", "null", "007", "7", "7.0", "nan", "", "true", "-", "?", "  padded ", "1,5"]
    content = "x;y\n" + "".join(f"{at * 7};{word}\n" for at, word in enumerate(words * 3))
    data = read_table(content.encode(), label="y")
    assert data.y is not None
    expected = [word.strip() or None for word in words]
    assert data.y[: len(words)].tolist() == expected
    assert data.label_name == "y"
    assert "3 rows have no label" in " ".join(data.notes)
    assert data.class_codes[expected.index(None)] == -1


def test_a_label_by_its_role_or_by_the_argument() -> None:
    by_role = read_table(PLAIN, options=TableOptions(roles={"kind": "label"}))
    assert by_role.fingerprint == read_table(PLAIN, label="kind").fingerprint
    assert (
        read_table(PLAIN, label="kind", options=TableOptions(roles={"kind": "label"})).fingerprint
        == by_role.fingerprint
    )
    with pytest.raises(DataError, match="Choose one"):
        read_table(PLAIN, label="colour", options=TableOptions(roles={"kind": "label"}))
    with pytest.raises(DataError, match="2 columns have the role label"):
        read_table(PLAIN, options=TableOptions(roles={"kind": "label", "colour": "label"}))


@pytest.mark.parametrize(("wanted", "offered"), [("Kind", "kind"), ("colur", "colour"), ("HEIGHT", "height")])
def test_a_label_that_does_not_exist(wanted: str, offered: str) -> None:
    with pytest.raises(DataError, match=f"has no column '{wanted}'. Did you mean '{offered}'?"):
        read_table(PLAIN, label=wanted)


def test_a_label_that_resembles_nothing() -> None:
    with pytest.raises(DataError, match="Choose one of its columns: 'height', 'colour', 'kind'"):
        read_table(PLAIN, label="zzz")
    with pytest.raises(DataError, match="Did you mean 'kind'"):
        inspect_table(PLAIN).column("kinds")


def test_unsuitable_labels() -> None:
    with pytest.raises(LabelError, match="has no values"):
        read_table(b"x,y\n1,\n2,\n3,\n", label="y")
    single = read_table(b"x,y\n1,k\n2,k\n3,k\n", label="y")
    assert not single.has_labels
    assert "one value only" in " ".join(single.notes)


def test_limit_of_classes() -> None:
    def content(classes: int) -> bytes:
        return b"x,y\n" + b"".join(b"%d.5,k%d\n" % (at, at % classes) for at in range(2 * classes))

    assert len(read_table(content(limits.MAX_CLASSES), label="y").classes) == limits.MAX_CLASSES
    with pytest.raises(TooLargeError, match="1,001 different values, more than 1,000"):
        read_table(content(limits.MAX_CLASSES + 1), label="y")


# -- what the user decides -------------------------------------------------------------------------------------------


def test_roles_and_kinds_are_obeyed() -> None:
    content = b"id,n,c,when,flag\n" + b"".join(
        b"%d,%d,k%d,2021-03-%02d,%s\n" % (at, at % 3, at, at % 28 + 1, [b"yes", b"no"][at % 2]) for at in range(40)
    )
    data = read_table(
        content,
        options=TableOptions(
            roles={"id": "feature", "c": "feature", "when": "identifier", "flag": "ignore"},
            kinds={"n": "category", "id": "numeric"},
        ),
    )
    assert [(column.name, column.kind) for column in data.columns] == [
        ("id", "numeric"),
        ("n", "category"),
        ("c", "category"),
    ]
    assert data.features["n"].tolist()[:3] == ["0", "1", "2"]
    assert data.identifiers is not None
    assert data.identifiers["when"].iloc[0] == "2021-03-01"
    assert data.identifiers["flag"].iloc[1] == "no"


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("numeric", ["1", "x", "3"], [1.0, np.nan, 3.0]),
        ("category", ["1", "2.0", ""], ["1", "2.0", None]),
        ("boolean", ["1", "0", "1"], [True, False, True]),
        ("boolean", ["yes", "no", "perhaps"], [True, False, None]),
        ("date", ["20210304", "20210305", ""], ["2021-03-04", "2021-03-05", None]),
        ("date", ["2021-03-04", "soon", "2021-03-06"] * 9, ["2021-03-04", None, "2021-03-06"]),
    ],
)
def test_a_kind_of_ones_own(kind: Any, values: list[str], expected: list[Any]) -> None:
    content = "v,x\n" + "".join(f"{value},{at * 1.5}\n" for at, value in enumerate(values))
    options = TableOptions(kinds={"v": kind}, roles={"v": "feature"})
    if kind == "date" and "soon" in values:
        with pytest.raises(DataError, match="cannot be read as dates"):
            read_table(content.encode(), options=options)
        return
    found = read_table(content.encode(), options=options).features["v"].tolist()[:3]
    for value, wanted in zip(found, expected, strict=True):
        assert (pd.isna(value) and pd.isna(wanted)) or (
            str(value)[:10] == wanted if kind == "date" else value == wanted
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TableOptions(roles={"colr": "ignore"}), "Did you mean 'colour'"),
        (TableOptions(kinds={"Height": "numeric"}), "Did you mean 'height'"),
        (TableOptions(kinds={"colour": "text"}, roles={"colour": "feature"}), "free text cannot be a feature"),
        (TableOptions(kinds={"colour": "boolean"}), "neither true and false nor yes and no"),
        (TableOptions(kinds={"colour": "sound"}), "cannot have the role"),  # type: ignore[dict-item]
        (TableOptions(roles={"colour": "target"}), "cannot have the role"),  # type: ignore[dict-item]
        (TableOptions(roles={"height": "ignore", "colour": "ignore", "kind": "identifier"}), "no feature columns left"),
        (TableOptions(dialect=Dialect(delimiter="ab")), "delimiter 'ab' is not possible"),
        (TableOptions(dialect=Dialect(decimal=",", thousands=",")), "cannot be the same"),
        (TableOptions(dialect=Dialect(encoding="klingon")), "no text encoding 'klingon'"),
        (TableOptions(dialect=Dialect(encoding="base64")), "no text encoding"),
        (TableOptions(dialect=Dialect(skip_rows=-1)), "skip_rows"),
        (TableOptions(dialect=Dialect(quote="x")), "quote"),
        (TableOptions(dialect=Dialect(skip_rows=500)), "no lines of a table"),
    ],
)
def test_decisions_that_make_no_sense(options: TableOptions, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(PLAIN, options=options)


def test_each_guess_can_be_changed() -> None:
    content = "Grösse|Wert\n1.234|5,5\n2.345|6,5\n".encode("latin-1")
    guess = inspect_table(content)
    assert guess.dialect is not None
    assert (guess.dialect.delimiter, guess.dialect.decimal) == ("|", ",")
    other = read_table(content, options=TableOptions(dialect=Dialect(thousands=".", decimal=",")))
    assert other.features.iloc[:, 0].tolist() == [1234, 2345]
    assert inspect_table(content, dialect=Dialect(delimiter=";")).columns[0].name == "Grösse|Wert"
    assert inspect_table(content, dialect=Dialect(header=False)).rows == 3
    assert inspect_table(content, dialect=Dialect(encoding="cp437")).columns[0].name != "Grösse"
    assert inspect_table(content, dialect=Dialect(skip_rows=1)).rows == 2
    assert inspect_table(b'a,b\n"x,1\n"y,2\n', dialect=Dialect(quote="")).rows == 2
    assert inspect_table(b"a,b\n1,2\n3,4\n5,6\n", dialect=Dialect(thousands="'", decimal=".")).rows == 3


def test_a_guess_is_not_made_twice_and_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    guess = inspect_table(PLAIN)
    with monkeypatch.context() as patched:
        patched.setattr("sae_core.data.tables._inspect", lambda *_: pytest.fail("looked through again"))
        again = read_table(PLAIN, label="kind", options=TableOptions(guess=guess))
    assert again.fingerprint == read_table(PLAIN, label="kind").fingerprint
    other = PLAIN + b"99.5,red,a\n"
    assert len(read_table(other, options=TableOptions(guess=guess))) == 31
    assert len(read_table(PLAIN, options=TableOptions(guess=guess, dialect=Dialect(header=False)))) == 31


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(PLAIN)
    guess = inspect_table(path)
    path.write_bytes(PLAIN[:-20] + b"\n" * 20)
    with pytest.raises(DataError, match="changed while it was read"):
        read_table(path, options=TableOptions(guess=guess))


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_columns_are_described() -> None:
    content = b"n,c,d,gone,same\n" + b"".join(
        b"%s,%s,2020-01-%02d,,7\n" % (b"" if at == 3 else b"%d" % (at % 10), b"xy"[at % 2 : at % 2 + 1], at % 28 + 1)
        for at in range(100)
    )
    guess = inspect_table(content, name="t.csv")
    n, c, d, gone, same = guess.columns
    assert (n.missing, n.distinct, n.distinct_is_exact, n.minimum, n.maximum) == (1, 10, True, 0.0, 9.0)
    assert sum(n.histogram) == 99
    assert c.frequent == (("x", 50), ("y", 50))
    assert (d.minimum, d.maximum) == ("2020-01-01T00:00:00", "2020-01-28T00:00:00")
    assert (gone.role, gone.reason, gone.missing) == ("ignore", "has no values", 100)
    assert (same.role, same.reason) == ("ignore", "has the same value in every row")
    assert guess.rows == 100
    assert guess.preview.shape == (50, 5)
    assert guess.preview.iloc[3].tolist() == ["", "y", "2020-01-04", "", "7"]


def test_rows_that_were_changed_or_left_out_are_counted_and_shown() -> None:
    content = b"a,b,c\n" + b"1,2,x\n" * 20 + b"1,2\n1,2,x,\n1,2,x,3\n,,\n\nend of file\n" + b"3,4,y\n" * 20
    guess = inspect_table(content)
    assert guess.rows == 42
    assert [(problem.line, problem.what) for problem in guess.problems] == [
        (22, "padded"),
        (23, "cut"),
        (24, "dropped"),
        (27, "stray"),
    ]
    assert guess.problems[2].text == "1,2,x,3"
    notes = " ".join(guess.notes)
    for part in (
        "1 row with fewer cells",
        "1 row with more cells",
        "1 row with further empty cells",
        "1 row with a single cell",
        "1 row without any value",
    ):
        assert part in notes
    assert guess.notes == read_table(content).notes[: len(guess.notes)]


def test_cells_that_do_not_fit_are_counted_and_named() -> None:
    rows = [f"{at},{at * 2}" for at in range(200)]
    rows[41] = "41,oops"
    data = read_table(("a,b\n" + "\n".join(rows)).encode())
    assert np.isnan(data.features["b"].iloc[41])
    assert data.features["b"].notna().sum() == 199
    assert "Column 'b': 1 cell is not a number and counts as missing (e.g. 'oops' in row 42)." in data.notes


def test_one_bad_cell_in_300_000() -> None:
    lines = [b"%d,%d" % (at % 977, at % 13) for at in range(300_000)]
    lines[123_456] = b"n.v.,5"
    data = read_table(b"a,b\n" + b"\n".join(lines))
    assert data.features["a"].dtype == np.float64
    assert np.flatnonzero(data.features["a"].isna()).tolist() == [123_456]
    assert "1 cell is not a number" in " ".join(data.notes)


def test_infinite_cells_count_as_missing() -> None:
    data = read_table(
        b"a,b\n" + b"".join(b"%d,%s\n" % (at * 3, [b"1e301", b"-inf", b"1e300", b"5"][at % 4]) for at in range(20))
    )
    assert data.features["b"].isna().tolist()[:4] == [True, True, False, False]
    assert "Column 'b': 10 cells are infinite or beyond ±1e300, and count as missing." in data.notes


def test_constant_and_empty_columns_are_ignored_and_said_so() -> None:
    data = read_table(b"a,b,c\n1,,k\n2,,k\n3,,k\n")
    assert data.feature_names == ("a",)
    assert "Ignored: 'b' has no values; 'c' has the same value in every row." in data.notes


def test_duplicate_names_stay_apart() -> None:
    data = read_table(b"a,a,a (2),,b\n1,2,3,4,5\n6,7,8,9,10\n")
    assert data.feature_names == ("a", "a (3)", "a (2)", "column 4", "b")
    assert data.features.iloc[0].tolist() == [1, 2, 3, 4, 5]


def test_progress_goes_from_0_to_1_and_may_stop() -> None:
    seen: list[tuple[float, str]] = []
    read_table(PLAIN, progress=lambda fraction, text: seen.append((fraction, text)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] == 1
    assert {text for _, text in seen} == {"Looking through the file", "Looking through the columns", "Reading the rows"}

    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        read_table(PLAIN, progress=stop)
    with pytest.raises(CancelledError):
        inspect_table(PLAIN, progress=stop)


# -- large tables ----------------------------------------------------------------------------------------------------


def test_both_readers_agree_on_a_large_table(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(20_000).assign(d=[f't {at % 50}, "q"\nnext' for at in range(20_000)])
    content = frame.to_csv(index=False).encode()
    assert len(content) > fast_rows.FAST_BYTES
    fast = read_table(content, label="c")
    monkeypatch.setattr(fast_rows, "FAST_BYTES", 1 << 60)
    tolerant = read_table(content, label="c")
    assert fast.fingerprint == tolerant.fingerprint
    pd.testing.assert_frame_equal(fast.features[["a"]], frame[["a"]])


def test_an_odd_row_late_in_a_large_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(40_000).to_csv(index=False, header=False).splitlines()
    lines[30_000] += ",extra"
    lines[30_010] = "1.5"
    content = ("a,b,c\n" + "\n".join(lines)).encode()
    fast = read_table(content, label="c")
    assert len(fast) == 39_998
    assert "(line 30002)" in " ".join(fast.notes)
    monkeypatch.setattr(fast_rows, "FAST_BYTES", 1 << 60)
    assert read_table(content, label="c").fingerprint == fast.fingerprint


CELLS = st.sampled_from(
    [
        "1",
        "2.5",
        "a",
        "",
        '"x"',
        '"a,b"',
        '"l1\nl2"',
        " pad ",
        '"q""q"',
        'x"y',
        '"u"v',
        '"',
        "é",
        '"\r\n"',
        "\t",
        "NA",
        "00",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=7),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.sampled_from(["", "\n", "\n\n", "\r\n"]),
    header=st.booleans(),
    skip=st.integers(0, 2),
)
def test_both_readers_agree_on_odd_tables(rows: list[list[str]], end: str, last: str, header: bool, skip: int) -> None:
    """From the first row that is not regular on, the tolerant reader takes over: the result must be the same."""
    content = (end.join(",".join(row) for row in rows) + last).encode()
    dialect = Dialect(",", "utf-8", ".", "", header, skip, '"')
    before = fast_rows.FAST_BYTES
    outcomes: list[Any] = []
    try:
        for size in (0, 1 << 60):
            fast_rows.FAST_BYTES = size
            try:
                guess = inspect_table(content, dialect=dialect)
                outcomes.append((guess.columns, guess.preview.to_numpy().tolist(), guess.problems, guess.notes))
            except SaeError as error:
                outcomes.append(str(error))
    finally:
        fast_rows.FAST_BYTES = before
    assert outcomes[0] == outcomes[1]


def test_large_tables_are_kept_in_single_precision_where_that_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_load, "_EXACT_BYTES", 0)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"normal": rng.normal(size=500), "seconds": 1.7e9 + rng.random(500), "pixel": rng.integers(0, 256, 500)}
    )
    data = read_table(frame.to_csv(index=False).encode())
    assert data.features.dtypes.astype(str).tolist() == ["float32", "float64", "float32"]
    assert "single precision" in " ".join(data.notes)
    np.testing.assert_allclose(data.features["seconds"], frame["seconds"], rtol=0, atol=1e-6)


def test_identifier_columns_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(
        [b"id,essay,x\n", *(b"u%05d,%s,%d.5\n" % (at, b"%05d word " % at * 50, at % 9) for at in range(200))]
    )
    data = read_table(content)
    assert data.identifiers is not None
    assert list(data.identifiers) == ["id", "essay"]
    monkeypatch.setattr(table_load, "MAX_IDENTIFIER_BYTES", 10_000)
    small = read_table(content)
    assert small.identifiers is not None
    assert list(small.identifiers) == ["id"]
    assert "Too large to be shown with each row: 'essay'." in small.notes


# -- limits ----------------------------------------------------------------------------------------------------------


def test_limit_of_columns() -> None:
    def content(columns: int) -> bytes:
        return b"\n".join(
            b",".join(b"c%d" % at if row == 0 else b"%d" % (row * at) for at in range(columns)) for row in range(3)
        )

    assert len(inspect_table(content(limits.MAX_TABLE_COLUMNS)).columns) == limits.MAX_TABLE_COLUMNS
    with pytest.raises(TooLargeError, match="5,001 columns, more than 5,000: from 'c5000' on"):
        inspect_table(content(limits.MAX_TABLE_COLUMNS + 1))


def test_limit_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.data.table_rows.MAX_TABLE_ROWS", 30)
    assert len(read_table(PLAIN)) == 30
    with pytest.raises(TooLargeError, match="more than 30 rows"):
        read_table(PLAIN + b"3.5,red,a\n")


def test_limit_of_rows_in_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    table(31).to_parquet(file)
    monkeypatch.setattr("sae_core.data.parquet_rows.MAX_TABLE_ROWS", 31)
    file.seek(0)
    assert len(read_table(file)) == 31
    monkeypatch.setattr("sae_core.data.parquet_rows.MAX_TABLE_ROWS", 30)
    file.seek(0)
    with pytest.raises(TooLargeError, match="31 rows, more than 30"):
        read_table(file)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_limit_of_bytes(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.data.table_source.MAX_TABLE_BYTES", len(PLAIN))
    assert len(read_table(pack(PLAIN))) == 30
    with pytest.raises(TooLargeError, match="the largest table that is read"):
        read_table(pack(PLAIN + b"\n"))


def test_limit_of_a_cell() -> None:
    def content(length: int) -> bytes:
        return b"a,b\n1," + b"x" * length + b"\n2,y\n3,z\n"

    assert inspect_table(content(limits.MAX_TABLE_CELL)).rows == 3
    with pytest.raises(UnreadableFileError, match="longer than 131,072 characters"):
        inspect_table(content(limits.MAX_TABLE_CELL + 1))


def test_limit_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.data.table_rows.MAX_TABLE_LINE", 50)
    assert inspect_table(b"a,b\n" + b"1" * 20 + b"," + b"2" * 28 + b"\n").rows == 1
    with pytest.raises(TooLargeError, match="not a table, or has no line ends"):
        inspect_table(b"a,b\n" + b"1" * 20 + b"," + b"2" * 30 + b"\n")


def test_limit_of_the_prepared_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_load, "MAX_PREPARED_BYTES", 30 * 3 * 4)
    assert len(read_table(PLAIN)) == 30
    monkeypatch.setattr(table_load, "MAX_PREPARED_BYTES", 30 * 3 * 4 - 1)
    with pytest.raises(TooLargeError, match="30 rows of 3 feature columns"):
        read_table(PLAIN)


def test_limit_of_tracked_values() -> None:
    def content(values: int) -> bytes:
        return b"a,b\n" + b"".join(b"k%d,%d\n" % (at, at % 7) for at in range(values))

    exact = inspect_table(content(limits.MAX_TRACKED_VALUES)).columns[0]
    assert (exact.distinct, exact.distinct_is_exact) == (limits.MAX_TRACKED_VALUES, True)
    more = inspect_table(content(limits.MAX_TRACKED_VALUES + 1)).columns[0]
    assert (more.distinct, more.distinct_is_exact) == (limits.MAX_TRACKED_VALUES + 1, False)
    assert more.role == "identifier"


def test_limit_of_a_column_name() -> None:
    long = b"n" * limits.MAX_COLUMN_NAME
    assert inspect_table(long + b",b\n1,2\n3,4\n").columns[0].name == long.decode()
    names = [column.name for column in inspect_table(long + b"1," + long + b"2\n1,2\n3,4\n").columns]
    assert all(name.startswith("n" * (limits.MAX_COLUMN_NAME - 1) + "…") for name in names)
    assert len(set(names)) == 2


def test_limit_of_numbers() -> None:
    data = read_table(b"a,b\n1,1e300\n2,1.0000001e300\n3,-1e300\n4,2\n5,7\n")
    assert data.features["b"].isna().tolist() == [False, True, False, False, False]
