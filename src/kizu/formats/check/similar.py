"""Images that occur twice: pixel for pixel, or nearly (saved again, resized, brighter, turned, mirrored).

Candidates agree in the signs of the low frequencies of a discrete cosine transform (the perceptual hash of Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, with signs in place of the median, so that a
turn or a mirror image only permutes and flips them). Aligned photographs of one product pass that test too, so a
candidate counts only where its fine detail agrees as well, which two shots of two parts do not share.
"""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from kizu.formats.check.problem import ERROR, WARNING, Problem

_SIDE = 8  # low frequencies a side
_FAR = 12  # of 63 signs that may differ
_ALIKE = 0.8  # correlation of the coarse pictures and of their detail; chosen by eye on pairs of two real sets
_ALIKE_FINE = 0.8  # the same of the fine ones
_COARSE = 64  # pixels of the thumbnails that are kept
_FINE_FROM = 384  # pixels of the shorter side beyond which a coarse thumbnail hides the texture
_LOOKS = 3  # candidates of an image that are looked at finely
_TURNED_MOST = 20_000  # images up to which turns and mirrors are looked for
_BLOCK = 1024
_TURNS = ("", "turned by 90°", "turned by 180°", "turned by 270°", "mirrored", "mirrored and turned by 90°",
          "mirrored and turned by 180°", "mirrored and turned by 270°")  # fmt: skip


def turn(picture: np.ndarray, k: int) -> np.ndarray:
    """The k-th of the 8 turns and mirror images of a square array."""
    return np.rot90(picture if k < 4 else picture[:, ::-1], k % 4)


def signs(picture: np.ndarray) -> np.ndarray:
    """Signs float32 (63,) in -1, 1 of the lowest frequencies of a square grey picture, the mean left out."""
    small = cv2.resize(np.ascontiguousarray(picture, np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:_SIDE, :_SIDE].ravel()[1:]
    return np.where(low > 0, 1, -1).astype(np.float32)


def thumbnail(pixels: np.ndarray, side: int = _COARSE) -> np.ndarray:
    """An image uint8 (H, W, 3) as a square grey picture uint8 (side, side)."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)


def detail(picture: np.ndarray) -> np.ndarray:
    """What a picture holds at the scale of its pixels, as a unit vector; strong marks do not outweigh the rest."""
    values = picture.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), 1.5)
    usual = 4.45 * float(np.median(np.abs(values)))  # three standard deviations of Gaussian texture
    return _unit(np.clip(values, -usual, usual) if usual > 1 else values)


def _unit(values: np.ndarray) -> np.ndarray:
    values = values.ravel() - values.mean()
    length = np.linalg.norm(values)
    return values / length if length > 0 else values


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """The smaller of the correlations of two grey pictures and of their fine detail, -1..1."""
    whole = float(_unit(a.astype(np.float32)) @ _unit(b.astype(np.float32)))
    return min(whole, float(detail(a) @ detail(b)))


@dataclass
class Pictures:
    """Collects the images of a data set; :meth:`problems` finds those that occur twice.

    Args:
        pixels_of: reads an image again by the number that it was added under, for a closer look.
    """

    pixels_of: Callable[[int], np.ndarray]
    digests: list[bytes] = field(default_factory=list)
    thumbs: list[np.ndarray] = field(default_factory=list)
    bits: list[np.ndarray] = field(default_factory=list)
    about: list[tuple[str, str, str]] = field(default_factory=list)  # id, split, file
    numbers: list[tuple[int, bool]] = field(default_factory=list)  # number, whether it is large

    def add(self, number: int, pixels: np.ndarray, id: str, split: str, file: str) -> None:
        """Take one image uint8 (H, W, 3) in; blank ones are like all others of their kind and are left out."""
        if pixels.size == 0 or pixels.min() == pixels.max():
            return
        thumb = thumbnail(pixels)
        digest = hashlib.sha1(np.ascontiguousarray(pixels).tobytes(), usedforsecurity=False).digest()
        self.digests.append(digest + repr(pixels.shape).encode())
        self.thumbs.append(thumb)
        self.bits.append(signs(thumb))
        self.about.append((id, split, file))
        self.numbers.append((number, min(pixels.shape[:2]) > _FINE_FROM))

    def problems(self) -> list[Problem]:
        """Exact copies anywhere, near copies across splits (the closest of each image)."""
        out = []
        first: dict[bytes, int] = {}
        copies = set()
        for i, digest in enumerate(self.digests):
            k = first.setdefault(digest, i)
            if k == i:
                continue
            copies.add(i)
            across = self.about[i][1] != self.about[k][1]
            where = f" ({self.about[k][1] or 'no split'}, here {self.about[i][1] or 'no split'})" if across else ""
            message = f"pixel for pixel the same image as {self.about[k][0]}{where}"
            remedy = "remove one, or put both into one split" if across else "remove one"
            severity = ERROR if across else WARNING
            kind = "same image in two splits" if across else "same image twice"
            out.append(
                Problem(severity, kind, self.about[i][2], self.about[i][0], "split" if across else "", message, remedy)
            )
        for i, (k, turned) in sorted(self._near(copies).items()):
            how = f" {_TURNS[turned]}" if turned else ""
            message = f"nearly the same image as {self.about[k][0]} ({self.about[k][1]}){how}, here {self.about[i][1]}"
            remedy = "put both into one split (give them one group), or results on it mean little"
            out.append(
                Problem(
                    WARNING,
                    "near-duplicate across splits",
                    self.about[i][2],
                    self.about[i][0],
                    "split",
                    message,
                    remedy,
                )
            )
        return out

    def _near(self, copies: set[int]) -> dict[int, tuple[int, int]]:
        """Image -> (closest image of another split, turn); each pair is told once, for the image of the later split."""
        splits = np.array([split for _, split, _ in self.about])
        if len(set(splits)) < 2:
            return {}
        rank = np.array([{"train": 0, "val": 1, "test": 2}.get(split, 3) for split in splits])
        base = np.stack(self.bits)
        candidates: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
        for k in range(8 if len(base) <= _TURNED_MOST else 1):
            turned = np.stack([signs(turn(thumb, k)) for thumb in self.thumbs]) if k else base
            for start in range(0, len(base), _BLOCK):
                agree = base[start : start + _BLOCK] @ turned.T
                rows, columns = np.nonzero(agree >= base.shape[1] - 2 * _FAR)
                for i, j in zip((rows + start).tolist(), columns.tolist(), strict=True):
                    if splits[i] == splits[j] or (rank[i], i) < (rank[j], j) or i in copies or j in copies:
                        continue
                    score = alike(self.thumbs[i], turn(self.thumbs[j], k))
                    if score >= _ALIKE:
                        candidates[i] = sorted([*candidates[i], (-score, j, k)])[:_LOOKS]
        fine = functools.lru_cache(64)(lambda i: thumbnail(self.pixels_of(self.numbers[i][0]), 4 * _COARSE))
        out = {}
        for i, close in candidates.items():
            for _, j, k in close:
                large = self.numbers[i][1] and self.numbers[j][1]
                if not large or alike(fine(i), turn(fine(j), k)) >= _ALIKE_FINE:
                    out[i] = (j, k)
                    break
        return out
