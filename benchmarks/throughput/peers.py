"""The same work in other programs, each as its documentation does it. Imports come before the clock.

Each trains one autoencoder a level on the codes of the level below: relu, linear decoder, mean squared error, Adam.
"""

from __future__ import annotations

import os
import sys
import time
import types
from typing import Any

import numpy as np

from benchmarks.throughput.task import BATCH, EPOCHS, RATE, Array, Level, Outcome


def torch_loop(x: Array, units: tuple[int, ...]) -> Outcome:
    """A plain PyTorch loop over a DataLoader."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # imports what the first optimiser needs
    started = time.perf_counter()
    rows, levels = torch.from_numpy(x), []
    for width in units:
        encoder = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], width), torch.nn.ReLU())
        decoder = torch.nn.Linear(width, rows.shape[1])
        optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=RATE)
        loss_function = torch.nn.MSELoss()
        loader = DataLoader(TensorDataset(rows), batch_size=BATCH, shuffle=True)
        for _ in range(EPOCHS):
            for (batch,) in loader:
                optimiser.zero_grad()
                loss = loss_function(decoder(encoder(batch)), batch)
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            rows = encoder(rows)
        levels.append((encoder[0], decoder))
    seconds = time.perf_counter() - started
    return Outcome(seconds, tuple(_torch_level(*pair) for pair in levels))


def clustpy(x: Array, units: tuple[int, ...]) -> Outcome:
    """`StackedAutoencoder.layerwise_training` of ClustPy."""
    # The wheel of torchvision on PyPI is built for CUDA; beside a torch for the CPU it cannot register its compiled
    # operators, of which ClustPy needs none here.
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
    import torch
    from clustpy.deep.neural_networks.stacked_autoencoder import StackedAutoencoder

    torch.manual_seed(0)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    started = time.perf_counter()
    model = StackedAutoencoder([x.shape[1], *units], activation_fn=torch.nn.ReLU, random_state=0)
    model.layerwise_training(
        n_epochs_per_layer=EPOCHS, optimizer_params={"lr": RATE}, batch_size=BATCH, data=torch.from_numpy(x)
    )
    seconds = time.perf_counter() - started
    encoders = [model.encoder.block[i] for i in model.encoder.layer_positions]
    decoders = [model.decoder.block[i] for i in reversed(model.decoder.layer_positions)]
    pairs = zip(encoders, decoders, strict=True)
    return Outcome(seconds, tuple(_torch_level(*pair) for pair in pairs), linear_top=True)


def keras_torch(x: Array, units: tuple[int, ...]) -> Outcome:
    """Keras on PyTorch."""
    return _keras("torch", x, units)


def keras_tensorflow(x: Array, units: tuple[int, ...]) -> Outcome:
    """Keras on TensorFlow."""
    return _keras("tensorflow", x, units)


def _keras(backend: str, x: Array, units: tuple[int, ...]) -> Outcome:
    os.environ["KERAS_BACKEND"] = backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    keras.utils.set_random_seed(0)
    started = time.perf_counter()
    rows, levels = x, []
    for width in units:
        inputs = keras.Input((rows.shape[1],))
        encode = keras.layers.Dense(width, activation="relu")
        decode = keras.layers.Dense(rows.shape[1])
        code = encode(inputs)
        model = keras.Model(inputs, decode(code))
        model.compile(optimizer=keras.optimizers.Adam(RATE), loss="mean_squared_error")
        model.fit(rows, rows, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
        rows = keras.Model(inputs, code).predict(rows, batch_size=4096, verbose=0)
        levels.append((encode, decode))
    seconds = time.perf_counter() - started
    found = []
    for encode, decode in levels:
        (w, b), (v, c) = encode.get_weights(), decode.get_weights()
        found.append(Level(w.T, b, v.T, c))
    return Outcome(seconds, tuple(found))


def scikit_learn(x: Array, units: tuple[int, ...]) -> Outcome:
    """A chain of scikit-learn's MLPRegressor, each fitted to its own input."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)  # it is told to stop after two epochs
    started = time.perf_counter()
    rows, levels = x, []
    for width in units:
        model = MLPRegressor(
            hidden_layer_sizes=(width,),
            activation="relu",
            solver="adam",
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=RATE,
            max_iter=EPOCHS,
            random_state=0,
        )
        model.fit(rows, rows)
        (w, v), (b, c) = model.coefs_, model.intercepts_
        rows = np.maximum(rows @ w + b, 0)
        levels.append(Level(w.T, b, v.T, c))
    return Outcome(time.perf_counter() - started, tuple(levels))


def _torch_level(encoder: Any, decoder: Any) -> Level:
    return Level(*(t.detach().numpy() for t in (encoder.weight, encoder.bias, decoder.weight, decoder.bias)))
