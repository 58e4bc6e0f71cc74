"""Which segments suit a background: those that were cut out of a surface that looks like it."""

from __future__ import annotations

import cv2
import numpy as np

_SIDE = 96  # pixels of the longer side that are looked at
_ROOM = 64  # pixels without defect that a description takes at least
_RARE = 0.5  # of the share that a class has among all segments
_FEW = 24  # segments that are left at least


def surface(image: np.ndarray, free: np.ndarray) -> np.ndarray:
    """What a surface looks like, float32 (6,): brightness, colour, roughness at two scales and which way it runs.

    Args:
        image: uint8 (H, W, 3).
        free: bool (H, W), the pixels that count: surface without defect.
    """
    scale = min(_SIDE / max(image.shape[:2]), 1.0)
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    known = cv2.resize(free.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    if known.sum() < _ROOM:
        known = np.ones_like(known)
    grey = small.mean(2)
    own = grey[known]
    level = float(own.mean()) + 8
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0)[known], cv2.Sobel(grey, cv2.CV_32F, 0, 1)[known]
    across, down = float(np.abs(gx).mean()) + 1, float(np.abs(gy).mean()) + 1
    tint = (small[:, :, 0] - small[:, :, 2])[known].mean() / level
    rough, uneven = float(fine[known].std()) / level, float(own.std()) / level
    return np.array(
        [np.log(level), 2 * tint, np.log(rough + 0.01), np.log(uneven + 0.02), np.log(across / down), np.log(across)],
        np.float32,
    )


class Likeness:
    """Chooses among segments by the surfaces that they come from.

    Args:
        surfaces: float32 (N, D), of each segment, see :func:`surface`.
        labels: int (N,), of their classes.
        share: of the segments that may be put on a background, those that are most like it.
    """

    def __init__(self, surfaces: np.ndarray, labels: np.ndarray, share: float):
        self.share, self._labels = share, labels
        self._counts = np.bincount(labels)
        self._scale = np.maximum(surfaces.std(0), 1e-3)
        self._surfaces = surfaces / self._scale

    def rows(self, background: np.ndarray) -> np.ndarray:
        """int64, ascending: the segments that suit a background of this description.

        A class that is on such surfaces less than half as often as on others is not among them.
        """
        count = len(self._surfaces)
        kept = min(max(round(self.share * count), _FEW), count)
        away = ((self._surfaces - background / self._scale) ** 2).sum(1)
        rows = np.sort(np.argpartition(away, kept - 1)[:kept])
        own = np.bincount(self._labels[rows], minlength=len(self._counts))
        usual = own >= _RARE * kept * self._counts / count
        return rows[usual[self._labels[rows]]]
