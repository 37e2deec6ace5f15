"""The values of settings in words: what an activation, a loss or an optimiser is called on the pages."""

from __future__ import annotations

ACTIVATION_WORDS: dict[object, str] = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "linear": "linear",
}
LOSS_WORDS: dict[object, str] = {
    "squared_error": "squared error",
    "binary_cross_entropy": "binary cross-entropy",
    "absolute_error": "absolute error",
    "huber": "Huber",
}
WORDS: dict[object, str] = {
    **ACTIVATION_WORDS,
    **LOSS_WORDS,
    "salt_and_pepper": "salt and pepper",
    "gaussian": "Gaussian noise",
    "kl": "KL divergence",
    "l1": "L1",
    "he": "He",
    "xavier": "Xavier",
    "lecun": "LeCun",
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "lbfgs": "L-BFGS (full batch)",
    "one_cycle": "one cycle",
    "min_max": "min-max",
    "cpu": "CPU",
    "cuda": "CUDA GPU",
    "mps": "Apple GPU",
    "greedy": "Level by level",
    "joint": "All levels at once",
    "none": "none",
}
