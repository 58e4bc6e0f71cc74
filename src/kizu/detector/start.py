"""What a detector starts from: a network of the registry, and weights that ship with Kizu, are given, or are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kizu.core.errors import KizuError
from kizu.models.registry import build_backbone, build_detector
from kizu.models.store import Weights, load_weights, shipped

if TYPE_CHECKING:
    from torch import nn

NONE, SHIPPED = "none", "shipped"


def weights_for(asked: str | None, backbone: str) -> tuple[Weights | None, str]:
    """Weights, and their name or path (``none`` where there are none).

    Args:
        asked: ``shipped``, ``none`` or a file; None = shipped ones where the backbone has any.

    Raises:
        KizuError: shipped ones are asked for and there are none, or a file is missing, damaged or of another backbone.
    """
    name = backbone.replace("_", "-")
    if asked == NONE or (asked is None and name not in shipped()):
        return None, NONE
    if asked == SHIPPED and name not in shipped():
        known = ", ".join(shipped()) or "none"
        raise KizuError(f"no weights of {name} come with Kizu (there are: {known}); name a file, or --weights none")
    source = name if asked in (None, SHIPPED) else asked
    weights = load_weights(source)
    if weights.architecture != name:
        raise KizuError(
            f"{weights.source}: these are weights of {weights.architecture}, and the backbone is {name}; take "
            f"--backbone {weights.architecture}, or a file of {name}"
        )
    return weights, source


def begin(model: str, backbone: str, classes: int, size: int, weights: Weights | None, seed: int) -> nn.Module:
    """The network a training starts from; what the weights do not hold is drawn from ``seed``.

    Besides the backbone, the pyramid is taken over, and what of the head does not depend on the classes, where the file
    has them in the same shape.

    Raises:
        KizuError: no such model, a missing extra, or weights that do not fit the backbone.
    """
    from kizu.core.errors import optional

    torch = optional("torch", "train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = build_backbone(backbone)
        if weights is not None:
            weights.into(body)
        module = build_detector(model, classes, body, size)
    if weights is not None:
        own = module.state_dict()
        more = {
            name: torch.from_numpy(value.copy())
            for name, value in weights.arrays.items()
            if not name.startswith("backbone.") and name in own and own[name].shape == value.shape
        }
        # The last layer of a head of as many classes would have the right shape, and the wrong classes.
        module.load_state_dict({name: value for name, value in more.items() if ".out." not in name}, strict=False)
    return module
