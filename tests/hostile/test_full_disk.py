"""A disk that is full: one sentence each, and everything of before is still there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = [*MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs Linux namespaces, for a small disk of its own")
def test_nothing_of_before_is_lost_whatever_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    command = [*MOUNTS, sys.executable, "-m", "tests.hostile.full_disk", str(tmp_path / "disk"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["said"]) == told["names"]
    for text in told["said"].values():
        assert "No space left on device. Free some space" in text
        assert ".part" not in text
