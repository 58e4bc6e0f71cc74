"""Norms that are there while a network learns from nothing, and are folded into its kernels afterwards.

A network of plain convolutions (SqueezeNet) learns slowly from nothing. With a batch norm behind each convolution it
learns as others do; in use such a norm is a scale and a shift, which the kernel and the bias take up, so that the
network that is saved is the published one, layer for layer (the re-parameterisation of Ding et al. 2021, "RepVGG",
section 3.3, with one branch).
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import fuse_conv_bn_eval

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class NormedConv2d(nn.Conv2d):
    """A convolution with a batch norm behind it, under the names of the convolution; ``norm`` is the new part."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(super().forward(x))


def has_norms(module: nn.Module) -> bool:
    """Whether any layer normalises."""
    return any(isinstance(child, _NORMS) for child in module.modules())


def add_norms(module: nn.Module) -> None:
    """Put a batch norm behind each convolution, in place, which changes what the network says: for random weights."""
    for child in list(module.modules()):
        if type(child) is nn.Conv2d:
            child.__class__ = NormedConv2d
            child.norm = nn.BatchNorm2d(child.out_channels)


def folded(module: nn.Module) -> nn.Module:
    """The module without the norms of :func:`add_norms`, in evaluation mode; itself where it has none."""
    if not any(isinstance(child, NormedConv2d) for child in module.modules()):
        return module
    out = copy.deepcopy(module).eval()
    for child in list(out.modules()):
        if isinstance(child, NormedConv2d):
            norm = child.norm
            del child.norm
            child.__class__ = nn.Conv2d
            plain = fuse_conv_bn_eval(child, norm)
            child.weight, child.bias = plain.weight, plain.bias
    return out
