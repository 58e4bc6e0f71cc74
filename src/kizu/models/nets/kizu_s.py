"""kizu-s, the default backbone: small, quick on a CPU, trained on formula images alone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kizu.models.nets.backbone import Backbone, Normalise

_STEM, _WIDTHS, _DEPTHS = 24, (48, 80, 144, 288), (1, 2, 2, 1)
_DOWN = (48, 64, 64)  # widths of the way back up, the finest first


class KizuS(Backbone):
    """A narrow residual network (He et al. 2016, basic blocks, shortcuts by mean as in ResNet-D) with a way back up.

    Plain 3 x 3 convolutions do more sums a millisecond on a CPU than grouped or depthwise ones, which is why it has few
    of them, and wide. Its maps of 96, 144, 208 and 288 channels are what a stage says, and, but for the coarsest, what
    the coarser ones say of the place (Lin et al. 2017, Feature Pyramid Networks): a thin crack at stride 4 is told from
    texture by what lies around it. The stages are passed on as well because the way back up keeps what the
    pre-training asked for, and little else. Each picture is normalised by its own mean and deviation.
    """

    def __init__(self):
        super().__init__((*(a + b for a, b in zip(_WIDTHS, _DOWN, strict=False)), _WIDTHS[-1]), Normalise("picture"))
        self.stem = _normed(3, _STEM, stride=2)
        self.stages = nn.ModuleList()
        before = _STEM
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            blocks = [_Block(before, width, 2), *(_Block(width, width, 1) for _ in range(depth - 1))]
            self.stages.append(nn.Sequential(*blocks))
            before = width
        self.lateral = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(_WIDTHS, _DOWN, strict=False))
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 1, bias=False) for a, b in zip((*_DOWN[1:], _WIDTHS[-1]), _DOWN, strict=True)
        )
        self.norm = nn.ModuleList(nn.BatchNorm2d(width) for width in _DOWN)
        self.smooth = nn.ModuleList(_normed(width, width) for width in _DOWN)

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        x, found = self.stem(normalised), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        out, coarse = [found[-1]], found[-1]
        for k in (2, 1, 0):
            height, width = found[k].shape[-2:]
            # Cell i of the coarse map lies over the cells 2i and 2i + 1, also where the size is odd.
            below = functional.interpolate(self.down[k](coarse), scale_factor=2.0, mode="nearest")
            mixed = self.norm[k](self.lateral[k](found[k]) + below[..., :height, :width])
            coarse = self.smooth[k](functional.relu(mixed))
            out.insert(0, torch.cat([found[k], coarse], 1))
        return out


class _Block(nn.Module):
    """Two convolutions around which the input is carried."""

    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.first = _normed(before, width, stride)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        short = [nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)] if stride == 2 else []
        short += (
            [nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)] if stride == 2 or before != width else []
        )
        self.short = nn.Sequential(*short)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.second(self.first(x)) + self.short(x))


def _normed(before: int, width: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, width, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
