"""The detectors of the registry: the function's name is the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizu.models.registry import register

if TYPE_CHECKING:
    from torch import nn

_OF_BACKBONE = "those of its backbone alone"


@register(
    kind="detector",
    title="dense head on a light pyramid: class, boundary and centre of each pixel; quick on a CPU",
    licence="Apache-2.0",
    origin=_OF_BACKBONE,
    masks=True,
)
def kizu_dense(classes: int, backbone: nn.Module, size: int, width: int = 64) -> nn.Module:
    """Kizu's own; ``size`` does not matter to it."""
    from kizu.models.nets.dense import DenseNet

    return DenseNet(backbone, classes, width)


@register(
    kind="detector",
    title="Mask R-CNN (He et al. 2017), torchvision, on a light pyramid",
    licence="BSD-3-Clause",
    origin=_OF_BACKBONE,
    masks=True,
)
def mask_rcnn(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``TwoStage`` for options."""
    from kizu.models.nets.torchvision_detectors import TwoStage

    return TwoStage(backbone, classes, size, masks=True, **options)


@register(
    kind="detector",
    title="Faster R-CNN (Ren et al. 2015), torchvision, on a light pyramid",
    licence="BSD-3-Clause",
    origin=_OF_BACKBONE,
)
def faster_rcnn(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``TwoStage`` for options."""
    from kizu.models.nets.torchvision_detectors import TwoStage

    return TwoStage(backbone, classes, size, masks=False, **options)


@register(
    kind="detector",
    title="FCOS (Tian et al. 2019), torchvision, on a light pyramid",
    licence="BSD-3-Clause",
    origin=_OF_BACKBONE,
)
def fcos(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``OneStage`` for options."""
    from kizu.models.nets.torchvision_detectors import OneStage

    return OneStage(backbone, classes, size, "fcos", **options)


@register(
    kind="detector",
    title="RetinaNet (Lin et al. 2017), torchvision, on a light pyramid",
    licence="BSD-3-Clause",
    origin=_OF_BACKBONE,
)
def retinanet(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``OneStage`` for options."""
    from kizu.models.nets.torchvision_detectors import OneStage

    return OneStage(backbone, classes, size, "retinanet", **options)


@register(
    kind="detector",
    title="D-FINE (Peng et al. 2024), transformers, on any backbone of the registry",
    licence="Apache-2.0",
    origin=_OF_BACKBONE,
    extra="vfm",
)
def d_fine(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``Detr`` for options; ``size`` does not matter to it."""
    from kizu.models.nets.transformers_detectors import Detr

    return Detr(backbone, classes, "d-fine", **options)


@register(
    kind="detector",
    title="RT-DETRv2 (Lv et al. 2024), transformers, on any backbone of the registry",
    licence="Apache-2.0",
    origin=_OF_BACKBONE,
    extra="vfm",
)
def rt_detrv2(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``Detr`` for options; ``size`` does not matter to it."""
    from kizu.models.nets.transformers_detectors import Detr

    return Detr(backbone, classes, "rt-detrv2", **options)


@register(
    kind="detector",
    title="Mask2Former (Cheng et al. 2022), transformers, on any backbone of the registry",
    licence="Apache-2.0",
    origin=_OF_BACKBONE,
    extra="vfm",
    masks=True,
)
def mask2former(classes: int, backbone: nn.Module, size: int, **options: Any) -> nn.Module:
    """See ``Mask2Former`` for options; ``size`` does not matter to it."""
    from kizu.models.nets.transformers_detectors import Mask2Former

    return Mask2Former(backbone, classes, **options)
