"""A table before it is used: how it is written, its label, and the role and kind of each column; all changeable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from explorer.charts.style import number, shorten
from explorer.session import Session
from explorer.uploads import Upload
from explorer.widgets.text import count, sentence
from sae_core.data.cells import MISSING_CATEGORIES
from sae_core.data.column_guess import ColumnGuess, GuessedKind, Role
from sae_core.data.tables import TableGuess
from sae_core.limits import MAX_CLASSES

ROLES = ["feature", "label", "ignore", "identifier"]
KINDS = ["numeric", "category", "date", "boolean", "text"]
NO_LABEL = "no label"

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blanks"}
DECIMALS = {".": "point", ",": "comma"}
THOUSANDS = {"": "none", ",": "comma", ".": "point", " ": "blank", "'": "apostrophe"}
QUOTES = {'"': "double", "'": "single", "": "none"}
ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "cp1252",
    "latin-1",
    "cp1250",
    "cp1251",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-kr",
]


def decide_table(session: Session, upload: Upload, guess: TableGuess) -> None:
    """Everything that can be corrected before the table is read for good."""
    if not upload.label_chosen:
        upload.label = guess.label_guess
    for note in guess.notes:
        st.caption(f":material/info: {sentence(note)}")
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        _label(upload, guess)
    with right:
        ignored = [column for column in guess.columns if column.role != "feature" and column.name != upload.label]
        if ignored:
            st.caption(f"{count(len(ignored), 'column')} left out of the features, for the reasons given below.")
    columns, rows, written = st.tabs(["Columns", "First rows", "How the file is written"])
    with columns:
        _column_editor(session, upload, guess)
    with rows:
        st.dataframe(guess.preview, height=320)
        if guess.problems:
            st.caption("Rows that were changed or left out:")
            st.dataframe(
                pd.DataFrame(
                    [{"Line": p.line, "What": p.what, "Begins with": shorten(p.text, 80)} for p in guess.problems]
                ),
                hide_index=True,
                height=160,
            )
    with written:
        if guess.dialect is None:
            st.caption("A Parquet file says by itself how it is written.")
        else:
            _dialect(upload, guess)


def _label(upload: Upload, guess: TableGuess) -> None:
    options = [None, *(column.name for column in guess.columns if column.can_be_label)]
    if upload.label is not None and upload.label not in options:
        options.append(upload.label)
    st.session_state["data-label"] = upload.label
    guessed = upload.label is not None and upload.label == guess.label_guess and not upload.label_chosen
    st.selectbox(
        "Label column" + (" (guessed)" if guessed else ""),
        options,
        key="data-label",
        format_func=lambda name: NO_LABEL if name is None else shorten(name),
        placeholder=NO_LABEL,
        help="The classes that the codes should tell apart. Without one the stack learns all the same.",
        on_change=_label_changed,
        args=(upload,),
    )


def _label_changed(upload: Upload) -> None:
    upload.label, upload.label_chosen = st.session_state["data-label"], True


def _column_editor(session: Session, upload: Upload, guess: TableGuess) -> None:
    page = session.page("data")
    key = f"data-columns-{upload.digest[:12]}-{hash((upload.label, upload.dialect))}-{page.get('columns-refused', 0)}"
    if key not in st.session_state:  # mounted anew: earlier corrections become the starting point
        page["columns"] = pd.DataFrame([_row(column, upload) for column in guess.columns])
    base: pd.DataFrame = page["columns"]
    edited = st.data_editor(
        base,
        key=key,
        hide_index=True,
        height=min(40 + 35 * len(base), 420),
        disabled=[name for name in base.columns if name not in ("Role", "Kind")],
        column_config={
            "Column": st.column_config.TextColumn(pinned=True),
            "Role": st.column_config.SelectboxColumn(
                options=ROLES,
                required=True,
                help="feature: learned from. label: the classes. identifier: shown with a row. ignore: left out.",
            ),
            "Kind": st.column_config.SelectboxColumn(options=KINDS, required=True),
            "Missing": st.column_config.NumberColumn(format="localized", width="small"),
            "Distinct": st.column_config.TextColumn(width="small"),
            "Histogram": st.column_config.BarChartColumn(y_min=0, width="small"),
            "Noticed": st.column_config.TextColumn(width="large"),
        },
    )
    label, refusal = take_over(upload, guess.columns, list(edited["Role"]), list(edited["Kind"]))
    if refusal:
        session.notices.append(refusal)
        page["columns-refused"] = page.get("columns-refused", 0) + 1
        st.rerun()
    if label != upload.label:
        upload.label, upload.label_chosen = label, True
        st.rerun()


def take_over(
    upload: Upload, columns: Sequence[ColumnGuess], roles: Sequence[Role], kinds: Sequence[GuessedKind]
) -> tuple[str | None, str]:
    """Keep what was edited and differs from the guess.

    Args:
        columns: of the table; roles, kinds: of each, as edited.

    Returns:
        The label column that the edits ask for, and why it cannot be one ("" if it can).
    """
    for column, role, kind in zip(columns, roles, kinds, strict=True):
        if role is not None and role not in (column.role, "label"):
            upload.roles[column.name] = role
        else:
            upload.roles.pop(column.name, None)
        if kind is not None and kind != column.kind:
            upload.kinds[column.name] = kind
        else:
            upload.kinds.pop(column.name, None)
    asked = [column for column, role in zip(columns, roles, strict=True) if role == "label"]
    new = [column for column in asked if column.name != upload.label]
    if new and not new[-1].can_be_label:
        return upload.label, (
            f"{new[-1].name} cannot be the label: a label has two to {MAX_CLASSES:,} different values, and this column "
            f"has {new[-1].distinct:,}{'' if new[-1].distinct_is_exact else ' or more'}. Choose another column."
        )
    return (new or asked)[-1].name if asked else None, ""


def _row(column: ColumnGuess, upload: Upload) -> dict[str, Any]:
    extent, frequent = "", _values(column, is_label=column.name == upload.label)
    if column.minimum is not None and column.maximum is not None:
        low, high = (
            number(value, 4) if isinstance(value, float) else str(value).removesuffix("T00:00:00")
            for value in (column.minimum, column.maximum)
        )
        extent = f"{low} to {high}"
    elif frequent:
        extent = shorten(", ".join(word for word, _ in frequent[:4]), 60)
    noticed = [column.reason] if column.reason else []
    if column.unfit:
        noticed.append(f"{count(column.unfit, 'cell')} not {column.kind}, taken as missing")
    return {
        "Column": column.name,
        "Role": "label" if column.name == upload.label else upload.roles.get(column.name, column.role),
        "Kind": upload.kinds.get(column.name, column.kind),
        "Missing": column.missing,
        "Distinct": f"{column.distinct:,}" if column.distinct_is_exact else f"{column.distinct:,}+",
        "Histogram": list(column.histogram) or [amount for _, amount in frequent],
        "Range or values": extent,
        "Noticed": "; ".join(noticed),
    }


def _values(column: ColumnGuess, *, is_label: bool) -> list[tuple[str, int]]:
    """The most frequent values. Words such as "NA" are values of a label and of text; elsewhere they are missing."""
    if is_label or column.kind == "text":
        return list(column.frequent)
    return [(word, amount) for word, amount in column.frequent if word.lower() not in MISSING_CATEGORIES]


def _dialect(upload: Upload, guess: TableGuess) -> None:
    found, asked = guess.dialect, upload.dialect
    assert found is not None
    st.caption(
        "What was recognised is in brackets; a choice here is used instead, and the file is looked through again."
    )
    first, second, third, fourth = st.columns(4)
    with first:
        _choice(upload, "delimiter", "Delimiter", DELIMITERS, found.delimiter)
        _choice(upload, "quote", "Quote marks", QUOTES, found.quote)
    with second:
        _choice(upload, "decimal", "Decimal mark", DECIMALS, found.decimal)
        _choice(upload, "thousands", "Thousands mark", THOUSANDS, found.thousands)
    with third:
        _choice(upload, "encoding", "Encoding", {name: name for name in ENCODINGS}, found.encoding)
    with fourth:
        _choice(upload, "header", "First line", {True: "names the columns", False: "is a row already"}, found.header)
        st.session_state["data-dialect-skip_rows"] = asked.skip_rows
        st.number_input(
            "Lines before the table",
            min_value=0,
            max_value=1000,
            key="data-dialect-skip_rows",
            placeholder=f"recognised ({found.skip_rows})",
            on_change=_dialect_changed,
            args=(upload, "skip_rows"),
        )


def _choice(upload: Upload, name: str, label: str, words: dict[Any, str], found: Any) -> None:
    key = f"data-dialect-{name}"
    st.session_state[key] = getattr(upload.dialect, name)
    seen = words.get(found, repr(found))
    st.selectbox(
        label,
        [None, *words],
        key=key,
        format_func=lambda value: f"recognised ({seen})" if value is None else words.get(value, str(value)),
        placeholder=f"recognised ({seen})",
        on_change=_dialect_changed,
        args=(upload, name),
    )


def _dialect_changed(upload: Upload, name: str) -> None:
    value = st.session_state[f"data-dialect-{name}"]
    upload.dialect = replace(upload.dialect, **{name: value})
    upload.label, upload.label_chosen = None, False  # columns may have other names now
    upload.roles.clear()
    upload.kinds.clear()
