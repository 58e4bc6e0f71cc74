"""Made pictures like a user's own: the table ``[match]`` of a preset, filled from the statistics of a data set.

First the quantiles of the user's set are put into the preset as they are. What comes out is not yet alike: light and
camera act on what was asked for, and what does not fit is not placed. So a few small pictures are made and measured,
each list is corrected by what it missed, and the best round is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips
from kizu.synth.appearance import COLOURLESS
from kizu.synth.formula.presets import Preset
from kizu.synth.formula.source import Formula
from kizu.synth.statistics import Statistics, measure, spread

# Lists of quantiles in [match]: the axis that each is measured on, and what is added to both sides of a correction, so
# that a value of nothing at all does not make it boundless.
OF_DEFECTS = {"sizes": ("defect_size", 0.5), "aspects": ("defect_aspect", 0.1), "contrasts": ("defect_contrast", 0.1)}
OF_PICTURES = {"brightness": ("brightness", 2.0), "noise": ("noise", 0.1), "texture": ("texture_fine", 0.25)}
_QUANTILES = 21
_MOST_COUNT = 40  # instances of one picture
_TRIAL = 320  # pixels of the shorter side of the pictures that are made to look how near they come
_DAMPING = 0.8  # of a correction; more would swing
_STEP = 2.5  # largest factor of a correction

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
            for knob, axis in ((knob, _axis(knob)) for knob in self.knobs)
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
    state = _State.of(target, preset)

    def made(with_preset: Preset) -> Statistics:
        return measure(draw(with_preset, count, trial, seed), frame=frame, step=step)

    before = made(preset.override({"label.parts": False} if _has(preset.values, "label.parts") else {}))
    best, after, scores = state, None, []
    for k in range(rounds + 1):
        now = made(preset.override(state.overrides(preset, min(trial) / frame)))
        scores.append(round(_far(now, target, state.knobs), 4))
        if after is None or scores[-1] < min(scores[:-1]):
            best, after = state, now
        if k < rounds:
            state = state.corrected(now, target)
    overrides = best.overrides(preset)
    report = Fit(size, overrides, best.knobs, target, before, after, scores, _notes(target, size))
    return preset.override(overrides), report


def steps(dataset: Dataset, limit: int | None = 400, count: int = 120, rounds: int = 3) -> int:
    """Pictures that :func:`fit` measures in all, for a progress bar."""
    return len(spread(len(dataset), limit)) + (rounds + 2) * count


@dataclass
class _State:
    """The fitted values of one round, sizes in pixels of pictures of the user's size."""

    lists: dict[str, list[float]]
    counts: list[float]  # probabilities of 0, 1, 2, ... instances
    clean: float | None
    colour: list[list[float]]
    coloured: float
    labelled: bool

    @classmethod
    def of(cls, target: Statistics, preset: Preset) -> _State:
        labelled = target.instances > 0
        chosen = OF_PICTURES | (OF_DEFECTS if labelled else {})
        lists = {knob: target.quantiles(axis, _QUANTILES) for knob, (axis, _) in chosen.items()}
        # The preset may be an older or a user's own; what it does not know cannot be asked of it.
        lists = {knob: values for knob, values in lists.items() if knob in preset.values["match"]}
        grey = target.counts["chroma"].sum() and target.quantiles("chroma", 21)[19] < COLOURLESS
        return cls(
            lists,
            _shares(target.counts["defects"]) if labelled else [],
            target.clean / target.labelled if labelled else None,
            [] if grey else target.palette(),
            0.0 if grey else 1.0,
            labelled,
        )

    @property
    def knobs(self) -> list[str]:
        return list(self.lists) + (["counts"] if self.counts else []) + (["colour"] if self.colour else [])

    def overrides(self, preset: Preset, scale: float = 1.0) -> dict[str, Any]:
        """Keys of the preset and values; sizes times ``scale``."""
        out: dict[str, Any] = {}
        for knob, values in self.lists.items():
            factor = scale if knob == "sizes" else 1.0
            out[f"match.{knob}"] = [round(v * factor, 4) for v in values]
        if self.counts:
            out["match.counts"] = [round(v, 5) for v in self.counts]
            out["scene.clean"] = round(self.clean, 4)
            out["label.parts"] = False  # the user's labels are of defects, not of parts
        if self.colour:
            out["match.colour"] = [[round(v, 2) for v in triple] for triple in self.colour]
        out["scene.colour"] = self.coloured
        return {key: value for key, value in out.items() if _has(preset.values, key)}

    def corrected(self, made: Statistics, target: Statistics) -> _State:
        """The next round: each value times what is wanted over what came out, damped."""
        lists = {}
        for knob, values in self.lists.items():
            axis, slack = (OF_PICTURES | OF_DEFECTS)[knob]
            came = made.quantiles(axis, _QUANTILES)
            lists[knob] = values if not came else _times(values, target.quantiles(axis, _QUANTILES), came, slack, knob)
        counts, clean = self.counts, self.clean
        if counts:
            wanted, came = np.array(_shares(target.counts["defects"])), np.array(_shares(made.counts["defects"]))
            size = len(counts)
            wanted, came = (np.pad(v, (0, max(size - len(v), 0)))[:size] for v in (wanted, came))
            new = np.array(counts) * np.clip((wanted + 0.02) / (came + 0.02), 1 / _STEP, _STEP) ** _DAMPING
            counts = (new / new.sum()).tolist()
            clean = float(np.clip(clean + _DAMPING * (wanted[0] - came[0]), 0, 1))
        colour = self.colour
        if colour:
            ratio = _mean_colour(target) / np.maximum(_mean_colour(made), 1.0)
            ratio = np.clip(ratio / ratio.mean(), 1 / _STEP, _STEP) ** _DAMPING
            colour = np.clip(np.array(colour) * ratio, 0, 255).tolist()
        return _State(lists, counts, clean, colour, self.coloured, self.labelled)


def _times(values: list[float], wanted: list[float], came: list[float], slack: float, knob: str) -> list[float]:
    ratio = (np.array(wanted) + slack) / (np.array(came) + slack)
    new = np.array(values) * np.clip(ratio, 1 / _STEP, _STEP) ** _DAMPING
    low, high = {"sizes": (1, np.inf), "aspects": (1, np.inf), "brightness": (1, 255)}.get(knob, (0, np.inf))
    return np.maximum.accumulate(np.clip(new, low, high)).tolist()


def _axis(knob: str) -> str:
    return {"counts": "defects", "colour": "chroma"}.get(knob) or (OF_PICTURES | OF_DEFECTS)[knob][0]


def _far(made: Statistics, target: Statistics, knobs: list[str]) -> float:
    """Sum over the knobs of the distances in bins; what was not made at all counts as half the axis."""
    distances = made.distances(target)
    return float(
        sum(
            distances[axis]["moved"] if axis in distances else target.counts[axis].size / 2
            for axis in map(_axis, knobs)
        )
    )


def _shares(counts: np.ndarray) -> list[float]:
    """Counts as probabilities of 0, 1, 2, ...; three at least, or a preset would take them for a range."""
    last = min(max(int(np.flatnonzero(counts).max(initial=0)) + 1, 3), _MOST_COUNT)
    kept = counts[:last].astype(float)
    kept[-1] += counts[last:].sum()
    return (kept / max(kept.sum(), 1)).tolist()


def _mean_colour(statistics: Statistics) -> np.ndarray:
    """Mean RGB of all pictures, float64 (3,)."""
    sums = np.array(list(statistics.colours.values()), float).reshape(-1, 4).sum(0)
    return sums[1:] / max(sums[0], 1)


def _has(values: dict[str, Any], key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


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
