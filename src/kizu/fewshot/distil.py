"""``--distil``: a small student learns to see what a slow teacher sees, on the user's own pictures.

The student sees a picture at half the size at which the teacher sees it: the teacher at its native size, the student at
half of that, so that the student is quick. (EfficientAD, Batzner et al. 2023, has the teacher look at twice the size
instead, which is as sharp, and no quicker than before.) It learns from all pictures of the data set, labelled or not,
and from formula images, by the squared error of standardised channels. What it is worth beside the teacher is measured
on the same left-out pictures, and said in the card.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kizu.core.errors import KizuError, optional
from kizu.core.inspector import Inspector
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.evaluation.histogram import BINS, average_precision, tally, to_bins
from kizu.fewshot.lessons import PRESET, Lessons
from kizu.fewshot.network import Network
from kizu.inspection.calibrate import Expected

MINUTES = 5.0

Pairs = list[list[tuple[np.ndarray, np.ndarray]]]
Fit = Callable[[Network, Skips, Callable[[Pairs], None]], tuple[Inspector, list[Expected]]]


@dataclass(frozen=True)
class Student:
    """A student, and how it was taught.

    Attributes:
        network: it, exported.
        explained: share of the variance of the teacher's standardised channels on pictures that it has not learned
            from.
        steps, pictures: of the training; pictures of the user, formula images not counted.
        held: pictures that ``explained`` is of.
    """

    network: Network
    explained: float
    steps: int
    pictures: int
    held: int


def distil(
    teacher: Network,
    pictures: Sequence[Sample],
    minutes: float | None,
    steps: int | None = None,
    turns: bool = True,
    seed: int = 0,
    skips: Skips | None = None,
) -> Student:
    """Teach a student.

    Args:
        pictures: of the user, with labels or without; random access.
        minutes: on this machine; the same minutes need not give the same student twice.
        steps: in place of minutes.
        turns: pictures may be turned and flipped.
        seed: of all chance.
        skips: notes pictures that cannot be read.

    Raises:
        KizuError: torch is missing, no time, no picture can be read, or training fails.
    """
    if steps is None and not (minutes and minutes > 0):
        raise KizuError(f"--minutes {minutes}: a student takes minutes; 5 to 30 are usual")
    for name in ("torch", "accelerate", "onnx", "onnxscript"):
        optional(name, "train")
    from kizu.fewshot.nets.distil_task import teach

    lessons = Lessons(teacher, pictures, seed, turns)
    network, done = teach(lessons, minutes, steps, seed, skips is not None and skips.strict)
    if skips is not None:
        skips.items += [item for item in done.skipped if item not in skips.items]
    return Student(network, done.figures["score"], done.steps, lessons.pictures, len(lessons.held))


def fit_student(student: Student, teacher: Network, fit: Fit, skips: Skips, images: Sequence[np.ndarray]):
    """Fit with the student, and once more with the teacher to compare; the card says what was met.

    Args:
        fit: to a network; the last argument hears the held-out pairs of :func:`kizu.fewshot.fit.fit_fewshot`.
        images: uint8 (H, W, 3) RGB, by which both are timed.

    Returns:
        the inspector with the student, and what to expect of it.
    """
    met: list[dict[str, Any]] = []
    calls: list[Callable[[np.ndarray], object]] = []
    for network, notes in ((teacher, Skips(skips.strict)), (student.network, skips)):
        heard: list[Pairs] = []
        inspector, expected = fit(network, notes, heard.append)
        precisions = [precision(pairs) for pairs in heard[0]]
        ious = [item.iou for item in expected[: len(precisions)]]  # of the classes that are labelled
        met.append({"outline IoU": _by_class(inspector, ious), "pixel AP": _by_class(inspector, precisions)})
        calls += [inspector.inspect, partial(_looked, network)]
    times = [round(value, 1) for value in _milliseconds(calls, images)]
    for k, own in enumerate(met):
        own |= {"milliseconds": times[2 * k], "milliseconds of the network": times[2 * k + 1]}
    record = {"explained variance": round(student.explained, 4), "steps": student.steps}
    record |= {"pictures": student.pictures, "pictures held out": student.held}
    inspector.card.figures |= {"teacher": {"name": teacher.name} | met[0], "student": record | met[1]}
    inspector.card.notes.append(_note(student, teacher, met))
    inspector.card.architecture += f"; the student is kizu-s at half size, taught for {student.steps} steps"
    return inspector, expected


def precision(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Average precision of the pixels of held-out pictures, pooled; None without any.

    Args:
        pairs: (log odds float (H, W), truth bool (H, W)).
    """
    counts = np.zeros((2, BINS), np.int64)
    for odds, truth in pairs:
        scores = 1 / (1 + np.exp(-np.asarray(odds, np.float32)))
        tally(to_bins(scores, "held-out pictures"), truth, None, *counts)
    return average_precision(*counts)


def _by_class(inspector: Inspector, values: list[float | None]) -> dict[str, float | None]:
    there = [None if value is None else round(float(value), 4) for value in values]
    return dict(zip(inspector.names[: len(there)], there, strict=True))


def _looked(network: Network, image: np.ndarray) -> None:
    for _ in network.look(image):
        pass


def _milliseconds(calls: Sequence[Callable[[np.ndarray], object]], images: Sequence[np.ndarray]) -> list[float]:
    """Median time that each takes for a picture, side by side."""
    for call in calls:
        call(images[0])  # the first one plans
    times: list[list[float]] = [[] for _ in calls]
    for image in images:
        for call, own in zip(calls, times, strict=True):
            began = time.perf_counter()
            call(image)
            own.append(time.perf_counter() - began)
    return [1000 * statistics.median(own) for own in times]


def _note(student: Student, teacher: Network, met: list[dict[str, Any]]) -> str:
    def both(name: str) -> str:
        return " against ".join(_percent(met[k][name].values()) for k in (1, 0))

    ms, own = ([met[k][name] for k in (1, 0)] for name in ("milliseconds", "milliseconds of the network"))
    return (
        f"It looks with a student of {teacher.name}, taught for {student.steps} steps on {student.pictures} pictures "
        f"and on formula images ({PRESET}); it explains {student.explained:.0%} of the variance of the teacher's "
        f"features on {student.held} pictures that it had not learned from. Student against teacher, on the pictures "
        f"left out of the fit (the student had seen them, without labels): outline IoU {both('outline IoU')}, pixel AP "
        f"{both('pixel AP')}; {ms[0]:.0f} against {ms[1]:.0f} ms a picture, of these the network {own[0]:.0f} and "
        f"{own[1]:.0f}."
    )


def _percent(values) -> str:
    """The mean over classes."""
    there = [value for value in values if value is not None]
    return f"{np.mean(there):.1%}" if there else "unknown"
