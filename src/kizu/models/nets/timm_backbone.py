"""The adapters to timm: models that have maps of the strides 4, 8, 16 and 32, and vision transformers."""

from __future__ import annotations

import math

import timm
import torch
from torch import nn
from torch.nn import functional

from kizu.core.errors import KizuError
from kizu.models.nets.backbone import STRIDES, Backbone, Normalise
from kizu.models.nets.patches import PatchBackbone

_PROBE = 65  # pixels; no multiple of 32, and large enough for a map of stride 32


class TimmBackbone(Backbone):
    """A timm model cut into its stages.

    Args:
        name: of timm, ``regnetx_004``, with a tag of weights or without.
        pretrained: fetch timm's weights from the network (or its cache).
        normalise: ``picture`` or ``fixed`` (mean and deviation that timm states for the model).

    Raises:
        KizuError: timm has no such model, it has other strides, or its weights cannot be had.
    """

    def __init__(self, name: str, pretrained: bool = False, normalise: str = "fixed"):
        net = _create(name, pretrained)
        reductions = net.feature_info.reduction()
        # The last map of a stride is the deepest.
        chosen = [max((k for k, r in enumerate(reductions) if r == s), default=None) for s in STRIDES]
        if None in chosen:
            raise KizuError(f"timm:{name}: maps of the strides {reductions}; a backbone needs 4, 8, 16 and 32")
        channels = tuple(net.feature_info.channels()[k] for k in chosen)
        super().__init__(channels, Normalise(normalise, **_scale(net)))
        self.net = net
        self._chosen = chosen
        self._pads = self._needs_padding(name)

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """See :class:`Backbone`."""
        height, width = normalised.shape[-2:]
        if self._pads:
            last = STRIDES[-1]
            normalised = functional.pad(normalised, (0, -width % last, 0, -height % last))
        maps = self.net(normalised)
        maps = [maps[k] for k in self._chosen]
        if self._pads:
            maps = [m[..., : -(-height // s), : -(-width // s)] for m, s in zip(maps, STRIDES, strict=True)]
        return maps

    def _needs_padding(self, name: str) -> bool:
        """Whether maps are smaller than ceil(size / stride) without padding, as those of patches are."""
        training = self.net.training
        self.net.eval()
        try:
            with torch.no_grad():
                maps = self.net(torch.zeros(1, 3, _PROBE, _PROBE))
        except (AssertionError, RuntimeError) as error:
            raise KizuError(f"timm:{name}: takes pictures of its own size only ({error}); choose another") from error
        finally:
            self.net.train(training)
        for k, channels in zip(self._chosen, self.channels, strict=True):
            if maps[k].shape[1] != channels:
                raise KizuError(f"timm:{name}: its maps are not (batch, channels, height, width); choose another")
        return any(maps[k].shape[-1] != math.ceil(_PROBE / s) for k, s in zip(self._chosen, STRIDES, strict=True))


def any_timm_backbone(name: str, pretrained: bool = False) -> Backbone:
    """A timm model cut into its stages, or the middle and the last block of a vision transformer of timm.

    Raises:
        KizuError: as :class:`TimmBackbone`, but for the strides of a vision transformer.
    """
    like = _create(name, False)
    strides, last = like.feature_info.reduction(), max(getattr(like, "out_indices", (-1,)))
    if len(set(strides)) > 1 or last < 0:
        return TimmBackbone(name, pretrained)
    try:
        net = _create(name, pretrained, out_indices=(last // 2, last), dynamic_img_size=True)
    except TypeError as error:
        raise KizuError(f"timm:{name}: takes pictures of its own size only; choose another") from error
    return PatchBackbone(_Listed(net), strides[0], Normalise("fixed", **_scale(net)))


class _Listed(nn.Module):
    """Maps as a list, whatever timm makes of them."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        return list(self.net(normalised))


def _scale(net: nn.Module) -> dict[str, tuple[float, ...]]:
    """Mean and deviation of the channels in 0..255 that timm states for a model."""
    config = net.pretrained_cfg if hasattr(net, "pretrained_cfg") else {}
    return {key: tuple(255 * value for value in config[key]) for key in ("mean", "std") if key in config}


def _create(name: str, pretrained: bool, **options):
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:3]
        raise KizuError(f"timm has no model {name!r}" + (f"; nearest: {', '.join(near)}" if near else ""))
    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True, **options)
    except (AssertionError, AttributeError, KeyError, NotImplementedError) as error:
        raise KizuError(f"timm:{name}: timm gives no maps of it ({error}); choose another") from error
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            raise
        raise KizuError(
            f"timm:{name}: its weights cannot be had ({type(error).__name__}: no network, or none are published); "
            "leave pretrained off, or load a weight file"
        ) from error
