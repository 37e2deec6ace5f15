"""The fast reader for large, regular text tables: pyarrow's CSV parser, some ten times faster than the tolerant one.

It gives up at the first row that is not regular; `table_rows.TextRows` goes on with the tolerant reader at that row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from sae_core.data.dialect import FullDialect
from sae_core.data.table_source import Scan
from sae_core.limits import MAX_TABLE_CELL, MEGABYTE

FAST_BYTES = MEGABYTE // 4  # smaller files take no time either way
_ROWS_AT_ONCE = 1000
_LEAST_BLOCK, _MOST_BLOCK = MEGABYTE, 16 * MEGABYTE
_END = "\0end\0"  # the cells of a row that follows the last: pyarrow says nothing about a quote that is never closed


class IrregularRowError(Exception):
    """A row that only the tolerant reader can make something of."""


def can_be_fast(dialect: FullDialect, found: Scan) -> bool:
    """Whether the fast reader knows this way of writing."""
    return (
        found.size >= FAST_BYTES
        and found.is_utf8
        and dialect.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii")
        and dialect.delimiter != " "
    )


def fast_batches(stream: IO[bytes], names: tuple[str, ...], dialect: FullDialect, found: Scan) -> Iterator[list[Any]]:
    """One array of strings for each column, trimmed, null where a cell is empty; rows without any value included.

    Raises:
        IrregularRowError: a row of another length, an unclosed quote, an overlong cell or line, text that is not UTF-8.
    """
    import pyarrow as pa
    import pyarrow.csv as csv

    quote: str | bool = dialect.quote or False
    keys = [str(at) for at in range(len(names))]  # pyarrow takes no empty names
    try:
        reader = csv.open_csv(
            _Ended(stream, "\n" + dialect.delimiter.join([_END] * len(names)) + "\n"),
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=min(_MOST_BLOCK, max(_LEAST_BLOCK, _ROWS_AT_ONCE * found.size // found.lines)),
                column_names=keys,
                skip_rows=dialect.skip_rows,
            ),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char=quote, newlines_in_values=found.quotes > 0 and bool(quote)
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
        header_to_come, ended = dialect.header, False
        for batch in reader:
            if batch.num_rows and all(column[-1].as_py() == _END for column in batch.columns):
                ended, batch = True, batch.slice(0, batch.num_rows - 1)
            columns = [trimmed(column) for column in batch.columns]
            if header_to_come:
                filled = next(
                    (at for at in range(batch.num_rows) if any(column[at].is_valid for column in columns)), None
                )
                header_to_come = filled is None
                columns = [column.slice(batch.num_rows if filled is None else filled + 1) for column in columns]
            if len(columns[0]):
                yield columns
        if not ended:
            raise IrregularRowError("a quote is never closed")
    except (pa.ArrowException, UnicodeError) as error:
        raise IrregularRowError(str(error)) from None


class _Ended:
    """A stream with a row appended, as far as pyarrow needs one."""

    closed = False

    def __init__(self, stream: IO[bytes], row: str) -> None:
        self._stream, self._row = stream, row.encode()

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        if not content:
            content, self._row = self._row, b""
        return content

    def close(self) -> None:
        pass


def trimmed(values: Any) -> Any:
    """Strings without blanks at their ends, null where nothing is left.

    Raises:
        IrregularRowError: a cell longer than `limits.MAX_TABLE_CELL`.
    """
    import pyarrow.compute as pc

    if values.nbytes > MAX_TABLE_CELL and (pc.max(pc.utf8_length(values)).as_py() or 0) > MAX_TABLE_CELL:
        raise IrregularRowError("a cell is too long")
    content = values.buffers()[2]
    if content is None:
        return values
    letters = np.frombuffer(content, dtype=np.uint8)
    if not ((letters <= 32) | (letters >= 127)).any():
        return values
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), None, values)
