"""The column editor: what its edits mean."""

from __future__ import annotations

import pytest

from explorer.uploads import Upload
from explorer.widgets.upload_table import _row, take_over
from sae_core.data.column_guess import ColumnGuess
from sae_core.data.tables import inspect_table

CSV = b"size,weight,note,shape\n" + b"".join(
    f"{i / 7:.3f},{i % 9},text {i * 7919},{'round' if i % 2 else 'square'}\n".encode() for i in range(40)
)


@pytest.fixture
def columns() -> tuple[ColumnGuess, ...]:
    return tuple(inspect_table(CSV, name="things.csv").columns)


@pytest.fixture
def upload() -> Upload:
    return Upload((("things.csv", CSV),), "digest", kind="table", label="shape")


def test_untouched_rows_change_nothing(upload: Upload, columns: tuple[ColumnGuess, ...]) -> None:
    roles = ["feature", "feature", "identifier", "label"]
    assert take_over(upload, columns, roles, [c.kind for c in columns]) == ("shape", "")  # type: ignore[arg-type]
    assert (upload.roles, upload.kinds) == ({}, {})


def test_edits_are_kept_and_can_be_taken_back(upload: Upload, columns: tuple[ColumnGuess, ...]) -> None:
    kinds = [c.kind for c in columns]
    take_over(upload, columns, ["ignore", "feature", "ignore", "label"], ["text", *kinds[1:]])
    assert upload.roles == {"size": "ignore", "note": "ignore"}
    assert upload.kinds == {"size": "text"}
    take_over(upload, columns, ["feature", "feature", "identifier", "label"], kinds)
    assert (upload.roles, upload.kinds) == ({}, {})


def test_a_row_made_the_label_takes_the_place_of_the_former_one(
    upload: Upload, columns: tuple[ColumnGuess, ...]
) -> None:
    kinds = [c.kind for c in columns]
    assert take_over(upload, columns, ["feature", "label", "identifier", "label"], kinds) == ("weight", "")
    assert take_over(upload, columns, ["feature", "feature", "identifier", "feature"], kinds) == (None, "")


def test_a_column_that_cannot_be_the_label_is_refused_with_the_reason(
    upload: Upload, columns: tuple[ColumnGuess, ...]
) -> None:
    constant = inspect_table(b"a,b\n" + b"1,2\n3,2\n" * 9, name="t.csv").columns
    upload.label = None
    label, refusal = take_over(upload, constant, ["feature", "label"], [c.kind for c in constant])
    assert label is None
    assert "b cannot be the label" in refusal
    assert "has 1" in refusal


def test_words_for_missing_are_shown_as_values_of_a_label_only(upload: Upload) -> None:
    content = b"size,sex,grade\n" + b"1.5,male,NA\n2.5,NA,one\n3.5,female,NA\n4.5,male,one\n" * 5
    columns = {column.name: column for column in inspect_table(content, name="t.csv").columns}
    upload.label = "grade"
    assert "NA" not in _row(columns["sex"], upload)["Range or values"]
    assert "NA" in _row(columns["grade"], upload)["Range or values"]
