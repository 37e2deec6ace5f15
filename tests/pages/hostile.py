"""A table whose names, labels and cells are markup of every kind that a page or chart might read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sae_core.data.dataset import Column, Dataset

NAMES = (
    "<img src=x onerror=alert(1)>",
    "%{x} $\\href{javascript:alert(1)}{x}$",
    "![picture](http://example.com/x.png)",
    "Row",
    "=cmd()",
)
LABELS = ("</script><b>a</b>", "**b** [link](javascript:alert(1))", "c\u202egnp.exe")


def hostile_table(n: int = 90) -> Dataset:
    """n rows of five columns, one of them a category, and three classes."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.normal(size=n) for name in NAMES[:4]})
    features[NAMES[4]] = pd.Series(rng.choice(["<i>x</i>", "%{y}", "plain"], n), dtype="str")
    return Dataset(
        name="<h1>data</h1>.csv",
        kind="table",
        features=features,
        labels=np.array(LABELS, dtype=object)[np.arange(n) % 3],
        columns=tuple(Column(name, "category" if name == NAMES[4] else "numeric") for name in NAMES),
        label_name="<u>label</u>",
    )
