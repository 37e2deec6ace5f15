"""The command line: `sae-explorer`, or `python -m sae_core`.

Results go to standard output (as JSON with `--json`), progress and messages to standard error. Exit codes: 0 done, 1 a
reason that the message names, 2 a mistake in the command, 130 interrupted with Ctrl-C. Everything heavy is imported
inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from sae_core import __version__
from sae_core.cli.application import explore
from sae_core.cli.models import export
from sae_core.cli.output import say
from sae_core.cli.rows import classify, encode, reconstruct
from sae_core.cli.runs import runs
from sae_core.cli.training import train
from sae_core.errors import SaeError

__all__ = ["cli", "main"]


class _OpensTheApplication(click.Group):
    """Without a command the application opens; options before any command are the application's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["explore", *args]
        return super().parse_args(ctx, args)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    code = 0
    try:
        cli.main(arguments, prog_name="sae-explorer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted.")
        code = 130
    except BrokenPipeError:  # e.g. `sae-explorer runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except SaeError as error:
        say(str(error))
        code = 1
    except MemoryError:
        say("The memory of this machine is not enough for that. Use fewer rows or smaller levels.")
        code = 1
    sys.exit(code)


@click.group(
    cls=_OpensTheApplication, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="Stacked Autoencoder Explorer")
def cli() -> None:
    """Train stacked autoencoders level by level on your own tables and pictures, and look into every level.

    Without a command the application opens in the browser.
    """


for command in (explore, train, encode, reconstruct, classify, export, runs):
    cli.add_command(command)
