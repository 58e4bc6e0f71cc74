"""Instances as SVG paths: simplified contours of masks in image pixels, boxes where there are no masks."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks

_MOST_PARTS = 200  # contours of one mask; the specks beyond could not be seen


def mask_path(masks: Masks, i: int, tolerance: float = 0.5) -> str:
    """Mask ``i`` as SVG path data (holes included, fill rule ``evenodd``); "" for an empty mask.

    Args:
        tolerance: how far the simplified outline may stray, in image pixels.
    """
    mask, (x, y) = masks.crop(i)
    if not mask.any():
        return ""
    # OpenCV's contours run through pixel centres; on an enlarged mask they come close to the pixels' edges, so that
    # a line of one pixel keeps its area.
    scale = int(np.clip(600 / max(mask.shape), 1, 4))
    grown = np.kron(mask.view(np.uint8), np.ones((scale, scale), np.uint8)) if scale > 1 else mask.view(np.uint8)
    contours, _ = cv2.findContours(np.ascontiguousarray(grown), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > _MOST_PARTS:
        contours = sorted(contours, key=len, reverse=True)[:_MOST_PARTS]
    parts = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, tolerance * scale, True)[:, 0] if len(contour) > 4 else contour[:, 0]
        points = (points + 0.5) / scale + (x, y)
        parts.append("M" + "L".join(f"{a:.6g} {b:.6g}" for a, b in points.round(1)) + "Z")
    return "".join(parts)


def box_path(box: np.ndarray) -> str:
    """A box XYXY as SVG path data."""
    x0, y0, x1, y1 = (f"{v:.6g}" for v in np.round(box.astype(float), 1))
    return f"M{x0} {y0}H{x1}V{y1}H{x0}Z"


def instance_paths(instances: Instances, tolerance: float = 0.5) -> list[str]:
    """Path data of every instance, in order."""
    if instances.masks is None:
        return [box_path(box) for box in instances.boxes]
    return [mask_path(instances.masks, i, tolerance) or box_path(instances.boxes[i]) for i in range(len(instances))]
