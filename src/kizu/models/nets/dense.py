"""The dense detector: class, boundary and centre of every cell of four pixels, small enough for a CPU."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import STRIDE, dense_targets
from kizu.models.nets.backbone import STRIDES, Backbone, picture_stats
from kizu.models.nets.dense_loss import dense_loss
from kizu.models.nets.pyramid import Pyramid

PRIOR = 0.01  # probability that the untrained head gives a class (Lin et al. 2017, Focal Loss, section 4.1)


class DenseNet(nn.Module):
    """Backbone, pyramid and a head at stride 4, one for all classes.

    Panoptic-DeepLab (Cheng et al. 2020) without its heat map of centres: instances are the connected regions of a
    class, parted at a boundary map and joined by votes for centres (:mod:`kizu.models.dense_decode`). A sigmoid a
    class, so that "nothing" is no class, and a scratch on a bolt is both.

    Args:
        backbone: see :class:`kizu.models.nets.backbone.Backbone`.
        classes: number of classes K.
        width: channels of the pyramid and of the head.
    """

    masks = True

    def __init__(self, backbone: Backbone, classes: int, width: int = 64):
        super().__init__()
        self.classes = classes
        self.architecture = "kizu-dense"
        self.backbone = backbone
        self.pyramid = Pyramid(backbone.channels, width)
        self.head = Head(width, classes)

    def forward(
        self, images: torch.Tensor, stats: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log odds and offsets on the cells of images of any size, which are padded by their last row and column.

        Args:
            images: (B, 3, H, W) RGB in 0..255.
            stats: (B, 2) mean and deviation of the whole pictures where ``images`` are tiles of them.

        Returns:
            log odds of the classes (B, K, h, w) and of the boundary (B, 1, h, w), and offsets (B, 2, h, w) in units of
            16 cells; h = ceil(H / 4), w = ceil(W / 4).
        """
        height, width = images.shape[-2:]
        images = images.float()
        stats = picture_stats(images) if stats is None else stats
        if height % STRIDES[-1] or width % STRIDES[-1]:
            pad = (0, -width % STRIDES[-1], 0, -height % STRIDES[-1])
            images = functional.pad(images, pad, mode="replicate")
        rows, columns = -(-height // STRIDE), -(-width // STRIDE)
        logits, boundary, offset = self.whole(images, stats)
        return tuple(values[..., :rows, :columns] for values in (logits, boundary, offset))

    def whole(self, images: torch.Tensor, stats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As :meth:`forward`, for heights and widths that are multiples of 32."""
        return self.answers(self.backbone(images, stats))

    def answers(self, maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As :meth:`whole`, from the maps of the backbone."""
        values = self.head(self.pyramid(maps))
        return values[:, : self.classes], values[:, self.classes : -2], values[:, -2:]

    def maps(
        self, images: torch.Tensor, stats: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As :meth:`forward`, with probabilities of classes and boundary."""
        logits, boundary, offset = self(images, stats)
        return logits.sigmoid(), boundary.sigmoid(), offset

    def loss(self, images: torch.Tensor, targets: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Losses by name, to be added up; see :func:`kizu.models.nets.dense_loss.dense_loss`.

        Loops that draw many pictures make the maps of :func:`kizu.models.dense_targets.dense_targets` beside the
        network and call ``dense_loss(model(images), maps)`` themselves.

        Args:
            images: (B, 3, H, W) RGB in 0..255.
            targets: one a picture: ``labels`` int64 (N,) from 0, ``masks`` bool (N, H, W).

        Raises:
            KizuError: targets without masks.
        """
        found = [self._maps_of(target, tuple(images.shape[-2:])) for target in targets]
        maps = {name: torch.from_numpy(np.stack([item[name] for item in found])).to(images.device) for name in found[0]}
        return dense_loss(self(images), maps)

    def _maps_of(self, target: dict[str, torch.Tensor], size: tuple[int, int]) -> dict[str, np.ndarray]:
        if "masks" not in target:
            raise KizuError("targets without masks; train a detector of boxes (faster-rcnn, fcos), or label masks")
        masks = Masks.from_dense(target["masks"].cpu().numpy(), size)
        return dense_targets(Instances(target["labels"].cpu().numpy(), masks=masks), self.classes).arrays()

    @torch.no_grad()
    def detect(self, images: torch.Tensor, threshold: float | list[float] = 0.5) -> list[dict]:
        """Instances of each of (B, 3, H, W) images, strongest first.

        Args:
            threshold: probability that outlines a class; one, or one a class.

        Returns:
            dictionaries of ``boxes`` float32 (N, 4), ``labels`` (N,), ``scores`` (N,), and ``masks``, N pairs of a bool
            array and its corner (x, y).
        """
        training = self.training
        self.eval()
        maps = [values.float().cpu().numpy() for values in self.maps(images)]
        self.train(training)
        out = []
        for classes, boundary, offset in zip(*maps, strict=True):
            found = decode(DenseMaps(classes, boundary[0], offset), tuple(images.shape[-2:]), threshold)
            out.append({name: getattr(found, name) for name in ("boxes", "labels", "scores", "masks")})
        return out


class Head(nn.Module):
    """Levels of a pyramid, added up at the finest (Kirillov et al. 2019, Panoptic FPN), to K + 3 values a cell."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.mix = nn.Sequential(*(layer for _ in range(2) for layer in _separable(width)))
        self.out = nn.Conv2d(width, classes + 3, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[:classes], -math.log((1 - PRIOR) / PRIOR))

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """(B, K + 3, h, w) from four levels (B, width, ., .), the finest first, each half as high and wide."""
        total = levels[-1]
        for level in reversed(levels[:-1]):
            total = level + functional.interpolate(total, scale_factor=2.0, mode="bilinear")
        return self.out(self.mix(total))


def _separable(width: int) -> tuple[nn.Module, ...]:
    """A 3 x 3 convolution a channel and a 1 x 1 over the channels (Howard et al. 2017, MobileNets)."""
    return (
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width), nn.ReLU(inplace=True),
    )  # fmt: skip
