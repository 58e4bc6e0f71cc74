"""Lights of inspection stations: from layers to linear radiance.

The camera looks straight down (view vector (0, 0, 1)), x to the right, y down, z towards the camera. All lights of a
picture are one ``Rig``, so the bright and the dark sides of all scratches agree.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.shading import RING, SEGMENT, fall

KINDS = ("directional", "point", "bar", "ring", "dark_field", "coaxial", "dome")
# Lights all around the lens: what they show depends on how steep the surface is, not on where it faces.
AROUND = ("ring", "dark_field", "coaxial", "dome")
# The brightest 4 % are exposed to no more than 1 / 0.4 of the level, so that a small bright part on a dark ground is
# not burnt out.
_BRIGHT, _SHARE = 0.96, 0.4
_MOST_GAIN = 40.0  # no exposure is long enough to make a picture of nothing bright


@dataclass(frozen=True)
class Light:
    """One light.

    Attributes:
        kind: one of ``KINDS``.
        azimuth: degrees, the direction to the light: 0 = right of the picture, 90 = below it.
        elevation: degrees above the surface.
        intensity: radiance of a white matt surface that faces it at the middle of the frame.
        distance: of point and bar from the middle of the frame, in units of half its shorter side; infinite for the
            others.
        length: half the length of a bar, same unit.
        width: half the angular size of the source, as a tangent; it adds to the breadth of highlights.
        parallax: for lights around the lens: slope at which the surface mirrors the light at the middle of the
            frame's shorter sides in place of its centre (0 with a telecentric lens).
    """

    kind: str
    azimuth: float
    elevation: float
    intensity: float = 1.0
    distance: float = math.inf
    length: float = 0.0
    width: float = 0.05
    parallax: float = 0.0

    @property
    def vector(self) -> np.ndarray:
        """float64 (3,): unit vector from the middle of the frame to the light; straight up for those all around."""
        if self.kind in AROUND:
            return np.array([0.0, 0.0, 1.0])
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])


@dataclass(frozen=True)
class Rig:
    """The lights of a station and how bright its pictures are.

    Attributes:
        lights: the first one is the main light.
        ambient: radiance of a white matt surface under the light of the room.
        environment: 0..1, how much brighter the room is on the side of the main light, as metals mirror it.
        occlusion: share of the room's light that deep places lose.
        reach: size in pixels of the places that count as deep.
        gradient: (2,) change of the lights from the middle to the right and to the lower border, as shares.
        spot: share by which the lights fall off from the middle to the corners.
        level: radiance, of which 1 saturates the camera, that the ``quantile`` of the picture is brought to, see
            ``gain_for``.
        quantile: 0..1.
    """

    lights: tuple[Light, ...]
    ambient: float = 0.1
    environment: float = 0.5
    occlusion: float = 0.5
    reach: float = 8.0
    gradient: tuple[float, float] = (0.0, 0.0)
    spot: float = 0.0
    level: float = 0.4
    quantile: float = 0.75

    @property
    def main(self) -> Light:
        """The light that casts the shadows."""
        return self.lights[0]

    @property
    def kinds(self) -> list[str]:
        """Kinds of the lights, the main light first."""
        return [light.kind for light in self.lights]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able record."""
        record = dataclasses.asdict(self) | {"gradient": list(self.gradient)}
        # JSON knows no infinity: a light without a distance is one that is far away.
        record["lights"] = [{k: _short(v) for k, v in light.items() if v != math.inf} for light in record["lights"]]
        return {k: _short(v) for k, v in record.items()}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def draw(values: Mapping[str, Any], random: np.random.Generator, scale: float = 1.0) -> Rig:
    """A random station.

    Args:
        values: the table ``[light]`` of a preset.
        scale: pixels in place of each pixel that the preset speaks of.
    """
    count = int(chance.pick(values["count"], random))
    azimuth = random.uniform(0, 360)
    main = _light(chance.pick(values["kinds"], random), azimuth, 1.0, values, random)
    # A dark field has levels of its own and no other lights: its flat surfaces are meant to be dark.
    dark = main.kind == "dark_field"
    lights = [main]
    for k in range(1, 1 if dark else count):
        # Further lights stand around the part: opposite the first, or a third of a turn on.
        turned = azimuth + 360 * k / count + random.uniform(-20, 20)
        kind, strength = chance.pick(values["fill_kinds"], random), chance.uniform(values["fill"], random)
        lights.append(_light(kind, turned, strength, values, random))
    level = "dark_field" if dark else chance.pick(values["exposure"], random)
    lean = chance.uniform(values["gradient"], random)
    side = random.uniform(0, 2 * math.pi)
    return Rig(
        tuple(lights),
        ambient=chance.uniform(values["dark_ambient" if dark else "ambient"], random),
        environment=chance.uniform(values["environment"], random),
        occlusion=chance.uniform(values["occlusion"], random),
        reach=chance.uniform(values["reach"], random) * scale,
        gradient=(lean * math.cos(side), lean * math.sin(side)),
        spot=chance.uniform(values["spot"], random),
        level=chance.log_uniform(values[f"level_{level}"], random),
        quantile=chance.uniform(values["dark_quantile" if dark else "quantile"], random),
    )


def _light(
    kind: str, azimuth: float, intensity: float, values: Mapping[str, Any], random: np.random.Generator
) -> Light:
    keys = {"ring": "ring_elevation", "dark_field": "dark_elevation"}
    elevation = 90.0 if kind in ("coaxial", "dome") else chance.uniform(values[keys.get(kind, "elevation")], random)
    width = {"dome": 0.8}.get(kind) or chance.uniform(values["width"], random)
    return Light(
        kind, azimuth % 360, elevation, intensity,
        distance=chance.uniform(values["distance"], random) if kind in ("point", "bar") else math.inf,
        length=chance.uniform(values["length"], random) if kind == "bar" else 0.0,
        width=width,
        parallax=chance.uniform(values["parallax"], random) if kind in AROUND else 0.0,
    )  # fmt: skip


def jitter(rig: Rig, random: np.random.Generator, amount: float = 1.0) -> Rig:
    """The same station on another day.

    Args:
        amount: 0 = unchanged; 1 = angles move by about 3 degrees, brightness by about 8 %.
    """

    def near(value: float, share: float) -> float:
        return value * math.exp(amount * share * random.standard_normal())

    lights = []
    for light in rig.lights:
        turn, tilt = 3 * amount * random.standard_normal(2)
        fixed = light.kind in ("coaxial", "dome")
        lights.append(
            dataclasses.replace(
                light,
                azimuth=(light.azimuth + turn) % 360,
                elevation=light.elevation if fixed else float(np.clip(light.elevation + 0.5 * tilt, 3, 88)),
                intensity=near(light.intensity, 0.08),
                distance=near(light.distance, 0.05),
            )
        )
    moved = 0.04 * amount * random.standard_normal(2)
    return dataclasses.replace(
        rig,
        lights=tuple(lights),
        ambient=near(rig.ambient, 0.15),
        gradient=(rig.gradient[0] + float(moved[0]), rig.gradient[1] + float(moved[1])),
        level=min(near(rig.level, 0.08), 1.5),
    )


def shade(layers: Layers, rig: Rig) -> np.ndarray:
    """Linear radiance float32 (H, W, C) of a surface under a rig; 1 is where the camera saturates.

    Normals come from central differences of the height. Dielectrics are Lambert with white highlights; metals have
    highlights of their own colour and hardly anything else. Highlights: half vector and the distribution of Trowbridge
    and Reitz (Blinn, "Models of light reflection for computer synthesized pictures", 1977), visibility of Kelemen and
    Szirmay-Kalos (2001), Fresnel term of Schlick (1994). The width of a highlight is the square of the roughness.
    ``layers.shadow`` dims the lights, not the room.
    """
    out = radiance(layers, rig)
    out *= np.float32(gain_for(out, rig.level, rig.quantile))
    return out


def gain_for(radiance: np.ndarray, level: float, quantile: float) -> float:
    """The exposure that brings a quantile of the radiance (H, W, C) to a level, as one factor.

    It is less where the brightest 4 % would come to more than 2.5 times the level, and it is limited, so that a picture
    of next to no light stays dark. Measured on every fourth pixel each way.
    """
    few = np.sort(radiance[1::4, 1::4].mean(2, dtype=np.float32), None)
    last = len(few) - 1
    value = max(float(few[int(quantile * last)]), _SHARE * float(few[int(_BRIGHT * last)]), 1e-6)
    return min(level / value, _MOST_GAIN)


def radiance(layers: Layers, rig: Rig) -> np.ndarray:
    """As ``shade``, before exposure: 1 is a white matt surface that faces a light of intensity 1."""
    height, width = layers.size
    half = 0.5 * min(height, width)
    x = ((np.arange(width, dtype=np.float32) + 0.5 - 0.5 * width) / half).astype(np.float32)
    y = ((np.arange(height, dtype=np.float32) + 0.5 - 0.5 * height) / half).astype(np.float32)
    vector = rig.main.vector
    room = np.array(
        [rig.ambient, rig.environment * vector[0], rig.environment * vector[1], rig.occlusion / rig.reach], np.float32
    )
    corner = 2 * half**2 / (0.25 * (height**2 + width**2))
    field = np.array([rig.gradient[0], rig.gradient[1], 0.5 * rig.spot * corner], np.float32)
    lights = np.array([_row(light) for light in rig.lights], np.float32)
    low = _blurred(layers.height, rig.reach)
    planes = [layers.height, low, layers.albedo, layers.roughness, layers.metal, layers.shadow]
    planes = [np.ascontiguousarray(plane).reshape(height, -1) for plane in planes]
    out = np.empty(layers.albedo.shape, np.float32)
    fall(*planes, x, y, lights, room, field, out.reshape(height, -1))
    return out


def _blurred(height: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur that is quick for large sigmas: on a reduced picture."""
    factor = max(int(sigma / 2), 1)
    small = height
    if factor > 1:
        size = (max(height.shape[1] // factor, 1), max(height.shape[0] // factor, 1))
        small = cv2.resize(height, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, height.shape[::-1], interpolation=cv2.INTER_LINEAR) if factor > 1 else small


def _row(light: Light) -> list[float]:
    """A light as 13 numbers for ``shading.fall``."""
    width = max(light.width, 0.01)  # a point without any size on a perfect mirror has no finite radiance
    if light.kind in AROUND:
        angle = math.radians(90 - light.elevation)
        # For a dome this makes the mean of max(n.l, 0) the (1 + n_z) / 2 of an even sky.
        soft = 1.0 if light.kind == "dome" else (2 / math.pi * math.sin(angle)) ** 2
        return [RING, light.intensity, math.tan(angle / 2) ** 2, width**2, math.cos(angle), soft, light.parallax,
                math.cos(angle / 2), 0.0, 0.0, 0.0, 0.0, 0.0]  # fmt: skip
    far = light.distance == math.inf
    place = light.vector * (1.0 if far else light.distance)
    a = math.radians(light.azimuth)
    # Light falls off with the square of the distance from a point and with the distance from a line.
    falls = [light.intensity, 0.0, 0.0]
    along = width
    if light.kind == "point":
        falls = [0.0, 0.0, light.intensity * light.distance**2]
    elif light.kind == "bar":
        falls = [0.0, light.intensity * light.distance, 0.0]
        along = max(width, 0.5 * light.length / light.distance)
    return [SEGMENT, *place.tolist(), 0.0 if far else 1.0, -math.sin(a), math.cos(a), light.length, width**2, along**2,
            *falls]  # fmt: skip
