"""A backbone of five small layers, so that tests of what stands on it are quick."""

from itertools import pairwise

from torch import nn

from kizu.models.nets.backbone import Backbone, Normalise

WIDTHS = (3, 16, 16, 16, 32, 32)


class TinyNet(Backbone):
    """Strided convolutions, one a stride of 2."""

    def __init__(self):
        super().__init__(WIDTHS[2:], Normalise("picture"))
        self.architecture = "tiny"
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(WIDTHS)
        )

    def maps(self, normalised):
        """Maps of the strides 4 to 32."""
        found = [normalised]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[2:]
