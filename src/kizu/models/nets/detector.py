"""What detectors of all libraries share here: pictures of any size in 0..255, labels from 0, results as numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kizu.core.errors import KizuError
from kizu.models.nets.backbone import STRIDES, Backbone

Target = dict[str, torch.Tensor]
# Detections kept of a picture, at most.
MOST = 100


class Detector(nn.Module):
    """Base of detectors; subclasses implement :meth:`losses` and :meth:`detections` on padded, normalised input.

    Attributes:
        backbone: of the registry; its weights are exchanged on their own.
        classes: number of classes, background not counted.
        masks: trained with masks, and gives masks.
        least: smallest side of the padded input, in pixels.
    """

    masks = False
    least = STRIDES[-1]

    def __init__(self, backbone: Backbone, classes: int):
        super().__init__()
        self.backbone = backbone
        self.classes = classes
        self.architecture = type(self).__name__

    def loss(self, images: torch.Tensor, targets: list[Target]) -> dict[str, torch.Tensor]:
        """Parts of the loss, scalars whose sum is to be made small. The detector has to be in training mode.

        Args:
            images: (B, 3, H, W), uint8 or float, RGB in 0..255; H and W any.
            targets: one a picture: ``boxes`` float (N, 4) XYXY in pixels, ``labels`` int64 (N,) from 0, ``masks`` bool
                (N, H, W) where the detector has masks. N may be 0.

        Raises:
            KizuError: a target that does not fit: no masks, a label or a box that cannot be.
        """
        if not self.training:
            raise RuntimeError(f"{self.architecture}.loss needs the training mode: call train() first")
        if len(targets) != len(images):
            raise ValueError(f"{len(images)} images and {len(targets)} targets")
        size = tuple(images.shape[-2:])
        checked = [self._checked(k, target, size, images.device) for k, target in enumerate(targets)]
        return self.losses(self._input(images), size, checked)

    @torch.no_grad()
    def detect(self, images: torch.Tensor) -> list[dict[str, Any]]:
        """What is found in each picture, best first, in evaluation mode.

        Args:
            images: (B, 3, H, W), uint8 or float, RGB in 0..255; H and W any.

        Returns:
            One record a picture: ``boxes`` float32 (N, 4) XYXY in pixels, ``labels`` int64 (N,) from 0, ``scores``
            float32 (N,), ``masks`` a list of (bool crop (h, w), (x, y) of its corner), or None for boxes alone.
        """
        training = self.training
        self.eval()
        try:
            found = self.detections(self._input(images), tuple(images.shape[-2:]))
        finally:
            self.train(training)
        return [_sorted(record) for record in found]

    def losses(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target]) -> dict[str, torch.Tensor]:
        """Losses of normalised input (B, 3, H', W') whose first ``size`` (H, W) are the picture."""
        raise NotImplementedError

    def detections(self, x: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """Detections of normalised, padded input: tensors ``boxes``, ``labels``, ``scores``, and ``masks`` as crops."""
        raise NotImplementedError

    def _input(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised pictures, their last rows and columns repeated up to a multiple of the coarsest stride."""
        x = self.backbone.normalise(images)
        height, width = (max(self.least, -(-side // STRIDES[-1]) * STRIDES[-1]) for side in x.shape[-2:])
        # Repeated, not zeros: a dark or bright frame would be an edge that no picture has.
        return functional.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]), mode="replicate")

    def _checked(self, k: int, target: Target, size: tuple[int, int], device: torch.device) -> Target:
        """A target with the types that libraries ask for."""
        boxes = target["boxes"].to(device, torch.float32).reshape(-1, 4)
        labels = target["labels"].to(device, torch.int64)
        if len(labels) != len(boxes):
            raise KizuError(f"target {k}: {len(boxes)} boxes and {len(labels)} labels")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise KizuError(
                f"target {k}: labels {labels.unique().tolist()}, but the detector has {self.classes} classes"
            )
        if bool((boxes[:, 2:] <= boxes[:, :2]).any()):
            raise KizuError(f"target {k}: a box without height or width; leave such boxes out")
        checked = {"boxes": boxes, "labels": labels}
        if self.masks:
            masks = target.get("masks")
            if masks is None:
                raise KizuError(
                    f"target {k}: boxes only, and {self.architecture} learns masks; label masks, or take a detector of "
                    "boxes (faster-rcnn, fcos, retinanet)"
                )
            if tuple(masks.shape) != (len(boxes), *size):
                raise KizuError(f"target {k}: masks of the shape {tuple(masks.shape)}, not {(len(boxes), *size)}")
            checked["masks"] = masks.to(device)
        return checked


def crop_of(mask: torch.Tensor) -> tuple[np.ndarray, tuple[int, int]]:
    """The smallest crop that holds a bool (H, W) mask, and its corner (x, y); 0 x 0 for an empty one."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    if not len(rows):
        return np.zeros((0, 0), bool), (0, 0)
    y, x = int(rows[0]), int(columns[0])
    return mask[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1].cpu().numpy(), (x, y)


def _sorted(record: dict[str, Any]) -> dict[str, Any]:
    """Tensors as numpy, the best score first."""
    scores = record["scores"].float().cpu().numpy()
    order = np.argsort(-scores, kind="stable")
    masks = record.get("masks")
    return {
        "boxes": record["boxes"].float().cpu().numpy().reshape(-1, 4)[order],
        "labels": record["labels"].cpu().numpy().astype(np.int64)[order],
        "scores": scores[order],
        "masks": None if masks is None else [masks[i] for i in order],
    }
