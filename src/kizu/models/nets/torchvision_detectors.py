"""torchvision's detectors on any backbone: their heads and losses, our input (no silent resize) and labels from 0."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign

from kizu.models.nets.backbone import STRIDES, Backbone
from kizu.models.nets.detector import MOST, Detector, Target, crop_of
from kizu.models.nets.pyramid import Pyramid

# The least box that anchors are made for, in pixels: pin holes and small pores.
_SMALLEST = 8.0
_RATIOS = (1 / 3, 1.0, 3.0)  # scratches and cracks are long


def anchors(size: int, per_level: int) -> AnchorGenerator:
    """Anchors in even steps of scale from the smallest defect to three quarters of a picture.

    Args:
        size: the longer side of pictures, in pixels.
        per_level: scales at each of the four strides.
    """
    count = per_level * len(STRIDES)
    largest = max(0.75 * size, 2 * _SMALLEST)
    sides = [_SMALLEST * (largest / _SMALLEST) ** (k / (count - 1)) for k in range(count)]
    levels = tuple(tuple(sides[k * per_level : (k + 1) * per_level]) for k in range(len(STRIDES)))
    return AnchorGenerator(levels, (_RATIOS,) * len(STRIDES))


class _Width(nn.Module):
    """What torchvision asks of a backbone when it makes a detector; features are handed to the parts here."""

    def __init__(self, width: int):
        super().__init__()
        self.out_channels = width


class TwoStage(Detector):
    """Faster R-CNN (Ren et al. 2015) or, with masks, Mask R-CNN (He et al. 2017) of torchvision on a light pyramid.

    Args:
        size: see :func:`anchors`.
        width: channels of the pyramid.
        min_score: detections below it are dropped.
        library: options of torchvision's class, e.g. ``box_batch_size_per_image``.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        size: int,
        masks: bool,
        width: int = 128,
        min_score: float = 0.05,
        **library: Any,
    ):
        super().__init__(backbone, classes)
        self.masks = masks
        self.pyramid = Pyramid(backbone.channels, width)
        names = [str(k) for k in range(len(STRIDES))]
        if masks:
            library["mask_roi_pool"] = MultiScaleRoIAlign(names, 14, 2)
        net = (MaskRCNN if masks else FasterRCNN)(
            _Width(width),
            classes + 1,  # its label 0 is the background
            rpn_anchor_generator=anchors(size, 2),
            box_roi_pool=MultiScaleRoIAlign(names, 7, 2),
            box_score_thresh=min_score,
            box_detections_per_img=MOST,
            **library,
        )
        self.head = nn.ModuleDict({"rpn": net.rpn, "roi": net.roi_heads})

    def _run(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target] | None):
        levels = self.pyramid(self.backbone.maps(x))
        features = {str(k): level for k, level in enumerate(levels)}
        proposals, first = self.head["rpn"](ImageList(x, [size] * len(x)), features, targets)
        found, second = self.head["roi"](features, proposals, [size] * len(x), targets)
        return found, first | second

    def losses(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target]) -> dict[str, torch.Tensor]:
        """See :class:`Detector`: objectness, class and boxes of both stages, masks."""
        return self._run(x, size, [target | {"labels": target["labels"] + 1} for target in targets])[1]

    def detections(self, x: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """See :class:`Detector`."""
        found, _ = self._run(x, size, None)
        for record in found:
            record["labels"] = record["labels"] - 1
            if self.masks:
                # One at a time: a hundred masks of a large picture at once are gigabytes.
                pairs = zip(record["masks"][:, None], record["boxes"][:, None], strict=True)
                record["masks"] = [crop_of(paste_masks_in_image(mask, box, size)[0, 0] > 0.5) for mask, box in pairs]
        return found


class OneStage(Detector):
    """FCOS (Tian et al. 2019) or RetinaNet (Lin et al. 2017) of torchvision on a light pyramid.

    Args:
        kind: ``fcos`` (points) or ``retinanet`` (anchors, see :func:`anchors`).
        width: channels of the pyramid and of the heads; a multiple of 32.
        min_score: detections below it are dropped.
        library: options of torchvision's class, e.g. ``nms_thresh``.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        size: int,
        kind: str,
        width: int = 128,
        min_score: float = 0.05,
        **library: Any,
    ):
        super().__init__(backbone, classes)
        self.pyramid = Pyramid(backbone.channels, width)
        make = {"fcos": FCOS, "retinanet": RetinaNet}[kind]
        # FCOS measures boxes in strides; a level has those of 4 to 8 of them, the last all larger ones.
        points = AnchorGenerator(tuple((stride,) for stride in STRIDES), ((1.0,),) * len(STRIDES))
        self.head = make(
            _Width(width),
            classes,
            anchor_generator=points if kind == "fcos" else anchors(size, 3),
            score_thresh=min_score,
            detections_per_img=MOST,
            **library,
        )
        self._points_have_levels = kind == "fcos"
        if kind == "fcos":
            # Distances pass a ReLU. Beginning at 0, half of them would have no slope and might never wake up, so they
            # begin at half of the 8 strides that a level reaches.
            nn.init.constant_(self.head.head.regression_head.bbox_reg.bias, 4.0)

    def _run(self, x: torch.Tensor, size: tuple[int, int]):
        levels = self.pyramid(self.backbone.maps(x))
        outputs = self.head.head(levels)
        places = self.head.anchor_generator(ImageList(x, [size] * len(x)), levels)
        cells = [level.shape[-2] * level.shape[-1] for level in levels]
        each = len(places[0]) // sum(cells)
        return outputs, places, [each * n for n in cells]

    def losses(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target]) -> dict[str, torch.Tensor]:
        """See :class:`Detector`: class, boxes, and for FCOS centredness."""
        outputs, places, counts = self._run(x, size)
        more = (counts,) if self._points_have_levels else ()
        return self.head.compute_loss(targets, outputs, places, *more)

    def detections(self, x: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """See :class:`Detector`."""
        outputs, places, counts = self._run(x, size)
        outputs = {name: list(value.split(counts, 1)) for name, value in outputs.items()}
        places = [list(each.split(counts)) for each in places]
        return self.head.postprocess_detections(outputs, places, [size] * len(x))
