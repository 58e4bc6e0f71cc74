"""The backbones of the registry: the function's name is the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kizu.core.errors import optional
from kizu.models.registry import register

if TYPE_CHECKING:
    from torch import nn

_IMAGENET = "timm's on request, from the network: ImageNet photographs; Apache-2.0"


@register(
    kind="backbone",
    title="the default: small, plain convolutions, each picture normalised by itself",
    licence="Apache-2.0",
    origin="Kizu, formula images alone; Apache-2.0",
)
def kizu_s(pretrained: bool = False) -> nn.Module:
    """The default backbone; ``pretrained`` takes the shipped weights."""
    from kizu.models.nets.kizu_s import KizuS
    from kizu.models.store import load_weights

    module = KizuS()
    module.architecture = "kizu-s"
    if pretrained:
        load_weights("kizu-s").into(module)
    return module


@register(
    kind="backbone",
    title="SqueezeNet 1.1 (Iandola et al. 2016), torchvision: formula against ImageNet, like for like",
    licence="BSD-3-Clause",
    origin="shipped, if any: Kizu, formula images alone; Apache-2.0",
)
def squeezenet1_1(pretrained: bool = False, normalise: str = "picture") -> nn.Module:
    """SqueezeNet 1.1; see ``SqueezeNet`` for ``normalise`` and for weights in torchvision's form."""
    from kizu.models.nets.squeezenet import SqueezeNet
    from kizu.models.store import load_weights

    module = SqueezeNet(normalise)
    if pretrained:
        load_weights("squeezenet1-1").into(module)
    return module


@register(kind="backbone", title="ResNet-18 (He et al. 2016), timm", licence="Apache-2.0", origin=_IMAGENET)
def resnet18(pretrained: bool = False) -> nn.Module:
    """ResNet-18."""
    return timm_backbone("resnet18", pretrained)


@register(kind="backbone", title="ResNet-50 (He et al. 2016), timm", licence="Apache-2.0", origin=_IMAGENET)
def resnet50(pretrained: bool = False) -> nn.Module:
    """ResNet-50."""
    return timm_backbone("resnet50", pretrained)


@register(kind="backbone", title="MobileNetV3-Large (Howard et al. 2019), timm", licence="Apache-2.0", origin=_IMAGENET)
def mobilenetv3_large_100(pretrained: bool = False) -> nn.Module:
    """MobileNetV3-Large."""
    return timm_backbone("mobilenetv3_large_100", pretrained)


@register(kind="backbone", title="ConvNeXt-T (Liu et al. 2022), timm", licence="Apache-2.0", origin=_IMAGENET)
def convnext_tiny(pretrained: bool = False) -> nn.Module:
    """ConvNeXt-T."""
    return timm_backbone("convnext_tiny", pretrained)


def timm_backbone(name: str, pretrained: bool = False, normalise: str = "fixed") -> nn.Module:
    """A backbone from any model of timm.

    Raises:
        KizuError: timm is missing, has no such model, or cannot get its weights.
    """
    optional("timm", "train")
    from kizu.models.nets.timm_backbone import TimmBackbone

    return TimmBackbone(name, pretrained, normalise)
