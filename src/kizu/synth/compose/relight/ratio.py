"""What is taken from a relit picture: the slow change of its light, or, to compare, its lightness as it is."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.linear import LUMINANCE, from_linear, to_linear

LEAST, MOST = 0.5, 2.0  # limits of the change of light
_DARK = 1e-3  # light that is added on both sides, so that black over black is no change
_FULL, _BURNT = 254, 0.01  # a channel from here on may have been cut: such pixels say nearly nothing of the light
_SMOOTH = 1e-2  # of the guided filter: variance of the square root of light below which it only smooths


def light_ratio(
    image: np.ndarray, relit: np.ndarray, inside: np.ndarray | None = None, sigma: float = 0.03
) -> np.ndarray:
    """How much brighter ``relit`` is than ``image``, slowly over the frame, float32 (H, W) in 0.5..2.

    With the luminance Y of linear light and G, the mean under a Gaussian over the pixels of ``inside`` only::

        R = G(Y_relit + e) / G(Y_image + e)

    then smoothed by a guided filter (He, Sun, Tang, "Guided image filtering", 2013) with the picture itself as the
    guide. Texture of the relit picture is too fine to get through, and hue is no part of it. Pixels that are cut at
    white in either picture count a hundredth.

    Args:
        image, relit: uint8 (H, W, 3).
        inside: bool (H, W), pixels whose light counts: what lies beside an object has another light. By default all.
            The ratio is defined outside too: it goes on from the nearest pixels inside, and to 1 far away.
        sigma: deviation of the Gaussian, in widths of the frame.
    """
    deviation = sigma * image.shape[1]
    burnt = np.maximum(image.max(2), relit.max(2)) >= _FULL
    weight = np.where(burnt, np.float32(_BURNT), np.float32(1))
    if inside is not None:
        weight *= inside
    before = to_linear(image) @ LUMINANCE
    after = to_linear(relit) @ LUMINANCE

    def blur(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_REFLECT_101)

    total = np.maximum(blur(weight), 1e-7)  # without it, what is added would outweigh the light of small objects

    def slow(values: np.ndarray) -> np.ndarray:
        return blur(weight * values) / total + _DARK

    ratio = np.clip(slow(after) / slow(before), LEAST, MOST)
    return np.clip(_guided(np.sqrt(before), ratio, max(round(deviation), 1)), LEAST, MOST)


def _guided(guide: np.ndarray, values: np.ndarray, radius: int) -> np.ndarray:
    """Guided filter of one channel: in each window ``values`` is a line over ``guide``, and the lines are averaged."""

    def mean(field: np.ndarray) -> np.ndarray:
        return cv2.blur(field, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT_101)

    middle, level = mean(guide), mean(values)
    variance = mean(guide * guide) - middle * middle
    slope = (mean(guide * values) - middle * level) / (np.maximum(variance, 0) + _SMOOTH)
    return mean(slope) * guide + mean(level - slope * middle)


def brighten(image: np.ndarray, ratio: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``image`` in the new light: linear light times 1 + share (ratio - 1), uint8 (H, W, 3).

    All channels are multiplied alike, and none beyond white, so hue stays. Where the share is 0, pixels are the same.

    Args:
        image: uint8 (H, W, 3).
        ratio: float32 (H, W), of :func:`light_ratio`.
        share: float32 (H, W), 0..1, weight of the new light.
    """
    light = to_linear(image)
    gain = 1 + share * (ratio - 1)
    room = 1 / np.maximum(light.max(2), 1e-6)
    return from_linear(light * np.minimum(gain, room)[..., None])


def mix_lightness(image: np.ndarray, relit: np.ndarray, share: np.ndarray) -> np.ndarray:
    """L of CIELAB mixed as it is, a and b of the original: the rule of SOS, kept to be compared with; uint8 (H, W, 3).

    What the generator changed of texture and edges comes along. Arguments as for :func:`brighten`, and the relit uint8
    (H, W, 3). Where the share is 0, pixels are the same.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    new = cv2.cvtColor(relit.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 0] += share * (new[..., 0] - lab[..., 0])
    mixed = np.rint(255 * np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)).astype(np.uint8)
    return np.where(share[..., None] > 0, mixed, image)
