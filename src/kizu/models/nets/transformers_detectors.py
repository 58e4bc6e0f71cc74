"""transformers' detectors with random weights, on a backbone of the registry: D-FINE, RT-DETRv2 and Mask2Former."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import box_convert, clip_boxes_to_image
from transformers import (
    DFineConfig,
    DFineForObjectDetection,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    ResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
)

from kizu.models.nets.backbone import STRIDES, Backbone
from kizu.models.nets.detector import MOST, Detector, Target, crop_of

# A term of the loss is repeated for each layer, for denoising queries and for the encoder.
_REPEATED = re.compile(r"(_(aux|dn|enc|pre))*(_\d+)?$")
_STRIDES_OF_BOXES = STRIDES[1:]


class _Body(nn.Module):
    """A backbone in the place of the library's own. It is held in a tuple, so that its weights are not listed twice."""

    def __init__(self, backbone: Backbone, first: int):
        super().__init__()
        self._backbone = (backbone,)
        self._first = first

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None):
        maps = self._backbone[0].maps(pixel_values)[self._first :]
        # The DETR kin take (map, mask) pairs and never read the mask; Mask2Former takes ``feature_maps``.
        return SimpleNamespace(feature_maps=maps) if pixel_mask is None else [(m, None) for m in maps]


def _stand_in(channels: tuple[int, ...], first: int) -> ResNetConfig:
    """The smallest network of the library with maps of these channels: it makes the layers behind them fit."""
    stages = [f"stage{k + 1}" for k in range(first, 4)]
    return ResNetConfig(
        embedding_size=8, hidden_sizes=list(channels), depths=[1] * 4, layer_type="bottleneck", out_features=stages
    )


@contextlib.contextmanager
def _without_warnings(logger: str) -> Iterator[None]:
    """No warnings of a logger of the library."""
    own = logging.getLogger(logger)
    level = own.level
    own.setLevel(logging.ERROR)
    try:
        yield
    finally:
        own.setLevel(level)


class Detr(Detector):
    """D-FINE (Peng et al. 2024) or RT-DETRv2 (Lv et al. 2024) of transformers: boxes from queries, no suppression.

    Args:
        kind: ``d-fine`` or ``rt-detrv2``.
        width: of encoder and decoder, a multiple of 8.
        queries: boxes that are proposed.
        layers: of the decoder.
        min_score: detections below it are dropped.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        kind: str,
        width: int = 256,
        queries: int = 300,
        layers: int = 3,
        min_score: float = 0.05,
    ):
        super().__init__(backbone, classes)
        config, make = {
            "d-fine": (DFineConfig, DFineForObjectDetection),
            "rt-detrv2": (RTDetrV2Config, RTDetrV2ForObjectDetection),
        }[kind]
        used = backbone.channels[1:]
        self.net = make(
            config(
                backbone_config=_stand_in(backbone.channels, 1),
                num_labels=classes,
                encoder_in_channels=list(used),
                feat_strides=list(_STRIDES_OF_BOXES),
                encoder_hidden_dim=width,
                encoder_ffn_dim=4 * width,
                d_model=width,
                decoder_in_channels=[width] * len(used),
                decoder_ffn_dim=4 * width,
                decoder_layers=layers,
                num_queries=queries,
                freeze_backbone_batch_norms=False,
            )
        )
        self.net.model.backbone = _Body(backbone, 1)
        self._min_score = min_score
        # Queries are chosen among cells, so there have to be as many.
        block = STRIDES[-1]
        cells = sum((block // stride) ** 2 for stride in _STRIDES_OF_BOXES)
        self.least = block * math.ceil(math.sqrt(queries / cells))

    def losses(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target]) -> dict[str, torch.Tensor]:
        """See :class:`Detector`: class, boxes, overlap and, for D-FINE, fine-grained localisation, over all layers."""
        scale = x.new_tensor([x.shape[-1], x.shape[-2]] * 2)
        labels = [
            {"class_labels": t["labels"], "boxes": box_convert(t["boxes"], "xyxy", "cxcywh") / scale} for t in targets
        ]
        terms: dict[str, torch.Tensor] = {}
        for name, value in self.net(pixel_values=x, labels=labels).loss_dict.items():
            name = _REPEATED.sub("", name)
            terms[name] = terms[name] + value if name in terms else value
        return terms

    def detections(self, x: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """See :class:`Detector`."""
        output = self.net(pixel_values=x)
        scale = x.new_tensor([x.shape[-1], x.shape[-2]] * 2)
        found = []
        for logits, boxes in zip(output.logits.float(), output.pred_boxes.float(), strict=True):
            scores, chosen = logits.sigmoid().flatten().topk(min(MOST, logits.numel()))
            boxes = clip_boxes_to_image(box_convert(boxes, "cxcywh", "xyxy") * scale, size)[chosen // self.classes]
            # A box beyond the picture, in what was padded, is nothing once it is clipped.
            kept = (scores >= self._min_score) & (boxes[:, 2:] > boxes[:, :2]).all(1)
            found.append({"boxes": boxes[kept], "scores": scores[kept], "labels": (chosen % self.classes)[kept]})
        return found


class Mask2Former(Detector):
    """Mask2Former (Cheng et al. 2022) of transformers: masks from queries.

    Args:
        width: of pixel and transformer decoder, a multiple of 8.
        queries: masks that are proposed.
        layers: of the transformer decoder, the first included, and six tenths as many of the pixel decoder.
        points: of a mask at which the loss is taken.
        min_score: detections below it are dropped.
    """

    masks = True

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        width: int = 256,
        queries: int = 100,
        layers: int = 10,
        points: int = 12544,
        min_score: float = 0.05,
    ):
        super().__init__(backbone, classes)
        with _without_warnings(Mask2FormerConfig.__module__):  # of the stand-in, which does not stay
            config = Mask2FormerConfig(
                backbone_config=_stand_in(backbone.channels, 0),
                num_labels=classes,
                feature_size=width,
                mask_feature_size=width,
                hidden_dim=width,
                encoder_feedforward_dim=4 * width,
                dim_feedforward=8 * width,
                encoder_layers=max(1, round(layers * 0.6)),
                decoder_layers=layers,
                num_queries=queries,
                train_num_points=points,
            )
        self.net = Mask2FormerForUniversalSegmentation(config)
        self.net.model.pixel_level_module.encoder = _Body(backbone, 0)
        self._min_score = min_score

    def losses(self, x: torch.Tensor, size: tuple[int, int], targets: list[Target]) -> dict[str, torch.Tensor]:
        """See :class:`Detector`: class, mask and dice of all layers in one sum."""
        right, below = x.shape[-1] - size[1], x.shape[-2] - size[0]
        masks = [functional.pad(t["masks"].float(), (0, right, 0, below)) for t in targets]
        output = self.net(pixel_values=x, mask_labels=masks, class_labels=[t["labels"] for t in targets])
        return {"loss": output.loss.sum()}

    def detections(self, x: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """See :class:`Detector`; the score is the class's, times the mean probability inside the mask."""
        output = self.net(pixel_values=x)
        found = []
        for logits, maps in zip(output.class_queries_logits, output.masks_queries_logits, strict=True):
            classes = logits.float().softmax(-1)[:, :-1]
            scores, chosen = classes.flatten().topk(min(MOST, classes.numel()))
            record: dict[str, Any] = {"boxes": [], "scores": [], "labels": [], "masks": []}
            for score, place in zip(scores[scores >= self._min_score].tolist(), chosen.tolist(), strict=False):
                query, label = divmod(place, self.classes)
                self._add(record, maps[query], score, label, x.shape[-2:], size)
            for name, kind in (("boxes", torch.float32), ("scores", torch.float32), ("labels", torch.int64)):
                record[name] = torch.tensor(record[name], dtype=kind)
            found.append(record)
        return found

    def _add(self, record: dict, logits: torch.Tensor, score: float, label: int, padded, size) -> None:
        """Append a query to the record, unless its mask is empty or its score too low."""
        whole = functional.interpolate(logits[None, None].float(), tuple(padded), mode="bilinear", align_corners=False)
        sure = whole[0, 0, : size[0], : size[1]].sigmoid()
        inside = sure > 0.5
        if not inside.any() or score * float(sure[inside].mean()) < self._min_score:
            return
        crop, (left, top) = crop_of(inside)
        record["boxes"].append([left, top, left + crop.shape[1], top + crop.shape[0]])
        record["scores"].append(score * float(sure[inside].mean()))
        record["labels"].append(label)
        record["masks"].append((crop, (left, top)))
