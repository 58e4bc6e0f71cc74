"""kizu-s, the default backbone: small, quick on a CPU, trained on formula images alone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kizu.models.nets.backbone import Backbone, Normalise

_STEM, _WIDTHS, _DEPTHS = 24, (48, 80, 144, 288), (1, 2, 2, 1)
_OUT = (48, 64, 64, 64)


class KizuS(Backbone):
    """A narrow residual network (He et al. 2016, basic blocks, shortcuts by mean as in ResNet-D) with a way back up.

    Plain 3 x 3 convolutions do more sums a millisecond on a CPU than grouped or depthwise ones, which is why it has few
    of them, and wide. Its maps of 48, 64, 64 and 64 channels have each seen the coarser ones (Lin et al. 2017, Feature
    Pyramid Networks): a thin crack at stride 4 is told from texture by what lies around it. Each picture is normalised
    by its own mean and deviation.
    """

    def __init__(self):
        super().__init__(_OUT, Normalise("picture"))
        self.stem = _normed(3, _STEM, stride=2)
        self.stages = nn.ModuleList()
        before = _STEM
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            blocks = [_Block(before, width, 2), *(_Block(width, width, 1) for _ in range(depth - 1))]
            self.stages.append(nn.Sequential(*blocks))
            before = width
        self.lateral = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(_WIDTHS, _OUT, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(_OUT[1:], _OUT[:-1], strict=True))
        self.norm = nn.ModuleList(nn.BatchNorm2d(width) for width in _OUT)
        self.smooth = nn.ModuleList(_normed(width, width) for width in _OUT[:-1])

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        x, found = self.stem(normalised), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        out = [functional.relu(self.norm[3](self.lateral[3](found[3])))]
        for k in (2, 1, 0):
            height, width = found[k].shape[-2:]
            # Cell i of the coarse map lies over the cells 2i and 2i + 1, also where the size is odd.
            coarse = functional.interpolate(self.down[k](out[0]), scale_factor=2.0, mode="nearest")
            mixed = self.norm[k](self.lateral[k](found[k]) + coarse[..., :height, :width])
            out.insert(0, self.smooth[k](functional.relu(mixed)))
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
