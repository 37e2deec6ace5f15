"""Every example in a docstring of the engine and of the charts runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import explorer
import sae_core

PROGRAMS = {"sae_core.__main__", "explorer.app"}  # running starts with the import


def modules() -> Iterator[str]:
    for package in (sae_core, explorer):
        yield package.__name__
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in PROGRAMS and not module.name.startswith("explorer.pages"):
                yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in modules() for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 10
