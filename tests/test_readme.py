"""The README says what is so: limits, commands, examples, pictures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from explorer.places import PAGES
from sae_core import limits

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
UNITS = {"MB": limits.MEGABYTE, "GB": 1024 * limits.MEGABYTE, "%": 0.01}


def blocks(language: str) -> list[str]:
    """Contents of the README's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("  #")[0].split("   ")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


def number(text: str) -> float:
    """A limit as the README writes it: 1,000 or 4 GB or 0.1 %."""
    value, _, unit = text.replace(",", "").partition(" ")
    return float(value) * UNITS.get(unit, 1)


def test_every_limit_is_stated() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `(\w+)` \|$", README, re.MULTILINE)
    stated = {name: number(text) for text, name in rows}
    assert len(stated) == len(rows)
    real = {name: float(value) for name, value in vars(limits).items() if name.isupper() and name != "MEGABYTE"}
    assert stated == pytest.approx(real)


@pytest.mark.parametrize("command", commands())
def test_every_command_exists(command: str) -> None:
    words = shlex.split(command.replace("\\", "/"))
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif words[0] == "sae-explorer":
        check_command_line(words[1:])
    elif words[:2] == ["pip", "install"]:
        assert (ROOT / words[3]).is_file()
    elif words[:2] == ["streamlit", "run"]:
        assert (ROOT / words[2]).is_file()
    else:
        assert command in ("python -m venv .venv", "source .venv/bin/activate")


def check_command_line(words: list[str]) -> None:
    """The command knows the sub-command, its options and that many arguments."""
    from sae_core.cli import cli

    if not words:
        return
    command = cli.commands[words[0]]
    context = click.Context(command)
    parser = command.make_parser(context)
    values, left, _ = parser.parse_args(args=words[1:])
    assert not left
    assert {name for name, value in values.items() if value is not None}


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in blocks("python"):
        exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    accuracy = float(printed.split("%")[0]) / 100
    assert accuracy > 0.85
    assert "Level 1: 64 → 16 2" in printed.replace("->", "→")
    assert (tmp_path / "digits-model").is_dir()


def test_every_file_that_is_linked_exists() -> None:
    linked = re.findall(r'\]\(([^)#:]+)\)|(?:src|srcset)="([^":]+)"', README)
    for path in {first or second for first, second in linked}:
        assert (ROOT / path).is_file(), path


def test_every_page_is_described() -> None:
    titles = re.findall(r"^\| \*\*(\w+)\*\* \|", README, re.MULTILINE)
    assert titles == [place.title for place in PAGES]
    assert {place.file for place in PAGES} == {path.name for path in (ROOT / "pages").glob("*.py")}


def test_the_short_name_that_means_something_else_is_not_used() -> None:
    # "SAE" now mostly means sparse autoencoder.
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        prose = re.sub(r"```.*?```|`[^`]*`|\([^)]*\)", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\bSAEs?\b(?!-3)", prose), path.name  # SAE-3 is a name in Vincent et al. (2010)
