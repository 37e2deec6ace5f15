"""Find a Chromium for the browser tests, or install one: `python -m tests.e2e.chromium --install`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@cache
def find() -> str | None:
    """Path of a Chromium that starts, or None."""
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[str]:
    yield from (path for name in NAMES if (path := shutil.which(name)))
    yield "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    # Playwright's own; asked in a process of its own, because Playwright may be at work in this one.
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    yield from done.stdout.split("\n")[:1]


def _starts(path: str) -> bool:
    # Ubuntu's chromium-browser package may be a stub that only asks for a snap.
    if not Path(path).is_file():
        return False
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "chrom" in done.stdout.lower()


def install() -> bool:
    """Install a Chromium: with apt-get where we are root, else Playwright's own. True if one starts afterwards."""
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands.insert(0, ["sh", "-c", "apt-get update -qq && apt-get install -y -qq chromium"])
    for command in commands:
        print("No Chromium found; trying:", " ".join(command), flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, check=False, env=environment, stdin=subprocess.DEVNULL)
        find.cache_clear()
        if find():
            return True
    return False


if __name__ == "__main__":
    found = find() is not None or ("--install" in sys.argv and install())
    print(f"Browser tests use {find()}." if found else "No Chromium could be found or installed.")
    sys.exit(1 if not found and os.environ.get("CI") else 0)
