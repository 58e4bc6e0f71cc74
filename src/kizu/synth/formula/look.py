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

    Returns:
        the camera, with the noise that is asked for.
    """
    if match["texture"]:
        # Texture is what a blur of 4 pixels takes away; its deviation is asked for in grey levels at mean 128.
        smooth = cv2.GaussianBlur(radiance, (0, 0), 4.0)
        smooth = smooth.reshape(radiance.shape)
        detail = radiance - smooth
        mean = float(radiance.mean())
        now = 255 * float(detail.std()) / max(mean / 0.5, 1e-6)
        gain = np.float32(np.clip(chance.quantile(match["texture"], random) / max(now, 1e-3), 0.2, 5.0))
        np.add(smooth, gain * detail, out=radiance)
        np.maximum(radiance, 0, out=radiance)
    if match["colour"] and radiance.shape[2] == 3:
        wanted = np.asarray(match["colour"][int(random.integers(len(match["colour"])))], np.float32)
        now = radiance.reshape(-1, 3).mean(0)
        gain = (wanted / max(float(wanted.mean()), 1.0)) / np.maximum(now / max(float(now.mean()), 1e-6), 0.05)
        radiance *= gain.astype(np.float32)
    if match["brightness"]:
        wanted = chance.quantile(match["brightness"], random) / 255
        radiance *= np.float32(wanted / max(float(radiance.mean()), 1e-6))
    if match["noise"]:
        camera = replace(camera, gain=0.0, read=chance.quantile(match["noise"], random) / 255)
    return camera
