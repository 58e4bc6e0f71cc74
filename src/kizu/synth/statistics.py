"""Statistics of a data set: histograms of what is on its pictures and of how they look, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.appearance import TEXTURES, appearance
from kizu.synth.axes import AXES
from kizu.synth.contrast import contrasts
from kizu.synth.elongation import elongations

NOT_DEFECTS = "not_defects"  # in ``Dataset.info``: names of classes that are no defects (parts, distractors)
_FORM = "kizu-statistics/1"
_COCO = (32.0**2, 96.0**2)  # pixels: below small, below medium, from there on large
_COARSE = 8  # levels of a channel in one cell of the table of colours
_MOST_FRAMES = 64  # sizes of pictures told apart
_RUN = 4  # pictures in a row: shards read several at a time, but neighbours may be alike


class Statistics:
    """Counts over pictures; two can be added.

    Attributes:
        images: pictures measured.
        labelled: those that somebody has labelled; the others count for surface and light only.
        clean: labelled pictures without a defect.
        instances: on labelled pictures.
        hidden: instances whose visible ratio is known and 0: not to be seen at all.
        sizes: int64 (3,), small, medium and large instances as COCO has them (32 and 96 pixels).
        classes: instances by class name.
        frames: pictures by size, ``"H x W"`` (the first 64 sizes; ``"other"`` for the rest).
        counts: histograms int64 (B,), by name of :data:`kizu.synth.axes.AXES`.
        totals: sum of the values of each, for exact means.
        colours: cell ``"r g b"`` of mean colours -> [pictures, sum of red, of green, of blue].
    """

    def __init__(self):
        self.images = self.labelled = self.clean = self.instances = self.hidden = 0
        self.sizes = np.zeros(3, np.int64)
        self.classes: dict[str, int] = {}
        self.frames: dict[str, int] = {}
        self.counts = {name: np.zeros(axis.bins, np.int64) for name, axis in AXES.items()}
        self.totals = dict.fromkeys(AXES, 0.0)
        self.colours: dict[str, list[float]] = {}

    # --- counting -------------------------------------------------------------------------------------------------

    def add(
        self, sample: Sample, names: Collection[str], not_defects: Collection[str] = (), frame: int | None = None
    ) -> None:
        """Measure one picture and what is on it.

        Args:
            names: class names, by label.
            not_defects: those that are no defects.
            frame: sizes are counted as if the shorter side of each picture had so many pixels; None: as they are.

        Raises:
            DataError: the picture or its labels cannot be read. Nothing is counted then.
        """
        image = sample.image
        look = appearance(image)
        found = sample.instances if sample.labelled else None
        measured = None if found is None else _measured(image, found, frame)
        labels = [] if found is None else [names[k] if k < len(names) else f"class {k}" for k in found.labels.tolist()]
        self.images += 1
        place = "{} x {}".format(*image.shape[:2])
        place = place if place in self.frames or len(self.frames) < _MOST_FRAMES else "other"
        self.frames[place] = self.frames.get(place, 0) + 1
        for name in ("brightness", "chroma", "hue", "noise", *TEXTURES):
            if name in look:
                self._count(name, np.array([look[name]]))
        mean = [look["red"], look["green"], look["blue"]]
        cell = " ".join(str(int(v) // _COARSE) for v in mean)
        self.colours[cell] = [a + b for a, b in zip(self.colours.get(cell, [0, 0, 0, 0]), [1, *mean], strict=True)]
        if measured is None:
            return
        defect = np.array([name not in not_defects for name in labels], bool)
        self.labelled += 1
        self.clean += not defect.any()
        self.instances += len(labels)
        self._count("count", np.array([float(len(labels))]))
        self._count("defects", np.array([float(defect.sum())]))
        for name in labels:
            self.classes[name] = self.classes.get(name, 0) + 1
        for name, values in measured.items():
            if name == "area":
                self.sizes += np.bincount(np.searchsorted(_COCO, values, "right"), minlength=3)
                continue
            self._count(name, values[np.isfinite(values)])
            if f"defect_{name}" in AXES:
                self._count(f"defect_{name}", values[defect])
        self.hidden += int((measured["visible"] == 0).sum())

    def _count(self, name: str, values: np.ndarray) -> None:
        axis = AXES[name]
        self.counts[name] += np.bincount(axis.bin(values), minlength=axis.bins)
        self.totals[name] += float(values.sum())

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both data sets together."""
        out = Statistics()
        for name in ("images", "labelled", "clean", "instances", "hidden", "sizes"):
            setattr(out, name, getattr(self, name) + getattr(other, name))
        for name in AXES:
            out.counts[name] = self.counts[name] + other.counts[name]
            out.totals[name] = self.totals[name] + other.totals[name]
        for part in (self, other):
            for name, count in part.classes.items():
                out.classes[name] = out.classes.get(name, 0) + count
            for name, count in part.frames.items():
                place = name if name in out.frames or len(out.frames) < _MOST_FRAMES else "other"
                out.frames[place] = out.frames.get(place, 0) + count
            for cell, sums in part.colours.items():
                old = out.colours.get(cell, [0, 0, 0, 0])
                out.colours[cell] = [a + b for a, b in zip(old, sums, strict=True)]
        return out

    # --- reading --------------------------------------------------------------------------------------------------

    def known(self, name: str) -> bool:
        """Whether anything was counted on an axis."""
        return bool(self.counts[name].any())

    def mean(self, name: str) -> float | None:
        """Exact mean of an axis, or None where nothing was counted."""
        count = int(self.counts[name].sum())
        return self.totals[name] / count if count else None

    def quantiles(self, name: str, count: int = 11) -> list[float]:
        """Evenly spaced quantiles, lowest to highest, to the width of a bin; [] where nothing was counted."""
        if not self.known(name):
            return []
        return AXES[name].quantiles(self.counts[name], np.linspace(0, 1, count)).tolist()

    def palette(self, most: int = 64) -> list[list[float]]:
        """Mean colours of the pictures, RGB 0..255, each as often as its pictures ask for, ``most`` in all at most."""
        cells = sorted(self.colours.items(), key=lambda item: -item[1][0])
        share = max(self.images / most, 1)
        out = []
        for _, (count, *sums) in cells:
            out += [[round(v / count, 2) for v in sums]] * max(round(count / share), 1)
        return out[:most]

    def figures(self) -> dict[str, float | None]:
        """The figures of a data card; None where nothing was counted that could tell it."""

        def share(part: int, whole: int) -> float | None:
            return part / whole if whole else None

        ratios = int(self.counts["visible"].sum())
        contrast = self.quantiles("defect_contrast", 3)
        return {
            "small share": share(int(self.sizes[0]), self.instances),
            "medium share": share(int(self.sizes[1]), self.instances),
            "large share": share(int(self.sizes[2]), self.instances),
            "instances an image": share(self.instances, self.labelled),
            "mean visible ratio": self.mean("visible"),
            "hidden share": share(self.hidden, ratios),
            "defect-free share": share(self.clean, self.labelled),
            "mean contrast": self.mean("contrast"),
            "median defect contrast": contrast[1] if contrast else None,
            "mean brightness": self.mean("brightness"),
            "mean noise": self.mean("noise"),
        }  # fmt: skip

    def distances(self, other: Statistics) -> dict[str, dict[str, float]]:
        """How far each histogram is from that of another data set (:meth:`Axis.distance`); those that both have."""
        both = [name for name in AXES if self.known(name) and other.known(name)]
        return {name: AXES[name].distance(self.counts[name], other.counts[name]) for name in both}

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able record."""
        plain = ("images", "labelled", "clean", "instances", "hidden", "classes", "frames", "colours", "totals")
        out = {"format": _FORM} | {name: getattr(self, name) for name in plain}
        return out | {"sizes": self.sizes.tolist(), "counts": {name: c.tolist() for name, c in self.counts.items()}}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Statistics:
        """The inverse of :meth:`to_json`. Raises KizuError on anything else."""
        out = cls()
        try:
            if record["format"] != _FORM:
                raise ValueError(record["format"])
            for name in ("images", "labelled", "clean", "instances", "hidden"):
                setattr(out, name, int(record[name]))
            for name in ("classes", "frames", "colours"):
                setattr(out, name, dict(record[name]))
            out.sizes = np.array(record["sizes"], np.int64).reshape(3)
            for name, axis in AXES.items():
                out.counts[name] = np.array(record["counts"][name], np.int64).reshape(axis.bins)
                out.totals[name] = float(record["totals"][name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise KizuError(f"these are no statistics of a data set ({error!r}); measure the data set again") from error
        return out


def measure(
    dataset: Dataset | Iterable[Sample],
    names: Collection[str] | None = None,
    limit: int | None = None,
    not_defects: Collection[str] | None = None,
    frame: int | None = None,
    skips: Skips | None = None,
    step: Callable[[], object] | None = None,
) -> Statistics:
    """Measure a data set, one picture after the other.

    Args:
        dataset: a data set, or samples one after the other (then ``names`` are needed).
        names: class names, by label; those of the data set.
        limit: measure so many pictures at most, those of :func:`spread`.
        not_defects: names of classes that are no defects; by default what ``dataset.info["not_defects"]`` says.
        frame: see :meth:`Statistics.add`.
        skips: notes pictures that cannot be read; without it the first one is an error.
        step: called after each picture.

    Raises:
        DataError: a picture cannot be read, and there is no ``skips`` or it is strict.
    """
    out, skips = Statistics(), skips or Skips(strict=True)
    known = isinstance(dataset, Dataset)
    if not known and limit is not None:
        raise KizuError("a limit needs a data set: samples that come one after the other cannot be spread over it")
    names = tuple(dataset.names if known and names is None else names or ())
    apart = dataset.info.get(NOT_DEFECTS, ()) if known and not_defects is None else not_defects or ()
    if known:
        samples = (_asked(dataset, i) for i in spread(len(dataset), limit))
    else:
        samples = ((sample.id, lambda sample=sample: sample) for sample in dataset)
    for name, ask in samples:
        with skips.item(name):
            out.add(ask(), names, frozenset(apart), frame)
        if step:
            step()
    return out


def _asked(dataset: Dataset, i: int) -> tuple[str, Callable[[], Sample]]:
    return f"image {i}", lambda: dataset[i]


def spread(count: int, limit: int | None) -> list[int]:
    """Which of ``count`` pictures stand for all, without chance: stretches of 4, the first and others evenly apart."""
    if limit is None or limit >= count:
        return list(range(count))
    blocks = -(-count // _RUN)
    wanted = min(max(-(-limit // _RUN), 1), blocks)
    each = -(-limit // wanted)  # pictures of a stretch
    out = []
    for k in range(wanted):
        first = k * (blocks - 1) // max(wanted - 1, 1) * _RUN
        out += range(first, min(first + each, count))
    # The last stretch may be short: what lacks is taken from the front.
    taken = set(out)
    out += [i for i in range(count) if i not in taken][: max(limit - len(out), 0)]
    return sorted(out[:limit])


def _measured(image: np.ndarray, found: Instances, frame: int | None) -> dict[str, np.ndarray]:
    """Values of each instance; a visible ratio that is not known is NaN and is not counted."""
    if found.masks is not None and found.masks.size != image.shape[:2]:
        raise DataError(f"masks of {found.masks.size} on an image of {image.shape[:2]}; label the image again")
    area = np.prod(np.maximum(found.boxes[:, 2:] - found.boxes[:, :2], 0), 1, dtype=np.float64)
    if found.masks is not None:
        has = found.attributes.get("has_mask", np.ones(len(found), bool)).astype(bool)
        area = np.where(has, found.masks.area, area)
    scale = 1.0 if frame is None else frame / min(image.shape[:2])
    return {
        "area": area,
        "size": np.sqrt(area) * scale,
        "aspect": elongations(found),
        "visible": _visible(found),
        "contrast": contrasts(image, found).astype(np.float64),
    }


def _visible(found: Instances) -> np.ndarray:
    if found.masks is not None and found.amodal is not None:
        return found.masks.area / np.maximum(found.amodal.area, 1)
    values = found.attributes.get("visible_ratio", np.full(len(found), np.nan))
    numbers = [v if isinstance(v, (int, float)) and 0 <= v <= 1 else np.nan for v in values.tolist()]
    return np.array(numbers, np.float64)
