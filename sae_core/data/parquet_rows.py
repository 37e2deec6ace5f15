"""The rows of a Parquet table as batches of columns, in bounded memory whatever its dictionaries expand to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sae_core.data.dialect import FullDialect
from sae_core.data.layout import Layout
from sae_core.data.table_rows import Problems, column_names, refuse_too_many_columns
from sae_core.data.table_source import TableSource
from sae_core.errors import SaeError, TooLargeError, UnreadableFileError
from sae_core.limits import MAX_TABLE_BYTES, MAX_TABLE_CELL, MAX_TABLE_ROWS, MEGABYTE

_BATCH_CELLS = 400_000
_LEAST_ROWS = 512
_BATCH_TEXT = 64 * MEGABYTE  # of text decoded at once
_INDEX = "__index_level_"  # how pandas stores an index without a name


class ParquetRows:
    """A Parquet table: arrays of the column's own type; lists, structures and bytes come as None."""

    def __init__(self, source: TableSource) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.source = source
        self.problems = Problems()
        try:
            with source.seekable() as raw:
                file = pq.ParquetFile(raw)
                self.schema = file.schema_arrow
                self.most_rows = file.metadata.num_rows
        except (pa.ArrowException, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            if isinstance(error, SaeError):
                raise
            raise self._broken(error) from None
        written = [str(name) for name in self.schema.names if not str(name).startswith(_INDEX)]
        refuse_too_many_columns(source.name, written)
        if not any(_is_usable(field.type) for field in self.schema):
            raise UnreadableFileError(
                f"{source.name} has no column of numbers, texts, dates or truth values. Choose a file that has some."
            )
        self._positions = [at for at, name in enumerate(self.schema.names) if not str(name).startswith(_INDEX)]
        self.names, self.notes = column_names(Layout(FullDialect(), tuple(written), len(written), False, ()))
        if self.most_rows > MAX_TABLE_ROWS and not source.any_size:
            raise TooLargeError(
                f"{source.name} has {self.most_rows:,} rows, more than {MAX_TABLE_ROWS:,}. Bring fewer."
            )

    def batches(self, progress: Callable[[float], None] | None = None) -> Iterator[list[Any]]:
        """One array for each column, a few thousand rows at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        done = text = 0
        size = max(_LEAST_ROWS, _BATCH_CELLS // max(1, len(self.names)))
        usable = [at for at in self._positions if _is_usable(self.schema.field(at).type)]
        wanted = [self.schema.field(at).name for at in usable]
        places = {at: place for place, at in enumerate(usable)}
        strings = [self.schema.field(at).name for at in usable if _is_text(self.schema.field(at).type)]
        try:
            with self.source.seekable() as raw:
                # In pieces, not a row group at once; only what can be used: lists and bytes may expand to any size.
                file = pq.ParquetFile(raw, read_dictionary=strings, pre_buffer=False, buffer_size=MEGABYTE)
                for batch in file.iter_batches(batch_size=size, columns=wanted):
                    if batch.num_columns != len(usable):
                        raise ValueError("column names occur more than once")
                    text_of_batch = sum(self._text_bytes(column) for column in batch.columns)
                    text += text_of_batch
                    if text > MAX_TABLE_BYTES and not self.source.any_size:
                        raise TooLargeError(
                            f"{self.source.name} unpacks to more than {MAX_TABLE_BYTES // MEGABYTE:,} MB of text, the "
                            "most that is read. Bring fewer rows or columns."
                        )
                    done += len(batch)
                    step = max(1, len(batch) * _BATCH_TEXT // max(_BATCH_TEXT, text_of_batch))
                    for start in range(0, len(batch), step):
                        part = batch.slice(start, step)
                        yield [plain(part.column(places[at])) if at in places else None for at in self._positions]
                    if progress is not None:
                        progress(min(1.0, done / max(1, self.most_rows)))
        except (pa.ArrowException, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            if isinstance(error, SaeError):
                raise
            raise self._broken(error) from None

    def _text_bytes(self, values: Any) -> int:
        """Bytes of a dictionary column's texts once decoded; 0 for others.

        Raises:
            TooLargeError: a cell longer than `limits.MAX_TABLE_CELL`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if (
            not pa.types.is_dictionary(values.type)
            or not len(values.dictionary)
            or not _is_text(values.dictionary.type)
        ):
            return 0
        lengths = pc.binary_length(values.dictionary)
        if (pc.max(lengths).as_py() or 0) > 4 * MAX_TABLE_CELL:
            raise TooLargeError(
                f"{self.source.name} has a cell of more than {MAX_TABLE_CELL:,} characters. "
                "Shorten it, or leave its column out."
            )
        return int(pc.sum(pc.take(lengths, values.indices).cast(pa.int64())).as_py() or 0)

    def _broken(self, error: Exception) -> UnreadableFileError:
        first = (str(error).splitlines() or ["unknown reason"])[0][:200]
        return UnreadableFileError(
            f"{self.source.name} is not a Parquet file that can be read ({first}). Export it again."
        )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_usable(kind: Any) -> bool:
    """Whether a column of this type holds one number, text, date or truth value a cell."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_usable(kind.value_type)
    tests = (
        pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_date,
        pa.types.is_timestamp, pa.types.is_null,
    )  # fmt: skip
    return _is_text(kind) or any(test(kind) for test in tests)


def plain(values: Any) -> Any:
    """A usable Arrow array as one of: string (trimmed, null where empty), int64, float64, timestamp[us]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if _is_text(kind):
        values = pc.utf8_trim_whitespace(values.cast(pa.string()))
        return pc.if_else(pc.equal(values, ""), None, values)
    if pa.types.is_boolean(kind):
        return values.cast(pa.string())
    if pa.types.is_integer(kind):
        fits = not pa.types.is_uint64(kind) or (pc.max(values).as_py() or 0) < 2**63
        return values.cast(pa.int64() if fits else pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us"), safe=False)
    return values.cast(pa.string())
