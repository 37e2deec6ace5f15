"""Large packages, imported when they are first needed, by one thread at a time.

The modules of scikit-learn and SciPy import one another in circles. Two threads that enter such a circle at different
places (a page at its metrics, a map in the background at its neighbours) wait for each other until Python raises its
`_DeadlockError` in one of them.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

_importing = threading.RLock()


def package(name: str) -> Any:
    """The module of that name, e.g. "sklearn.metrics".

    >>> package("math").sqrt(4.0)
    2.0
    """
    with _importing:
        return import_module(name)
