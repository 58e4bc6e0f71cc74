"""What is counted of a data set, and the bins it is counted in; they never change, so that counts can be added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """One measure and its bins.

    Attributes:
        name: key in JSON.
        title: what it is, in words.
        edges: float64 (B + 1), ascending; bin b holds edges[b] <= value < edges[b + 1], what lies beyond either end is
            counted in the first or the last bin.
        log: values between two edges are taken as even in the logarithm.
        circular: the last bin lies beside the first.
        shown: bars that a chart merges the bins to, at most.
    """

    name: str
    title: str
    edges: np.ndarray
    log: bool = False
    circular: bool = False
    shown: int = 12

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def bin(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value, int64."""
        return np.clip(np.searchsorted(self.edges, values, "right") - 1, 0, self.bins - 1)

    def quantiles(self, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Values below which the given shares of all lie, read from counts (B,) that are not all zero."""
        sums = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
        # Where bins are empty the sum stands still: the last edge before it rises begins a value's range.
        rising = np.flatnonzero(counts > 0)
        below, above = sums[rising], sums[rising + 1]
        k = np.minimum(np.searchsorted(above, shares, "left"), len(rising) - 1)
        part = np.clip((shares - below[k]) / (above[k] - below[k]), 0, 1)
        low, high = self.edges[rising[k]], self.edges[rising[k] + 1]
        if not self.log:
            return low + part * (high - low)
        return np.where(low > 0, np.maximum(low, 1e-9) * (high / np.maximum(low, 1e-9)) ** part, part * high)

    def merged(self, counts: np.ndarray, others: tuple[np.ndarray, ...] = ()) -> list[tuple[float, float, list[int]]]:
        """Bars for a chart: (low, high, counts of each histogram), without the empty bins at both ends."""
        rows = np.stack([counts, *others])
        filled = np.flatnonzero(rows.any(0))
        if not len(filled):
            return []
        first, last = int(filled[0]), int(filled[-1]) + 1
        step = max(1, -(-(last - first) // self.shown))
        steps = [s for s in (1, 2, 3, 4, 5, 8, 10, 16, 20, 32) if s >= step] or [step]
        first -= first % steps[0]
        out = []
        for start in range(first, last, steps[0]):
            end = min(start + steps[0], self.bins)
            out.append((float(self.edges[start]), float(self.edges[end]), rows[:, start:end].sum(1).tolist()))
        return out

    def distance(self, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        """How far two histograms (B,) are apart, each taken as shares of its own sum (neither may be empty).

        Returns:
            ``moved``: earth mover's distance in bins, the mean way that a share has to move: along one axis the sum of
            |difference of the cumulative shares|, on a circle less its median (Werman et al., 1986).
            ``apart``: total variation, the share that lies in other bins, 0..1.
        """
        difference = a / a.sum() - b / b.sum()
        sums = np.cumsum(difference)
        if self.circular:
            sums = sums - np.median(sums)
        return {"moved": float(np.abs(sums).sum()), "apart": float(np.abs(difference).sum() / 2)}


def _octaves(low: int, high: int, parts: int, zero: bool = False) -> np.ndarray:
    """Powers of two from 2^low to 2^high, ``parts`` bins an octave; ``zero`` adds a first bin from 0."""
    edges = 2.0 ** (np.arange((high - low) * parts + 1) / parts + low)
    return np.concatenate([[0.0], edges]) if zero else edges


_AXES = (
    Axis("count", "instances in an image", np.arange(66.0)),
    Axis("defects", "defects in an image", np.arange(66.0)),
    Axis("size", "size of an instance: square root of its visible pixels", _octaves(0, 12, 4), True),
    Axis("aspect", "length / breadth of an instance", _octaves(0, 6, 8), True),
    Axis("visible", "visible ratio of an instance", np.linspace(0, 1, 21), shown=10),
    Axis("contrast", "contrast of an instance, in units of the local noise", _octaves(-3, 7, 4, True), True),
    Axis("defect_size", "size of a defect: square root of its visible pixels", _octaves(0, 12, 4), True),
    Axis("defect_aspect", "length / breadth of a defect", _octaves(0, 6, 8), True),
    Axis("defect_contrast", "contrast of a defect, in units of the local noise", _octaves(-3, 7, 4, True), True),
    Axis("brightness", "mean grey level of an image, 0..255", np.linspace(0, 256, 65)),
    Axis("chroma", "colourfulness of an image's mean colour (CIELAB chroma)", np.linspace(0, 100, 51)),
    Axis("hue", "hue of an image's mean colour (CIELAB, degrees), if any", np.linspace(0, 360, 37), circular=True),
    Axis("noise", "noise of an image, grey levels", _octaves(-4, 6, 4, True), True),
    Axis("texture_fine", "texture finer than 4 pixels, grey levels", _octaves(-3, 7, 4, True), True),
    Axis("texture_mid", "texture of 4 to 12 pixels, grey levels", _octaves(-3, 7, 4, True), True),
    Axis("texture_coarse", "texture of 12 to 36 pixels, grey levels", _octaves(-3, 7, 4, True), True),
)  # fmt: skip
AXES = {axis.name: axis for axis in _AXES}
