"""What was published, and which of our trainings answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.fidelity import work
from benchmarks.fidelity.work import Figures, Laboratory

Part = Literal["a", "b", "c", "d"]

TITLES: dict[Part, str] = {
    "a": "Error after fine-tuning (%)",
    "b": "Pretraining against none, by share of the labels: error (%)",
    "c": "Linear classifier on frozen codes: error (%)",
    "d": "Reconstruction from 30 numbers: squared error of a picture",
}

NOTES: dict[Part, str] = {
    "a": "Published: Vincent et al. 2010 (JMLR 11), table 3, mnist-basic: 10,000 training, 2,000 validation and 50,000 "
    "test pictures; there SVM with RBF kernel 3.03, DBN-3 3.11. Ours: 10,000 training pictures, of which 2,000 were "
    "left out to choose settings by, and the official 10,000 test pictures.",
    "b": "SDAE-3, and the same stack from its initial weights, fine-tuned alike; below 100 % with three times the "
    "epochs in smaller batches. Gain: error without pretraining minus error with it, seed by seed.",
    "c": "Vincent et al. 2010 (table 5) judge frozen codes by classifiers trained on them. UFLDL: Ng et al. 2011, "
    "exercise on deep networks for digit classification, 87.7 and 97.6 % right with 60,000 training pictures; ours "
    "with 10,000.",
    "d": "Published: Hinton & Salakhutdinov 2006 (Science 313), with 60,000 training pictures; ours with 10,000. All "
    "three ways of training take the same number of gradient steps.",
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: for people.
        published: figure as published, "" where none is.
        training: name of ours, see `TRAININGS`.
        figure: which of its figures.
        minus: subtract the same figure of this training, seed by seed.
    """

    part: Part
    what: str
    published: str
    training: str
    figure: str = "fine-tuned"
    minus: str | None = None

    @property
    def trainings(self) -> tuple[str, ...]:
        """Names of those it needs."""
        return (self.training,) if self.minus is None else (self.training, self.minus)


@dataclass(frozen=True)
class Training:
    """One kind of training.

    Attributes:
        preset: the product's preset it is made from; None: none.
        compute: its figures for one seed.
    """

    preset: str | None
    compute: Callable[[Laboratory, int], Figures]


def _share(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _classifier(preset: str) -> Training:
    return Training(preset, lambda laboratory, seed: work.classifier(laboratory, preset, seed))


def _labels(pretraining: str, share: float) -> Training:
    return Training("vincent-2010-sdae-3", lambda laboratory, seed: work.labels(laboratory, pretraining, share, seed))


def _deep(way: str) -> Training:
    return Training("hinton-2006", lambda laboratory, seed: work.deep_autoencoder(laboratory, way, seed))


# Trainings that share their pretraining stand side by side.
TRAININGS: dict[str, Training] = {
    "SAE-3": _classifier("vincent-2010-sae-3"),
    "SDAE-3": _classifier("vincent-2010-sdae-3"),
    **{
        f"labels, {pretraining}, {_share(share)}": _labels(pretraining, share)
        for share in work.SHARES
        for pretraining in ("greedy", "none")
        if (share, pretraining) != (1, "greedy")  # that is SDAE-3 itself
    },
    "best known": _classifier("best-known"),
    "UFLDL": _classifier("ufldl"),
    "deep, PCA": Training(None, work.principal_components),
    "deep, greedy": _deep("greedy"),
    "deep, unrolled": _deep("unrolled"),
    "deep, joint": _deep("joint"),
}


def _gains() -> list[Row]:
    rows = []
    for share in work.SHARES:
        none, greedy = f"labels, none, {_share(share)}", f"labels, greedy, {_share(share)}"
        greedy = greedy if greedy in TRAININGS else "SDAE-3"
        rows += [
            Row("b", f"{_share(share)} of the labels, no pretraining", "", none),
            Row("b", f"{_share(share)} of the labels, pretrained", "", greedy),
            Row("b", f"{_share(share)} of the labels, gain", "", none, minus=greedy),
        ]
    return rows


ROWS: tuple[Row, ...] = (
    Row("a", "SAE-3, 1000-1000-1000", "3.46", "SAE-3"),
    Row("a", "SDAE-3, 1000-1000-1000", "2.84", "SDAE-3"),
    Row("a", "Best known", "", "best known"),
    *_gains(),
    Row("c", "SDAE-3, input", "", "SDAE-3", "level 0"),
    *(Row("c", f"SDAE-3, code of level {level}", "", "SDAE-3", f"level {level}") for level in (1, 2, 3)),
    *(Row("c", f"SAE-3, code of level {level}", "", "SAE-3", f"level {level}") for level in (1, 2, 3)),
    Row("c", "UFLDL 200-200, before fine-tuning", "12.3", "UFLDL", "level 2"),
    Row("c", "UFLDL 200-200, after fine-tuning", "2.4", "UFLDL"),
    Row("d", "PCA, 30 components", "13.87", "deep, PCA", "reconstruction"),
    Row("d", "784-1000-500-250-30, greedy only", "", "deep, greedy", "reconstruction"),
    Row("d", "784-1000-500-250-30, greedy, then unrolled", "3.00", "deep, unrolled", "reconstruction"),
    Row("d", "784-1000-500-250-30, joint from scratch", "", "deep, joint", "reconstruction"),
)
