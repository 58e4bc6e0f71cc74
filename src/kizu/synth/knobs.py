"""The knobs of ``[match]``: what is asked of a preset, and how that is corrected by what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.synth.appearance import COLOURLESS
from kizu.synth.formula.presets import Preset
from kizu.synth.statistics import Statistics

# Lists of quantiles in [match]: the axis that each is measured on, and what is added to both sides of a correction, so
# that a value of nothing at all does not make it boundless.
OF_DEFECTS = {"sizes": ("defect_size", 0.5), "aspects": ("defect_aspect", 0.1), "contrasts": ("defect_contrast", 0.1)}
OF_PICTURES = {"brightness": ("brightness", 2.0), "noise": ("noise", 0.1), "texture": ("texture_fine", 0.25)}
_QUANTILES = 21
_MOST_COUNT = 40  # instances of one picture
_DAMPING = 0.8  # of a correction; more would swing
_STEP = np.log(2.5)  # largest correction of a round,
_FARTHEST = 6.0  # and the largest factor of all together


@dataclass
class Knobs:
    """The values of one round.

    Attributes:
        lists: knob of :data:`OF_PICTURES` or :data:`OF_DEFECTS` -> quantiles, sizes in pixels of pictures of the user's
            size; [] leaves it to the preset.
        counts: probabilities of 0, 1, 2, ... defects; [] without labels.
        clean: share of pictures without a defect; None without labels.
        colour: mean colours RGB 0..255; [] for grey pictures.
    """

    lists: dict[str, list[float]]
    counts: list[float]
    clean: float | None
    colour: list[list[float]]

    @classmethod
    def of(cls, target: Statistics, preset: Preset) -> Knobs:
        """What the user's pictures ask for, as it was measured."""
        labelled = target.instances > 0
        chosen = OF_PICTURES | (OF_DEFECTS if labelled else {})
        lists = {knob: target.quantiles(axis, _QUANTILES) for knob, (axis, _) in chosen.items()}
        # The preset may be an older or a user's own; what it does not know cannot be asked of it.
        lists = {knob: values for knob, values in lists.items() if knob in preset.values["match"]}
        grey = target.quantiles("chroma", 21)[19] < COLOURLESS  # nineteen of twenty
        return cls(
            lists,
            _shares(target.counts["defects"]) if labelled else [],
            target.clean / target.labelled if labelled else None,
            [] if grey else target.palette(),
        )

    @property
    def names(self) -> list[str]:
        """Those that the user's pictures tell something about."""
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
        out["scene.colour"] = 1.0 if self.colour else 0.0
        if "surface" in preset.values.get("scene", {}).get("kinds", {}):
            out["scene.kinds"] = {"surface": 1}  # parts cannot be fitted: whoever wants them sets the key himself
        return {key: value for key, value in out.items() if has(preset.values, key)}

    def corrected(self, made: Statistics, target: Statistics, first: Knobs) -> Knobs:
        """The next round: each value times what is wanted over what came out, damped."""
        lists = {}
        for knob, values in self.lists.items():
            axis, slack = (OF_PICTURES | OF_DEFECTS)[knob]
            came = made.quantiles(axis, _QUANTILES)
            wanted = target.quantiles(axis, _QUANTILES)
            lists[knob] = _times(values, wanted, came, slack, first.lists[knob], knob) if values and came else values
        counts, clean = self.counts, self.clean
        if counts:
            wanted, came = np.array(_shares(target.counts["defects"])), np.array(_shares(made.counts["defects"]))
            size = len(counts)
            wanted, came = (np.pad(v, (0, max(size - len(v), 0)))[:size] for v in (wanted, came))
            new = np.array(counts) * np.clip((wanted + 0.02) / (came + 0.02), 0.4, 2.5) ** _DAMPING
            counts = (new / new.sum()).tolist()
            clean = float(np.clip(clean + _DAMPING * (wanted[0] - came[0]), 0, 1))
        colour = self.colour
        if colour:
            ratio = _mean_colour(target) / np.maximum(_mean_colour(made), 1.0)
            ratio = np.clip(ratio / ratio.mean(), 0.4, 2.5) ** _DAMPING
            colour = np.clip(np.array(colour) * ratio, 0, 255).tolist()
        return Knobs(lists, counts, clean, colour)


def _times(
    values: list[float], wanted: list[float], came: list[float], slack: float, first: list[float], knob: str
) -> list[float]:
    step = np.log((np.array(wanted) + slack) / (np.array(came) + slack))
    # Few instances make each quantile uncertain: neighbours are corrected alike.
    step = np.convolve(np.pad(step, 2, "edge"), np.array([1, 2, 3, 2, 1]) / 9, "valid")
    new = np.sort(np.array(values) * np.exp(np.clip(_DAMPING * step, -_STEP, _STEP)))
    # What cannot be reached (a contrast beyond black) is not asked for ever more loudly.
    new = np.clip(new, np.array(first) / _FARTHEST, np.array(first) * _FARTHEST)
    low, high = {"sizes": (1, np.inf), "aspects": (1, np.inf), "brightness": (1, 255)}.get(knob, (0, np.inf))
    return np.clip(new, low, high).tolist()


def axis_of(knob: str) -> str:
    """The axis that tells how near a knob came."""
    return {"counts": "defects", "colour": "chroma"}.get(knob) or (OF_PICTURES | OF_DEFECTS)[knob][0]


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


def has(values: dict[str, Any], key: str) -> bool:
    """Whether nested tables have a dotted key."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True
