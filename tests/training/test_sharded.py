"""Training on a table of many files: the same preparation and as good a stack as in memory, and nothing lost."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sae_core as sae
from sae_core.config import LayerConfig, StackConfig
from sae_core.data import shard_sample
from sae_core.data.dataset import Column, Dataset
from sae_core.data.preparation import Preparation
from sae_core.data.shards import TableShards, count_shard, find_files, open_shards
from sae_core.errors import CancelledError, ConfigError, DataError, DivergedError, ModelFileError, SaeError
from sae_core.runs.workspace import Workspace
from sae_core.training import spill
from sae_core.training.sharded import ShardTraining, plan_of, planned_table, train_shards
from sae_core.training.spill import Shard, Spill, part_of, windows
from sae_core.training.world import World

CONFIG = StackConfig(layers=[6, 3], epochs=6, batch_size=32, softmax_epochs=4, fine_tune_epochs=4, activation="tanh")


def rows(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Columns of every kind, with missing cells, and a label that can be learnt."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=n) + 2.0 * (kind == i % 3) for i in range(5)})
    frame["size"] = rng.lognormal(3, 1, n)
    frame["city"] = np.array(["Rom", "Köln", "Oslo"])[(kind + (rng.random(n) < 0.2)) % 3]
    frame["seen"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    frame["ok"] = rng.random(n) < 0.3
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[rng.random(n) < 0.05, "city"] = None
    frame["label"] = np.array(["a", "b", "c"])[kind]
    frame.loc[rng.random(n) < 0.05, "label"] = None
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """600 rows in four Parquet files, one of them tiny, beside what writers of data leave there."""
    target = tmp_path / "table"
    target.mkdir()
    frame = rows()
    for number, part in enumerate((slice(0, 250), slice(250, 400), slice(400, 407), slice(407, 600))):
        frame.iloc[part].to_parquet(target / f"part-{number}.parquet", index=False)
    (target / "_SUCCESS").write_text("")
    return target


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "SHARD_BYTES", 1)  # 256 rows, the least


def in_memory(table: TableShards) -> Dataset:
    """The same rows with the same training rows, as one data set."""
    frames, draws, _ = zip(*(piece for number in range(len(table.files)) for piece in table.frames(number)))  # noqa: B905
    features = pd.concat(frames, ignore_index=True)
    data = Dataset(name="all", kind="table", features=features, columns=table.columns)
    training = np.flatnonzero(table.is_training(np.concatenate(draws)))
    rest = np.setdiff1d(np.arange(len(features)), training)
    data.__dict__["split"] = dataclasses.replace(data.split, train=training, validation=rest, test=rest[:0])
    return data


@pytest.mark.parametrize("scaling", ["standard", "min_max", "robust", "none"])
def test_the_preparation_is_that_of_the_rows_in_memory(folder: Path, scaling: Any) -> None:
    table = open_shards(folder, label="label", validation=0.1, test=0.1)
    merged = count_shard(table, 0)
    for number in range(1, 4):
        merged.merge(type(merged).from_files(count_shard(table, number).to_files()))
    data = in_memory(table)
    expected = Preparation.fit(data, scaling)
    found = merged.preparation(scaling)
    assert found.feature_names_out == expected.feature_names_out
    np.testing.assert_allclose(found.transform(data), expected.transform(data), rtol=1e-6, atol=1e-6)
    assert merged.rows == 600
    assert merged.training == len(data.split.train)
    assert merged.classes() == ("a", "b", "c")


def test_statistics_of_training_rows_only(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1000, 2)), columns=["x", "y"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = open_shards(tmp_path / "t.csv", validation=0.3, test=0.2)
    stats = count_shard(table, 0)
    [(features, draws, _)] = list(table.frames(0))
    training = features["x"][table.is_training(draws)]
    assert 400 < len(training) < 600
    assert stats.columns[0].mean == pytest.approx(training.mean())
    assert stats.columns[0].count == len(training)


def test_a_long_column_is_sampled_in_bounded_memory() -> None:
    from sae_core.data.column_stats import ColumnStats

    rng = np.random.default_rng(0)
    whole = rng.gamma(2.0, size=200_000)
    parts = []
    for number in range(4):
        stats = ColumnStats("x", "numeric", size=2_000)
        for piece in np.array_split(whole[number::4], 25):
            stats.feed(pd.Series(piece), rng)
        parts.append(stats)
    merged = parts[0]
    for other in parts[1:]:
        merged.merge(other)
    assert len(merged.sample) == 2_000
    assert merged.mean == pytest.approx(whole.mean())
    assert merged.m2 / merged.count == pytest.approx(whole.var())
    for q in (0.25, 0.5, 0.75):
        assert abs((whole < np.quantile(merged.sample, q)).mean() - q) < 0.04


def test_as_good_as_in_memory(folder: Path, tmp_path: Path) -> None:
    table = open_shards(folder, label="label", validation=0.1, test=0.1)
    told: list[float] = []
    found = train_shards(table, CONFIG, tmp_path / "work", report=lambda fraction, text: told.append(fraction))
    assert found is not None
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    data = dataclasses.replace(sae.read_table(_joined(folder), label="label"))
    ours = sae.fit(data, CONFIG)
    history, expected = found.model.history, ours.history
    assert list(zip(history["phase"], history["level"], history["epoch"], strict=True)) == list(
        zip(expected["phase"], expected["level"], expected["epoch"], strict=True)
    )
    for phase in ("pretrain", "fine_tune"):
        a = history[history["phase"] == phase]["train_loss"].iloc[-1]
        b = expected[expected["phase"] == phase]["train_loss"].iloc[-1]
        assert a == pytest.approx(b, rel=0.35)
    assert found.results["test_accuracy"] > 0.6
    assert found.rows == 600
    again = sae.load_model(found.model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.encode(data), found.model.encode(data))


def _joined(folder: Path) -> Path:
    path = folder.parent / "all.csv"
    pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"pretraining": "joint", "fine_tune_epochs": 0},
        {"unrolled_epochs": 2, "schedule": "cosine", "gradient_clip": 1.0},
        {
            "layers": [
                LayerConfig(units=5, normalisation="batch", corruption="masking"),
                LayerConfig(units=3, tied=True),
            ]
        },
    ],
)
def test_every_kind_of_phase(changes: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    config = CONFIG.replace(**{"epochs": 2, "softmax_epochs": 1, "fine_tune_epochs": 1, **changes})
    found = train_shards(open_shards(folder, label="label"), config, tmp_path / "work")
    assert found is not None
    assert np.isfinite(found.model.history["train_loss"]).all()
    codes = found.model.encode(rows(20, 1))
    assert np.isfinite(codes).all()


def test_a_training_that_was_cut_off_ends_as_if_it_was_not(folder: Path, tmp_path: Path) -> None:
    table = open_shards(folder, label="label")
    config = CONFIG.replace(epochs=2, softmax_epochs=1, fine_tune_epochs=2)
    whole = train_shards(table, config, tmp_path / "whole")
    assert whole is not None
    for stop_at in (0.02, 0.07, 0.4, 0.9):

        def stop(fraction: float, text: str, stop_at: float = stop_at) -> None:
            if fraction > stop_at:
                raise CancelledError("The program was killed.")

        with pytest.raises(CancelledError):
            train_shards(table, config, tmp_path / "cut", checkpoint_seconds=0, report=stop)
    cut = train_shards(table, config, tmp_path / "cut")
    assert cut is not None
    a, b = whole.model.to_files(), cut.model.to_files()
    assert a["weights.safetensors"] == b["weights.safetensors"]
    columns = ["phase", "level", "epoch", "step", "samples", "train_loss", "validation_loss"]
    pd.testing.assert_frame_equal(whole.model.history[columns], cut.model.history[columns])


def test_one_work_folder_one_training(folder: Path, tmp_path: Path) -> None:
    table = open_shards(folder, label="label")
    quick = CONFIG.replace(epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    train_shards(table, quick, tmp_path / "work")
    with pytest.raises(ConfigError, match="work folder of another training"):
        train_shards(table, quick.replace(seed=5), tmp_path / "work")
    rows(50).to_parquet(folder / "part-2.parquet", index=False)
    with pytest.raises(ConfigError, match=r"part-2\.parquet has changed or is gone"):
        train_shards(table, quick, tmp_path / "work")
    (folder / "part-2.parquet").unlink()
    with pytest.raises(ConfigError, match=r"part-2\.parquet has changed or is gone"):
        train_shards(open_shards(folder, label="label"), quick, tmp_path / "work")


def test_a_file_that_is_added_meanwhile_is_left_out(folder: Path, tmp_path: Path) -> None:
    quick = CONFIG.replace(epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    first = train_shards(open_shards(folder, label="label"), quick, tmp_path / "work")
    rows(50).to_parquet(folder / "part-0a.parquet", index=False)  # it would come second
    table = open_shards(folder, label="label")
    training = ShardTraining(table, quick, tmp_path / "work", World(0, 1, torch.device("cpu")))
    assert [path.name for path in training.table.files] == [f"part-{n}.parquet" for n in range(4)]
    assert "part-0a.parquet: added since this training began" in training.notes[0]
    again = train_shards(table, quick, tmp_path / "work")
    assert first is not None
    assert again is not None
    assert again.model.to_files()["weights.safetensors"] == first.model.to_files()["weights.safetensors"]
    assert planned_table(plan_of(table, quick)) == table


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "part-1.parquet").write_bytes((folder / "part-1.parquet").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"part-1\.parquet"):
        train_shards(open_shards(folder, label="label"), CONFIG, tmp_path / "work")


def test_half_a_checkpoint_counts_for_nothing_and_a_damaged_one_neither(folder: Path, tmp_path: Path) -> None:
    table, quick = open_shards(folder), CONFIG.replace(epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    first = train_shards(table, quick, tmp_path / "work")
    checkpoints = tmp_path / "work" / "checkpoints"
    last = max(checkpoints.iterdir())
    half = checkpoints / f".{int(last.name) + 1:06d}.part"  # as `write_folder` leaves it when it is killed
    half.mkdir()
    (half / "checkpoint.json").write_bytes(b'{"place"')
    again = train_shards(table, quick, tmp_path / "work")
    assert first is not None
    assert again is not None
    assert again.model.to_files()["weights.safetensors"] == first.model.to_files()["weights.safetensors"]
    shutil.rmtree(half)
    _damage(last / "checkpoint.safetensors")  # the one before takes its place
    again = train_shards(table, quick, tmp_path / "work")
    assert again is not None
    assert again.model.to_files()["weights.safetensors"] == first.model.to_files()["weights.safetensors"]
    for checkpoint in checkpoints.iterdir():
        _damage(checkpoint / "checkpoint.safetensors")
    with pytest.raises(ModelFileError, match="not as it was"):
        train_shards(table, quick, tmp_path / "work")


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] = (content[-1] + 1) % 256
    path.write_bytes(content)


def test_what_one_looks_at_afterwards(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_sample, "TRAINING_ROWS", 80)
    monkeypatch.setattr(shard_sample, "HELD_OUT_ROWS", 40)
    odd = rows(30, 3).assign(label=["rare"] + ["a"] * 29)
    odd.to_parquet(folder / "part-5.parquet", index=False)
    table = open_shards(folder, label="label", validation=0.1, test=0.3)
    training = ShardTraining(table, CONFIG, tmp_path / "work", World(0, 1, torch.device("cpu")))
    training.read()
    data = training.sample()
    assert 100 <= len(data) <= 130
    assert data.classes == training.trainer.model.classes == ("a", "b", "c", "rare")  # though one is very rare
    held = {tuple(row) for row in data.take(data.split.test)[["x0", "x1"]].to_numpy().tolist()}
    assert 25 <= len(held) <= 40
    for number in range(len(table.files)):
        for frame, draws, labels in table.frames(number):
            found = [tuple(row) in held for row in frame[["x0", "x1"]].to_numpy().tolist()]
            assert not np.any(np.array(found) & (draws >= table.test))  # neither trained on nor watched
            del labels
    assert "drawn from the 630 of table" in data.notes[0]
    again = Workspace(tmp_path / "space").load_dataset(Workspace(tmp_path / "space").save_dataset(data))
    assert again.fingerprint == data.fingerprint
    assert training.trainer.model.preparation.transform(again).shape == (len(data), 13)


def test_what_cannot_be_is_said(folder: Path, tmp_path: Path) -> None:
    table = open_shards(folder, label="label")
    for changes, words in (
        ({"optimiser": "lbfgs"}, "L-BFGS"), ({"early_stopping": 3}, "early stopping"), ({"label_share": 0.5}, "share"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            train_shards(table, CONFIG.replace(**changes), tmp_path / "work")
    with pytest.raises(DataError, match="no column"):
        open_shards(folder, label="lable")
    with pytest.raises(DataError, match="no table files"):
        open_shards(tmp_path / "nothing-*.csv")
    with pytest.raises(DataError, match="Choose smaller shares"):
        open_shards(folder, validation=0.6, test=0.5)
    rows(10).drop(columns="x1").to_parquet(folder / "part-9.parquet", index=False)
    with pytest.raises(SaeError, match=r"part-9\.parquet lacks the column 'x1' that part-0\.parquet has"):
        train_shards(open_shards(folder), CONFIG, tmp_path / "other")


def test_cells_of_another_kind_are_counted_and_named(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(folder / "part-3.parquet").assign(x1="word", further=1.0)
    frame[frame.columns[::-1]].to_parquet(folder / "part-3.parquet", index=False)
    training = ShardTraining(open_shards(folder), CONFIG, tmp_path / "work", World(0, 1, torch.device("cpu")))
    training.read()
    (note,) = training.notes
    assert note.startswith("part-3.parquet: Column 'x1': 193 cells are not of its kind")


def test_divergence_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    wild = StackConfig(layers=[LayerConfig(units=4, activation="linear")], optimiser="sgd", learning_rate=9.0, epochs=9)
    with pytest.raises(DivergedError, match="smaller learning rate"):
        train_shards(open_shards(folder), wild, tmp_path / "work")


def test_files_are_found(folder: Path) -> None:
    assert [path.name for path in find_files(folder)] == [f"part-{n}.parquet" for n in range(4)]
    assert [path.name for path in find_files(f"{folder}/part-[13].parquet")] == ["part-1.parquet", "part-3.parquet"]
    assert find_files(folder / "part-0.parquet") == [folder / "part-0.parquet"]


def test_all_rows_are_taken_once() -> None:
    shards = [Shard(str(n), n) for n in (0, 1, 7, 256, 1000)]
    for processes in (1, 2, 3, 16):
        for shard in shards:
            taken = [np.arange(shard.rows)[part_of(shard, rank, processes)] for rank in range(processes)]
            np.testing.assert_array_equal(np.concatenate(taken), np.arange(shard.rows))
    groups = windows(shards, np.random.default_rng(0))
    assert sorted(shard.name for group in groups for shard in group) == sorted(shard.name for shard in shards)


def test_the_spill_holds_what_the_preparation_gives(folder: Path, tmp_path: Path) -> None:
    table = open_shards(folder, label="label", validation=0.1, test=0.1)
    stats = count_shard(table, 0)
    preparation = stats.preparation("standard")
    store = Spill(tmp_path)
    store.prepare(table, 0, preparation, ("a", "b", "c"), labelled=True, widest=6)
    shards = Spill(tmp_path).shards(1)
    frames = list(table.frames(0))
    training = np.concatenate([table.is_training(draws) for _, draws, _ in frames])
    expected = preparation.transform(pd.concat([frame for frame, _, _ in frames]))[training]
    np.testing.assert_array_equal(np.concatenate([store.read(0, shard) for shard in shards]), expected)
    labels = pd.concat([label for _, _, label in frames if label is not None])[training]
    codes = [-1 if pd.isna(label) else "abc".index(label) for label in labels]
    assert np.concatenate([store.labels(shard) for shard in shards]).tolist() == codes
    held = store.held_out(1, preparation.n_inputs)
    assert len(held.validation) + len(held.test) == 250 - len(expected)
    assert json.loads((tmp_path / "prepared" / "000000.json").read_text())[0][1] == shards[0].rows
    assert Column("x0", "numeric") in table.columns
