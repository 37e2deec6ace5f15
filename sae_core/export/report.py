"""The report: settings, curves, reconstructions, maps and tables of one run as a single HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.analysis import classification, comparison, levels
from sae_core.analysis.projections import LevelMap, MapSettings, level_maps
from sae_core.analysis.sampling import stratified_rows
from sae_core.analysis.summary import summarise
from sae_core.data.dataset import Dataset, SplitName
from sae_core.export import report_page as page
from sae_core.export.files import Exported, Report, silent, written
from sae_core.export.origin import Origin
from sae_core.export.svg import NO_LABEL, TRAIN, VALIDATION, Line, colours, escape, legend, line_chart, number, stack
from sae_core.export.svg import scatter as draw_map
from sae_core.model.trained import TrainedStack

MAP_ROWS = 1_000  # points of each map
PICTURES = 12  # columns of the sheet of pictures
TABLE_ROWS, TABLE_COLUMNS = 4, 10  # of reconstructed rows
CONFUSION_CLASSES = 20  # beyond that the matrix is not readable
LEGEND_CLASSES = 24


def export_report(
    model: TrainedStack,
    path: str | Path,
    *,
    data: Dataset | None = None,
    origin: Origin | None = None,
    maps: Mapping[int, LevelMap] | None = None,
    progress: Report = silent,
) -> Exported:
    """Write the report and check that it reaches for nothing outside itself.

    Args:
        data: whose rows it shows; None (an imported run without its data set): no rows, maps and classes.
        origin: which run it was.
        maps: by level, drawn before; None: PCA.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: it would not be self-contained. StorageError: it cannot be written.
    """
    path = Path(path)
    content = report_html(model, data, origin=origin, maps=maps, progress=lambda fraction: progress(0.9 * fraction))
    page.check(content)
    with written(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    progress(1.0)
    return Exported.of(path, checked_rows=0, largest_difference=0.0)


def report_html(
    model: TrainedStack,
    data: Dataset | None,
    *,
    origin: Origin | None = None,
    maps: Mapping[int, LevelMap] | None = None,
    now: datetime | None = None,
    progress: Report = silent,
) -> str:
    """The report as HTML; arguments as of `export_report`. now: the time it states."""
    results = summarise(model, data) if data is not None else (origin.results.to_json() if origin else {})
    progress(0.2)
    parts = [_head(model, data, origin, results, now or datetime.now(UTC)), _levels(model, data, results)]
    progress(0.4)
    parts.append(_curves(model.history))
    if data is not None:
        parts.append(_reconstructions(model, data))
        progress(0.5)
        parts.append(_maps(model, data, maps))
        progress(0.8)
        if model.is_classifier and data.has_labels:
            parts.append(_classes(model, data))
    parts += [_settings(model), _origins(model, data, origin)]
    progress(1.0)
    title = origin.run_name if origin else model.name
    return page.page(f"{title}: a stacked autoencoder", [part for part in parts if part])


def _head(
    model: TrainedStack, data: Dataset | None, origin: Origin | None, results: dict[str, Any], now: datetime
) -> str:
    name = origin.run_name if origin else model.name or "A stacked autoencoder"
    trained = f", trained {origin.created[:10]}" if origin else ""
    of = f"{len(data):,} rows of {data.name}" if data is not None else (model.name or "a data set")
    figures = [
        (" → ".join(f"{width:,}" for width in (model.preparation.n_inputs, *model.units)), "values at each level")
    ]
    if "test_accuracy" in results:
        figures.append((f"{results['test_accuracy']:.1%}", "accuracy on held-out rows"))
    if results.get("reconstruction_error"):
        figures.append((number(results["reconstruction_error"][-1]), "squared error of a value from the deepest level"))
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(about)}</span></li>" for value, about in figures)
    return (
        f"<h1>{escape(name, 120)}</h1>\n"
        f'<p class="quiet">A stacked autoencoder on {escape(of)}{escape(trained)}. '
        f"Report of {now:%Y-%m-%d %H:%M} UTC.</p>\n"
        f'<ul class="figures">{items}</ul>'
    )


def _levels(model: TrainedStack, data: Dataset | None, results: dict[str, Any]) -> str:
    widths = (model.preparation.n_inputs, *model.units)
    errors = results.get("reconstruction_error") or []
    accuracies = results.get("softmax_accuracy") or {}
    linear = {} if data is None else {found.level: found for found in levels.linear_yardstick(model, data, limit=5_000)}
    header = ["Level", "Values", "Activation"]
    header += ["Squared error of a value"] if errors else []
    header += ["The same of as many principal components"] if linear else []
    header += ["Accuracy of a softmax on it"] if accuracies else []
    rows = []
    for level, width in enumerate(widths):
        row: list[object] = ["Input" if level == 0 else level, f"{width:,}"]
        row.append("" if level == 0 else model.level_config(level).activation)
        row += [number(errors[level - 1]) if 0 < level <= len(errors) else ""] if errors else []
        row += [number(linear[level].error) if level in linear else ""] if linear else []
        row += [f"{accuracies[str(level)]:.1%}" if str(level) in accuracies else ""] if accuracies else []
        rows.append([value if value != "" else "–" for value in row])
    about = f"Levels of {', '.join(str(width) for width in widths)} values"
    note = "Errors are on held-out rows, in the prepared scale: each level's code is decoded down to the input."
    return page.section(
        "What each level keeps",
        stack(widths, about=about),
        f'<p class="quiet">{note}</p>' if errors else "",
        page.table(header, rows),
    )


def _curves(history: pd.DataFrame) -> str:
    if history.empty:
        return ""
    charts = []
    for (phase, level), rows in history.groupby(["phase", "level"], sort=False):
        if phase == "softmax":
            continue  # one a level, all alike: their accuracies stand in the table
        title = comparison.phase_title(str(phase), int(level))
        measure = "accuracy" if phase == "fine_tune" else "loss"
        lines = [
            Line(
                part, rows["epoch"].to_numpy(float), rows[f"{part}_{measure}"].to_numpy(float), colour, part == "train"
            )
            for part, colour in (("train", TRAIN), ("validation", VALIDATION))
            if rows[f"{part}_{measure}"].notna().any()
        ]
        y_title = "accuracy (share of rows)" if measure == "accuracy" else "loss of a row"
        chart = line_chart(lines, x_title="epoch", y_title=y_title, about=f"{title}: {measure} over epochs")
        charts.append(page.figure(title, chart))
    if not charts:
        return ""
    key = legend([("training rows", TRAIN, True), ("validation rows", VALIDATION, False)])
    return page.section("Learning curves", key, f'<div class="charts">{"".join(charts)}</div>')


def _reconstructions(model: TrainedStack, data: Dataset) -> str:
    held_out = data.split.held_out()
    count = PICTURES if data.image_shape is not None else TABLE_ROWS
    rows = held_out[stratified_rows(data.class_codes[held_out], count)]
    original = data.take(rows)
    back = [model.reconstruct(original, level) for level in range(1, model.n_levels + 1)]
    names = ["Original", *(f"Level {level}" for level in range(1, model.n_levels + 1))]
    note = "Held-out rows, encoded to each level and decoded back to the input."
    if data.image_shape is not None:
        shown = _sheet([np.asarray(original), *map(np.asarray, back)], data.image_shape, names)
    else:
        shown = _rows_table(original, back, rows, names, data)
    return page.section("What each level gives back", f'<p class="quiet">{note}</p>', shown)


def _sheet(rows: Sequence[NDArray[Any]], shape: tuple[int, int, int], names: Sequence[str]) -> str:
    from PIL import Image

    height, width, channels = shape
    scale = max(1, min(4, 72 // max(height, width)))
    strips = []
    for row in rows:
        pixels = np.rint(np.clip(np.nan_to_num(row), 0, 1) * 255).astype(np.uint8)
        pictures = pixels.reshape(len(pixels), height, width, channels)[..., :3]
        pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=128)
        strips.append(np.concatenate(list(pictures), axis=1))
    sheet = np.concatenate(strips, axis=0)
    stream = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(stream, format="PNG", compress_level=9)
    high, wide = (side * scale for side in sheet.shape[:2])
    uri = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<p class="quiet">From top to bottom: {escape(", ".join(names), 300)}.</p>'
        f'<div class="scroll"><img class="pictures" src="data:image/png;base64,{uri}" width="{wide}" height="{high}" '
        'alt="Originals above what each level gives back"></div>'
    )


def _rows_table(
    original: Any, back: Sequence[Any], rows: NDArray[np.int64], names: Sequence[str], data: Dataset
) -> str:
    frames = [pd.DataFrame(part).set_axis(list(data.feature_names), axis=1) for part in (original, *back)]
    columns = list(data.feature_names)[:TABLE_COLUMNS]
    lines: list[list[object]] = []
    for at, row in enumerate(rows):
        for name, frame in zip(names, frames, strict=True):
            cells = [_cell(frame.iloc[at][column]) for column in columns]
            lines.append([f"Row {row}" if name == names[0] else "", name, *cells])
    left_out = len(data.feature_names) - len(columns)
    more = f'<p class="quiet">{left_out:,} further columns are left out.</p>' if left_out else ""
    return page.table(["", "", *columns], lines, numbers_from=2) + more


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return "missing"
    if isinstance(value, pd.Timestamp):
        return str(value.isoformat(sep=" ", timespec="minutes"))
    if isinstance(value, float | np.floating):
        return number(float(value))
    return str(value)


def _maps(model: TrainedStack, data: Dataset, maps: Mapping[int, LevelMap] | None) -> str:
    if maps is None:
        rows = stratified_rows(data.class_codes, MAP_ROWS)
        x = model.prepare(data.take(rows))
        wanted: dict[int, Callable[[], NDArray[np.floating]]] = {
            level: partial(model.encode_prepared, x, level) for level in range(model.n_levels + 1)
        }
        maps = {drawn.level: drawn for drawn in level_maps(wanted, rows, MapSettings(method="pca"))}
    shades = dict(enumerate(colours(len(data.classes)))) | {-1: NO_LABEL}
    charts, notes = [], set()
    for level, drawn in sorted(maps.items()):
        kept = stratified_rows(data.class_codes[drawn.rows], MAP_ROWS)
        codes = data.class_codes[drawn.rows[kept]]
        title = f"Level {level}, {model.width(level)} units" if level else f"Input, {model.width(0)} values"
        share = f" ({drawn.share:.0%} of the variance)" if drawn.share == drawn.share else ""
        about = f"Map of {len(kept)} rows at {title}, by {drawn.method.upper()}"
        chart = draw_map(drawn.points[kept], [shades[int(code)] for code in codes], about=about)
        charts.append(page.figure(f"{title}{share}", chart, kind="map"))
        notes.add(drawn.method.upper())
    names = [(str(name), shades[code], False) for code, name in enumerate(data.classes[:LEGEND_CLASSES])]
    if len(data.classes) > LEGEND_CLASSES:
        names.append((f"and {len(data.classes) - LEGEND_CLASSES:,} more", NO_LABEL, False))
    note = f"Each point is a row; near points have similar codes. Drawn by {' and '.join(sorted(notes))}."
    return page.section(
        "Maps of the codes",
        f'<p class="quiet">{escape(note, 200)}</p>',
        legend(names) if data.has_labels else "",
        f'<div class="charts">{"".join(charts)}</div>',
    )


def _classes(model: TrainedStack, data: Dataset) -> str:
    found = classification.classify(model, data)
    best = found.after or found.before
    parts: tuple[SplitName, ...] = ("test", "validation", "train")
    part = next((name for name in parts if found.has(name)), None)
    if best is None or part is None:
        return ""
    reached = classification.accuracy(found, best.level, part)
    words = (
        f"The {best.name} is right on {reached.share:.1%} of {reached.rows:,} {part} rows "
        f"(95 % interval {reached.low:.1%} to {reached.high:.1%})."
    )
    matrix = classification.confusion(found, best.level, part)
    if len(found.classes) > CONFUSION_CLASSES:
        table = f'<p class="quiet">{len(found.classes):,} classes are too many for a table of confusions.</p>'
    else:
        table = _confusion_table(matrix, found.classes)
    return page.section("Classes", f"<p>{escape(words, 300)}</p>", table)


def _confusion_table(matrix: NDArray[np.int64], classes: Sequence[int | str]) -> str:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th>{escape(name, 24)}</th>" for name in classes)
    lines = []
    for at, name in enumerate(classes):
        cells = "".join(
            f'<td class="h{min(5, int(np.ceil(5 * share)))}">{count:,}</td>'
            for count, share in zip(matrix[at].tolist(), shares[at].tolist(), strict=True)
        )
        lines.append(f"<tr><th>{escape(name, 24)}</th>{cells}</tr>")
    return (
        '<p class="quiet">Rows of each true class (down), by what was predicted (across).</p>'
        f'<div class="scroll"><table class="grid-table"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _settings(model: TrainedStack) -> str:
    table = comparison.settings_table([model.config])
    rows = [(name, table.loc[name].iloc[0]) for name in table.index]
    rows.append(("scaling, as fitted", model.preparation.scaling))
    return page.section("Settings", page.table(["Setting", "Value"], rows, numbers_from=9))


def _origins(model: TrainedStack, data: Dataset | None, origin: Origin | None) -> str:
    from sae_core import __version__

    rows: list[tuple[str, str]] = [("Data set", data.name if data is not None else model.name)]
    if data is not None:
        split = {"training": data.split.train, "validation": data.split.validation, "test": data.split.test}
        rows.append(("Rows", ", ".join(f"{len(of_part):,} {name}" for name, of_part in split.items())))
        rows.append(("Columns", f"{data.n_features:,} ({model.preparation.n_inputs:,} inputs)"))
    if origin is not None:
        rows += [
            ("Hash of the data set", origin.dataset_fingerprint),
            ("Trained", f"{origin.created[:19]} UTC, {origin.seconds:.1f} s on {origin.device or 'an unknown device'}"),
            ("Versions", ", ".join(f"{name} {version}" for name, version in origin.versions.items())),
        ]
    rows.append(("Written by", f"Stacked Autoencoder Explorer {__version__}"))
    return page.section("Where it comes from", page.table(["", ""], rows, numbers_from=9))
