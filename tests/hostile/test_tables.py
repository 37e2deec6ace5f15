"""Table files that are broken, hostile or another format altogether: README.md, section Tables, has each verdict."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation
from sae_core.data.tables import Dialect, TableOptions, inspect_table, read_table
from sae_core.errors import DataError, SaeError, TooLargeError, UnreadableFileError
from tests.data.making import gz

PLAIN = b"height,width,kind\n" + b"".join(
    b"%d.5,%d,%s\n" % (at, at * 7 % 31, b"abc"[at % 3 : at % 3 + 1]) for at in range(40)
)


def read(content: bytes, label: str | None = None, **options: Any) -> Dataset:
    """Read, prepare and bring back: nothing on the way may fail."""
    data = read_table(content, label=label, **options)
    fitted = Preparation.fit(data)
    prepared = fitted.transform(data)
    assert np.isfinite(prepared).all()
    assert len(fitted.inverse_transform(prepared)) == len(data)
    return data


def parquet(table: pa.Table | pd.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


# -- other formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\r\n  \n", "no lines of a table"),
        (b"\xef\xbb\xbf", "no lines of a table"),
        (b"\xff\xfe", "no lines of a table"),
        (b"a,b,c\n", "no rows with values"),
        (b"a,b,c", "no rows with values"),
        (b"a,b\n,\n,\n", "no rows with values"),
        (
            b"PK\x03\x04\x14\x00\x06\x00" + b"\0" * 200,
            "Excel workbook or a ZIP archive, not a table. Save the sheet as CSV",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "old Excel workbook"),
        (b"<!DOCTYPE html><html><body><table>", "web page or XML"),
        (b"\xef\xbb\xbf\n<html lang=en>", "web page or XML"),
        (b'<?xml version="1.0"?><data/>', "web page or XML"),
        (b'{"a": [1, 2], "b": [3, 4]}', "holds JSON"),
        (b'[{"a": 1}, {"a": 2}]', "holds JSON"),
        (b"%PDF-1.7\n1 0 obj", "PDF document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG picture"),
        (b"SQLite format 3\0", "SQLite database"),
        (b"\x93NUMPY\x01\0", "NumPy array"),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "never opened"),
        (b"BZh91AY&SY", "bzip2"),
        (b"ARROW1\0\0", "Arrow"),
        (gz(gz(PLAIN)), "compressed twice"),
        (gz(b"PK\x03\x04" + b"\0" * 50), "Excel workbook or a ZIP"),
        (gz(PLAIN)[:-12], "compressed but broken"),
        (gz(PLAIN)[:40], "compressed but broken"),
        (b"\x1f\x8bno gzip at all", "compressed but broken"),
        (gz(PLAIN)[:-8] + b"\0\0\0\0\0\0\0\0", "compressed but broken"),
        (parquet(pd.DataFrame({"a": [1]}))[:-20], "was cut off"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "not a Parquet file that can be read"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, message: str) -> None:
    for name in ("table.csv", "table.parquet", "table.xlsx", "table"):
        with pytest.raises(UnreadableFileError, match=message) as caught:
            read_table(content, name=name)
        assert name in str(caught.value)
        with pytest.raises(UnreadableFileError):
            inspect_table(content, name=name)


def test_gzip_bytes_named_csv_are_read() -> None:
    assert read(gz(PLAIN), name="table.csv").fingerprint == read(PLAIN).fingerprint
    assert read(gz(PLAIN[:300]) + gz(PLAIN[300:]), name="t.csv").fingerprint == read(PLAIN).fingerprint


def test_nul_bytes_name_their_line() -> None:
    for content in (PLAIN + b"1,\0,a\n", PLAIN + b"\0" * 4096):
        with pytest.raises(UnreadableFileError, match="NUL byte in line 42"):
            read_table(content)


# -- rows ------------------------------------------------------------------------------------------------------------


def test_rows_of_other_lengths_never_shift_columns() -> None:
    odd = b"900.5,1\n901.5,2,a,extra\n902.5,3,b,\n903.5,4,c,,,\n"
    data = read(PLAIN + odd)
    assert len(data) == 43
    assert data.features["height"].tolist()[-3:] == [900.5, 902.5, 903.5]
    assert pd.isna(data.features["kind"].iloc[-3])
    assert "nobody can tell" in " ".join(data.notes)


def test_all_rows_one_cell_longer() -> None:
    """Rows have a name that the header does not count; pandas would shift every column by one."""
    lines = PLAIN.splitlines()
    data = read(lines[0] + b"\n" + b"\n".join(b"row%d,%s" % (at, line) for at, line in enumerate(lines[1:])))
    expected = read(PLAIN)
    pd.testing.assert_frame_equal(data.features, expected.features)
    assert data.identifiers is not None
    assert data.identifiers["row"].iloc[3] == "row3"


def test_trailing_delimiters_are_no_column() -> None:
    lines = PLAIN.splitlines()
    pd.testing.assert_frame_equal(
        read(lines[0] + b"\n" + b",\n".join(lines[1:]) + b",\n").features, read(PLAIN).features
    )


def test_an_unclosed_quote() -> None:
    """One stray mark: quotes are taken as characters. In a file that needs its quotes: refused, with the line."""
    data = read(PLAIN + b'"99.5,3,a\n' + PLAIN[18:])
    assert len(data) == 81
    assert "never closed" in data.notes[0]
    needed = PLAIN + b"".join(b'%d.5,3,"a, or\nb"\n' % at for at in range(60))
    with pytest.raises(UnreadableFileError, match=r"near line \d+ has a quote mark that is never closed"):
        read_table(needed + b'7.5,3,"a\n')
    with pytest.raises(UnreadableFileError, match="never closed"):
        read_table(PLAIN + b'"99.5,3,a\n', options=TableOptions(dialect=Dialect(quote='"')))


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_cell_of_10_megabytes(quote: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="near line 42 is longer than 131,072 characters"):
        read_table(PLAIN + b"1,2," + quote + b"x" * 10_000_000 + quote + b"\n")


def test_a_line_without_end() -> None:
    for content in (b"a,b\n1," + b"2" * 70_000_000, b"x" * 70_000_000):
        with pytest.raises(TooLargeError, match="no line ends"):
            read_table(content)


@pytest.mark.parametrize(
    "content", [b",".join(b"c%d" % at for at in range(100_000)), b"1.5;" * 100_000, b"," * 8_000_000, b"3 " * 100_000]
)
def test_a_hundred_thousand_columns(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.data.table_rows.TextRows.batches", lambda *_: pytest.fail("the table was parsed"))
    with pytest.raises(TooLargeError, match=r"columns, more than 5,000: from '.*' on there are too many"):
        read_table(content + b"\n" + content + b"\n")


def test_many_rows_of_nothing() -> None:
    with pytest.raises(DataError, match="no rows with values"):
        read_table(b"a,b\n" + b",\n" * 300_000)
    assert len(read(PLAIN + b"\n" * 300_000 + b",,\n" * 1000)) == 40


# -- compression -----------------------------------------------------------------------------------------------------


def zeros(megabytes: int, text: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = text * ((1 << 20) // len(text))
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def test_a_gzip_bomb_of_one_line() -> None:
    with pytest.raises(TooLargeError, match="no line ends"):
        read_table(zeros(300, b"0"))


def test_a_gzip_bomb_of_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.data.table_source.MAX_TABLE_BYTES", 64 << 20)
    with pytest.raises(TooLargeError, match="the largest table that is read"):
        read_table(zeros(65, b"0,0\n"))


MEMORY = """
import io, resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from sae_core.data.tables import read_table
from sae_core.errors import SaeError
kind, limit = sys.argv[1], int(sys.argv[2])
n = 2_000_000
if kind == "text":
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["a" * 100_000]))
elif kind == "bytes":
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([b"a" * 100_000]))
else:
    column = pa.array([[1.0] * 400] * 20_000)
    n = len(column)
file = io.BytesIO()
pq.write_table(pa.table({"x": column, "y": np.arange(n) % 7}), file)
assert len(file.getvalue()) < 2_000_000
file.seek(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    outcome = str(len(read_table(file)))
except SaeError as error:
    outcome = str(error)
used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(outcome)
sys.exit(used > limit)
"""


@pytest.mark.parametrize(
    ("kind", "outcome"), [("text", "unpacks to more than 4,096 MB of text"), ("bytes", "2000000"), ("lists", "20000")]
)
def test_a_parquet_bomb_stays_small(kind: str, outcome: str) -> None:
    """A dictionary of one value, two million times: 200 GB from a few hundred kilobytes."""
    done = subprocess.run([sys.executable, "-c", MEMORY, kind, "600"], capture_output=True, text=True, check=False)
    assert outcome in done.stdout, done.stderr
    assert done.returncode == 0, "more than 600 MB were used"


def test_a_long_cell_in_parquet() -> None:
    with pytest.raises(TooLargeError, match="a cell of more than 131,072 characters"):
        read_table(parquet(pa.table({"a": ["x" * 600_000, "y"], "b": [1, 2]})))


# -- values ----------------------------------------------------------------------------------------------------------


def test_extreme_numbers() -> None:
    cells = [b"1e308", b"1e300", b"-1e300", b"inf", b"-Infinity", b"1e99999", b"5e-324", b"1", b"2", b"%d" % 2**70]
    data = read(b"a,b\n" + b"".join(b"%s,%d.5\n" % (cells[at % 10], at) for at in range(100)))
    assert data.features["a"].isna().sum() == 40
    assert "infinite or beyond" in " ".join(data.notes)


def test_integers_beyond_two_to_the_63() -> None:
    data = read(b"key,x\n" + b"".join(b"%d,%d\n" % (2**63 + at * 10**6, at % 5) for at in range(50)))
    assert data.feature_names == ("x",)
    assert data.identifiers is not None
    assert data.identifiers["key"].iloc[1] == str(2**63 + 10**6)
    kept = read(b"key,x\n" + b"".join(b"%d,%d\n" % (2**64 * (at % 3 + 1), at % 5) for at in range(50)))
    assert kept.features["key"].iloc[0] == 2.0**64


@pytest.mark.parametrize("rows", [1, 2])
def test_one_and_two_rows(rows: int) -> None:
    content = b"".join(PLAIN.splitlines(keepends=True)[: rows + 1])
    data = read(content, label="kind")
    assert len(data) == rows
    assert len(data.split.train) >= 1


def test_labels_of_one_class_and_of_one_row() -> None:
    assert not read(b"x,y\n" + b"".join(b"%d.5,same\n" % at for at in range(20)), label="y").has_labels
    data = read(
        b"x,y\n" + b"".join(b"%d.5,%s\n" % (at, b"rare" if at == 7 else b"usual") for at in range(20)), label="y"
    )
    assert data.classes == ("rare", "usual")


def test_words_for_missing_stay_labels() -> None:
    words = [b"NA", b"None", b"null", b"nan", b"007", b"-", b"?"]
    data = read(b"x,y\n" + b"".join(b"%d.5,%s\n" % (at, words[at % 7]) for at in range(70)), label="y")
    assert data.y is not None
    assert data.y[:7].tolist() == [word.decode() for word in words]


@pytest.mark.parametrize(
    "name",
    [
        "=1+1", "+x", "-x", "@x", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "%{x}", "![](http://x/y.png)",
        "$\\href{javascript:alert(1)}{x}$", "\u202egnp.exe", "__proto__", "index", "class", "..", "a/b\\c", "x" * 199,
        "é" * 150, "\t", "NaN", "1",
    ],
)  # fmt: skip
def test_names_and_cells_are_kept_literally(name: str) -> None:
    frame = pd.DataFrame({name: [1.5, 2.5, 3.5] * 7, "other": [name, "b", "c"] * 7})
    data = read(
        frame.to_csv(index=False).encode(), options=TableOptions(dialect=Dialect(header=True), roles={"other": "label"})
    )
    assert data.feature_names == (name.strip() or "column 1",)
    assert data.y is not None
    assert data.y[0] == (name.strip() or None)


def test_nothing_is_evaluated_and_nothing_is_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [
        "=cmd|'/C touch evil'!A0",
        "__import__('os').system('touch evil')",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "../../evil",
    ]
    read(pd.DataFrame({"x": range(10), "y": cells * 2, "z": np.arange(10) * 1.5}).to_csv(index=False).encode())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "cp1252",
        "gbk",
        "shift_jis",
        "cp1251",
        "euc_kr",
        "big5",
    ],
)
def test_letters_cut_in_the_middle(encoding: str) -> None:
    words = {
        "gbk": "北京上海广州",
        "shift_jis": "さくらテスト",
        "cp1251": "Москва",
        "euc_kr": "서울부산",
        "big5": "臺北高雄學生",
    }
    word = words.get(encoding, "grün, süß")
    content = ("x;y\n" + "".join(f"{at}.5;{word}\n" for at in range(60))).encode(encoding)
    assert read(content, label="y").classes == (word,)
    for cut in (1, 2, 3, 5):
        assert len(read(content[:-cut], label="y")) == 60


def test_one_broken_letter_in_a_large_utf8_file() -> None:
    lines = [f"{at}.5,Zürich".encode() for at in range(50_000)]
    lines[40_000] = b"1.5,Z\xfcrich"
    data = read(b"x,y\n" + b"\n".join(lines), label="y")
    assert set(data.classes) == {"Z\ufffdrich", "Zürich"}
    assert "not valid utf-8" in " ".join(data.notes)


# -- fuzzing ---------------------------------------------------------------------------------------------------------


def only_our_errors(content: bytes) -> None:
    try:
        guess = inspect_table(content)
        assert guess.rows > 0
        read(content, label=guess.label_guess)
    except SaeError:
        return


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    only_our_errors(content)


@settings(max_examples=250, deadline=None)
@given(st.text(st.sampled_from(list("01259.,;\t|\"'\n\r eE+-%$()aNé=/:#\ufeff\u2028\x0b")), max_size=200))
def test_any_text(content: str) -> None:
    only_our_errors(content.encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["table", "german", "utf16", "gzip", "parquet"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0.2, 1),
)
def test_mutations_of_valid_files(kind: str, changes: list[tuple[float, int]], kept: float) -> None:
    text = PLAIN.decode()
    contents = {
        "table": PLAIN,
        "german": text.replace(",", ";").replace(".", ",").replace("a\n", "ä\n").encode("cp1252"),
        "utf16": text.encode("utf-16"),
        "gzip": gz(PLAIN, mtime=0),
        "parquet": parquet(pd.read_csv(io.BytesIO(PLAIN))),
    }
    content = bytearray(contents[kind])
    for place, value in changes:
        content[int(place * len(content))] = value
    only_our_errors(bytes(content[: int(kept * len(content))] if kept < 0.9 else content))


COLUMN = st.one_of(
    st.lists(st.floats(allow_nan=True, allow_infinity=True).map(repr), min_size=3, max_size=3),
    st.lists(st.integers(-(10**25), 10**25).map(str), min_size=3, max_size=3),
    st.lists(
        st.sampled_from(["", "NA", "yes", "no", "2020-02-29", "31/12/1999", "007", "1,5", "50%", "x", "inf", "1e400"]),
        min_size=3,
        max_size=3,
    ),
    st.lists(st.dates().map(str), min_size=3, max_size=3),
    st.lists(st.text(max_size=6), min_size=3, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(COLUMN, min_size=1, max_size=5), st.sampled_from(",;\t|"), st.integers(1, 12))
def test_any_table(columns: list[list[str]], delimiter: str, times: int) -> None:
    """Tables of odd cells, written properly: no cell is lost, and what is read can be prepared."""
    frame = pd.DataFrame({f"c{at}": column * times for at, column in enumerate(columns)})
    content = frame.to_csv(index=False, sep=delimiter).encode("utf-8", "replace")
    if b"\0" in content or b"\r" in content:  # a bare CR ends a line, and pandas writes it without quotes
        return only_our_errors(content)
    try:
        guess = inspect_table(content, dialect=Dialect(delimiter=delimiter, header=True, skip_rows=0, quote='"'))
    except SaeError:
        return None
    filled = frame.apply(lambda column: column.str.strip()).ne("").any(axis=1)
    assert guess.rows <= len(frame)
    assert guess.rows >= filled.sum() - (len(columns) == 1) * len(frame)
    only_our_errors(content)
    return None


def test_memory_of_a_long_table_is_that_of_its_columns() -> None:
    """Looking through 60 MB of text takes a small part of it."""
    code = (
        "import resource, sys\n"
        "from sae_core.data.tables import inspect_table\n"
        "content = b'a,b,c,d,e,f\\n' + b'1.25,2.5,3.75,4,5,x\\n' * 3_000_000\n"
        "inspect_table(content[:400_000])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert inspect_table(content).rows == 3_000_000\n"
        "sys.exit(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 40_000)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
