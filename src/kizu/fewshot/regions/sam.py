"""Regions from SAM or SAM 2 (Kirillov et al. 2023, Ravi et al. 2024): the automatic masks of transformers.

The weights stay in the folder that the user names, and nothing is downloaded.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError, optional
from kizu.core.files import sha256
from kizu.core.masks import Masks
from kizu.fewshot.regions.source import Source

_LONGEST = 1024  # pixels: longer pictures are made smaller; the network sees no more
_POINTS = 32  # a side of the grid of points that it is asked about


class Sam(Source):
    """See the module.

    Attributes:
        folder: of ``save_pretrained``: the network and its image processor.
        digest: SHA-256 of its weights when it was chosen; other weights are refused.
        points: a side of the grid of points.
        options: more for the pipeline, as ``pred_iou_thresh``.
    """

    name = "sam"
    about = "automatic masks of SAM, joined by the overlap rules of GFDS"

    def __init__(self, folder: str, digest: str, points: int = _POINTS, options: dict[str, Any] | None = None):
        self.folder, self.digest, self.points, self.options = folder, digest, points, dict(options or {})

    @classmethod
    def of(cls, path: Path) -> Sam:
        """From a folder. Raises KizuError where transformers is missing, or the folder holds no such network."""
        made = cls(str(Path(path).resolve()), _digest(Path(path)))
        _ = made._pipeline  # said at once, not of the first picture that fires
        return made

    @cached_property
    def _pipeline(self):
        optional("torch", "vfm")
        transformers = optional("transformers", "vfm")
        if _digest(Path(self.folder)) != self.digest:
            raise KizuError(
                f"{self.folder}: not the weights that this model was fitted with; put those back, or fit again"
            )
        try:
            return transformers.pipeline("mask-generation", model=self.folder, device="cpu")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0][:200]
            raise KizuError(
                f"{self.folder}: cannot be used for masks ({first}); name a folder of SAM or SAM 2, network and image "
                "processor, as save_pretrained of transformers writes it"
            ) from error

    def masks(self, image: np.ndarray, margins: np.ndarray, found: np.ndarray) -> list[Masks]:
        """See :class:`Source`."""
        from PIL import Image

        height, width = image.shape[:2]
        share = min(1.0, _LONGEST / max(height, width))
        if share < 1:
            size = (max(round(width * share), 1), max(round(height * share), 1))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        said = self._pipeline(Image.fromarray(image), points_per_crop=self.points, **self.options)["masks"]
        layers = [np.asarray(mask, bool) for mask in said]
        if share < 1:
            whole = (width, height)
            layers = [cv2.resize(x.view(np.uint8), whole, interpolation=cv2.INTER_NEAREST).view(bool) for x in layers]
        return [Masks.from_dense(layers, (height, width))] * len(margins)

    def state(self) -> tuple[dict, dict]:
        """See :class:`Source`."""
        more = {"points": self.points, "options": self.options}
        return {}, {"folder": self.folder, "digest": self.digest} | more


def _digest(folder: Path) -> str:
    """SHA-256 of the weight files of a folder, one after the other."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise KizuError(f"{folder}: no folder of a network: it holds no *.safetensors; name that of SAM or SAM 2")
    return "-".join(sha256(path) for path in files)
