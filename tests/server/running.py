"""The real server in a process of its own, started as the README says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
STREAMLIT = str(Path(sys.executable).with_name("streamlit"))


@dataclass(frozen=True)
class Server:
    """A running server: `url` without a final slash, its workspace folder, and the file with everything it printed."""

    url: str
    workspace: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        """Host and port, as they stand in a Host header."""
        return self.url.removeprefix("http://")

    def printed(self) -> str:
        """Everything the server printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without display and settings that reach into Streamlit or Python."""
    prefixes = ("STREAMLIT_", "PYTHON", "PYTEST_", "COV_", "SAE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**{name: value for name, value in kept.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}, **changes}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    folder: Path,
    command: Sequence[str] = (STREAMLIT, "run", "explorer/app.py"),
    *,
    cwd: Path = ROOT,
    **environment: str,
) -> Iterator[Server]:
    """Start the application, wait until it answers, and end it.

    `folder` gets the workspace and the log. Streamlit hears of the free port, and that there is no browser to open,
    through its environment.
    """
    port = free_port()
    options = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    workspace = folder / "workspace"
    log = folder / "server.log"
    workspace.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=clean_environment(SAE_WORKSPACE=str(workspace), **options, **environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://localhost:{port}", workspace, log, process)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"The server ended with {server.process.returncode}:\n{server.printed()}")
        try:
            with urlopen(f"{server.url}/_stcore/health", timeout=5) as answer:
                if answer.read() == b"ok":
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"The server did not answer within 90 seconds:\n{server.printed()}")
