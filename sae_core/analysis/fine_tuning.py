"""Frozen against fine-tuned: which rows change sides, and how far weights and codes of each level have moved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.classification import Classification
from sae_core.analysis.progress import Report, silent
from sae_core.analysis.sampling import stratified_rows
from sae_core.data.dataset import Dataset, SplitName
from sae_core.errors import LabelError

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

Side = Literal["gained", "lost", "kept right", "kept wrong"]
Matrix = NDArray[np.floating]

MAX_ROWS = 5_000  # over which codes are compared
WIDE, MAX_ROWS_WIDE = 1_000, 1_000  # wider codes over fewer rows: time grows with the cube of the smaller of both


@dataclass(frozen=True, eq=False)
class Flips:
    """Rows of one part of the split, by what fine-tuning made of them. Each: (k,) positions in `Classification.rows`.

    Attributes:
        gained: wrong by the softmax on the frozen code, right by the fine-tuned stack; the surest first.
        lost: right before, wrong after; the surest mistake first.
        kept_right, kept_wrong: the others.
    """

    gained: NDArray[np.int64]
    lost: NDArray[np.int64]
    kept_right: NDArray[np.int64]
    kept_wrong: NDArray[np.int64]

    @property
    def net(self) -> int:
        """Rows won altogether."""
        return len(self.gained) - len(self.lost)

    @property
    def chance(self) -> float:
        """How likely so lopsided a change would be if gains and losses were tossed with a coin, 0..1.

        Exact two-sided McNemar test (McNemar 1947); 1 where nothing flipped.
        """
        n, fewer = len(self.gained) + len(self.lost), min(len(self.gained), len(self.lost))
        if n > 1_000:  # the normal distribution is as good, and 2^n is beyond a float
            return math.erfc(max(0.0, n - 2 * fewer - 1) / math.sqrt(2 * n))
        return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / (1 << n))


@dataclass(frozen=True)
class Move:
    """How far fine-tuning moved one level.

    Attributes:
        level: 1 .. L.
        weights: Frobenius norm of the change of the encoder's weights and biases, as a share of their norm before.
        codes: Procrustes distance of the codes of the same rows, 0 (equal up to shift, turn and scale) .. 1
            (Gower 1975; the disparity of scipy.spatial.procrustes). NaN where all codes are alike.
        similarity: linear centred kernel alignment of the codes, 1 (equal up to shift, turn and scale) .. 0
            (Kornblith et al. 2019, section 3). NaN where all codes are alike.
        rows: over how many rows the codes were compared.
    """

    level: int
    weights: float
    codes: float
    similarity: float
    rows: int


def flips(found: Classification, part: SplitName) -> Flips:
    """Which rows fine-tuning turned from wrong to right, and which from right to wrong.

    Raises:
        LabelError: there is no softmax on a frozen code, or no fine-tuning, to compare.
    """
    before, after = found.before, found.after
    if before is None or after is None:
        raise LabelError(
            "Only one classifier was trained, so there is nothing to compare. Give both the softmax and the "
            "fine-tuning phase some epochs on Design, then train again."
        )
    of_part = found.parts == part
    was, now = before.predicted == found.truth, after.predicted == found.truth

    def positions(which: NDArray[np.bool_], surest: NDArray[np.float32]) -> NDArray[np.int64]:
        inside = np.flatnonzero(of_part & which)
        return inside[np.argsort(-surest[inside], kind="stable")].astype(np.int64)

    return Flips(
        gained=positions(~was & now, after.confidence),
        lost=positions(was & ~now, after.confidence),
        kept_right=positions(was & now, after.confidence),
        kept_wrong=positions(~was & ~now, after.confidence),
    )


def moves(model: TrainedStack, data: Dataset, *, report: Report = silent) -> tuple[Move, ...]:
    """How far fine-tuning moved every level, over held-out rows (a stratified sample of many).

    Raises:
        LabelError: the stack was not fine-tuned.
    """
    rows = data.split.held_out()
    limit = MAX_ROWS if max(model.units) <= WIDE else MAX_ROWS_WIDE
    rows = rows[stratified_rows(data.class_codes[rows], limit)]
    before = after = model.prepare(data.take(rows))
    found = []
    for level in range(1, model.n_levels + 1):
        report((level - 1) / model.n_levels, "Comparing codes before and after fine-tuning")
        before = model.encode_prepared(before, level, start=level - 1)
        after = model.encode_prepared(after, level, start=level - 1, fine_tuned=True)
        weights = model.kernels if model.level_config(level).kind == "convolution" else model.encoder_weights
        old, new = weights(level), weights(level, fine_tuned=True)
        a, b = _compact(before), _compact(after)
        found.append(Move(level, relative_change(old, new), _procrustes(a, b), _cka(a, b), len(rows)))
    return tuple(found)


def relative_change(before: tuple[Matrix, ...], after: tuple[Matrix, ...]) -> float:
    """Norm of the change of some arrays together, as a share of their norm before; NaN where that is zero.

    >>> relative_change((np.array([3.0, 4.0]),), (np.array([3.0, 5.0]),))
    0.2
    """
    change = sum(float(np.square(new.astype(np.float64) - old).sum()) for old, new in zip(before, after, strict=True))
    norm = sum(float(np.square(old.astype(np.float64)).sum()) for old in before)
    return float(np.sqrt(change / norm)) if norm > 0 else float("nan")


def procrustes_distance(x: Matrix, y: Matrix) -> float:
    """What is left of the squared distance of two codes when one may be shifted, turned, mirrored and scaled, 0..1.

    Args:
        x, y: (n, d) and (n, e) codes of the same rows.
    """
    return _procrustes(_compact(x), _compact(y))


def _procrustes(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> float:
    if a is None or b is None:
        return float("nan")
    overlap = float(np.linalg.svd(a.T @ b, compute_uv=False).sum())
    return float(np.clip(1.0 - overlap * overlap, 0.0, 1.0))


def linear_cka(x: Matrix, y: Matrix) -> float:
    """Linear centred kernel alignment of two codes of the same rows, 0..1 (Kornblith et al. 2019, equation 5)."""
    return _cka(_compact(x), _compact(y))


def _cka(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> float:
    if a is None or b is None:
        return float("nan")
    cross = float(np.square(a.T @ b).sum())
    return cross / float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


def _compact(x: Matrix) -> NDArray[np.float64] | None:
    """Centred and of norm 1, turned into no more columns than rows; None where all rows are alike.

    Both distances depend on the products of rows alone, and a turn leaves those as they are.
    """
    centred: NDArray[np.float64] = np.asarray(x, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    norm = float(np.linalg.norm(centred))
    if norm <= 1e-12:
        return None
    centred /= norm
    if centred.shape[1] <= len(centred):
        return centred
    values, vectors = np.linalg.eigh(centred @ centred.T)  # (n,), (n, n)
    compact: NDArray[np.float64] = vectors * np.sqrt(np.clip(values, 0.0, None))
    return compact
