"""``Segment``: an object or a defect cut out of a picture, with soft edges and all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

OBJECT, DEFECT = "object", "defect"


@dataclass
class Segment:
    """What was cut out of one picture.

    Attributes:
        id: unique in its bank.
        label: name of its class.
        kind: ``object`` (it stands on its own) or ``defect`` (a change of the surface that it was on).
        colour: uint8 (h, w, 3) RGB: its own colour where the edge is soft, the picture's pixels elsewhere. A margin
            around the mask is kept: blends need to know what lay beside a defect.
        alpha: float32 (h, w), 0..1; the mask is where it is at least a half.
        picture: id of the sample that it was cut from.
        group: of that sample, its id where it has none: the lineage that splits go by.
        split: of that sample.
        corner: (x, y) of ``colour`` in that picture.
        frame: (H, W) of that picture.
        record: figures and flags, JSON-able: ``area``, ``sharpness``, ``shading``, ``truncated``, ``blurred``,
            ``tiny``, and the attributes of the instance.
    """

    id: str
    label: str
    kind: str
    colour: np.ndarray
    alpha: np.ndarray
    picture: str = ""
    group: str = ""
    split: str = ""
    corner: tuple[int, int] = (0, 0)
    frame: tuple[int, int] = (0, 0)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def mask(self) -> np.ndarray:
        """bool (h, w): covered to at least a half."""
        return self.alpha >= 0.5

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Tight box of the mask in ``colour``, XYXY with exclusive ends; zeros for an empty mask."""
        x, y, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        return (x, y, x + width, y + height) if width else (0, 0, 0, 0)
