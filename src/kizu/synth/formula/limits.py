"""What the values of presets may be: least and most of each number, and what lists and texts may hold.

A preset is checked as a whole after keys were set, so that nonsense is an error before the first picture is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from kizu.core.errors import KizuError

_SHARE, _LAW, _GREY, _FEW = (0, 1), (-10, 10), (0, 255), (0, 500)

# Dotted key -> least and most of a number, or of both ends of a range. Where a value is drawn evenly in its logarithm
# or sizes an array, the least is above 0. Sizes are in pixels of frames of 512.
LIMITS: dict[str, tuple[float, float]] = {
    "scene.clean": _SHARE, "scene.colour": _SHARE, "scene.least": (1, 1e6), "scene.cap": _SHARE,
    "scene.products": (0, 1e9), "scene.pictures": (1, 1000), "scene.day": (0, 10), "scene.test": _SHARE,
    "scene.classes": (1, 100_000),
    "scene.floor": _SHARE, "scene.instances": (0, 2000),
    "label.contrast": (0, 1e6),
    "form.period": (4, 1e5), "form.slope": (1e-4, 10),
    "parts.count": (1, 500), "parts.models": (1, 100), "parts.radius": (4, 4000), "parts.exponent": _LAW,
    "parts.tilt": (0, 1.4), "parts.stretch": (0, 1), "parts.bent": _SHARE, "parts.bend": (0, 0.5), "parts.lift": (0, 5),
    "parts.floor": _SHARE, "parts.missing": _SHARE, "parts.body": (16, 4000),
    "defects.count": (0, 500), "defects.kinds": (0, 1000), "defects.size": (1, 4000), "defects.exponent": _LAW,
    "defects.strength": (0.01, 100),
    "distractors.count": (0, 500), "distractors.kinds": (0, 1000),
    "light.fill": (0, 10), "light.elevation": (1, 90), "light.ring_elevation": (1, 90), "light.dark_elevation": (1, 90),
    "light.distance": (0.5, 1e4), "light.length": (0, 100), "light.width": (0.001, 2), "light.parallax": (0, 2),
    "light.ambient": (0, 5), "light.dark_ambient": (0, 5), "light.environment": _SHARE, "light.occlusion": (0, 10),
    "light.reach": (0.5, 200), "light.gradient": _SHARE, "light.spot": _SHARE, "light.level_dark": (0.001, 10),
    "light.level_normal": (0.001, 10), "light.level_bright": (0.001, 10), "light.level_dark_field": (0.001, 10),
    "light.quantile": _SHARE, "light.dark_quantile": _SHARE,
    "camera.blur": (0, 50), "camera.defocus": _SHARE, "camera.defocus_radius": (0, 50), "camera.motion": _SHARE,
    "camera.motion_blur": (0, 200), "camera.motion_along_axis": _SHARE, "camera.vignetting": _SHARE,
    "camera.exposure": (0.01, 100), "camera.warmth": (-2, 2), "camera.tint": (-2, 2), "camera.gain": (1e-9, 1),
    "camera.read": (1e-9, 1), "camera.column": _SHARE, "camera.column_noise": _SHARE, "camera.band": _SHARE,
    "camera.band_height": _SHARE, "camera.dead": _SHARE, "camera.dead_pixels": (0, 1e5), "camera.bayer": _SHARE,
    "camera.linear": _SHARE, "camera.gamma": (0.2, 6), "camera.black": (0, 0.9), "camera.quality": (1, 100),
    "camera.distortion": _SHARE, "camera.k1": (-0.2, 0.5), "camera.k2": (-0.05, 0.3),  # beyond, the picture folds
    "contour.vertices": (3, 10_000), "contour.mean": (0, 1e6), "contour.polygons": (1, 2000), "contour.noise": (0, 100),
    "contour.width": (0, 100), "contour.radius": (0, 4000), "contour.aspect": (0.01, 100), "contour.frequencies": _FEW,
    "contour.smooth": _SHARE, "contour.beta": (0, 10),
    "size.radius": (1, 4000), "size.exponent": _LAW, "size.gap": (0.5, 1000),
    "place.centre": (-1, 2), "place.crowding": _SHARE, "place.bend": (0, 2), "place.stretch": (0.01, 100),
    "tree.levels": (0, 20), "tree.inside": _SHARE, "tree.count": (0, 100),
    "leaves.radius": (0.002, 10), "leaves.exponent": _LAW, "leaves.most": (1, 1e6), "leaves.least": (1, 1e6),
    "look.background": _GREY, "look.grey": _GREY, "look.contrast": _GREY, "look.share": _SHARE, "look.dark": _GREY,
    "look.flat": _GREY, "look.colour": _SHARE, "look.tone": _SHARE, "look.texture": _SHARE, "look.strength": (0, 5),
    "look.grain": (1, 1000),
    "layout.pitch": (4, 500), "layout.track": (0.1, 0.9), "layout.wide": _SHARE, "layout.density": (0, 10),
    "layout.tilt": (0, 45), "layout.turned": _SHARE, "layout.least": (1, 1e6), "layout.mounting": _FEW,
    "layout.buses": _FEW, "layout.arrays": _FEW, "layout.areas": _FEW, "layout.footprints": _FEW,
    "layout.texts": _FEW, "layout.vias": _FEW, "layout.routes": _FEW, "layout.pour": _SHARE, "layout.silk": _FEW,
    "faults.count": (0, 100), "faults.kinds": (0, 1000), "faults.apart": (0, 4000), "faults.tries": (1, 200),
    "scan.blur": (0.05, 50), "scan.fray": (0, 2), "scan.softness": (0.001, 10), "scan.dark": _GREY,
    "scan.bright": _GREY, "scan.inverted": _SHARE, "scan.noise": _GREY, "scan.quality": (1, 100),
    "finish.thickness": (0, 50), "finish.tone": _SHARE, "finish.oxide": _SHARE, "finish.cloth": _SHARE,
}  # fmt: skip

# Numbers of things.
WHOLE = {
    "scene.least", "scene.products", "scene.pictures", "scene.classes", "scene.instances", "parts.count",
    "parts.models",
    "defects.count", "defects.kinds", "distractors.count", "distractors.kinds", "camera.dead_pixels", "camera.quality",
    "contour.vertices", "contour.polygons", "contour.frequencies", "tree.levels", "tree.count", "leaves.most",
    "leaves.least", "layout.least", "layout.mounting", "layout.buses", "layout.arrays", "layout.areas",
    "layout.footprints", "layout.texts", "layout.vias", "layout.routes", "layout.silk", "faults.count", "faults.kinds",
    "faults.tries", "scan.quality",
}  # fmt: skip

# Lists of [match]: quantiles, lowest first, and the least of them; lists of weights; lists of colours.
_QUANTILES = {"sizes": 0, "aspects": 1, "contrasts": 0, "brightness": 0, "noise": 0, "texture": 0}


def check(name: str, values: dict[str, Any]) -> None:
    """Raise KizuError at the first value of preset ``name`` that no picture can be made with."""
    for key, value in leaves(values):
        if isinstance(value, dict):
            if not any(value.values()):
                raise KizuError(f"preset {name}: all weights of {key} are 0; give one of {', '.join(value)} more")
        elif _numbers(value):
            _check_numbers(name, key, value if isinstance(value, list) else [value], value)
    for key, value in values.get("match", {}).items():
        _check_list(name, f"match.{key}", value)
    _check_words(name, values)


def leaves(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; tables of weights as one. Recipes are checked where they are read."""
    for key, value in values.items():
        if isinstance(value, dict) and not (value and all(_numbers(v) for v in value.values())):
            if before or key not in ("match", "recipes"):
                yield from leaves(value, f"{before}{key}.")
        elif isinstance(value, dict) and any(f"{before}{key}.{part}" in LIMITS for part in value):
            yield from leaves({f"{before}{key}.{part}": v for part, v in value.items()})
        else:
            yield before + key, value


def _numbers(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_numbers(v) for v in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_numbers(name: str, key: str, numbers: list[float], value: Any) -> None:
    low, high = LIMITS.get(key, (-math.inf, math.inf))
    if not all(math.isfinite(v) and low <= v <= high for v in numbers):
        raise KizuError(f"preset {name}: {key} = {value}: it lies in {low:g} to {high:g}")
    if key in WHOLE and any(v != int(v) for v in numbers):
        raise KizuError(f"preset {name}: {key} = {value}: it is a number of things, so take whole numbers")


def _check_list(name: str, key: str, value: Any) -> None:
    last = key.rpartition(".")[2]
    if last == "colour":
        good = all(isinstance(v, list) and len(v) == 3 and _numbers(v) and _within(v, 0, 255) for v in value)
        wanted = "colours [red, green, blue], each 0 to 255"
    elif last == "counts":
        good = not value or (_numbers(value) and _within(value, 0, math.inf) and sum(value) > 0)
        wanted = "weights of 0, 1, 2, ... defects in a picture, such as [0.5, 0.3, 0.2]"
    elif last in _QUANTILES:
        least = _QUANTILES[last]
        good = not value or (_numbers(value) and _within(value, least, math.inf) and sorted(value) == value)
        wanted = f"evenly spaced quantiles from {least} on, lowest first, such as [5, 10, 40]"
    else:
        return
    if not good:
        raise KizuError(f"preset {name}: {key} = {value}: it is a list of {wanted}; [] leaves it to the preset")


def _within(numbers: list[float], low: float, high: float) -> bool:
    return all(math.isfinite(v) and low <= v <= high for v in numbers)


def _check_words(name: str, values: dict[str, Any]) -> None:
    """Names of materials and types in the texts of ``defects.only`` and ``defects.never``."""
    table = values.get("defects", {})
    materials, types = {**values.get("materials", {}), **values.get("grounds", {})}, table.get("types", {})
    for part, known, what in (("only", materials, "materials"), ("never", types, "types")):
        for key, text in table.get(part, {}).items():
            unknown = [word for word in text.split() if word not in known]
            if unknown:
                raise KizuError(
                    f"preset {name}: defects.{part}.{key}: there is no {', '.join(unknown)}; {what} are "
                    f"{', '.join(known)}"
                )
