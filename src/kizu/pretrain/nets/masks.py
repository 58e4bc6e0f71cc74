"""The task "masks": class, boundary and centre of all that is drawn (InsCore's objective, a cell of four pixels)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.evaluation.histogram import BINS, HALF, average_precision, tally, to_bins
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import dense_targets
from kizu.models.nets.dense_loss import dense_loss
from kizu.pretrain.augment import expose, look, random_view, steady_view
from kizu.pretrain.material import Material
from kizu.pretrain.nets.readout import ReadNet, ground_of, readout_loss
from kizu.pretrain.nets.task import Task
from kizu.pretrain.recipe import Recipe
from kizu.pretrain.samples import Shown, sample_page
from kizu.synth.engine import draw

_TRIES = 20  # samples in a row that cannot be used before the run ends
_ROWS = 6  # of the picture
_AT_ONCE = 16  # held-out pictures in one go


@dataclass(frozen=True)
class _Held:
    """A held-out picture as it is shown to the network: image (S, S, 3), instances, and target maps."""

    image: np.ndarray
    truth: Instances
    maps: dict[str, np.ndarray]


class Masks(Task):
    """A dense detector learns the classes, boundaries and centres of a material's instances; each map of its backbone
    alone, what lies on a cell and which material it is."""

    name = "masks"

    def __init__(self, material: Material, backbone: nn.Module, recipe: Recipe, seed: int):
        """
        Args:
            backbone: of the registry, with ``architecture``; shared with other tasks where several are learned.
        """
        self.material, self.recipe, self.seed = material, recipe, seed
        self.architecture = backbone.architecture
        self.model = ReadNet(backbone, len(material.names), recipe.width)

    # --- training -------------------------------------------------------------------------------------------------

    def batch(self, step: int) -> dict[str, Any]:
        skipped: list[dict[str, str]] = []
        chosen = self.material.order.batch(step, self.recipe.batch, self.rank, self.world)
        items = [self._item(place, number, skipped) for place, number in chosen]
        out = torch.utils.data.default_collate(items)
        return out | ({"skipped": skipped} if skipped else {})

    def _item(self, place: int, number: int, skipped: list[dict[str, str]]) -> dict[str, np.ndarray]:
        """Image and target maps of a sample, or of the next one that can be used."""
        for attempt in range(_TRIES):
            try:
                sample = labelled(draw(self.material.train, (number + attempt) % len(self.material.train)))
                random = generator(self.seed, Stream.TRAINING, place)
                view = random_view(sample.size, sample.instances, self.recipe.side, random)
                image, found = look(sample.image, sample.instances, view, self.recipe.side)
                maps = dense_targets(found, len(self.material.names)).arrays()
                return {"images": planes(expose(image, random)), "ground": np.int64(ground_of(sample))} | maps
            except DataError as error:
                skipped.append({"item": f"sample {number + attempt}", "reason": str(error)})
        raise KizuError(f"{_TRIES} samples in a row cannot be used, the first: {skipped[-_TRIES]['reason']}")

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        *out, reads = model(batch["images"], read=True)
        return dense_loss(out, batch) | readout_loss(reads, batch["classes"], batch["known"], batch["ground"])

    # --- validation -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def held(self) -> list[_Held]:
        """The held-out pictures. Raises KizuError where none can be used."""
        out, why = [], "there is none"
        for i in range(len(self.material.held)):
            try:
                sample = labelled(draw(self.material.held, i))
                view = steady_view(sample.size, sample.instances, self.recipe.side)
                image, found = look(sample.image, sample.instances, view, self.recipe.side)
                out.append(_Held(image, found, dense_targets(found, len(self.material.names)).arrays()))
            except DataError as error:
                why = str(error)
        if not out:
            raise KizuError(f"no held-out picture can be used: {why}")
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Over cells of held-out pictures: ``score``, the mean average precision of the classes that are on them;
        ``miou`` of them at probability 0.5; and ``any``, the average precision of "something is here".
        """
        kinds = len(self.material.names)
        counts = np.zeros((kinds + 1, 2, BINS), np.int64)
        for first in range(0, len(self.held), _AT_ONCE):
            some = self.held[first : first + _AT_ONCE]
            odds = self._maps(model, some)[0]
            for item, values in zip(some, odds, strict=True):
                truth, hidden = item.maps["classes"] >= 128, item.maps["known"] == 0
                values, truth = (np.concatenate([v, v.max(0, keepdims=True)]) for v in (values, truth))
                for k, bins in enumerate(to_bins(values, "probabilities")):
                    tally(bins, truth[k], hidden, *counts[k])
        there = [k for k in range(kinds) if counts[k, 0].any()]
        precisions = [average_precision(*counts[k]) or 0.0 for k in there]
        hits, called = counts[there, 0, HALF:].sum(1), counts[there, :, HALF:].sum((1, 2))
        overlaps = hits / np.maximum(counts[there, 0].sum(1) + called - hits, 1)
        if not there:
            raise KizuError("no instance on any held-out picture: the best weights cannot be told; hold out others")
        return {
            "score": float(np.mean(precisions)),
            "miou": float(np.mean(overlaps)),
            "any": float(average_precision(*counts[kinds])),
        }

    def picture(self, model: nn.Module) -> np.ndarray:
        chosen = sorted(self.held, key=lambda item: not len(item.truth))[:_ROWS]
        rows = []
        for item, odds, boundary, offset in zip(chosen, *self._maps(model, chosen), strict=True):
            found = decode(DenseMaps(odds, boundary[0], offset), item.image.shape[:2]).instances()
            rows.append(Shown(item.image, item.truth, found, odds.max(0)))
        return sample_page(rows, self.material.names)

    def _maps(self, model: nn.Module, items: list[_Held]) -> list[np.ndarray]:
        """Class (B, K, h, w), boundary (B, 1, h, w) and offset (B, 2, h, w)."""
        device = next(model.parameters()).device
        images = torch.from_numpy(np.stack([planes(item.image) for item in items])).to(device)
        return [values.float().cpu().numpy() for values in model.maps(images)]

    def card(self) -> Card:
        recipe = self.recipe
        return Card(
            "weights",
            f"dense detector (class, boundary, centre) of width {recipe.width} on {self.architecture}",
            list(self.material.names),
            {"side": recipe.side, "range": "0..255 RGB; the backbone normalises"},
            data=[dict(self.material.data)],
        )


def planes(image: np.ndarray) -> np.ndarray:
    """An image uint8 (H, W, 3) as uint8 (3, H, W)."""
    return np.ascontiguousarray(cv2.split(image))


def labelled(sample: Sample) -> Sample:
    """The sample. Raises DataError where nobody has looked at it: that it shows nothing is not known."""
    if not sample.labelled:
        raise DataError(f"{sample.id}: not labelled, so that nothing can be learned from it; label it, or leave it out")
    if sample.instances.masks is None and len(sample.instances):
        raise DataError(f"{sample.id}: its instances have boxes only; label masks, or leave it out")
    return sample
