"""The loss of the dense detector: made for defects that cover a thousandth of a picture, or none of it."""

from __future__ import annotations

import torch
from torch.nn import functional

FOCUS = 2.0  # gamma of the focal loss (Lin et al. 2017)
LEAST = 16.0  # cells: a picture with fewer positives does not weigh each of them more


def dense_loss(
    out: tuple[torch.Tensor, torch.Tensor, torch.Tensor], maps: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Losses by name, to be added up.

    - ``classes``: focal loss of soft labels (Li et al. 2020, Quality Focal Loss: |y - p|^2 times cross-entropy), summed
      over cells and divided by the positives of the batch, so that a small defect weighs as much as the large ground.
    - ``dice``: of each picture and class that is on it (Milletari et al. 2016, V-Net).
    - ``boundary``: cross-entropy on the cells of instances, where alone it is asked for.
    - ``offset``: smooth L1 on the cells of instances.

    Args:
        out: of :class:`kizu.models.nets.dense.DenseNet`.
        maps: ``classes`` uint8 (B, K, h, w), ``boundary`` uint8 (B, h, w), ``offset`` float (B, 2, h, w), ``weight``
            float (B, h, w), ``known`` uint8 (B, h, w): stacked arrays of
            :class:`kizu.models.dense_targets.DenseTargets`.
    """
    logits, boundary, offset = (values.float() for values in out)
    target = maps["classes"].float() / 255
    known = maps["known"].float()
    inside = known * (maps["weight"] > 0)
    cells = inside.sum().clamp(min=LEAST)
    edge = functional.binary_cross_entropy_with_logits(boundary[:, 0], maps["boundary"].float(), reduction="none")
    error = functional.smooth_l1_loss(offset, maps["offset"].float(), beta=0.1, reduction="none").sum(1)
    return {
        "classes": class_loss(logits, target, known),
        "dice": _dice(logits.sigmoid() * known[:, None], target * known[:, None]),
        "boundary": 0.5 * (edge * inside).sum() / cells,
        "offset": 0.5 * (error * known * maps["weight"]).sum() / cells,
    }


def class_loss(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The term ``classes`` of :func:`dense_loss`: log odds and shares (B, K, h, w), known (B, h, w) 0 or 1."""
    weight = (target - logits.sigmoid()).abs() ** FOCUS * known[:, None]
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * weight).sum() / (target * known[:, None]).sum().clamp(min=LEAST)


def _dice(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    shared = (probability * target).sum((2, 3))
    whole = (probability**2).sum((2, 3)) + (target**2).sum((2, 3))
    there = target.sum((2, 3)) > 0
    # One cell more above and below: a defect of a single cell then is no gamble.
    return ((1 - (2 * shared + 1) / (whole + 1)) * there).sum() / there.sum().clamp(min=1)
