"""Made pictures like a user's own: the table ``[match]`` of a preset, filled from the statistics of a data set.

First the quantiles of the user's set are put into the preset as they are. What comes out is not yet alike: light and
camera act on what was asked for, and what does not fit is not placed. So a few small pictures are made and measured,
each list is corrected by what it missed; the last round takes each list from where it came nearest, and the best round
is kept. A knob that brings pictures no nearer than the preset's own values is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips
from kizu.synth.formula.presets import Preset
from kizu.synth.formula.source import Formula
from kizu.synth.knobs import Knobs, axis_of, has
from kizu.synth.statistics import Statistics, measure, spread

_TRIAL = 320  # pixels of the shorter side of the pictures that are made to look how near they come

Draw = Callable[[Preset, int, tuple[int, int], int], Dataset]


@dataclass
class Fit:
    """What :func:`fit` did.

    Attributes:
        size: (H, W) that pictures are to be made with: the median of the user's.
        overrides: dotted keys of the preset and their values.
        knobs: what was fitted.
        target: statistics of the user's pictures, sizes as if they were of ``size``.
        before, after: those of made pictures, with the preset as it was and as it is (parts not labelled).
        rounds: sum of the distances of all knobs after each round; the smallest is the one that was kept.
        notes: what a user should know.
    """

    size: tuple[int, int]
    overrides: dict[str, Any]
    knobs: list[str]
    target: Statistics
    before: Statistics
    after: Statistics
    rounds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def distances(self) -> dict[str, tuple[float | None, float | None]]:
        """Knob -> earth mover's distance in bins to the user's pictures, before and after; None where none was made."""
        was, now = self.before.distances(self.target), self.after.distances(self.target)
        return {
            knob: tuple(d[axis]["moved"] if axis in d else None for d in (was, now))
            for knob, axis in ((knob, axis_of(knob)) for knob in self.knobs)
        }

    def record(self) -> dict[str, Any]:
        """As a JSON-able record."""
        return {
            "size": list(self.size),
            "overrides": self.overrides,
            "distances": {knob: {"before": was, "after": now} for knob, (was, now) in self.distances.items()},
            "rounds": self.rounds,
            "notes": self.notes,
        }


def fit(
    dataset: Dataset,
    preset: Preset,
    limit: int | None = 400,
    count: int = 120,
    rounds: int = 3,
    seed: int = 0,
    skips: Skips | None = None,
    step: Callable[[], object] | None = None,
    draw: Draw | None = None,
) -> tuple[Preset, Fit]:
    """Fit a preset to a user's pictures.

    Where the data set has instances, their sizes, numbers, aspects and contrasts are matched, and the share of pictures
    without any; of a folder of clean pictures only brightness, colour, noise and texture.

    Args:
        preset: one with a table ``[match]`` (``industrial`` and what is based on it).
        limit: pictures of the user that are measured at most, evenly spread.
        count: pictures that are made for each round.
        rounds: corrections; 0 takes the user's quantiles as they are.
        seed: of the pictures that are made.
        skips: notes pictures that cannot be read; without it the first one is an error.
        step: called after each picture that was measured: :func:`steps` in all.
        draw: makes pictures (preset, count, size, seed); by default :class:`Formula`.

    Returns:
        the preset with the fitted values, and what was done.

    Raises:
        KizuError: a preset that cannot be matched, or a data set without pictures.
        DataError: a picture cannot be read, and there is no ``skips`` or it is strict.
    """
    if not isinstance(preset.values.get("match"), dict):
        raise KizuError(f"preset {preset.name} cannot be matched to pictures: it has no table [match]; take industrial")
    draw = draw or (lambda *what: Formula(*what).dataset())
    size = _median_size(dataset)
    shrink = min(_TRIAL / min(size), 1.0)
    trial = (max(round(size[0] * shrink), 32), max(round(size[1] * shrink), 32))
    frame = min(size)
    target = measure(dataset, limit=limit, frame=frame, skips=skips, step=step)
    if not target.images:
        raise KizuError(
            "no picture of the data set could be read, so there is nothing to be like; see what was skipped"
        )
    state = Knobs.of(target, preset)

    def made(with_preset: Preset) -> Statistics:
        return measure(draw(with_preset, count, trial, seed), frame=frame, step=step)

    before = made(preset.override({"label.parts": False} if has(preset.values, "label.parts") else {}))
    plain = _far(before, target, state.names)
    tried: list[tuple[Knobs, Statistics, dict[str, float]]] = []
    for k in range(rounds + 1):
        if k:
            last = k == rounds and k > 1
            state = _best_of_each(tried, plain) if last else state.corrected(tried[-1][1], target, tried[0][0])
        now = made(preset.override(state.overrides(preset, min(trial) / frame)))
        tried.append((state, now, _far(now, target, state.names)))
    scores = [round(sum(far.values()), 4) for *_, far in tried]
    best, after, _ = tried[int(np.argmin(scores))]
    overrides = best.overrides(preset)
    report = Fit(size, overrides, best.names, target, before, after, scores, _notes(target, size))
    return preset.override(overrides), report


def steps(dataset: Dataset, limit: int | None = 400, count: int = 120, rounds: int = 3) -> int:
    """Pictures that :func:`fit` measures in all, for a progress bar."""
    return len(spread(len(dataset), limit)) + (rounds + 2) * count


def _far(made: Statistics, target: Statistics, knobs: list[str]) -> dict[str, float]:
    """Distance of each knob in bins; what was not made at all counts as half the axis."""
    distances = made.distances(target)
    axes = {knob: axis_of(knob) for knob in knobs}
    return {
        knob: distances[axis]["moved"] if axis in distances else target.counts[axis].size / 2
        for knob, axis in axes.items()
    }


def _best_of_each(tried: list[tuple[Knobs, Statistics, dict[str, float]]], plain: dict[str, float]) -> Knobs:
    """Each knob as it was in the round where it came nearest, [] where the preset alone (``plain``) came as near."""

    def nearest(knob: str) -> Knobs:
        return min(tried, key=lambda one: one[2].get(knob, 0.0))[0]

    useful = {knob: min(far[knob] for *_, far in tried) < plain[knob] for knob in tried[0][0].lists}
    lists = {knob: nearest(knob).lists[knob] if use else [] for knob, use in useful.items()}
    counts, colour = nearest("counts"), nearest("colour")
    return replace(tried[0][0], lists=lists, counts=counts.counts, clean=counts.clean, colour=colour.colour)


def _median_size(dataset: Dataset) -> tuple[int, int]:
    """Median (H, W) of pictures of a data set, from their headers; those that cannot be read are told of later."""
    sizes = []
    for i in spread(len(dataset), 200):
        try:
            sizes.append(dataset[i].size)
        except DataError:
            continue
    if not sizes:
        raise KizuError("the data set has no picture that can be read, so there is nothing to be like; run kizu check")
    height, width = np.median(sizes, axis=0)
    # Thin strips and huge pictures are beyond what is made in one piece.
    return int(np.clip(height, 32, 8192)), int(np.clip(width, 32, 8192))


def _notes(target: Statistics, size: tuple[int, int]) -> list[str]:
    out = []
    if not target.instances:
        out.append("the pictures have no labelled instances: only brightness, colour, noise and texture were matched")
    elif target.instances < 30:
        out.append(f"{target.instances} instances are few: sizes, aspects and contrasts are matched roughly")
    if target.images < 10:
        out.append(f"{target.images} pictures are few: how much they differ is hardly known")
    if len(target.frames) > 1:
        out.append(f"the pictures differ in size; made ones are {size[1]} x {size[0]}, their median")
    return out
