"""The program of published findings, at its quickest: every figure comes from a training."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.fidelity import report, work
from benchmarks.fidelity.__main__ import main
from benchmarks.fidelity.literature import NOTES, ROWS, TITLES, TRAININGS
from benchmarks.fidelity.results import Result, collect, settings
from benchmarks.fidelity.work import Laboratory
from sae_core.config import StackConfig


@pytest.fixture(scope="module")
def laboratory() -> Laboratory:
    return Laboratory(quick=True)


def test_every_row_has_a_training_and_every_part_its_words() -> None:
    assert {name for row in ROWS for name in row.trainings} == set(TRAININGS)
    assert {row.part for row in ROWS} == set(TITLES) == set(NOTES)


def test_the_program_runs_every_part_and_goes_on_from_its_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    main(["--quick", "--seeds", "1", "--cache", str(tmp_path)])
    first = capsys.readouterr().out
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(TRAININGS)
    assert all(f"{name}, seed 0: " in first for name in TRAININGS)
    assert all(title in first for title in TITLES.values())
    # A result that is there is taken as it is, so the table shows exactly what the trainings gave.
    changed = json.loads((tmp_path / "deep-pca-0.json").read_text())
    changed["figures"]["reconstruction"] = 4321.0
    (tmp_path / "deep-pca-0.json").write_text(json.dumps(changed))
    (tmp_path / "deep-joint-0.json").unlink()
    main(["--quick", "--seeds", "1", "--only", "d", "--cache", str(tmp_path)])
    second = capsys.readouterr().out
    assert "4321.00" in second
    assert [line.split(",")[0] for line in second.splitlines() if ", seed 0: " in line] == ["deep"]


def test_results_of_other_settings_are_computed_anew(laboratory: Laboratory, tmp_path: Path) -> None:
    (found,) = collect(laboratory, ["deep, PCA"], [0], tmp_path)
    file = tmp_path / "deep-pca-0.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "settings": "others", "figures": {}}))
    (again,) = collect(laboratory, ["deep, PCA"], [0], tmp_path)
    assert again.figures == found.figures
    assert again.settings == settings(laboratory, "deep, PCA")


def test_pretraining_is_shared_and_changes_no_result(laboratory: Laboratory) -> None:
    config = laboratory.preset("vincent-2010-sdae-3", seed=5)
    fresh = Laboratory(quick=True)
    first = fresh.supervise(config)
    again = fresh.supervise(config.replace(fine_tune_dropout=0.5))
    assert len(fresh.pretrained) == 1
    assert (first.encode(fresh.data, 3) == again.encode(fresh.data, 3)).all()
    assert work.errors(fresh, first) == work.errors(fresh, Laboratory(quick=True).supervise(config))


@pytest.mark.parametrize(("validation", "sizes"), [(False, [10000, 0, 10000]), (True, [8000, 2000, 10000])])
def test_test_rows_are_never_trained_on(validation: bool, sizes: list[int]) -> None:
    data = work.digits(quick=False, validation=validation)
    assert [len(data.split.rows(part)) for part in ("train", "validation", "test")] == sizes
    assert data.official_test is not None
    assert not data.official_test[data.split.train].any()


def test_settings_are_chosen_without_the_test_rows() -> None:
    chosen, shown = Laboratory(quick=True, validation=True), Laboratory(quick=True)
    rebuilt = work.squared_error(chosen, lambda x: x * 0)["reconstruction"]
    x = chosen.data.take(chosen.data.split.validation)
    assert rebuilt == pytest.approx(float((x**2).sum(axis=1).mean()), rel=1e-5)
    assert settings(chosen, "SDAE-3") != settings(shown, "SDAE-3")


def test_few_labels_leave_steps_to_learn_by() -> None:
    config = StackConfig(layers=[4], fine_tune_epochs=30, batch_size=100)
    assert work.few_labels(config, 1.0, 8000) == config
    one = work.few_labels(config, 0.01, 8000)
    assert (one.batch_size, one.fine_tune_epochs, one.label_share) == (10, 90, 0.01)


def test_a_row_is_the_mean_over_seeds_and_gains_are_paired() -> None:
    row = next(row for row in ROWS if row.minus)
    values = {row.training: (5.0, 9.0), row.minus: (4.0, 6.0)}
    results = [
        Result(name, seed, "", {"fine-tuned": value}, 60.0, "")
        for name, pair in values.items()
        for seed, value in enumerate(pair)
    ]
    line = report._line(row, {name: {r.seed: r for r in results if r.training == name} for name in values})
    assert line.values == (1.0, 3.0)
    assert line.cells == (row.what, "–", "2.00 ± 1.41", "2", "")


def test_parts_are_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n\n<!-- other -->\nkept\n")
    for texts in ({"c": "first"}, {"a": "second"}, {"c": "third", "d": "fourth"}):
        report.write(texts, file)  # type: ignore[arg-type]
    text = file.read_text()
    assert text.startswith(f"# Results\n\n<!-- other -->\nkept\n\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\n")
    found = re.findall(r"<!-- fidelity:([a-d]) -->\n\n(\w+)\n", text)
    assert found == [("a", "second"), ("c", "third"), ("d", "fourth")]


@pytest.mark.parametrize("arguments", [["--write", "--quick"], ["--write", "--validation"], ["--seeds", "0"]])
def test_options_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
