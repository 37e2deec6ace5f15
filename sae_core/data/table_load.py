"""The second pass over a table: every column into its final form, and the data set that they make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.column_fillers import Filler, Texts, feature_filler
from sae_core.data.column_guess import ColumnGuess
from sae_core.data.dataset import Column, Dataset
from sae_core.data.dialect import FullDialect
from sae_core.data.table_rows import Rows, TextRows
from sae_core.data.table_source import Progress
from sae_core.errors import DataError, LabelError, TooLargeError
from sae_core.limits import (
    MAX_CLASSES,
    MAX_IDENTIFIER_BYTES,
    MAX_PREPARED_BYTES,
    MEGABYTE,
)

# Above this size of its float64 columns a table is kept in float32 where that is as good for training.
_EXACT_BYTES = 128 * MEGABYTE


def load(
    rows: Rows,
    n_rows: int,
    columns: Sequence[ColumnGuess],
    name: str,
    notes: tuple[str, ...],
    progress: Progress | None,
) -> Dataset:
    """Read the rows into a data set.

    Args:
        n_rows: as counted by the first pass.
        columns: role and kind decided; at most one with the role label.

    Raises:
        DataError: a column cannot be read as its kind, or nothing is left to learn from.
    """
    features = [column for column in columns if column.role == "feature"]
    label = next((column for column in columns if column.role == "label"), None)
    _check_features(features, columns, n_rows, name)
    if label is not None:
        _check_label(label)
    dialect = rows.dialect if isinstance(rows, TextRows) else FullDialect()
    kept, too_large = _affordable([column for column in columns if column.role in ("identifier", "ignore")])
    single = n_rows * 8 * sum(column.kind == "numeric" for column in features) > _EXACT_BYTES
    fillers = {column.name: feature_filler(column, n_rows, dialect, single=single) for column in features}
    fillers |= {column.name: Texts(column, frozenset()) for column in kept}
    label_filler = None if label is None else Texts(label, frozenset())
    _fill(
        rows, n_rows, fillers if label_filler is None else {**fillers, label_filler.column.name: label_filler}, progress
    )
    labels = None if label_filler is None else label_filler.labels()
    all_notes = [*notes, *(note for filler in fillers.values() for note in filler.notes())]
    all_notes += _role_notes(columns, label, labels, too_large)
    if single and any(column.kind == "numeric" and column.fits_float32 for column in features):
        all_notes.append(
            "The table is large: its numbers are kept in single precision (about 7 digits), as training uses them."
        )
    return Dataset(
        name=name,
        kind="table",
        features=_frame(fillers, features, n_rows),
        labels=labels,
        columns=tuple(Column(column.name, column.kind) for column in features if column.kind != "text"),
        identifiers=_frame(fillers, kept, n_rows) if kept else None,
        label_name=label.name if label is not None else "label",
        notes=tuple(all_notes),
    )


def _frame(fillers: dict[str, Filler], columns: Sequence[ColumnGuess], n: int) -> pd.DataFrame:
    """The results of some fillers, which are let go one by one: nothing is held twice."""
    return pd.DataFrame({column.name: fillers.pop(column.name).result(n) for column in columns}, copy=False)


def _check_features(features: list[ColumnGuess], columns: Sequence[ColumnGuess], n_rows: int, name: str) -> None:
    if not features:
        reasons = ", ".join(f"{column.name!r} {column.reason}" for column in columns[:5] if column.reason)
        raise DataError(
            f"{name} has no feature columns left: {reasons or 'none was chosen'}. "
            "Give at least one column the role feature."
        )
    if len(features) * n_rows * 4 > MAX_PREPARED_BYTES:
        raise TooLargeError(
            f"{name} has {n_rows:,} rows of {len(features):,} feature columns, more than the "
            f"{MAX_PREPARED_BYTES // MEGABYTE:,} MB that training keeps in memory. "
            "Ignore some columns, or bring fewer rows."
        )


def _fill(rows: Rows, most: int, fillers: dict[str, Filler], progress: Progress | None) -> None:
    report = None if progress is None else (lambda fraction: progress(fraction, "Reading the rows"))
    start = 0
    wanted = [(at, fillers[name]) for at, name in enumerate(rows.names) if name in fillers]
    for batch in rows.batches(report):
        n = next((len(values) for values in batch if values is not None), 0)
        if start + n > most:
            raise DataError("The file changed while it was read. Read it again.")
        for at, filler in wanted:
            values = batch[at]
            if values is None:
                if filler.column.role in ("feature", "label"):
                    raise DataError(
                        f"Column {filler.column.name!r} holds lists, structures or bytes, which cannot be used. "
                        "Ignore it."
                    )
                import pyarrow as pa

                values = pa.nulls(n, pa.string())
            filler.add(values, start, n)
        start += n
    if start != most:
        raise DataError("The file changed while it was read. Read it again.")


def _check_label(label: ColumnGuess) -> None:
    if label.distinct == 0 and not label.frequent:
        raise LabelError(f"The label column {label.name!r} has no values. Choose another label, or none.")
    if label.distinct > MAX_CLASSES:
        raise TooLargeError(
            f"The label {label.name!r} has {'at least ' if not label.distinct_is_exact else ''}{label.distinct:,} "
            f"different values, more than {MAX_CLASSES:,}: it looks like a number or an identifier, not a class. "
            "Choose another label, or none."
        )


def _affordable(columns: list[ColumnGuess]) -> tuple[list[ColumnGuess], list[ColumnGuess]]:
    """The columns that are kept to be shown with a row, identifiers first, and those that are too large for that."""
    kept: list[ColumnGuess] = []
    too_large: list[ColumnGuess] = []
    total = 0
    for column in sorted(columns, key=lambda column: (column.role != "identifier", column.text_bytes)):
        if total + column.text_bytes > MAX_IDENTIFIER_BYTES:
            too_large.append(column)
        else:
            total += column.text_bytes
            kept.append(column)
    return [column for column in columns if column in kept], too_large


def _role_notes(
    columns: Sequence[ColumnGuess],
    label: ColumnGuess | None,
    labels: NDArray[np.object_] | None,
    too_large: list[ColumnGuess],
) -> list[str]:
    notes = []
    for role, text in (("identifier", "Not used as features, shown with each row"), ("ignore", "Ignored")):
        found = [column for column in columns if column.role == role]
        if found:
            listed = "; ".join(f"{column.name!r} {column.reason}".strip() for column in found[:8])
            notes.append(f"{text}: {listed}{f'; and {len(found) - 8} more' if len(found) > 8 else ''}.")
    if too_large:
        notes.append(
            f"Too large to be shown with each row: {', '.join(repr(column.name) for column in too_large[:8])}."
        )
    if label is not None and labels is not None:
        missing = sum(value is None for value in labels.tolist())
        if missing:
            notes.append(
                f"{missing:,} row{'s have' if missing > 1 else ' has'} no label: used by the autoencoders, not by the "
                "classifier."
            )
        if len({value for value in labels.tolist() if value is not None}) == 1:
            notes.append(f"The label {label.name!r} has one value only, so there is nothing to classify.")
    return notes
