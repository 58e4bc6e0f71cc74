"""What every backbone is: RGB in 0..255 goes in, maps of the strides 4, 8, 16 and 32 come out."""

from __future__ import annotations

import torch
from torch import nn

STRIDES = (4, 8, 16, 32)
# Grey levels added to a picture's deviation, so that the noise of a plain picture is not blown up to full contrast.
FLOOR = 8.0
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Normalise(nn.Module):
    """Input in 0..255 to what a network takes.

    Args:
        mode: ``fixed``: minus ``mean``, divided by ``std``, a value each channel, as networks trained on photographs
            want it; ``picture``: minus the picture's mean over all channels and pixels, divided by its deviation + 8,
            so that exposure and contrast of a camera do not matter.
    """

    def __init__(self, mode: str = "picture", mean: tuple = IMAGENET_MEAN, std: tuple = IMAGENET_STD):
        super().__init__()
        if mode not in ("fixed", "picture"):
            raise ValueError(f"mode {mode!r}: fixed or picture")
        self.mode = mode
        if mode == "fixed":
            # Constants of the architecture: no part of the weights.
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor, stats: torch.Tensor | None = None) -> torch.Tensor:
        """Normalised images, float (B, 3, H, W).

        Args:
            images: (B, 3, H, W) RGB in 0..255.
            stats: (B, 2) mean and deviation of the whole picture where ``images`` are tiles of it; for ``picture``.
        """
        images = images.float()
        if self.mode == "fixed":
            return (images - self.mean) / self.std
        stats = picture_stats(images) if stats is None else stats
        return (images - stats[:, 0].view(-1, 1, 1, 1)) / (stats[:, 1].view(-1, 1, 1, 1) + FLOOR)


def picture_stats(images: torch.Tensor) -> torch.Tensor:
    """Mean and deviation (of all values, not an estimate) of each of (B, 3, H, W) pictures: (B, 2)."""
    images = images.float()
    return torch.stack([images.mean((1, 2, 3)), images.std((1, 2, 3), correction=0)], 1)


class Backbone(nn.Module):
    """Base of all backbones: subclasses make ``normalise`` and ``channels``, and implement :meth:`maps`.

    Attributes:
        channels: of the four maps.
        strides: 4, 8, 16, 32; others only where a map for each of these is not asked for (the few-shot inspector).
        architecture: name in the registry.
    """

    strides = STRIDES

    def __init__(self, channels: tuple[int, int, int, int], normalise: Normalise):
        super().__init__()
        self.channels = channels
        self.normalise = normalise
        self.architecture = type(self).__name__

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C_k, ceil(H / s), ceil(W / s)) of a normalised input."""
        raise NotImplementedError

    def forward(self, images: torch.Tensor, stats: torch.Tensor | None = None) -> list[torch.Tensor]:
        """Maps (B, C_k, ceil(H / s), ceil(W / s)) of images (B, 3, H, W), RGB in 0..255; ``stats`` see Normalise."""
        return self.maps(self.normalise(images, stats))
