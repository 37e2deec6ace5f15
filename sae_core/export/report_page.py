"""The frame of the report: one HTML page that reaches for nothing outside itself, and the check that it does not.

Its Content-Security-Policy allows the one style sheet inside (by its hash) and pictures inside the file; no script at
all. So even a label that would slip through the escaping could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser

from sae_core.errors import ExportError
from sae_core.export.svg import escape

STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #f4f6f9; --heat: 41, 116, 176; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4150; --soft: #1d2230; } }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; margin: 0 auto; padding: 24px 20px 60px;
  max-width: 1060px; }
h1 { font-size: 26px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 38px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 14px; margin: 0 0 4px; font-weight: 600; }
p { margin: 4px 0 10px; } .quiet { opacity: 0.72; font-size: 13.5px; }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 4px; padding: 0; list-style: none; }
.figures li { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; }
.figures b { display: block; font-size: 21px; font-weight: 600; }
.figures span { font-size: 12.5px; opacity: 0.75; }
.charts { display: flex; flex-wrap: wrap; gap: 18px; align-items: flex-start; } .charts figure { margin: 0; }
figcaption { font-size: 13px; font-weight: 600; margin-bottom: 4px; }
svg { max-width: 100%; height: auto; display: block; } svg text { font-size: 11.5px; fill: currentColor; }
svg .tick { opacity: 0.75; font-size: 11px; } svg .on { fill: #fff; font-weight: 600; }
svg .grid { stroke: currentColor; stroke-opacity: 0.14; } svg .axis { stroke: currentColor; stroke-opacity: 0.4;
  fill: none; } svg .flow { fill: currentColor; fill-opacity: 0.1; }
.map svg { border: 1px solid var(--line); border-radius: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0 10px; padding: 0; list-style: none;
  font-size: 13px; } .legend .mark { width: 18px; height: 12px; display: inline-block; margin-right: 5px; }
.scroll { overflow-x: auto; max-width: 100%; } table { border-collapse: collapse; font-size: 13.5px; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: break-word; max-width: 600px; } th { font-weight: 600; vertical-align: bottom; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
th.n { max-width: 150px; }
td.original { font-weight: 600; } .grid-table td { text-align: center; padding: 3px 7px; }
td.h1 { background: rgba(var(--heat), 0.12); } td.h2 { background: rgba(var(--heat), 0.26); }
td.h3 { background: rgba(var(--heat), 0.42); } td.h4 { background: rgba(var(--heat), 0.6); }
td.h5 { background: rgba(var(--heat), 0.8); color: #fff; }
.pictures { image-rendering: pixelated; display: block; }
@media print { h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """The whole file. title: plain text; sections: finished HTML."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title, 120)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading with what stands below it. parts: finished HTML; empty ones are left out."""
    return "\n".join([f"<h2>{escape(title)}</h2>", *(part for part in parts if part)])


def figure(caption: str, chart: str, *, kind: str = "") -> str:
    """A chart with its name above it."""
    of_kind = f' class="{kind}"' if kind else ""
    return f"<figure{of_kind}><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def table(header: Sequence[object], rows: Iterable[Sequence[object]], *, numbers_from: int = 1) -> str:
    """A table of plain values, each escaped; columns from `numbers_from` on stand to the right."""

    def cell(tag: str, at: int, value: object) -> str:
        right = ' class="n"' if at >= numbers_from else ""
        return f"<{tag}{right}>{escape(value, 200) if value != '' else ''}</{tag}>"

    head = "".join(cell("th", at, value) for at, value in enumerate(header))
    body = "".join(f"<tr>{''.join(cell('td', at, value) for at, value in enumerate(row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def check(content: str) -> None:
    """Refuse a page that could run or load anything.

    Raises:
        ExportError: it has a script, a handler, an inline style or an address outside itself.
    """
    checker = _Checker()
    checker.feed(content)
    checker.close()
    if checker.problem:
        raise ExportError(
            f"The report would not be self-contained ({checker.problem}), so it is not handed out. "
            "Export the bundle instead."
        )


_TAGS = """
html head meta title style body h1 h2 h3 p ul ol li b span div figure figcaption table thead tbody tr th td
svg path rect text img
"""
_ATTRIBUTES = """
lang charset http-equiv content name class viewbox width height role aria-label aria-hidden d x y rx stroke
stroke-width stroke-linecap stroke-opacity stroke-dasharray fill text-anchor transform alt src
"""


class _Checker(HTMLParser):
    """Looks at every tag and attribute as a browser would."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problem = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only tags and attributes that the builder writes."""
        if tag not in _TAGS.split():
            self.problem = f"a tag {tag[:20]}"
        for name, value in attrs:
            if name not in _ATTRIBUTES.split():
                self.problem = f"an attribute {name[:20]}"
            if name == "src" and not (value or "").startswith("data:image/png;base64,"):
                self.problem = "an address"
