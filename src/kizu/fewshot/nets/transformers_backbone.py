"""A folder that ``save_pretrained`` of transformers wrote, as a backbone: DINOv2, DINOv3, ConvNeXt, Swin, ViT ...

Nothing is downloaded.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoBackbone, AutoConfig, AutoModel

from kizu.core.errors import KizuError
from kizu.fewshot.nets.quiet import quiet
from kizu.fewshot.sam2_folder import colour_scale
from kizu.models.nets.backbone import Backbone, Normalise
from kizu.models.nets.patches import PatchBackbone

_PROBE = 224  # pixels: a multiple of 14, 16 and 32
_COARSEST = 32
# What loading a folder raises that holds something else.
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SafetensorError)
_NEEDLESS = ("pooler", "norm")  # weights that a network of maps has no use for, or that say nothing until they are set


class _Stages(Backbone):
    """A convolutional or hierarchical network: the last map of each stride."""

    def __init__(self, net: nn.Module, strides: list[int], normalise: Normalise):
        super().__init__((), normalise)
        self.net = net
        # Coarser ones than the tiles of a large picture begin at are left out.
        self.strides = tuple(sorted({stride for stride in strides if stride <= _COARSEST}))
        self._chosen = [max(k for k, own in enumerate(strides) if own == stride) for stride in self.strides]

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """See :class:`Backbone`."""
        found = self.net(normalised)
        return [found[k] for k in self._chosen]


class _Maps(nn.Module):
    """Normalised pictures to a list of maps (B, C, h, w), one a stage or block."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        takes = inspect.signature(model.forward).parameters
        self._more = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in takes else {}
        self._patch = getattr(model.config, "patch_size", None)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps, the finest first; codes of other things than patches (class, registers) are left out."""
        out = self.model(images, output_hidden_states=True, **self._more)
        if hasattr(out, "feature_maps"):
            return list(out.feature_maps)
        rows, columns = images.shape[2] // self._patch, images.shape[3] // self._patch
        blocks = [layer[:, -(rows * columns) :] for layer in out.hidden_states[1:]]
        return [layer.transpose(1, 2).reshape(len(layer), layer.shape[2], rows, columns) for layer in blocks]


class _Two(nn.Module):
    """Two of the maps."""

    def __init__(self, maps: _Maps, chosen: tuple[int, int]):
        super().__init__()
        self.maps, self._chosen = maps, chosen

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        found = self.maps(images)
        return [found[k] for k in self._chosen]


def transformers_backbone(folder: Path | str) -> Backbone:
    """The backbone in a folder, with its weights; of a vision transformer the middle and the last block.

    Raises:
        KizuError: the folder holds no network of pictures that can be loaded whole, or gives no maps.
    """
    folder = Path(folder)
    scale = [tuple(255 * value for value in values) for values in colour_scale(folder)]
    try:
        maps = _Maps(_loaded(folder))
        with torch.no_grad():
            found = maps(torch.zeros(1, 3, _PROBE, _PROBE))
        sides = [layer.shape[-1] for layer in found]
        sound = all(layer.ndim == 4 and layer.shape[-2] == side for layer, side in zip(found, sides, strict=True))
    except _BROKEN as error:
        line = " ".join(str(error).split())[:200]
        raise KizuError(
            f"{folder}: cannot be used as a backbone ({line}); name the folder of an image network of transformers, "
            "such as a copy of facebook/dinov2-small"
        ) from error
    if not sides or not sound or any(_PROBE % side for side in sides):
        raise KizuError(f"{folder}: its maps are not those of cells of a picture; choose another network")
    strides, normalise = [_PROBE // side for side in sides], Normalise("fixed", *scale)
    if len(set(strides)) == 1:
        last = len(strides) - 1
        out: Backbone = PatchBackbone(_Two(maps, (last // 2, last)), strides[0], normalise)
    else:
        if not any(stride <= _COARSEST and _COARSEST % stride == 0 for stride in strides):
            raise KizuError(f"{folder}: maps of the strides {strides}; those that divide 32 are wanted")
        out = _Stages(maps, strides, normalise)
    out.architecture = f"{maps.model.config.model_type} of {folder.name}"
    return out.eval()


def _loaded(folder: Path) -> nn.Module:
    """The network, with maps of all stages where transformers knows it as a backbone."""
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    known = type(config) in AutoBackbone._model_mapping.keys()  # noqa: SIM118 (not a dict)
    kind = AutoBackbone._model_mapping[type(config)] if known else AutoModel
    if known:
        config.out_indices = list(range(1, len(config.stage_names)))
    with quiet():
        model, report = kind.from_pretrained(
            str(folder), config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    lost = [str(name) for name in [*report["missing_keys"], *report["mismatched_keys"]]]
    lost = sorted(name for name in lost if not any(part in name for part in _NEEDLESS))
    if lost:
        raise ValueError(f"{len(lost)} of its weights are missing or of another shape, such as {lost[0]}")
    return model.eval()
