"""Other networks for the few-shot inspector than the one that Kizu ships: found, exported once, and checked.

The exported network lies in the model file, so that an inspector needs neither torch nor the place where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kizu.core.errors import KizuError, optional
from kizu.fewshot.network import NAME, Network, shipped
from kizu.models.registry import build_backbone, entry
from kizu.models.store import load_weights

if TYPE_CHECKING:
    from kizu.models.nets.backbone import Backbone

_TIMM = ("timm/", "timm:")
_CONFIG = "config.json"
_BORDER = 32  # pixels mirrored around a picture; a network of patches pads nothing
_LARGEST = 512  # pixels of a side of the pictures that an export is checked on


def check_backbone(asked: str) -> None:
    """Refuse what names no backbone, before any picture is looked at; whether it is sound is seen when it is loaded.

    Raises:
        KizuError: an unknown name, a detector, a folder without a network, or a missing extra.
    """
    path = Path(asked)
    if asked.startswith(_TIMM) or path.is_file():
        optional("timm", "train")
    elif path.is_dir():
        optional("transformers", "vfm")
        if not (path / _CONFIG).is_file():
            raise KizuError(
                f"{asked}: no {_CONFIG} is there; name a folder that save_pretrained of transformers wrote, or a "
                "weight file"
            )
    elif path.suffix or len(path.parts) > 1:
        raise KizuError(
            f"{asked}: no such file or folder; --backbone takes a name (kizu models), timm/NAME, a weight file of kizu "
            "pretrain, or a folder that save_pretrained of transformers wrote"
        )
    elif entry(asked).kind != "backbone":
        raise KizuError(f"{entry(asked).name} is a {entry(asked).kind}, not a backbone; kizu models lists both")
    if _own(asked):
        for library in ("torch", "onnx", "onnxscript"):
            optional(library, "train")


def network_from(asked: str, pictures: Sequence[np.ndarray] = ()) -> Network:
    """The network that ``--backbone`` asks for.

    Args:
        asked: a name of the registry, with the weights of its origin; ``timm/NAME``, with timm's; a weight file of
            ``kizu pretrain``; or a folder that ``save_pretrained`` of transformers wrote.
        pictures: uint8 (H, W, 3) RGB, on which the exported network is held against the one in torch.

    Raises:
        KizuError: as :func:`check_backbone`, weights that cannot be had or loaded, or a network that cannot be
            exported.
    """
    check_backbone(asked)
    if not _own(asked):
        return shipped()
    module = _module(asked)
    return exported(module, _title(asked, module), pictures)


def exported(module: Backbone, name: str, pictures: Sequence[np.ndarray] = ()) -> Network:
    """A backbone as a network of the few-shot inspector; arguments and errors as those of :func:`network_from`."""
    from kizu.models.nets.export import export_features
    from kizu.models.nets.patches import PatchBackbone

    graph = export_features(module.eval(), [image[:_LARGEST, :_LARGEST] for image in pictures])
    border = 0 if isinstance(module, PatchBackbone) else _BORDER
    return Network.of(graph, name, module.strides, border)


def _own(asked: str) -> bool:
    """Whether it is not the network that Kizu ships."""
    return Path(asked).exists() or asked.replace("_", "-") != NAME


def _title(asked: str, module: Backbone) -> str:
    if asked.startswith(_TIMM):
        return "timm/" + asked[len(_TIMM[0]) :]
    return f"{module.architecture} in {Path(asked).name}" if Path(asked).is_file() else module.architecture


def _module(asked: str) -> Backbone:
    path = Path(asked)
    if asked.startswith(_TIMM):
        from kizu.models.nets.timm_backbone import any_timm_backbone

        return any_timm_backbone(asked[len(_TIMM[0]) :], pretrained=True)
    if path.is_dir():
        from kizu.fewshot.nets.transformers_backbone import transformers_backbone

        return transformers_backbone(path)
    if path.is_file():
        weights = load_weights(path)
        module = build_backbone(weights.architecture)
        weights.into(module)
        return module
    return build_backbone(asked, pretrained=True)
