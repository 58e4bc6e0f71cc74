"""Networks of torch at work: the maps of the dense detector, and any other detector as an engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.detector.engine import LOWEST, Candidates, Engine
from kizu.inspection.tiling import plan
from kizu.models.dense_decode import DenseMaps
from kizu.models.registry import build_detector
from kizu.models.session import DenseSession, picture_stats

_STRIDE = 4  # of the grid that tiles part a picture by
_MOST = 300  # candidates of a picture


class TorchEngine(Engine):
    """A detector of the registry that gives boxes, with masks or without.

    Pictures above the size of a tile are cut, and a candidate counts in the tile that its middle lies in; defects that
    reach beyond the margin of a tile may be cut short.

    Attributes:
        module: the network, in evaluation mode.
        recipe: ``model``, ``backbone`` and ``size`` that build it.
    """

    def __init__(self, module: nn.Module, recipe: dict[str, Any]):
        self.module, self.recipe = module.eval(), recipe

    def candidates(self, image: np.ndarray, maps: bool = True) -> Candidates:
        """See :class:`kizu.detector.engine.Engine`; there are no maps."""
        size = image.shape[:2]
        labels, scores, boxes, masks = [], [], [], []
        for tile in plan(size, _STRIDE):
            rows, columns = tile.pixels
            (found,) = self.module.detect(tensor_of(image[tile.pixels], self.module))
            for i in np.flatnonzero(found["scores"] >= LOWEST):
                box = found["boxes"][i] + np.float32([columns.start, rows.start] * 2)
                middle = (box[:2] + box[2:]) / 2 / _STRIDE
                if not all(part.start <= at < part.stop for part, at in zip(tile.cells[::-1], middle, strict=True)):
                    continue
                labels.append(int(found["labels"][i]))
                scores.append(float(found["scores"][i]))
                boxes.append(box)
                if found["masks"] is not None:
                    mask, (x, y) = found["masks"][i]
                    masks.append((np.asarray(mask, bool), (int(x) + columns.start, int(y) + rows.start)))
        return Candidates(self._instances(labels, scores, boxes, masks, size))

    def _instances(self, labels, scores, boxes, masks, size) -> Instances:
        """Candidates as instances, the strongest :data:`_MOST`; those without a pixel or of no extent left out."""
        made = Masks.from_crops(masks, size) if self.module.masks else None
        high = np.array([size[1], size[0]] * 2, np.float32)
        corners = np.clip(np.array(boxes, np.float32).reshape(-1, 4), 0, high)
        if made is not None:
            corners = made.boxes.astype(np.float32)
        found = Instances(labels, corners, made, np.clip(np.array(scores, np.float32), 0, 1))
        found = found[(corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])]
        return found[np.argsort(-found.scores, kind="stable")[:_MOST]]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See :class:`kizu.detector.engine.Engine`."""
        arrays = {name: value.detach().cpu().numpy() for name, value in self.module.state_dict().items()}
        return arrays, dict(self.recipe)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], classes: int) -> TorchEngine:
        """The inverse of :meth:`state`. Raises KizuError where the arrays are of another network."""
        recipe = {name: settings[name] for name in ("model", "backbone", "size")}
        module = build_detector(recipe["model"], classes, recipe["backbone"], recipe["size"])
        try:
            module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
        except RuntimeError as error:
            raise KizuError(
                f"its weights are not those of {recipe['model']} on {recipe['backbone']}; another version of Kizu "
                "made it: fit it anew"
            ) from error
        return cls(module, recipe)


class TorchSession(DenseSession):
    """A dense detector that is still in training, in the place of one that was exported."""

    def __init__(self, module: nn.Module):
        self.module, self.classes = module, module.classes

    @torch.no_grad()
    def maps(self, image: np.ndarray, stats: np.ndarray | None = None) -> DenseMaps:
        """See :class:`DenseSession`."""
        images = tensor_of(image, self.module)
        given = torch.from_numpy(picture_stats(image) if stats is None else stats).to(images.device)
        said = self.module.maps(images, given)
        classes, boundary, offset = (values[0].float().cpu().numpy() for values in said)
        return DenseMaps(classes, boundary[0], offset)


def tensor_of(image: np.ndarray, module: nn.Module) -> torch.Tensor:
    """A picture uint8 (H, W, 3) as float (1, 3, H, W) in 0..255 on the device of a module."""
    values = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    return values.to(next(module.parameters()).device).float()
