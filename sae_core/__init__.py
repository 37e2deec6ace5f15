"""Stacked autoencoders: trained level by level, looked into, and taken away.

These are the public names; each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_core.config import LayerConfig, StackConfig
    from sae_core.data.arrays import read_arrays
    from sae_core.data.dataset import Dataset, SplitOptions
    from sae_core.data.images import read_images
    from sae_core.data.samples import load_sample, sample_names
    from sae_core.data.tables import read_table
    from sae_core.errors import SaeError
    from sae_core.estimator import StackedAutoencoder, StackedAutoencoderClassifier
    from sae_core.jobs import start_job
    from sae_core.model.trained import TrainedStack, load_model
    from sae_core.presets import Preset, preset, preset_names
    from sae_core.runs.workspace import Workspace, default_workspace
    from sae_core.training.plan import suggest_config
    from sae_core.training.trainer import fit, train

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "LayerConfig",
    "Preset",
    "SaeError",
    "SplitOptions",
    "StackConfig",
    "StackedAutoencoder",
    "StackedAutoencoderClassifier",
    "TrainedStack",
    "Workspace",
    "__version__",
    "default_workspace",
    "fit",
    "load_model",
    "load_sample",
    "preset",
    "preset_names",
    "read_arrays",
    "read_images",
    "read_table",
    "sample_names",
    "start_job",
    "suggest_config",
    "train",
]

_MODULES = {
    "Dataset": "data.dataset",
    "LayerConfig": "config",
    "Preset": "presets",
    "SaeError": "errors",
    "SplitOptions": "data.dataset",
    "StackConfig": "config",
    "StackedAutoencoder": "estimator",
    "StackedAutoencoderClassifier": "estimator",
    "TrainedStack": "model.trained",
    "Workspace": "runs.workspace",
    "default_workspace": "runs.workspace",
    "fit": "training.trainer",
    "load_model": "model.trained",
    "load_sample": "data.samples",
    "preset": "presets",
    "preset_names": "presets",
    "read_arrays": "data.arrays",
    "read_images": "data.images",
    "read_table": "data.tables",
    "sample_names": "data.samples",
    "start_job": "jobs",
    "suggest_config": "training.plan",
    "train": "training.trainer",
}


def __getattr__(name: str) -> Any:
    # PEP 562: `import sae_core` stays fast, torch and the readers come with the first name that needs them.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
