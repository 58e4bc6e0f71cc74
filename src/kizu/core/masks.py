"""``Masks``: N binary masks of one frame as run-length code with boxes and areas, never as a dense stack."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import pairwise

import cv2
import numpy as np

from kizu.core import rle
from kizu.core.errors import DataError

Segmentation = dict | list  # COCO: an RLE dictionary, or a list of polygons
_MOST_LISTED = 65_535  # ids up to here are looked up in a table


class Masks:
    """N binary masks of one frame.

    Held as column-major runs (the order of COCO's code), so area, box, overlap and the COCO string come without
    decoding. Immutable; indexable by int, slice, bool and index arrays (always giving ``Masks``).

    >>> masks = Masks.from_label_map(np.array([[0, 1, 1], [2, 2, 1]]))
    >>> len(masks), masks.area.tolist(), masks.boxes.tolist()
    (2, [3, 2], [[1, 0, 3, 2], [0, 1, 2, 2]])
    """

    __slots__ = ("_areas", "_boxes", "_offsets", "_runs", "size")

    def __init__(self, runs: np.ndarray, offsets: np.ndarray, size: tuple[int, int]):
        """
        Args:
            runs: uint32 (R, 2), half-open runs of column-major positions, sorted and apart within each mask.
            offsets: int64 (N + 1), mask i owns ``runs[offsets[i]:offsets[i + 1]]``.
            size: (height, width) of the frame.
        """
        self.size = (int(size[0]), int(size[1]))
        if self.size[0] * self.size[1] >= 2**32:
            raise DataError(f"a frame of {self.size[0]} x {self.size[1]} pixels is too large for masks; tile it first")
        self._runs = np.ascontiguousarray(runs, np.uint32).reshape(-1, 2)
        self._offsets = np.ascontiguousarray(offsets, np.int64)
        self._areas, self._boxes = rle.measure(self._runs, self._offsets, max(self.size[0], 1))

    # --- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Masks:
        """No masks, on a frame of (height, width)."""
        return cls(np.zeros((0, 2), np.uint32), np.zeros(1, np.int64), size)

    @classmethod
    def _from_runs(cls, runs: Sequence[np.ndarray], size: tuple[int, int]) -> Masks:
        offsets = np.zeros(len(runs) + 1, np.int64)
        np.cumsum([len(r) for r in runs], out=offsets[1:])
        return cls(np.concatenate(runs) if runs else np.zeros((0, 2), np.uint32), offsets, size)

    @classmethod
    def from_dense(cls, masks: np.ndarray | Iterable[np.ndarray], size: tuple[int, int] | None = None) -> Masks:
        """From dense masks ``(N, H, W)`` or any iterable of ``(H, W)``; every value but zero is inside.

        Args:
            size: (height, width), needed only where there may be no mask at all.

        Raises:
            DataError: masks that are not two-dimensional or of different shapes, or none and no ``size``.
        """
        runs = []
        if isinstance(masks, np.ndarray) and masks.ndim == 3:
            size = size or masks.shape[1:]
        for mask in masks:
            mask = np.asarray(mask)
            if mask.ndim != 2:
                raise DataError(f"a mask of shape {mask.shape}; masks are (N, H, W), or one (H, W) after the other")
            size = size or mask.shape
            if mask.shape != tuple(size):
                raise DataError(f"a mask of shape {mask.shape} among masks of shape {tuple(size)}; use one frame size")
            if mask.dtype != np.uint8:
                mask = (mask if mask.dtype == bool else mask != 0).view(np.uint8)
            mask = np.ascontiguousarray(mask)
            x, y, width, height = cv2.boundingRect(mask) if mask.size else (0, 0, 0, 0)
            crop = mask[y : y + height, x : x + width] != 0
            runs.append(rle.encode_crop(crop.view(np.uint8), x, y, mask.shape[0]))
        if size is None:
            raise DataError("no mask and no frame size; pass size=(height, width)")
        return cls._from_runs(runs, (int(size[0]), int(size[1])))

    @classmethod
    def from_crops(cls, crops: Iterable[tuple[np.ndarray, tuple[int, int]]], size: tuple[int, int]) -> Masks:
        """The inverse of :meth:`crop`: bool (h, w) windows and their corners (x, y), on a frame of (height, width).

        Raises:
            DataError: a window that reaches beyond the frame.
        """
        runs = []
        for crop, (x, y) in crops:
            if x < 0 or y < 0 or y + crop.shape[0] > size[0] or x + crop.shape[1] > size[1]:
                raise DataError(f"a window of {crop.shape} at {(x, y)} reaches beyond a frame of {tuple(size)}; cut it")
            runs.append(rle.encode_crop(np.ascontiguousarray(crop, bool).view(np.uint8), x, y, size[0]))
        return cls._from_runs(runs, (int(size[0]), int(size[1])))

    @classmethod
    def from_label_map(cls, raster: np.ndarray, ids: Sequence[int] | None = None) -> Masks:
        """From an id raster ``(H, W)`` in one pass; zero is background.

        Args:
            ids: the ids to take, in this order (an id that is absent gives an empty mask); by default all, ascending.

        Raises:
            DataError: not two-dimensional or not of whole numbers, or an id that is asked for twice.
        """
        raster = np.asarray(raster)
        if raster.ndim != 2 or raster.dtype.kind not in "iub":
            raise DataError(f"an id raster is (H, W) of whole numbers, not {raster.shape} of {raster.dtype}")
        # Python integers: NumPy would compare int64 with uint64 as floats and mistake huge ids for their neighbours.
        wanted = None if ids is None else [operator.index(value) for value in ids]
        if wanted is not None and len(set(wanted)) != len(wanted):
            twice = sorted({value for value in wanted if wanted.count(value) > 1})
            raise DataError(f"ids {twice} are asked for twice; name each once")
        if raster.size == 0:
            return cls._from_runs([np.zeros((0, 2), np.uint32)] * len(wanted or []), raster.shape)
        # The compiled pass takes 32 or 64 bits and compares only, so that the sign does not matter to it.
        small = raster.dtype.itemsize < 4 or raster.dtype.kind == "b"
        native = np.ascontiguousarray(raster, np.int32 if small else raster.dtype.newbyteorder("="))
        positions, values = rle.label_changes(native.view(f"i{native.dtype.itemsize}"))
        values = values.view(native.dtype)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > _MOST_LISTED:  # sparse ids: renumber them first
            known, values = np.unique(values, return_inverse=True)
            place = {value: k for k, value in enumerate(known.tolist())}
        else:
            values = values.astype(np.int64)
            place = {value: value for value in np.flatnonzero(np.bincount(values)).tolist()}
        wanted = [value for value in place if value != 0] if wanted is None else wanted
        slots = np.full(max(place.values()) + 1, -1, np.int32)
        for n, value in enumerate(wanted):
            if value in place:
                slots[place[value]] = n
        runs, offsets = rle.encode_labels(positions, values, slots, len(wanted), raster.size)
        return cls(runs, offsets, raster.shape)

    @classmethod
    def from_coco(cls, segmentations: Sequence[Segmentation], size: tuple[int, int]) -> Masks:
        """From COCO segmentations: compressed RLE, uncompressed RLE, or lists of polygons (drawn as pycocotools does).

        Raises:
            DataError: an RLE of another frame size, a broken code, or a polygon of fewer than three points.
        """
        height, width = size
        runs = []
        for i, segmentation in enumerate(segmentations):
            if isinstance(segmentation, dict):
                runs.append(_runs_of_rle(segmentation, height, width, i))
            elif isinstance(segmentation, (list, tuple)):
                runs.append(_runs_of_polygons(segmentation, height, width, i))
            else:
                raise DataError(f"mask {i}: {segmentation!r} is neither a run-length code nor a list of polygons")
        return cls._from_runs(runs, (height, width))

    @classmethod
    def concat(cls, parts: Sequence[Masks]) -> Masks:
        """All masks of several ``Masks`` of one frame size, in order. Raises DataError where the sizes differ."""
        if not parts:
            raise DataError("no masks to join; pass at least one Masks")
        if len({part.size for part in parts}) != 1:
            raise DataError(f"cannot join masks of frames {sorted({part.size for part in parts})}; use one frame size")
        return cls._from_runs([part._own(i) for part in parts for i in range(len(part))], parts[0].size)

    # --- reading --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __repr__(self) -> str:
        return f"Masks({len(self)} on {self.size[0]} x {self.size[1]})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Masks)
            and self.size == other.size
            and np.array_equal(self._offsets, other._offsets)
            and np.array_equal(self._runs, other._runs)
        )

    __hash__ = None

    def __getitem__(self, key: int | slice | np.ndarray | Sequence) -> Masks:
        chosen = np.atleast_1d(np.arange(len(self))[key])
        return self._from_runs([self._own(i) for i in chosen], self.size)

    def _own(self, i: int) -> np.ndarray:
        return self._runs[self._offsets[i] : self._offsets[i + 1]]

    @property
    def area(self) -> np.ndarray:
        """Pixels of each mask, int64 (N,)."""
        return self._areas

    @property
    def runs(self) -> np.ndarray:
        """The runs of all masks, uint32 (R, 2), for compiled passes; see :attr:`offsets`. Not to be changed."""
        return self._runs

    @property
    def offsets(self) -> np.ndarray:
        """int64 (N + 1): mask i owns ``runs[offsets[i]:offsets[i + 1]]``, half-open, down the columns."""
        return self._offsets

    @property
    def boxes(self) -> np.ndarray:
        """Tight boxes, int32 (N, 4), XYXY in pixels with exclusive ends; zeros for an empty mask."""
        return self._boxes

    def dense(self, i: int) -> np.ndarray:
        """Mask ``i`` as bool (H, W)."""
        out = np.zeros(self.size, np.uint8)
        rle.decode(self._own(i), self.size[0], self._boxes[i], 0, 0, out)
        return out.view(bool)

    def crop(self, i: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Mask ``i`` inside its box, bool (h, w), and the box's corner (x, y)."""
        x0, y0, x1, y1 = (int(v) for v in self._boxes[i])
        out = np.zeros((y1 - y0, x1 - x0), np.uint8)
        rle.decode(self._own(i), self.size[0], self._boxes[i], x0, y0, out)
        return out.view(bool), (x0, y0)

    def union(self) -> np.ndarray:
        """Pixels of any mask, bool (H, W)."""
        if len(self) == 1:
            return self.dense(0)
        return self._from_runs([rle.join(self._runs)], self.size).dense(0)

    def to_label_map(self, ids: Sequence[int] | None = None) -> np.ndarray:
        """Id raster int32 (H, W): mask i painted with ``ids[i]`` (by default i + 1), later masks over earlier ones.

        Raises:
            DataError: not one id a mask, or an id beyond 32 bits.
        """
        values = range(1, len(self) + 1) if ids is None else [operator.index(value) for value in ids]
        if len(values) != len(self):
            raise DataError(f"{len(values)} ids for {len(self)} masks; pass one id a mask")
        if values and not -(2**31) <= min(values) <= max(values) < 2**31:
            raise DataError(f"ids from {min(values)} to {max(values)} do not fit 32 bits; number the masks anew")
        out = np.zeros(self.size, np.int32)
        for i, value in enumerate(values):
            mask, (x, y) = self.crop(i)
            out[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = value
        return out

    def intersection(self, other: Masks) -> np.ndarray:
        """Pixels that each pair shares, int64 (N, M). Raises DataError where the frame sizes differ."""
        if self.size != other.size:
            raise DataError(f"masks of a {self.size} frame and of a {other.size} frame cannot overlap; use one size")
        return rle.intersections(self._runs, self._offsets, self._boxes, other._runs, other._offsets, other._boxes)

    def iou(self, other: Masks, crowd: np.ndarray | None = None) -> np.ndarray:
        """Intersection over union of each pair, float64 (N, M); two empty masks give 0.

        Args:
            crowd: bool (M,), where true the union is this mask's own area (COCO's crowd rule).
        """
        shared = self.intersection(other).astype(np.float64)
        union = self.area[:, None] + other.area[None, :] - shared
        if crowd is not None:
            union = np.where(np.asarray(crowd, bool)[None, :], self.area[:, None], union)
        return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)

    def codes(self) -> list[bytes]:
        """COCO's compressed run-length string of each mask."""
        data, ends = rle.pack(self._runs, self._offsets, self.size[0] * self.size[1])
        text, ends = data.tobytes(), ends.tolist()
        return [text[start:end] for start, end in pairwise(ends)]

    @classmethod
    def from_codes(cls, codes: Iterable[bytes], size: tuple[int, int]) -> Masks:
        """The inverse of :meth:`codes`. Raises DataError on a broken code or one of another frame size."""
        codes = list(codes)
        ends = np.zeros(len(codes) + 1, np.int64)
        np.cumsum([len(code) for code in codes], out=ends[1:])
        data = np.frombuffer(b"".join(codes), np.uint8)
        runs, offsets = rle.unpack_all(data, ends, int(size[0]) * int(size[1]))
        if len(offsets) == len(ends):
            return cls(runs, offsets, size)
        # One is broken; one by one they tell which.
        return cls.from_coco([{"size": size, "counts": code} for code in codes], size)

    def to_coco(self, compressed: bool = True) -> list[dict]:
        """COCO run-length dictionaries, the strings byte-equal to those of ``pycocotools.mask.encode``."""
        pixels = self.size[0] * self.size[1]
        if compressed:
            return [{"size": list(self.size), "counts": code.decode("ascii")} for code in self.codes()]
        return [
            {"size": list(self.size), "counts": rle.to_counts(self._own(i), pixels).tolist()} for i in range(len(self))
        ]


def _runs_of_rle(segmentation: dict, height: int, width: int, i: int) -> np.ndarray:
    size = segmentation.get("size")
    if not isinstance(size, (list, tuple)) or list(size) != [height, width]:
        raise DataError(
            f"mask {i}: its run-length code is of size {size}, the image of [{height}, {width}]; "
            "size is [height, width]: correct it or label the image again"
        )
    counts = segmentation.get("counts")
    if isinstance(counts, (str, bytes)):
        data = counts.encode("latin-1", "replace") if isinstance(counts, str) else counts
        counts = rle.unpack(np.frombuffer(data, np.uint8))
    else:
        try:
            listed = np.asarray(counts).ravel()
            with np.errstate(invalid="ignore"):  # NaN and infinity are told below
                counts = listed.astype(np.int64)
            whole = listed.dtype.kind in "iuf" and np.array_equal(counts, listed)
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole:
            raise DataError(f"mask {i}: 'counts' is neither a string nor a list of whole numbers")
    runs = rle.from_counts(counts, height * width)
    if len(runs) and runs[0, 1] < runs[0, 0]:
        raise DataError(
            f"mask {i}: its run-length code does not cover {height} x {width} pixels; it is broken or of another image"
        )
    return runs


def _runs_of_polygons(polygons: list, height: int, width: int, i: int) -> np.ndarray:
    from pycocotools import mask as coco  # polygon drawing exactly as COCO's tools do it

    flat = []
    for polygon in polygons:
        try:
            points = np.asarray(polygon, np.float64).ravel()
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"mask {i}: a polygon is a list of x, y numbers") from error
        if len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
            raise DataError(f"mask {i}: a polygon of {len(points)} numbers; it takes at least 3 points as x, y pairs")
        if np.abs(points).max() > 10 * max(height, width) + 1000:  # pycocotools walks every pixel of an edge
            raise DataError(f"mask {i}: a polygon reaches to {np.abs(points).max():g}, far outside; correct its points")
        flat.append(points.tolist())
    if not flat or height * width == 0:
        return np.zeros((0, 2), np.uint32)
    code = coco.merge(coco.frPyObjects(flat, height, width))
    return _runs_of_rle(code, height, width, i)
