"""Archives built to do harm, or broken by accident. The verdict of each is in README.md here."""

from __future__ import annotations

import os
import stat
import struct
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sae_core import limits
from sae_core.data.arrays import read_arrays
from sae_core.data.collection import open_collection
from sae_core.data.entries import tidy_name
from sae_core.data.images import ImageOptions, inspect_images, preview_images, read_images
from sae_core.errors import SaeError, TooLargeError, UnreadableFileError, UnsafeFileError
from tests.data.making import noise, npy, picture, zip_of

GOOD = picture(noise())
OPTIONS = ImageOptions(8, 8, "colour")


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test here leaves a file, wherever the archive points."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".png"] == []


def skipped_reason(content: bytes) -> str:
    """The set is usable without its bad entry; the reason that is given for it."""
    data = read_images(content, options=OPTIONS)
    assert len(data) == 1
    assert preview_images(content, OPTIONS).pixels.shape == (1, 192)
    assert inspect_images(content).count >= 1
    return " ".join(note for note in data.notes if "skipped" in note)


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../x.png",
        "a/../../x.png",
        "..\\x.png",
        "a\\..\\..\\x.png",
        "/etc/x.png",
        "//server/share/x.png",
        "\\\\server\\share\\x.png",
        "C:\\x.png",
        "c:x.png",
        "..",
    ],
)
def test_names_that_lead_out_are_skipped(name: str) -> None:
    reason = skipped_reason(zip_of([("ok.png", GOOD), (name, GOOD)]))
    assert "has a name that leads out of the archive" in reason
    with pytest.raises(UnsafeFileError, match="leads out of the archive"):
        read_images(zip_of([(name, GOOD)]))


def test_a_name_with_nul_is_skipped() -> None:
    content = zip_of([("ok.png", GOOD), ("x_png", GOOD)]).replace(b"x_png", b"x\0png")
    assert "NUL" in skipped_reason(content)


def test_deep_folders() -> None:
    edge = "/".join(["d"] * (limits.MAX_ARCHIVE_DEPTH - 1)) + "/x.png"
    assert len(read_images(zip_of({edge: GOOD}))) == 1
    assert "folders deep" in skipped_reason(zip_of({"ok.png": GOOD, f"d/{edge}": GOOD}))
    assert "folders deep" in skipped_reason(zip_of({"ok.png": GOOD, "d/" * 400 + "x.png": GOOD}))


def test_long_names_are_kept() -> None:
    name = "n" * 300
    data = read_images(zip_of({f"{name}/{name}.png": GOOD, "other/1.png": GOOD}))
    assert data.classes == (name, "other")


def test_names_of_thousands_of_digits() -> None:
    name = "9" * 30_000
    assert read_images(zip_of({f"{name}/1.png": GOOD, "2/1.png": GOOD})).classes == ("2", name)


@pytest.mark.parametrize(
    "name", ["a\u202egnp.exe", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "%{x}", "=1+1"]
)
def test_odd_names_are_kept_as_written(name: str) -> None:
    data = read_images(zip_of({f"{name}/1.png": GOOD, "other/2.png": GOOD}))
    assert name in data.classes
    assert data.identifiers is not None
    assert f"{name}/1.png" in data.identifiers["file"].tolist()


def test_direction_marks_do_not_reach_the_notes() -> None:
    assert "\u202e" not in skipped_reason(zip_of({"ok.png": GOOD, "a\u202egnp.txt": b"text"}))


@pytest.mark.parametrize(
    "name", ["__MACOSX/._1.png", ".DS_Store", ".hidden.png", ".git/1.png", "Thumbs.db", "a/desktop.ini"]
)
def test_system_files_are_skipped_and_counted(name: str) -> None:
    assert "1 file was skipped because it is a hidden system file" in skipped_reason(
        zip_of({"ok.png": GOOD, name: GOOD})
    )


@pytest.mark.parametrize(("name", "encoding"), [("中文", "gbk"), ("Bär", "cp437"), ("café", "cp437"), ("Bär", "utf-8")])
def test_names_of_old_packers(name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    content = zip_of({f"{'X' * len(raw)}/1.png": GOOD, "Fuchs/2.png": GOOD}).replace(b"X" * len(raw), raw)
    assert set(read_images(content).classes) == {name, "Fuchs"}


def test_the_later_of_two_files_of_one_name_counts() -> None:
    first, second = picture(noise(seed=1)), picture(noise(seed=2))
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zip_of([("a.png", first), ("a.png", second)])
    data = read_images(content, options=OPTIONS)
    assert len(data) == 1
    assert (data.features == read_images(second, options=OPTIONS).features).all()
    assert any("replaced by a later file of the same name" in note for note in data.notes)


def test_case_twins_are_two_files() -> None:
    assert len(read_images(zip_of({"a.png": GOOD, "A.png": GOOD}))) == 2


# Kinds of entries


def linked(target: str) -> bytes:
    link = zipfile.ZipInfo("link.png")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = Path("archive.zip")
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("ok.png", GOOD)
        archive.writestr(link, target)
    return content.read_bytes()


def test_symbolic_links_are_skipped() -> None:
    assert "is a symbolic link" in skipped_reason(linked("/etc/passwd"))


def test_links_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "ok.png").with_suffix(".bin").write_bytes(GOOD)
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "gone.bin").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.bin")
    data = read_images(folder)
    assert len(data) == 1
    text = " ".join(data.notes)
    assert "is a link to another folder: circle" in text
    assert "2 files were skipped because each is not an ordinary file: gone.bin, pipe.bin" in text


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFileError, match="is not a file"):
        read_images(tmp_path / "pipe")


def test_an_archive_inside_an_archive_is_not_opened() -> None:
    assert "is an archive inside the archive" in skipped_reason(
        zip_of({"ok.png": GOOD, "more.zip": zip_of({"a.png": GOOD})})
    )


def test_a_picture_that_is_also_an_archive_is_a_picture() -> None:
    both = Path("both.bin")
    both.write_bytes(GOOD + zip_of({"a.png": picture(noise(seed=3)), "b.png": picture(noise(seed=4))}))
    assert zipfile.is_zipfile(both)
    data = read_images(both, options=OPTIONS)
    assert len(data) == 1
    assert (data.features == read_images(GOOD, options=OPTIONS).features).all()


# Fields that lie. Offsets within the headers are those of APPNOTE.TXT, 4.3.7 and 4.3.12.


def with_field(content: bytes, name: str, local: int, central: int, code: str, value: int) -> bytes:
    """Overwrite a field of one entry, in its local header and in the directory."""
    changed = bytearray(content)
    at = content.index(b"PK\x01\x02")
    while True:
        length = struct.unpack_from("<H", content, at + 28)[0]
        if content[at + 46 : at + 46 + length] == name.encode():
            break
        at = content.index(b"PK\x01\x02", at + 4)
    struct.pack_into(code, changed, at + central, value)
    if local >= 0:
        struct.pack_into(code, changed, struct.unpack_from("<I", content, at + 42)[0] + local, value)
    return bytes(changed)


TWO = zip_of({"bad.png": picture(noise(seed=5)), "ok.png": GOOD}, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("local", "central", "code", "value", "reason"),
    [
        (6, 8, "<H", 1, "is protected by a password"),
        (8, 10, "<H", 9, "packed with an unusual method, Deflate64"),
        (8, 10, "<H", 14, "packed with an unusual method, LZMA"),
        (8, 10, "<H", 12, "packed with an unusual method, bzip2"),
        (8, 10, "<H", 77, "packed with an unusual method, number 77"),
        (14, 16, "<I", 12345, "is damaged inside"),  # checksum
        (22, 24, "<I", 10, "is damaged inside"),  # claims to be smaller than it is
    ],
)
def test_one_bad_entry_does_not_spoil_the_set(local: int, central: int, code: str, value: int, reason: str) -> None:
    assert reason in skipped_reason(with_field(TWO, "bad.png", local, central, code, value))


def test_a_size_that_is_claimed_too_large_costs_nothing() -> None:
    content = with_field(TWO, "bad.png", 22, 24, "<I", 0xFFFF_0000)
    tracemalloc.start()
    try:
        data = read_images(content, options=OPTIONS)
        assert tracemalloc.get_traced_memory()[1] < 64 * limits.MEGABYTE
    finally:
        tracemalloc.stop()
    assert len(data) == 2  # the bytes that are there are a whole picture with the right checksum


def test_only_encrypted_entries_are_refused_with_the_remedy() -> None:
    content = with_field(zip_of({"a.png": GOOD}), "a.png", 6, 8, "<H", 1)
    with pytest.raises(UnreadableFileError, match=r"protected by a password \(pack it without one\)"):
        read_images(content)


def test_overlapping_entries_are_refused() -> None:
    # The second entry's directory record points at the first one's bytes, as in Fifield's bombs.
    content = with_field(zip_of({"aaaaaa": GOOD, "ok.png": GOOD}), "ok.png", -1, 42, "<I", 0)
    with pytest.raises(UnsafeFileError, match="entries of the archive overlap"):
        read_images(content)
    with pytest.raises(UnsafeFileError, match="entries of the archive overlap"):
        read_arrays(content)


@pytest.mark.parametrize("share", [i / 16 for i in range(1, 16)])
def test_truncated_anywhere(share: float) -> None:
    whole = zip_of({f"{i}.png": picture(noise(seed=i)) for i in range(8)})
    with pytest.raises(SaeError, match=r"cut short or damaged|is empty|not a picture"):
        read_images(whole[: int(len(whole) * share)], name="a.zip")


def test_junk_after_the_end_does_no_harm() -> None:
    assert len(read_images(zip_of({"a.png": GOOD}) + b"\0" * 100)) == 1


# Too much


def bomb(megabytes: int, head: bytes = b"") -> bytes:
    """A ZIP of one entry, about 1000:1."""
    path = Path("bomb.zip")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.png", "w", force_zip64=True) as entry,
    ):
        entry.write(head)
        for _ in range(megabytes):
            entry.write(bytes(limits.MEGABYTE))
    content = path.read_bytes()
    path.unlink()
    return content


def test_a_bomb_that_is_no_picture_is_never_unpacked() -> None:
    content = bomb(300)
    assert len(content) < limits.MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match="is not a picture"):
            read_images(content)
        assert tracemalloc.get_traced_memory()[1] < 8 * limits.MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_bomb_that_begins_as_a_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_RATIO_FLOOR_BYTES", 16 * limits.MEGABYTE)
    content = bomb(40, GOOD[:40])
    for read in (read_images, inspect_images, preview_images):
        with pytest.raises(UnsafeFileError, match="more than 200 times its size"):
            read(content)


def test_many_small_bombs_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_RATIO_FLOOR_BYTES", 8 * limits.MEGABYTE)
    black = picture(noise(8, 8), "BMP") + bytes(limits.MEGABYTE)
    content = zip_of({f"{i}.bmp": black for i in range(20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFileError, match="more than 200 times its size"):
        read_images(content, options=OPTIONS)


def test_the_ratio_does_not_hit_blank_pictures() -> None:
    blank = picture(noise(8, 8), "BMP") + bytes(limits.MEGABYTE)
    assert len(read_images(zip_of({f"{i}.bmp": blank for i in range(5)}, zipfile.ZIP_DEFLATED), options=OPTIONS)) == 5


def test_member_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ARCHIVE_MEMBER_BYTES", len(GOOD))
    assert len(read_images(zip_of({"a.png": GOOD}), options=OPTIONS)) == 1
    assert "is larger than" in skipped_reason(zip_of({"ok.png": GOOD, "b.png": GOOD + b"\0"}))


def test_total_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_of({"a.png": GOOD})
    heads = min(64, len(GOOD))
    monkeypatch.setattr(limits, "MAX_ARCHIVE_TOTAL_BYTES", len(GOOD) + heads)
    assert len(read_images(content, options=OPTIONS)) == 1
    monkeypatch.setattr(limits, "MAX_ARCHIVE_TOTAL_BYTES", len(GOOD) + heads - 1)
    with pytest.raises(TooLargeError, match="when unpacked"):
        read_images(content, options=OPTIONS)


def test_many_entries() -> None:
    files = [(f"{i}.txt", b"") for i in range(65_000)]
    with pytest.raises(UnreadableFileError, match="65,000 files were skipped because each is empty"):
        read_images(zip_of(files))


def test_entry_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ARCHIVE_ENTRIES", 3)
    files = {f"{i}.png": GOOD for i in range(4)}
    three = dict(list(files.items())[:3])
    assert len(read_images(zip_of(three))) == 3
    assert len(read_images(list(three.items()))) == 3
    for source in (zip_of(files), list(files.items())):
        with pytest.raises(TooLargeError, match=r"holds 4 files; the limit is 3\."):
            read_images(source)


def test_entry_limit_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ARCHIVE_ENTRIES", 2)
    for i in range(3):
        (tmp_path / f"{i}.bin").write_bytes(GOOD)
    with pytest.raises(TooLargeError, match="the limit is 2"):
        read_images(tmp_path)


def test_an_absurd_directory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_of({f"{i}.png": GOOD for i in range(3)})
    size = struct.unpack_from("<I", content, content.rindex(b"PK\x05\x06") + 12)[0]
    monkeypatch.setattr(limits, "MAX_ARCHIVE_DIRECTORY_BYTES", size)
    with open_collection(content) as files:
        assert len(files.entries) == 3
    monkeypatch.setattr(limits, "MAX_ARCHIVE_DIRECTORY_BYTES", size - 1)
    with pytest.raises(TooLargeError, match="holds too many files"):
        open_collection(content)


# Damage at random: only our own errors come out, and threads and files are given back.


def mutated(content: bytes, seed: int) -> bytes:
    random = Random(seed)
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 8, 32])):
        kind, at = random.randrange(4), random.randrange(len(changed))
        if kind == 0:
            changed[at] = random.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            del changed[at : at + random.randrange(1, 9)]
        else:
            changed[at:at] = random.randbytes(random.randrange(1, 9))
    return bytes(changed)


ARCHIVE = zip_of(
    {"cat/1.png": GOOD, "cat/2.gif": picture(noise(), "GIF"), "dog/3.bmp": picture(noise(), "BMP"), "x.txt": b"x"},
    zipfile.ZIP_DEFLATED,
)
ARRAYS = zip_of({"x.npy": npy(noise()), "y.npy": npy(noise(8, 8, None)[0])}, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("seed", range(0, 1500, 100))
def test_random_damage(seed: int) -> None:
    for one in range(seed, seed + 100):
        for read in (read_images, inspect_images, preview_images, read_arrays):
            _only_our_errors(read, mutated(ARRAYS if read is read_arrays else ARCHIVE, one))


def _only_our_errors(read: Any, content: bytes) -> None:
    try:
        read(content)
    except SaeError as error:
        if not str(error).endswith("."):
            pytest.fail(f"not a sentence: {error}")


def test_nothing_is_left_open() -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    Path("a.zip").write_bytes(ARCHIVE)
    Path("b.zip").write_bytes(ARCHIVE[:-5])
    for _ in range(20):
        read_images("a.zip")
        read_arrays(ARRAYS)
        for path in ("a.zip", "b.zip", "b.zip"):
            _only_our_errors(read_arrays, Path(path))  # type: ignore[arg-type]
            _only_our_errors(read_images, Path(path))  # type: ignore[arg-type]
    after = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    for path in Path().glob("*.zip"):
        path.unlink()


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("a/b.png", "a/b.png"),
        ("./a//b.png", "a/b.png"),
        ("a\\b.png", "a/b.png"),
        ("a/./b.png", "a/b.png"),
        ("...png", "...png"),
    ],
)
def test_harmless_names(name: str, tidy: str) -> None:
    assert tidy_name(name)[0] == tidy


def test_checksum_of_the_whole_is_what_zipfile_says() -> None:
    # The reader counts on zipfile to compare the checksum at the end of an entry; this holds it to that.
    with (
        open_collection(with_field(TWO, "bad.png", 14, 16, "<I", zlib.crc32(b"other"))) as files,
        pytest.raises(UnreadableFileError),
    ):
        files.entries[0].read()
