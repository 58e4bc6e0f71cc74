"""A backbone that is small enough to be exported and trained in a test, and pictures of squares for it."""

import numpy as np
import torch
from torch import nn

from kizu.models.nets.backbone import Backbone, Normalise
from kizu.models.nets.dense import DenseNet


class Tiny(Backbone):
    """Six convolutions."""

    def __init__(self, normalise="picture"):
        super().__init__((8, 8, 8, 8), Normalise(normalise))
        self.stem = _step(3, 8)
        self.steps = nn.ModuleList(_step(8, 8) for _ in range(4))

    def maps(self, normalised):
        out, now = [], self.stem(normalised)
        for step in self.steps:
            now = step(now)
            out.append(now)
        return out


def _step(before, after):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, 2, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1),
    )


def tiny(classes=2, normalise="picture", sharp=True):
    """A dense detector that is always the same; ``sharp``: its answers differ from cell to cell."""
    torch.manual_seed(0)
    net = DenseNet(Tiny(normalise), classes, 16)
    if sharp:
        norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer in norms:
            layer.momentum = 1.0
        with torch.no_grad():
            net(torch.rand(4, 3, 64, 64) * 255)
            net.head.out.weight.normal_(std=0.5)
            net.head.out.bias.zero_()
        for layer in norms:
            layer.momentum = 0.1
    return net.eval()


def squares(count, seed=0, size=(64, 64)):
    """Pictures (N, H, W, 3) with a bright square of class 0 and, on every other, a dark bar of class 1; and targets."""
    random = np.random.default_rng(seed)
    images, targets = random.integers(100, 130, (count, *size, 3)).astype(np.uint8), []
    for i, image in enumerate(images):
        masks = np.zeros((2, *size), bool)
        y, x = random.integers(2, size[0] // 2 - 14), random.integers(2, size[1] - 16)
        masks[0, y : y + 12, x : x + 12] = True
        y, x = random.integers(size[0] // 2 + 4, size[0] - 8), random.integers(2, size[1] - 30)
        masks[1, y : y + 6, x : x + 26] = True
        image[masks[0]], image[masks[1] & (i % 2 == 1)] = 220, 30
        kept = [0, 1] if i % 2 else [0]
        targets.append({"labels": torch.tensor(kept), "masks": torch.from_numpy(masks[kept])})
    return images, targets


def as_tensor(images):
    return torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float()
