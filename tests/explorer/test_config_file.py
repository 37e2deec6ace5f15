"""The server's own settings: safe from the start, one look."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from explorer.charts.style import PALETTE
from sae_core.limits import MAX_UPLOAD_BYTES, MEGABYTE

CONFIG = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "address", "localhost"),
        ("server", "port", 8501),
        ("server", "enableCORS", True),
        ("server", "enableXsrfProtection", True),
        ("server", "fileWatcherType", "none"),
        ("runner", "postScriptGC", False),  # training and pages share one interpreter
        ("browser", "gatherUsageStats", False),
        ("client", "showErrorDetails", "none"),
        ("client", "toolbarMode", "minimal"),
    ],
)
def test_safe_and_quick_from_the_start(section: str, name: str, value: Any) -> None:
    assert CONFIG[section][name] == value


def test_only_this_machine_is_answered() -> None:
    assert set(CONFIG["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}


def test_the_upload_limit_is_the_stated_one() -> None:
    assert CONFIG["server"]["maxUploadSize"] * MEGABYTE == MAX_UPLOAD_BYTES


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_use_the_one_palette(theme: str) -> None:
    assert tuple(CONFIG["theme"][theme]["chartCategoricalColors"]) == PALETTE
    for scale in ("chartSequentialColors", "chartDivergingColors"):
        assert len(CONFIG["theme"][theme][scale]) == 10
