"""The public surface: sorted, importable, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sae_core

ROOT = Path(sae_core.__file__).resolve().parents[1]
HEAVY = ("torch", "streamlit", "plotly", "umap", "sklearn", "pandas", "numpy", "onnx", "onnxruntime", "pyarrow", "PIL")


def imported_by(code: str) -> set[str]:
    """Top-level packages in sys.modules after a fresh interpreter ran the code."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_names_are_sorted_and_there_is_one_place_for_each() -> None:
    assert sorted(sae_core.__all__) == sae_core.__all__
    assert set(sae_core.__all__) == {*sae_core._MODULES, "__version__"}
    assert len(set(sae_core.__all__)) == len(sae_core.__all__)


@pytest.mark.parametrize("name", sae_core.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    value = getattr(sae_core, name)
    assert name == "__version__" or f"{value.__module__}.".startswith(f"sae_core.{sae_core._MODULES[name]}.")
    assert name in dir(sae_core)
    assert name == "__version__" or value.__doc__


def test_the_names_of_the_contract_are_there() -> None:
    contract = {
        "Dataset", "LayerConfig", "SaeError", "SplitOptions", "StackConfig", "StackedAutoencoder",
        "StackedAutoencoderClassifier", "fit", "load_model", "load_sample", "read_arrays", "read_images", "read_table",
        "sample_names", "start_job", "train",
    }  # fmt: skip
    assert contract <= set(sae_core.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = sae_core.fitt


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert imported_by("import sae_core").isdisjoint(HEAVY)


def test_the_command_line_imports_nothing_heavy() -> None:
    # `sae-explorer --help` should answer at once.
    assert imported_by("import sae_core.cli").isdisjoint({"torch", "streamlit", "plotly", "umap", "sklearn", "onnx"})


def test_the_whole_engine_never_imports_streamlit_or_plotly() -> None:
    code = (
        "import importlib, pkgutil, sae_core\n"
        "for module in pkgutil.walk_packages(sae_core.__path__, 'sae_core.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)"
    )
    names = imported_by(code)
    assert "torch" in names
    assert names.isdisjoint({"streamlit", "plotly", "umap", "onnxruntime"})
