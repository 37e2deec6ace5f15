"""`sae-explorer explore`: the application in the browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from sae_core.cli.output import workspace_option
from sae_core.errors import SaeError


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--port", type=click.IntRange(1, 65535), help="Port on this machine.  [default: 8501]")
@workspace_option
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.pass_context
def explore(ctx: click.Context, port: int | None, workspace: Path | None, no_browser: bool) -> None:
    """Open the application; `explore` may be left out.

    Streamlit's own options are passed on.
    """
    app, folder = _application()
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    command += ["--server.port", str(port)] if port else []
    command += ["--server.headless", "true"] if no_browser else []
    command += ctx.args
    if workspace:
        os.environ["SAE_WORKSPACE"] = str(workspace.resolve())
    if folder:  # a checkout: Streamlit finds its settings in the folder where it starts
        os.chdir(folder)
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)  # signals reach the server itself
    sys.exit(subprocess.call(command))


def _application() -> tuple[Path, Path | None]:
    """The application's entry, and the folder to start it in where that matters."""
    root = Path(__file__).resolve().parents[2]
    app = root / "explorer" / "app.py"
    if not app.is_file():
        raise SaeError(f"The application is not installed beside the library ({app} is missing). Install it again.")
    return app, root if (root / ".streamlit" / "config.toml").is_file() else None
