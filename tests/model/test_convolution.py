"""Convolutional levels: against sums written out, their transposes, ONNX, plain numpy, and the whole journey."""

from __future__ import annotations

import dataclasses
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import sae_core as sae
from sae_core.analysis.fine_tuning import moves
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError, LevelError, ModelFileError
from sae_core.export.onnx import export_onnx
from sae_core.export.standalone import Model
from sae_core.limits import MAX_PREPARED_BYTES, MAX_UNITS
from sae_core.model.stack import Stack
from sae_core.training.events import CheckpointReached, Finished
from sae_core.training.plan import check, multiplications, parameter_counts, plan, warnings
from sae_core.training.state import TrainingState
from sae_core.training.trainer import train


def convolution(**settings: object) -> LayerConfig:
    return LayerConfig(kind="convolution", **settings)


@pytest.fixture(scope="module")
def stripes() -> Dataset:
    """Pictures of 7 x 6 in two colours with a bright row that names the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    x = rng.uniform(0, 0.3, size=(90, 7, 6, 2))
    x[np.arange(90), 1 + 2 * labels] += 0.6
    return Dataset(
        "stripes", "images", x.reshape(90, -1).astype(np.float32), labels=labels.astype(np.int64), image_shape=(7, 6, 2)
    )


def level_of(layer: LayerConfig, shape: tuple[int, int, int] = (7, 6, 2)) -> Stack:
    config = StackConfig(layers=[layer], activation="linear").fitted(shape)
    stack = Stack(int(np.prod(shape)), config, torch.Generator().manual_seed(0)).eval()
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    return stack


SIZES = [
    {"channels": 3, "kernel": 3, "stride": 1},
    {"channels": 2, "kernel": 5, "stride": 2},
    {"channels": 4, "kernel": 3, "stride": 3},
    {"channels": 3, "kernel": 3, "stride": 1, "pooling": 2},
    {"channels": 2, "kernel": 5, "stride": 2, "pooling": 3},
    {"channels": 1, "kernel": 1, "stride": 1, "pooling": 8},
]


@pytest.mark.parametrize("size", SIZES)
def test_the_encoder_is_the_sum_that_it_says(size: dict[str, int]) -> None:
    stack = level_of(convolution(**size))
    encoder = stack.autoencoder(1).encoder
    weight, bias = encoder.weight.detach().numpy(), encoder.bias.detach().numpy()
    picture = np.random.default_rng(1).normal(size=(7, 6, 2)).astype(np.float32)
    kernel, stride, pooling = size["kernel"], size["stride"], size.get("pooling", 1)
    padded = np.pad(picture, ((kernel // 2,) * 2, (kernel // 2,) * 2, (0, 0)))
    high, wide = -(-7 // stride), -(-6 // stride)
    sums = np.empty((high, wide, size["channels"]))
    for row, column, channel in np.ndindex(sums.shape):
        patch = padded[row * stride : row * stride + kernel, column * stride : column * stride + kernel]
        sums[row, column, channel] = (patch.transpose(2, 0, 1) * weight[channel]).sum() + bias[channel]
    rows, columns = range(0, high, pooling), range(0, wide, pooling)
    expected = [sums[r : r + pooling, c : c + pooling].max(axis=(0, 1)) for r, c in product(rows, columns)]
    code = stack.encode(torch.from_numpy(picture.reshape(1, -1)), 1).detach().numpy()
    np.testing.assert_allclose(code[0], np.concatenate(expected), rtol=1e-4, atol=1e-4)
    assert code.shape == (1, stack.autoencoder(1).layer.units)


@pytest.mark.parametrize("size", SIZES[:3])
def test_the_tied_decoder_is_the_transpose_of_the_encoder(size: dict[str, int]) -> None:
    stack = level_of(convolution(tied=True, **size))
    inputs = torch.eye(84)
    encoded = stack.encode(inputs, 1) - stack.encode(torch.zeros(1, 84), 1)  # (84, units): the matrix of the encoder
    codes = torch.eye(encoded.shape[1])
    decoded = stack.decode(codes, 1) - stack.decode(torch.zeros(1, len(codes)), 1)  # (units, 84)
    torch.testing.assert_close(encoded.T, decoded, atol=1e-5, rtol=1e-5)


def test_pooled_codes_are_decoded_over_their_squares() -> None:
    stack = level_of(convolution(channels=1, kernel=1, stride=1, pooling=2, tied=True), (3, 4, 1))
    with torch.no_grad():
        stack.autoencoder(1).encoder.weight.fill_(1)
        stack.autoencoder(1).encoder.bias.fill_(0)
        stack.autoencoder(1).decoder.bias.fill_(0)
    code = stack.encode(torch.arange(12.0).reshape(1, 12), 1)
    assert code.tolist() == [[5, 7, 9, 11]]  # the last row of squares is cut off
    assert stack.decode(code, 1).reshape(3, 4).tolist() == [[5, 5, 7, 7], [5, 5, 7, 7], [9, 9, 11, 11]]


@pytest.mark.parametrize("normalisation", ["none", "batch", "layer"])
@pytest.mark.parametrize("tied", [False, True])
def test_parameters_are_counted(normalisation: str, tied: bool) -> None:
    layers = [convolution(channels=5, tied=tied, normalisation=normalisation), LayerConfig(units=4)]
    config = StackConfig(layers=layers).fitted((7, 6, 2))
    stack = Stack(84, config, torch.Generator())
    counts = parameter_counts(84, 0, config)
    assert counts.total == sum(parameter.numel() for parameter in stack.parameters())
    assert multiplications(84, config) == (4 * 3 * 5 * 2 * 9, 60 * 4)


@pytest.mark.parametrize("how", ["he", "lecun", "xavier", "orthogonal"])
def test_initial_codes_keep_the_scale_of_the_input(how: str) -> None:
    config = StackConfig(layers=[convolution(channels=32, kernel=5, initialisation=how)], activation="linear")
    stack = Stack(16 * 16 * 8, config.fitted((16, 16, 8)), torch.Generator().manual_seed(1))
    x = torch.randn(20, 16 * 16 * 8, generator=torch.Generator().manual_seed(0))
    assert 0.5 < float(stack.encode(x, 1).detach().std()) < 2.0
    weight = stack.autoencoder(1).encoder.weight
    if how == "orthogonal":
        torch.testing.assert_close(weight.flatten(1) @ weight.flatten(1).T, torch.eye(32), atol=1e-5, rtol=0)


def quick(**settings: object) -> StackConfig:
    layers = [
        convolution(channels=4, corruption="masking", normalisation="batch", l2=1e-4),
        convolution(channels=3, stride=1, pooling=2, activation="sigmoid", sparsity="kl", dropout=0.1, tied=True),
        LayerConfig(units=5, activation="tanh", contractive=0.01),
    ]
    defaults = {"epochs": 4, "batch_size": 16, "softmax_epochs": 2, "fine_tune_epochs": 3, "unrolled_epochs": 2}
    return StackConfig(layers=layers, **{**defaults, **settings})


@pytest.fixture(scope="module")
def model(stripes: Dataset) -> sae.TrainedStack:
    return sae.fit(stripes, quick(epochs=40, fine_tune_epochs=20, learning_rate=1e-2, fine_tune_learning_rate=1e-2))


def test_convolutional_and_dense_levels_learn_together(stripes: Dataset, model: sae.TrainedStack) -> None:
    assert model.units == (48, 12, 5)
    assert [model.code_shape(level) for level in range(4)] == [(7, 6, 2), (4, 3, 4), (2, 2, 3), None]
    history = model.history
    for level in (1, 2, 3):
        losses = history[(history.phase == "pretrain") & (history.level == level)].validation_loss
        assert losses.iloc[-1] < 0.8 * losses.iloc[0]
    test = stripes.take(stripes.split.test)
    assert (model.predict(test) == stripes.y[stripes.split.test]).mean() > 0.9
    assert np.asarray(model.reconstruct(test, 3)).shape == np.asarray(test).shape


def test_weights_are_kernels_or_matrices(model: sae.TrainedStack) -> None:
    weights, biases = model.kernels(1)
    assert (weights.shape, biases.shape) == ((4, 3, 3, 2), (4,))
    assert model.encoder_weights(3)[0].shape == (12, 5)
    with pytest.raises(LevelError, match="is a convolution: it has kernels"):
        model.encoder_weights(1)
    with pytest.raises(LevelError, match="no convolution"):
        model.kernels(3)


def test_fine_tuning_moved_its_kernels(stripes: Dataset, model: sae.TrainedStack) -> None:
    assert all(each.weights > 0 for each in moves(model, stripes))


def test_it_is_saved_and_read(stripes: Dataset, model: sae.TrainedStack, tmp_path: Path) -> None:
    again = sae.load_model(model.save(tmp_path / "model"))
    for level in (1, 2, 3):
        np.testing.assert_array_equal(again.encode(stripes, level), model.encode(stripes, level))
    np.testing.assert_array_equal(again.predict_proba(stripes), model.predict_proba(stripes))


def test_numpy_alone_gives_the_same(stripes: Dataset, model: sae.TrainedStack, tmp_path: Path) -> None:
    alone = Model.load(model.save(tmp_path / "model"))
    for level in (1, 2, 3):
        np.testing.assert_allclose(alone.encode(stripes.features, level), model.encode(stripes, level), atol=1e-5)
        ours = model.reconstruct(stripes, level)
        np.testing.assert_allclose(alone.reconstruct(stripes.features, level), ours, atol=1e-5)
    assert alone.encode(stripes.features[:0]).shape == (0, 5)
    np.testing.assert_allclose(alone.predict_proba(stripes.features), model.predict_proba(stripes), atol=1e-5)


@pytest.mark.parametrize("output", ["code", "reconstruction", "classes"])
def test_onnx_gives_the_same(stripes: Dataset, model: sae.TrainedStack, output: str, tmp_path: Path) -> None:
    for level in (1, 2, 3) if output != "classes" else (None, 1):
        made = export_onnx(model, tmp_path / "model.onnx", output=output, level=level, data=stripes)
        assert made.largest_difference < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("normalisation", ["none", "layer"])
def test_exports_of_every_size(stripes: Dataset, size: dict[str, int], normalisation: str, tmp_path: Path) -> None:
    config = StackConfig(
        layers=[convolution(normalisation=normalisation, **size), 3], activation="gelu", epochs=1, pretraining="none"
    )
    trained = sae.fit(dataclasses.replace(stripes, labels=None), config)
    alone = Model.load(trained.save(tmp_path / "model"))
    ours = trained.reconstruct(stripes, 1)
    np.testing.assert_allclose(alone.reconstruct(stripes.features, 1), ours, atol=1e-5)
    made = export_onnx(trained, tmp_path / "model.onnx", output="reconstruction", level=1, data=stripes)
    assert made.largest_difference < 1e-5


@pytest.mark.parametrize("pretraining", ["greedy", "joint"])
def test_a_training_that_was_cut_goes_on_bit_for_bit(stripes: Dataset, pretraining: str) -> None:
    config = quick(pretraining=pretraining)
    states, whole = [], None
    for event in train(stripes, config, checkpoint_due=lambda: True):
        if isinstance(event, CheckpointReached):
            states.append(TrainingState.from_files(event.state.to_files()))
        elif isinstance(event, Finished):
            whole = event.model
    assert whole is not None
    for state in states[3 :: len(states) // 4]:
        *_, last = train(stripes, config, resume=state)
        assert isinstance(last, Finished)
        for name, tensor in whole._tensors().items():
            assert torch.equal(tensor, last.model._tensors()[name]), name


def test_a_job_knows_its_units(stripes: Dataset) -> None:
    job = sae.start_job(stripes, quick(epochs=1), workspace=sae.default_workspace())
    model = job.result()
    assert job.run is not None
    assert job.run.record.config.units == model.units == (48, 12, 5)
    assert job.run.record.name == "stripes 48-12-5"


def test_units_follow_from_the_pictures() -> None:
    config = StackConfig(layers=[convolution(units=7, channels=8), 16])
    assert config.units == (0, 16)
    fitted = config.fitted((28, 28, 1))
    assert fitted.units == (14 * 14 * 8, 16)
    assert fitted.fitted((28, 28, 1)) is fitted
    assert fitted.fitted((32, 32, 3)).units == (16 * 16 * 8, 16)
    assert StackConfig.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([8, convolution()], "level 2 cannot be convolutional above a dense level"),
        ([{"kind": "convolution", "kernel": 4}], "kernel: choose an odd number"),
        ([{"kind": "convolution", "kernel": 3, "stride": 4}], "kernel: choose at least the stride"),
        ([{"kind": "convolution", "channels": 0}], "channels"),
        ([{"kind": "convolution", "input_shape": (0, 4, 1)}], "input_shape"),
        ([{"kind": "convolution", "input_shape": (10**9, 10**9, 3)}], "input_shape"),
        ([{"kind": "pooling"}], "kind"),
    ],
)
def test_what_cannot_be_is_refused(layers: list[object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        StackConfig(layers=layers)


def test_what_does_not_fit_the_data_is_refused(stripes: Dataset) -> None:
    preparation = Preparation.fit(stripes)
    with pytest.raises(ConfigError, match="contractive penalty has no closed form for a convolution"):
        check(stripes, StackConfig(layers=[convolution(contractive=0.1)]), preparation)
    with pytest.raises(ConfigError, match=f"Level 1 cannot be used.*more than {MAX_UNITS:,}"):
        check(stripes, StackConfig(layers=[convolution(channels=1000, stride=1)]), preparation)
    iris = sae.load_sample("iris")
    with pytest.raises(ConfigError, match="needs pictures"):
        plan(iris, StackConfig(layers=[convolution()]), 4)
    with pytest.raises(ConfigError, match="needs pictures"):
        sae.start_job(iris, StackConfig(layers=[convolution()]))


def test_codes_that_would_not_fit_into_memory_are_refused(stripes: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_PREPARED_BYTES > 4 * 90 * 192
    monkeypatch.setattr("sae_core.training.plan.MAX_PREPARED_BYTES", 4 * 90 * 191)
    with pytest.raises(ConfigError, match="192 values for 90 pictures do not fit into memory"):
        check(stripes, StackConfig(layers=[convolution()]), Preparation.fit(stripes))


def test_an_overcomplete_convolution_is_warned_of_in_plain_numbers(stripes: Dataset) -> None:
    found = warnings(stripes, StackConfig(layers=[convolution(channels=16)]), 84)
    assert any("192 units for 84 inputs" in warning for warning in found)


def test_an_altered_file_is_refused(model: sae.TrainedStack) -> None:
    files = model.to_files()
    for before, after in ((b'"channels": 4', b'"channels": 9'), (b'"kernel": 3', b'"kernel": 5')):
        altered = files["model.json"].replace(before, after, 1)
        assert altered != files["model.json"]
        with pytest.raises(ModelFileError):
            sae.TrainedStack.from_files({**files, "model.json": altered})
