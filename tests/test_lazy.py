"""Packages that are imported late are imported by one thread at a time."""

from __future__ import annotations

import ast
import math
import threading
import time
from pathlib import Path

import pytest

import sae_core
from sae_core import lazy

CIRCULAR = {"sklearn", "scipy", "umap", "numba"}


def test_the_module_itself() -> None:
    assert lazy.package("math") is math
    with pytest.raises(ModuleNotFoundError):
        lazy.package("no_such_package")


def test_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = [0]
    most: list[int] = [0]

    def slow_import(name: str) -> str:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1
        return name

    monkeypatch.setattr(lazy, "import_module", slow_import)
    threads = [threading.Thread(target=lazy.package, args=(f"part{i}",)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1


def test_nothing_else_imports_them_inside_a_function() -> None:
    found = []
    for path in Path(sae_core.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in CIRCULAR]
    assert found == []
