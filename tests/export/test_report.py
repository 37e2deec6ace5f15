"""The report: one HTML file that shows the run and reaches for nothing outside itself."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from explorer.charts import style
from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export import report_page, svg
from sae_core.export.origin import Origin, Results
from sae_core.export.report import export_report, report_html
from tests.export.conftest import picture_set, random_model
from tests.pages.hostile import LABELS, NAMES, hostile_table

ORIGIN = Origin(
    run_name="<script>alert(1)</script> run",
    created="2026-01-02T03:04:05.000000+00:00",
    dataset_name="d.csv",
    dataset_fingerprint="a" * 64,
    seconds=12.5,
    device="cpu",
    results=Results(rows=10, reconstruction_error=[0.5, 0.75], test_accuracy=0.9, softmax_accuracy={"0": 0.4}),
)


class Texts(HTMLParser):
    """What a reader sees, and which tags there are."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags = "", set[str]()
        self.feed(content)

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def history() -> pd.DataFrame:
    rows = [
        dict(
            phase=phase, level=level, epoch=epoch, step=epoch, samples=epoch, seconds=1.0, train_loss=3.0 / epoch,
            penalty=0.0, validation_loss=np.nan if phase == "softmax" else 4.0 / epoch, train_accuracy=0.5,
            validation_accuracy=0.4, learning_rate=0.1,
        )
        for phase, level in (("pretrain", 1), ("pretrain", 2), ("softmax", 1), ("fine_tune", 2))
        for epoch in range(1, 6)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_every_kind_of_data(data: Dataset, tmp_path: Path) -> None:
    model = random_model(data, fine_tuned=data.has_labels)
    model.history = history()
    made = export_report(model, tmp_path / "report.html", data=data, origin=ORIGIN)
    content = made.path.read_text(encoding="utf-8")
    text = Texts(content).text
    for words in ("What each level keeps", "Learning curves", "What each level gives back", "Maps of the codes"):
        assert words in text
    assert ("right on" in text) == data.has_labels
    assert ">Level 2<" in content
    assert content.count("<svg viewBox") >= 1 + 3 + 3
    assert made.size < 400_000


def test_figures_are_those_of_the_model(pictures: Dataset) -> None:
    from sae_core.analysis.classification import accuracy, classify
    from sae_core.analysis.summary import summarise

    model = random_model(pictures, fine_tuned=True)
    text = Texts(report_html(model, pictures)).text
    errors = summarise(model, pictures)["reconstruction_error"]
    for error in errors:
        assert svg.number(error) in text
    assert f"{accuracy(classify(model, pictures), None, 'test').share:.1%}" in text


def test_pictures_are_inside(pictures: Dataset) -> None:
    content = report_html(random_model(pictures), pictures)
    [encoded] = re.findall(r'src="data:image/png;base64,([^"]+)"', content)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    assert sheet.shape[0] == 3 * 6  # originals and two levels, 4 pixels and a rim each
    assert sheet.shape[1] % 7 == 0


def test_hostile_names_and_labels_are_shown_literally(tmp_path: Path) -> None:
    data = hostile_table()
    data = dataclasses.replace(
        data, labels=np.array([*LABELS, '"><svg onload=alert(1)>'], dtype=object)[np.arange(90) % 4]
    )
    model = random_model(data, fine_tuned=True)
    content = export_report(model, tmp_path / "r.html", data=data, origin=ORIGIN).path.read_text(encoding="utf-8")
    seen = Texts(content)
    assert not seen.tags & {"script", "img", "b2", "i", "a", "iframe", "link", "u"}
    assert "<script>alert(1)</script> run" in seen.text
    for name in NAMES[:3]:
        assert name[:40] in seen.text
    assert "</script><b>a</b>" in seen.text
    assert '"><svg onload=alert(1)>' in seen.text
    assert "\u202e" not in content  # nothing turns the direction of text
    assert "http" not in re.sub(r"http-equiv|\(http://example\.com/x\.png\)", "", content)


def test_the_policy_allows_the_style_sheet_and_nothing_else(table: Dataset) -> None:
    content = report_html(random_model(table), table)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', content)
    [sheet] = re.findall(r"<style>(.*?)</style>", content, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "style=" not in content
    assert "url(" not in content


@pytest.mark.parametrize(
    "part",
    [
        "<script>1</script>", "<p onclick=x>", "<svg><a xlink:href='//x'></a></svg>", "<img src=https://x/y.png>",
        "<p style='background:url(//x)'>", "<iframe>", "<base href=//x>", "<img src='data:image/svg+xml,x'>",
    ],
)  # fmt: skip
def test_a_page_that_reaches_out_is_refused(part: str) -> None:
    report_page.check(report_page.page("x", ["<p>good</p>"]))
    with pytest.raises(ExportError, match="not be self-contained"):
        report_page.check(report_page.page("x", ["<p>good</p>", part]))


def test_without_its_data_set_it_tells_what_it_knows() -> None:
    model = random_model(picture_set())
    model.history = history()
    text = Texts(report_html(model, None, origin=ORIGIN)).text
    assert "90.0%" in text
    assert "0.75" in text
    assert "Learning curves" in text
    assert "Maps" not in text


def test_maps_that_were_drawn_are_used(table: Dataset) -> None:
    from sae_core.analysis.projections import LevelMap

    rows = np.arange(0, 120, 2)
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    maps = {level: LevelMap(level, "umap", rows, points, float("nan")) for level in (0, 2)}
    content = report_html(random_model(table), table, maps=maps)
    assert "Drawn by UMAP" in content
    assert content.count('class="map"') == 2


def test_one_look_with_the_explorer() -> None:
    assert svg.PALETTE == style.PALETTE
    assert svg.colours(14)[:10] == style.colours(14)[:10]
    assert svg.NO_LABEL == style.NO_LABEL


def test_curves_of_any_values() -> None:
    for values in ([1.0], [np.nan, np.nan], [0.0, 0.0], [1e-9, 1e9], [-1.0, np.inf, 2.0], []):
        y = np.array(values, dtype=float)
        line = svg.Line("a", np.arange(len(y), dtype=float) + 1, y, "#000000")
        chart = svg.line_chart([line], x_title="x", y_title="<y>", about="a")
        assert "nan" not in chart
        assert "inf" not in chart
        assert "<y>" not in chart
