"""Pages that wait for background work, and widgets by their label."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from streamlit.testing.v1 import AppTest

from explorer import tasks


def settled(app: AppTest, seconds: float = 120) -> AppTest:
    """Run the page again until none of the background work that it started is under way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pending = [task for task in list(tasks._tasks.values()) if not task.snapshot().state.is_over]
        if not pending:
            return app.run()
        for task in pending:
            task.join(1)
        app.run()
    raise AssertionError("the page's background work did not end")


def control(widgets: Iterable[Any], label: str) -> Any:
    """The widget with this label."""
    for widget in widgets:
        if widget.label == label:
            return widget
    raise AssertionError(f"no widget is labelled {label!r}: {[widget.label for widget in widgets]}")
