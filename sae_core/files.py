"""Files that are either complete or not there: atomic writes, manifests, strict JSON, tensors."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sae_core.errors import DiskFullError, ModelFileError, StorageError, VersionError
from sae_core.temporary import meant, sweep, temporary_path

MANIFEST = "manifest.json"
MAX_JSON_BYTES = 256 * 1024 * 1024
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the disk, or the user's share of it


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one clear sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise (DiskFullError if error.errno in FULL else StorageError)(
            f"Could not write {path.name} in {meant(path.parent)}: {reason}. "
            "Free some space or choose another workspace, then try again."
        ) from error


Content = bytes | Callable[[BinaryIO], object]  # what a file holds, or what writes it


def write_atomically(path: Path, content: Content) -> None:
    """Replace a file so that a reader sees the old or the new content, also after a power cut.

    Args:
        path: its folder is made where it is missing.
        content: the bytes, or a function that writes them to an open file (for what is too large to hold twice).

    Raises:
        StorageError: the disk is full, read-only or gone; the old file is untouched.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(path, "part")
        try:
            with open(temporary, "xb", opener=_private) as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system has such a thing."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def dump_json(value: Any) -> bytes:
    """JSON bytes without NaN or infinity."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode()


def parse_json(content: bytes, name: str) -> Any:
    """JSON that is exactly JSON: no NaN, no name twice, no absurd depth.

    Raises:
        ModelFileError: it is not.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a JSON number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    if len(content) > MAX_JSON_BYTES:
        raise ModelFileError(f"{name} is larger than any file that the explorer writes. Use the original file.")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{name} is not valid JSON ({error}), so it was damaged or altered. Use the original file."
        ) from None


def dump_tensors(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as safetensors bytes."""
    from safetensors.numpy import save

    return save({name: np.asarray(value, order="C") for name, value in tensors.items()})


def parse_tensors(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Arrays from safetensors bytes. Nothing in such a file is ever executed.

    Raises:
        ModelFileError: not safetensors, or its header disagrees with its size.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ModelFileError(
            f"{name} is not a safetensors file ({error}), so it was damaged or altered. Use the original file."
        ) from None


def write_folder(folder: Path, files: Mapping[str, Content], *, kind: str, version: int) -> None:
    """Write a whole folder: complete under a temporary name first, then renamed, so that it is complete or not there.

    Its manifest, written last, holds size and SHA-256 of each file.

    Raises:
        StorageError: could not be written; what stood there before is still there.
    """
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent, folder.name)
        temporary = temporary_path(folder, "part")
        temporary.mkdir(0o700)
        try:
            entries = {}
            for name, content in files.items():
                write_atomically(temporary / name, content)
                entries[name] = (temporary / name).stat().st_size, file_digest(temporary / name)
            write_atomically(temporary / MANIFEST, manifest_bytes(entries, kind=kind, version=version))
            _swap(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(folder.parent)


def manifest_bytes(entries: Mapping[str, tuple[int, str]], *, kind: str, version: int) -> bytes:
    """A manifest: size in bytes and SHA-256 (hex) of each file."""
    files = {name: {"size": size, "sha256": digest} for name, (size, digest) in entries.items()}
    return dump_json({"kind": kind, "version": version, "files": files})


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _swap(temporary: Path, folder: Path) -> None:
    """Put a finished folder where another may stand; the other one is removed only afterwards."""
    if not folder.exists():
        temporary.rename(folder)
        return
    aside = temporary_path(folder, "old")
    folder.rename(aside)
    try:
        temporary.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def read_folder(folder: Path, *, kind: str, version: int) -> dict[str, bytes]:
    """The files of a folder, each compared with the manifest.

    Raises:
        ModelFileError: no manifest, a file missing, cut short, altered or exchanged.
        VersionError: written by a newer version.
    """
    with reading_errors(folder, kind):
        manifest = (folder / MANIFEST).read_bytes()
        names = read_manifest(manifest, kind=kind, version=version)
        files = {name: (folder / name).read_bytes() for name in names}
    verify_files(files, manifest, kind=kind, version=version)
    return files


def verified_paths(folder: Path, *, kind: str, version: int) -> dict[str, Path]:
    """The files of a folder as paths, each compared with the manifest without holding it in memory.

    Raises: as `read_folder`.
    """
    with reading_errors(folder, kind):
        entries = read_manifest((folder / MANIFEST).read_bytes(), kind=kind, version=version)
        for name, (size, digest) in entries.items():
            if (folder / name).stat().st_size != size or file_digest(folder / name) != digest:
                raise _altered(name, kind)
    return {name: folder / name for name in entries}


@contextlib.contextmanager
def reading_errors(folder: Path, kind: str) -> Iterator[None]:
    """Turn a missing or unreadable file into one clear sentence."""
    try:
        yield
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise ModelFileError(
            f"{folder} is not a complete {kind}: {missing} is missing. Use the folder or bundle as it was saved."
        ) from None
    except OSError as error:
        raise ModelFileError(
            f"{folder} cannot be read: {error.strerror or error}. Check the path and try again."
        ) from None


def _altered(name: str, kind: str) -> ModelFileError:
    return ModelFileError(
        f"{name} is not as it was saved: it was cut short, altered or exchanged, so this {kind} is not used. "
        "Use the original folder or bundle."
    )


def read_manifest(content: bytes, *, kind: str, version: int) -> dict[str, tuple[int, str]]:
    """Names in a manifest, with the size and SHA-256 that it states.

    Raises:
        ModelFileError: not such a manifest, or names that would leave the folder.
        VersionError: written by a newer version.
    """
    manifest = parse_json(content, MANIFEST)
    broken = ModelFileError(f"{MANIFEST} is not the manifest of a {kind}. Use the folder or bundle as it was saved.")
    if not isinstance(manifest, dict) or manifest.get("kind") != kind or not isinstance(manifest.get("files"), dict):
        raise broken
    found = manifest.get("version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise VersionError(f"This {kind} does not say which version wrote it. Save or export it again.")
    if found > version:
        raise VersionError(
            f"This {kind} was written by a newer version of the explorer (format {found}; this one reads up to "
            f"{version}). Update the explorer to open it."
        )
    entries = {}
    for name, entry in manifest["files"].items():
        if not isinstance(entry, dict) or Path(name).name != name or name.startswith(".") or "\\" in name:
            raise broken
        size, digest = entry.get("size"), entry.get("sha256")
        if not isinstance(size, int) or not isinstance(digest, str):
            raise broken
        entries[name] = (size, digest)
    return entries


def verify_files(files: Mapping[str, bytes], manifest: bytes, *, kind: str, version: int) -> None:
    """Compare files with a manifest.

    Raises:
        ModelFileError: a file is missing, cut short, altered or exchanged.
    """
    for name, (size, digest) in read_manifest(manifest, kind=kind, version=version).items():
        if name not in files:
            raise ModelFileError(f"{name} is missing from this {kind}. Use the folder or bundle as it was saved.")
        if len(files[name]) != size or hashlib.sha256(files[name]).hexdigest() != digest:
            raise _altered(name, kind)
