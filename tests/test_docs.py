"""The examples in docs/ run as they stand."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("name", ["library.py", "scikit_learn.py"])
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DOCS / name))
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert f"docs/{name}" in readme
