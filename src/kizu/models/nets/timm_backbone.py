"""The one adapter to timm: any of its models that has maps of the strides 4, 8, 16 and 32."""

from __future__ import annotations

import math

import timm
import torch
from torch.nn import functional

from kizu.core.errors import KizuError
from kizu.models.nets.backbone import STRIDES, Backbone, Normalise

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
        config = net.pretrained_cfg if hasattr(net, "pretrained_cfg") else {}
        scale = {key: tuple(255 * value for value in config[key]) for key in ("mean", "std") if key in config}
        super().__init__(channels, Normalise(normalise, **scale))
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


def _create(name: str, pretrained: bool):
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:3]
        raise KizuError(f"timm has no model {name!r}" + (f"; nearest: {', '.join(near)}" if near else ""))
    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True)
    except (AssertionError, AttributeError, KeyError, NotImplementedError) as error:
        raise KizuError(f"timm:{name}: timm gives no maps of it ({error}); choose another") from error
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            raise
        raise KizuError(
            f"timm:{name}: its weights cannot be had ({type(error).__name__}: no network, or none are published); "
            "leave pretrained off, or load a weight file"
        ) from error
