"""The look of a user's pictures put on made ones: brightness, colour, texture contrast and noise (``--like``)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.camera import Camera


def apply(radiance: np.ndarray, camera: Camera, match: dict[str, Any], random: np.random.Generator) -> Camera:
    """Change linear radiance float32 (H, W, C) in place so that brightness, colour and texture follow ``[match]``.

    What is asked for is of the picture, in grey levels; the camera's response is turned round to get there.

    Returns:
        the camera, with the noise that is asked for.
    """
    if match["colour"] and radiance.shape[2] == 3:
        wanted = np.asarray(match["colour"][int(random.integers(len(match["colour"])))], np.float64)
        # What is darker than the camera's black has no colour.
        wanted = np.array([max(_linear(value / 255, camera), 1e-4) for value in np.clip(wanted, 1, 254)])
        now = radiance.reshape(-1, 3).mean(0)
        gain = (wanted / wanted.mean()) / np.maximum(now / max(float(now.mean()), 1e-6), 0.05)
        radiance *= gain.astype(np.float32)
        camera = replace(camera, cast=(1.0, 1.0, 1.0))  # the colour is the user's, not the light's
    if match["brightness"]:
        wanted = _linear(chance.quantile(match["brightness"], random) / 255, camera)
        fall = camera.exposure * (1 - camera.vignetting / 3)  # mean of a square that falls off to the corners
        radiance *= np.float32(wanted / max(float(radiance.mean()) * fall, 1e-6))
    level = max(float(radiance.mean()) * camera.exposure, 1e-3)
    steep = 255 * (1 - camera.black) / camera.gamma * level ** (1 / camera.gamma - 1)  # grey levels a unit of light
    if match["texture"]:
        # The finest texture is what a blur of four pixels takes away.
        smooth = cv2.GaussianBlur(radiance, (0, 0), 4.0).reshape(radiance.shape)
        detail = radiance - smooth
        now = steep * float(detail.mean(2).std())
        gain = np.float32(np.clip(chance.quantile(match["texture"], random) / max(now, 1e-3), 0.2, 5.0))
        np.add(smooth, gain * detail, out=radiance)
        np.maximum(radiance, 0, out=radiance)
    if match["noise"]:
        camera = replace(camera, gain=0.0, read=chance.quantile(match["noise"], random) / steep)
    return camera


def _linear(value: float, camera: Camera) -> float:
    """The light that a camera shows as ``value`` (0..1)."""
    return float(max((value - camera.black) / (1 - camera.black), 0.0) ** camera.gamma)
