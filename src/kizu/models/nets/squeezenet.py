"""SqueezeNet 1.1 as a backbone: the network for which formula images and ImageNet are compared like for like."""

from __future__ import annotations

import torch
from torch.nn import functional
from torchvision.models import squeezenet1_1

from kizu.core.errors import KizuError
from kizu.models.nets.backbone import Backbone, Normalise

# The file of ImageNet weights was trained on RGB in 0..255 minus these, not scaled.
_MEAN = (123.0, 117.0, 104.0)
# Places of the pools in torchvision's list of layers.
_POOLS = (2, 5, 8)
# Conv1 and the pools -> rows and columns of zeros before the map, of 2 in all. The network as published has none, and
# its unit i of stride s looks at pixel s*i + s - 1; with these it looks at 4i + 1, 8i + 5, 16i + 5, near the middle of
# its cell, and there are ceil(size / s) units.
_BEFORE = {0: 0, 2: 1, 5: 0, 8: 1}


class SqueezeNet(Backbone):
    """SqueezeNet 1.1 (Iandola et al. 2016), its layers and their names torchvision's; maps of 128, 256, 512 and 512
    channels, the last a max-pool of the third.

    Args:
        normalise: ``picture``, or ``fixed`` as the ImageNet weights need it.
    """

    def __init__(self, normalise: str = "picture"):
        super().__init__((128, 256, 512, 512), Normalise(normalise, _MEAN, (1.0, 1.0, 1.0)))
        self.architecture = "squeezenet1-1"
        self.features = squeezenet1_1(weights=None).features

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """See :class:`Backbone`."""
        x, found = normalised, []
        for k, layer in enumerate(self.features):
            if k in _POOLS[1:]:
                found.append(x)
            if k in _BEFORE:
                # Zeros are the mean colour before conv1, and never the maximum of a pool behind a ReLU.
                before = _BEFORE[k]
                x = functional.pad(x, (before, 2 - before, before, 2 - before))
            x = functional.max_pool2d(x, 3, 2) if k in _POOLS else layer(x)
        return [*found, x, functional.max_pool2d(functional.pad(x, (0, 2, 0, 2)), 3, 2)]

    def load_torchvision(self, state: dict[str, torch.Tensor]) -> None:
        """Take the weights of torchvision's network from its state dict; its classifier is left out.

        Raises:
            KizuError: names or shapes are not those of SqueezeNet 1.1.
        """
        kept = {name: value.float() for name, value in state.items() if not name.startswith("classifier.")}
        try:
            self.load_state_dict(kept)
        except RuntimeError as error:
            raise KizuError(f"not the weights of SqueezeNet 1.1: {str(error).splitlines()[-1].strip()}") from error
