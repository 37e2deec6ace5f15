"""The bundle: one ZIP file with the whole model, and a program that runs it on numpy alone."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError, ModelFileError, UnsafeFileError
from sae_core.export import standalone
from sae_core.export.check import TOLERANCE, check_rows, largest_difference
from sae_core.export.files import Exported, Report, silent, written
from sae_core.export.origin import ORIGIN, Origin
from sae_core.export.script import readme_text
from sae_core.files import MANIFEST, read_manifest, verify_files, write_folder
from sae_core.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTRIES, MEGABYTE
from sae_core.model.trained import MODEL_KIND, MODEL_VERSION, TrainedStack
from sae_core.temporary import scratch_folder

README, PROGRAM = "README.md", "predict.py"
_CHUNK = MEGABYTE
_IGNORED = ("__MACOSX/", ".DS_Store", "Thumbs.db")  # what file managers add when a folder is packed again


def export_bundle(
    model: TrainedStack,
    path: str | Path,
    *,
    data: Dataset | None = None,
    origin: Origin | None = None,
    progress: Report = silent,
) -> Exported:
    """Write a model as a ZIP file: what `TrainedStack.save` writes, a README, and `predict.py`, which needs only numpy
    and safetensors.

    Before it is put in its place the file is read back as an import would: codes, reconstructions and probabilities
    must be the same bit for bit, and those of predict.py to within 1e-4.

    Args:
        path: of the new file, usually *.zip.
        data: whose held-out rows it is checked on; None: made-up rows.
        origin: which run it was, so that an import shows it as that; None: the model alone.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: what was read back differs.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    with written(path) as temporary, scratch_folder("bundle") as scratch:
        folder = Path(scratch) / "model"
        told = {} if origin is None else {ORIGIN: origin.to_bytes()}
        write_folder(folder, {**model.to_files(), **told}, kind=MODEL_KIND, version=MODEL_VERSION)
        (folder / README).write_text(readme_text(model), encoding="utf-8")
        (folder / PROGRAM).write_bytes(Path(standalone.__file__).read_bytes())
        progress(0.3)
        _pack(folder, temporary)
        progress(0.6)
        rows = check_rows(model, data)
        _check_same(model, read_bundle(temporary), rows)
        progress(0.8)
        worst = largest_difference(model, standalone.Model.load(folder), rows)
        if worst > TOLERANCE:
            raise ExportError(
                f"predict.py in the bundle differs from the model by {worst:.2g}, so it is not handed out."
            )
    progress(1.0)
    return Exported.of(path, checked_rows=len(rows), largest_difference=worst)


def read_bundle(source: str | Path | bytes | IO[bytes]) -> TrainedStack:
    """The model in a bundle. Raises as `open_bundle`."""
    return open_bundle(source)[0]


def open_bundle(source: str | Path | bytes | IO[bytes]) -> tuple[TrainedStack, Origin | None]:
    """The model in a bundle, and which run it was where the bundle tells.

    Nothing in the file is executed or written to disk; `predict.py` in it is not even read.

    Raises:
        ModelFileError: not such a bundle, cut short, altered, or its parts disagree.
        VersionError: written by a newer version.
        UnsafeFileError: built to do harm.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            members = _members(archive)
            if MANIFEST not in members:
                raise ModelFileError(
                    f"There is no {MANIFEST} in this ZIP file, so it is not an exported model. Choose a bundle."
                )
            budget = _Budget(MAX_BUNDLE_BYTES)
            manifest = budget.read(archive, members[MANIFEST])
            names = read_manifest(manifest, kind=MODEL_KIND, version=MODEL_VERSION)
            files = {name: budget.read(archive, members[name]) for name in names if name in members}
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
        ValueError,
    ) as error:
        if isinstance(error, ModelFileError | UnsafeFileError):
            raise
        raise ModelFileError(
            f"This file is not a ZIP file that can be read whole ({error}). Download or export the bundle again."
        ) from None
    except OSError as error:
        raise ModelFileError(f"The bundle cannot be read ({error.strerror or error}). Check the file.") from None
    verify_files(files, manifest, kind=MODEL_KIND, version=MODEL_VERSION)
    return TrainedStack.from_files(files), Origin.from_files(files)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Files in the archive by their bare names; one common folder around all of them is allowed."""
    infos = [info for info in archive.infolist() if not info.is_dir() and not _is_ignored(info.filename)]
    if len(infos) > MAX_BUNDLE_ENTRIES:
        raise UnsafeFileError(
            f"This ZIP file has {len(infos):,} files; a bundle has a handful. Choose an exported bundle."
        )
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in infos:
        folder, _, name = info.filename.rpartition("/")
        folders.add(folder)
        if (
            stat.S_ISLNK(info.external_attr >> 16)
            or "/" in folder
            or folder == ".."
            or "\\" in name
            or ":" in name
            or not name
        ):
            raise UnsafeFileError("This ZIP file has links or names that would leave its folder, so it is not opened.")
        if name in members:
            raise UnsafeFileError(f"This ZIP file has {name!r} twice, so it is not opened. Export the bundle again.")
        if info.flag_bits & 1:
            raise ModelFileError("This ZIP file is protected with a password. Unpack it and pack it again without one.")
        members[name] = info
    if len(folders) > 1:
        raise ModelFileError("This ZIP file holds several folders, so it is not one exported model. Choose a bundle.")
    return members


def _is_ignored(name: str) -> bool:
    return name.startswith(_IGNORED[0]) or name.rpartition("/")[2] in _IGNORED[1:]


class _Budget:
    """Bytes that may still be read, counted as they come out of the archive, whatever sizes it claims."""

    def __init__(self, left: int) -> None:
        self._left = left

    def read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        parts = []
        with archive.open(info) as stream:
            while part := stream.read(_CHUNK):
                self._left -= len(part)
                if self._left < 0:
                    raise UnsafeFileError(
                        f"This ZIP file unpacks to more than {MAX_BUNDLE_BYTES // MEGABYTE:,} MB, more than any model. "
                        "Choose an exported bundle."
                    )
                parts.append(part)
        return b"".join(parts)


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(file.name)  # the same model gives the same bytes: no time of day inside
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if file.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _CHUNK)


def _check_same(ours: TrainedStack, theirs: TrainedStack, rows: object) -> None:
    x = ours.prepare(rows)
    same = [np.array_equal(x, theirs.prepare(rows), equal_nan=True)]
    for level in range(1, ours.n_levels + 1):
        same.append(np.array_equal(ours.encode_prepared(x, level), theirs.encode_prepared(x, level)))
        same.append(np.array_equal(ours.reconstruct_prepared(x, level), theirs.reconstruct_prepared(x, level)))
    if ours.is_classifier:
        same.append(np.array_equal(ours.predict_proba_prepared(x), theirs.predict_proba_prepared(x)))
    if not all(same) or ours.classes != theirs.classes:
        raise ExportError("The bundle gave other values when it was read back, so it is not handed out. Try again.")
