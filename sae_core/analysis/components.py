"""Principal components: the plane that shows most of the variance, and the yardstick for a code of equal width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy

_EXACT_FEATURES = 2048  # the eigenvectors of a 2048 x 2048 covariance take a second; beyond, a randomised SVD


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """A linear code: project onto `components`, and back.

    Attributes:
        mean: (d,) float64.
        components: (k, d) float64, orthonormal rows, most variance first; the largest entry of each is positive.
        variance: (k,) float64 along each component.
        total: variance of all d features together.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variance: NDArray[np.float64]
    total: float

    def project(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, d) -> (n, k)."""
        return (x - self.mean) @ self.components.T

    def reconstruct(self, x: NDArray[np.floating], k: int) -> NDArray[np.float64]:
        """(n, d) -> (n, d) through the first k components."""
        kept = self.components[:k]
        return (x - self.mean) @ kept.T @ kept + self.mean

    @property
    def shares(self) -> NDArray[np.float64]:
        """(k,) share of the total variance along each component, 0..1; zeros where nothing varies."""
        return self.variance / self.total if self.total > 0 else np.zeros_like(self.variance)


def principal_components(x: NDArray[np.floating], k: int, *, seed: int = 0) -> PrincipalComponents:
    """The first k principal components (fewer where there are fewer rows or features).

    Args:
        x: (n, d) finite values.
        k: at least 1.
        seed: of the randomised SVD that very wide data is given to (Halko, Martinsson & Tropp 2011).
    """
    x64 = np.asarray(x, dtype=np.float64)
    n, d = x64.shape
    k = max(1, min(k, n, d))
    mean = x64.mean(axis=0)
    centred = x64 - mean
    total = float(np.square(centred).sum() / max(n, 1))
    if d <= _EXACT_FEATURES:
        eigenvalues, eigenvectors = np.linalg.eigh(centred.T @ centred / max(n, 1))  # ascending
        variance = np.maximum(eigenvalues[::-1][:k], 0.0)
        components = eigenvectors[:, ::-1][:, :k].T
    else:
        randomized_svd = lazy.package("sklearn.utils.extmath").randomized_svd
        _, singular, components = randomized_svd(centred, k, random_state=seed)
        variance = np.square(singular) / max(n, 1)
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    components = components * np.where(largest < 0, -1.0, 1.0)
    return PrincipalComponents(mean, np.ascontiguousarray(components), variance, total)
