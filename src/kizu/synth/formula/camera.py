"""The camera of an inspection station: from linear radiance to the bytes of a picture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.synth.formula import chance
from kizu.synth.formula import lens as lenses
from kizu.synth.formula.lens import Lens
from kizu.synth.formula.noise import white

_STEPS = 4095  # values of the sensor (12 bits); the response is a table over them
_STRAIGHT = Lens(0.0, 0.0, (0.0, 0.0), 1.0)
_ROWS = 32  # rows that noise is made for at once, so that it stays in the processor's cache; an even number
# Share of white light that passes the red, green and blue filters of a mosaic: red and blue are noisier after balance.
_FILTERS = np.array([0.6, 1.0, 0.7], np.float32)


@dataclass(frozen=True)
class Camera:
    """A camera with its lens.

    Attributes:
        size: (H, W).
        blur: standard deviation of the point spread function, pixels.
        defocus: radius of a disc of confusion, pixels; 0 = none.
        motion: (dx, dy), way of the part during exposure, pixels.
        vignetting: share of light that the corners lack.
        exposure: factor on the radiance.
        cast: (3,) colour of the light after white balance.
        gain: variance of the noise a unit of signal (1 saturates): photon noise.
        read: standard deviation of the noise in the dark.
        pattern: standard deviation of the fixed gain of columns (line scan).
        banding: amplitude of bands across the rows.
        dead: number of pixels that are stuck at black or white.
        bayer: colours come from a mosaic.
        gamma: exponent of the response is 1 / gamma; 1 = linear.
        black: level of black in the output, 0..1.
        quality: of the JPEG file.
        seed: of what is fixed in the sensor (columns, dead pixels).
        lens: its distortion; geometry goes through it before it is drawn.
    """

    size: tuple[int, int]
    blur: float = 0.7
    defocus: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    vignetting: float = 0.1
    exposure: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gain: float = 2e-4
    read: float = 2e-3
    pattern: float = 0.0
    banding: float = 0.0
    dead: int = 0
    bayer: bool = True
    gamma: float = 2.0
    black: float = 0.0
    quality: int = 92
    seed: int = 0
    lens: Lens = _STRAIGHT

    def to_dict(self) -> dict[str, Any]:
        """JSON-able record."""
        record = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        record = {k: list(map(_short, v)) if isinstance(v, tuple) else _short(v) for k, v in record.items()}
        return record | {"lens": self.lens.to_dict()}


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def draw(values: Mapping[str, Any], size: tuple[int, int], random: np.random.Generator) -> Camera:
    """A random camera.

    Args:
        values: the table ``[camera]`` of a preset.
        size: (H, W) of its pictures.
    """

    def inside(key: str) -> float:
        return chance.uniform(values[key], random)

    def sometimes(key: str, share: str) -> float:
        value = inside(key)  # drawn in any case, so that one share does not shift what comes after it
        return value if chance.either(values[share], random) else 0.0

    scale = min(size) / 512
    way, heading = sometimes("motion_blur", "motion") * scale, random.uniform(0, 2 * math.pi)
    if chance.either(values["motion_along_axis"], random):
        heading = round(heading / (math.pi / 2)) * math.pi / 2
    warmth, green = inside("warmth"), inside("tint")
    return Camera(
        tuple(size),
        blur=inside("blur"),
        defocus=sometimes("defocus_radius", "defocus"),
        motion=(way * math.cos(heading), way * math.sin(heading)) if way else (0.0, 0.0),
        vignetting=inside("vignetting"),
        exposure=inside("exposure"),
        cast=(math.exp(warmth), math.exp(green), math.exp(-warmth)),
        gain=chance.log_uniform(values["gain"], random),
        read=chance.log_uniform(values["read"], random),
        pattern=sometimes("column_noise", "column"),
        banding=sometimes("band_height", "band"),
        dead=round(sometimes("dead_pixels", "dead") * scale**2),
        bayer=chance.either(values["bayer"], random),
        gamma=1.0 if chance.either(values["linear"], random) else inside("gamma"),
        black=inside("black"),
        quality=round(inside("quality")),
        seed=int(random.integers(2**32)),
        lens=lenses.draw(values, size, random),
    )


def jitter(camera: Camera, random: np.random.Generator, amount: float = 1.0) -> Camera:
    """The same camera on another day: exposure, focus and white balance drift, the sensor and the lens stay.

    Args:
        amount: 0 = unchanged; 1 = brightness and blur move by a few per cent, colours by one.
    """
    change = amount * random.standard_normal(4)
    return dataclasses.replace(
        camera,
        exposure=camera.exposure * math.exp(0.03 * change[0]),
        blur=camera.blur * math.exp(0.06 * change[1]),
        cast=(
            camera.cast[0] * math.exp(0.01 * change[2]),
            camera.cast[1] * math.exp(0.005 * change[3]),
            camera.cast[2] * math.exp(-0.01 * change[2]),
        ),
    )


def expose(radiance: np.ndarray, camera: Camera, random: np.random.Generator) -> np.ndarray:
    """A picture: optics, sensor, response.

    Noise is Poisson-Gaussian, its variance ``gain * signal + read^2`` in linear units (Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008); behind a mosaic it is that of the
    raw values, before white balance.

    Args:
        radiance: float32 (H, W, 1) or (H, W, 3), linear, saturating at 1.

    Returns:
        uint8 (H, W) from one channel, (H, W, 3) RGB from three.
    """
    height, width, colours = radiance.shape
    fixed = generator(camera.seed, Stream.CAMERA)
    columns = np.ones(width, np.float32)
    if camera.pattern:
        columns += np.float32(camera.pattern) * fixed.standard_normal(width, np.float32)
    bands = np.zeros(height, np.float32)
    if camera.banding:
        # Mains hum beats with the shutter: some periods a picture, another phase in each.
        turns, phase = fixed.uniform(3, 25), random.uniform(0, 2 * math.pi)
        bands = (camera.banding * np.sin(2 * math.pi * turns / height * np.arange(height) + phase)).astype(np.float32)
    light = _optics(radiance, camera).reshape(height, -1)
    tint = np.asarray(camera.cast if colours == 3 else (1.0,), np.float32) * np.float32(camera.exposure)
    mosaic = colours == 3 and camera.bayer
    if mosaic:
        light = _mosaic(light)
        tint = tint * _FILTERS
        # Rows of a mosaic take turns: red and green, green and blue.
        tints = np.stack([np.resize(tint[:2], width), np.resize(tint[1:], width)]) * columns
    else:
        tints = np.stack([np.tile(tint, width) * np.repeat(columns, colours)] * 2)
    x, y = _squares(width), _squares(height)
    fall = camera.vignetting / max(float(x[0] + y[0]), 1e-6)
    falls = np.float32(fall) * np.repeat(x, light.shape[1] // width), np.float32(fall) * y
    noise = np.array([camera.gain, camera.read**2], np.float32)
    tints = tints.astype(np.float32)
    raw = np.empty(light.shape, np.uint16)
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        _sense(light[rows], white(light[rows].shape, random), tints, falls[0], falls[1][rows], bands[rows], noise,
               raw[rows])  # fmt: skip
    _stick(raw.reshape(height, width, -1), camera, fixed)
    if mosaic:
        raw = cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB).reshape(height, -1)
    balance = 1 / _FILTERS if mosaic else np.ones(colours, np.float32)
    out = _respond(raw, _tables(camera, balance))
    return out if colours == 1 else out.reshape(height, width, 3)


def _optics(radiance: np.ndarray, camera: Camera) -> np.ndarray:
    """Blur: motion, disc of confusion, point spread function. Borders are mirrored, OpenCV's quickest way."""
    out = np.ascontiguousarray(radiance, np.float32)
    if math.hypot(*camera.motion) >= 0.5:
        out = cv2.filter2D(out, -1, line_kernel(*camera.motion))
    if camera.defocus >= 0.5:
        out = cv2.filter2D(out, -1, disc_kernel(camera.defocus))
    if camera.blur > 0:
        size = 2 * math.ceil(3 * camera.blur) + 1
        out = cv2.GaussianBlur(out, (size, size), camera.blur)
    return out.reshape(radiance.shape)


def line_kernel(dx: float, dy: float) -> np.ndarray:
    """float32 (k, k), sum 1: even motion along (dx, dy) pixels; each point of the way is shared by four pixels."""
    reach = math.ceil(max(abs(dx), abs(dy)) / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float64)
    steps = 8 * reach
    share = (np.arange(steps) + 0.5) / steps - 0.5
    x, y = reach + share * dx, reach + share * dy
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - left, y - top
    for i, j, weight in ((0, 0, (1 - u) * (1 - v)), (0, 1, u * (1 - v)), (1, 0, (1 - u) * v), (1, 1, u * v)):
        np.add.at(kernel, (top + i, left + j), weight)
    return (kernel / kernel.sum()).astype(np.float32)


def disc_kernel(radius: float) -> np.ndarray:
    """float32 (k, k), sum 1: a disc with soft edges, the picture of a point out of focus."""
    reach = math.ceil(radius)
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    kernel = np.clip(radius + 0.5 - away, 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def _squares(length: int) -> np.ndarray:
    """Squared distance of pixel centres from the middle of a side, pixels^2."""
    return ((np.arange(length) + 0.5 - 0.5 * length) ** 2).astype(np.float32)


def _tables(camera: Camera, balance: np.ndarray) -> np.ndarray:
    """uint8 (C, 4096): white balance and response. The response is a power law with a short linear toe, as in sRGB."""
    value = np.minimum(np.arange(_STEPS + 1) / _STEPS * balance[:, None], 1)
    if camera.gamma != 1:
        toe = 0.005
        low = toe ** (1 / camera.gamma)
        value = ((value + toe) ** (1 / camera.gamma) - low) / ((1 + toe) ** (1 / camera.gamma) - low)
    return np.rint(255 * (camera.black + (1 - camera.black) * value)).astype(np.uint8)


def _stick(raw: np.ndarray, camera: Camera, fixed: np.random.Generator) -> None:
    """Dead and hot pixels, the same in all pictures of a camera."""
    for _ in range(camera.dead):
        row, column = fixed.integers(raw.shape[0]), fixed.integers(raw.shape[1])
        raw[row, column] = 0 if fixed.uniform() < 0.5 else _STEPS


@jit
def _mosaic(light):
    """Of colours (H, 3 W) what an RGGB mosaic lets through: (H, W)."""
    rows, columns = light.shape[0], light.shape[1] // 3
    out = np.empty((rows, columns), np.float32)
    for i in range(rows):
        line, result = light[i], out[i]
        even, odd = i % 2, i % 2 + 1
        for j in range(0, columns, 2):
            result[j] = line[3 * j + even]
        for j in range(1, columns, 2):
            result[j] = line[3 * j + odd]
    return out


@jit
def _sense(light, noise, tints, falls_x, falls_y, bands, sizes, out):
    """Sensor values uint16 of the shape of the light; ``tints`` (2, width) are the factors of even and of odd rows."""
    rows, wide = light.shape
    gain, read = sizes[0], sizes[1]
    one, nought, half, top = np.float32(1.0), np.float32(0.0), np.float32(0.5), np.float32(_STEPS)
    for i in range(rows):
        line, grain, tint, result = light[i], noise[i], tints[i % 2], out[i]
        bright, band = one - falls_y[i], bands[i]
        for j in range(wide):
            signal = min(max(line[j] * tint[j] * (bright - falls_x[j]), nought), one)
            value = signal + np.sqrt(gain * signal + read) * grain[j] + band
            result[j] = np.uint16(min(max(value, nought), one) * top + half)


@jit
def _respond(raw, tables):
    """Sensor values (H, W * C) through one table a channel: uint8 of the same shape."""
    rows, wide = raw.shape
    out = np.empty((rows, wide), np.uint8)
    for i in range(rows):
        line, result = raw[i], out[i]
        if len(tables) == 1:
            for j in range(wide):
                result[j] = tables[0, line[j]]
        else:
            for j in range(0, wide, 3):
                result[j] = tables[0, line[j]]
                result[j + 1] = tables[1, line[j + 1]]
                result[j + 2] = tables[2, line[j + 2]]
    return out
