"""The task "episodes": features by which a defect of a product is found from one to three labelled pictures of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kizu.core.card import Card
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.evaluation.histogram import BINS, HALF, average_precision, tally, to_bins
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import dense_targets
from kizu.pretrain.augment import Exposure, look, random_view
from kizu.pretrain.material import Material
from kizu.pretrain.nets.masks import labelled, planes
from kizu.pretrain.nets.readout import GROUNDS, ground_of
from kizu.pretrain.nets.ridge import EpisodeNet, drawn_cells, even
from kizu.pretrain.nets.task import Task
from kizu.pretrain.recipe import Recipe
from kizu.pretrain.samples import Shown, sample_page
from kizu.synth.engine import Source, draw

SUPPORT, QUERIES = 3, 4  # pictures of an episode
_ROWS, _ASKED = 1400, 2400  # cells of the support, and of the queries
_REUSED = 2  # episodes of a product, since drawing its pictures takes longer than looking at them again
_APART = 7919  # between a product that makes no episode and the one that is taken in its place
_TRIES = 20  # products in a row that make no episode before the run ends
_AROUND = 0.8  # share of views that are laid around an instance of the class
_ZOOM = (0.75, 1.9)  # times the size in the picture, the same for all pictures of an episode but for a little
_KINDS, _GROUNDS, _CONTRAST = 0.5, 0.25, 0.5  # weights of what is learned beside the episodes
_MOST_HELD, _SHOWN = 32, 2  # held-out episodes


@dataclass(frozen=True)
class _Episode:
    """Pictures of one product, the support first.

    Attributes:
        images: uint8 (n, S, S, 3).
        found: instances of the class on each, all labels 0.
        wanted: uint8 (n, h, w), the share of each cell that the class covers, 0..255.
        other: uint8 (n, h, w), the share that other defects cover.
        classes: uint8 (n, K, h, w), the shares of all classes.
        ground: number of the material around the instances, -1 where it is not known.
        product: its number, the same in all episodes that show it.
    """

    images: np.ndarray
    found: list[Instances]
    wanted: np.ndarray
    other: np.ndarray
    classes: np.ndarray
    ground: int
    product: int


class Episodes(Task):
    """Each episode shows one product: a ridge regression on the features of the support is to find the defect on the
    queries. Good pictures and other defects are among them. Beside it, every cell learns what lies on it."""

    name = "episodes"

    def __init__(self, material: Material, backbone: nn.Module, recipe: Recipe, seed: int):
        self.material, self.recipe, self.seed = material, recipe, seed
        self.architecture = backbone.architecture
        self.model = EpisodeNet(backbone, len(material.names), GROUNDS)
        self.count = max(recipe.batch // (SUPPORT + QUERIES), 1)

    # --- training -------------------------------------------------------------------------------------------------

    def batch(self, step: int) -> dict[str, Any]:
        skipped: list[dict[str, str]] = []
        products = -(-self.count // _REUSED)
        first = (step * self.world + self.rank) * products
        episodes = [one for k in range(products) for one in self._episodes(self.material.train, first + k, skipped)]
        episodes = episodes[: self.count]
        out = {
            "images": np.stack([[planes(image) for image in one.images] for one in episodes]),
            "wanted": np.stack([one.wanted for one in episodes]),
            "other": np.stack([one.other for one in episodes]),
            "classes": np.stack([one.classes for one in episodes]),
            "ground": np.array([one.ground for one in episodes]),
            "product": np.array([one.product for one in episodes]),
        }
        out = {name: torch.from_numpy(values) for name, values in out.items()}
        return out | ({"skipped": skipped} if skipped else {})

    def _episodes(self, source: Source, place: int, skipped: list[dict[str, str]]) -> list[_Episode]:
        """Two episodes of the product at a place in the order, or of the next that can make some."""
        why = ""
        for attempt in range(_TRIES):
            random = generator(self.seed, Stream.TRAINING, place * _TRIES + attempt)
            numbers = self.material.product(source, place + attempt * _APART, random)
            try:
                samples = [labelled(draw(source, number)) for number in numbers]
                return [self._made(samples, place + attempt * _APART, random) for _ in range(_REUSED)]
            except DataError as error:
                why = str(error)
                skipped.append({"item": f"product of sample {numbers[0]}", "reason": why})
            except _NoEpisode as error:
                why = str(error)
        raise KizuError(f"{_TRIES} products in a row make no episode, the last: {why}")

    def _made(self, samples: list[Sample], product: int, random: np.random.Generator) -> _Episode:
        """An episode from pictures of one product: a class that is on two of them at least.

        Raises:
            _NoEpisode: there is none.
        """
        holds = [{k for k in set(s.instances.labels.tolist()) if k in self.material.defects} for s in samples]
        able = sorted(k for k in set().union(*holds) if sum(k in own for own in holds) >= 2)
        if not able or len(samples) < 2:
            raise _NoEpisode(f"{samples[0].id}: no defect is on two of {len(samples)} pictures of its product")
        wanted = int(random.choice(able))
        order = random.permutation(len(samples)).tolist()
        mine = [i for i in order if wanted in holds[i]]
        shots = int(random.integers(1, min(SUPPORT, len(mine) - 1) + 1))
        rest = [i for i in order if i not in mine] + mine[shots + 1 :]
        random.shuffle(rest)
        more = max(SUPPORT - shots, 0)
        chosen = mine[:shots] + rest[:more], mine[shots : shots + 1] + rest[more:]
        pictures = [*_filled(chosen[0], SUPPORT), *_filled(chosen[1], QUERIES)]
        exposure = Exposure.draw(random)
        zoom = float(np.exp(random.uniform(*np.log(_ZOOM))))
        views = [self._view(samples[i], wanted, zoom, exposure, random) for i in pictures]
        images, found, classes = zip(*views, strict=True)
        classes = np.stack(classes)
        others = [k for k in self.material.defects if k != wanted]
        return _Episode(
            np.stack(images),
            [one[one.labels == wanted].replace(labels=np.zeros(int((one.labels == wanted).sum()), np.int32))
             for one in found],
            classes[:, wanted], classes[:, others].max(1) if others else np.zeros_like(classes[:, 0]), classes,
            ground_of(samples[0]), product,
        )  # fmt: skip

    def _view(
        self, sample: Sample, wanted: int, zoom: float, exposure: Exposure, random: np.random.Generator
    ) -> tuple[np.ndarray, Instances, np.ndarray]:
        """Image uint8 (S, S, 3), instances, and shares of the classes uint8 (K, h, w) of one random view."""
        side, instances = self.recipe.side, sample.instances
        mine = instances[instances.labels == wanted]
        near = zoom * float(np.exp(random.uniform(-0.12, 0.12)))
        view = random_view(sample.size, mine, side, random, near, _AROUND)
        image, found = look(sample.image, instances, view, side)
        return exposure.apply(image, random), found, dense_targets(found, len(self.material.names)).classes

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """``episode``: balanced cross-entropy and dice (Milletari et al. 2016) of the queries' cells; ``kinds``: what
        lies on a cell; of those on which nothing lies ``ground``, the material, and ``contrast``, the product."""
        images = batch["images"]
        features = model(images.flatten(0, 1))
        wanted, known = _truth(batch["wanted"], batch["other"], features.shape[2])
        features = features.view(*images.shape[:2], *features.shape[1:])
        rows, labels, weights = drawn_cells(features[:, :SUPPORT], wanted[:, :SUPPORT], known[:, :SUPPORT], _ROWS)
        asked, truth, counts = drawn_cells(features[:, SUPPORT:], wanted[:, SUPPORT:], known[:, SUPPORT:], _ASKED)
        odds = model.head["regression"](rows, labels, even(labels, weights), asked)
        used = ((labels * weights).sum(1) > 0) & ((truth * counts).sum(1) > 0)  # a view may have missed the defect
        total = counts.sum(1, keepdim=True)
        positive = (truth * counts).sum(1, keepdim=True)
        balanced = counts * torch.where(truth > 0, (0.25 * total / positive.clamp(min=4)).clamp(min=1), 1.0)
        entropy = functional.binary_cross_entropy_with_logits(odds, truth, reduction="none")
        entropy = (entropy * balanced).sum(1) / balanced.sum(1).clamp(min=1e-6)
        share = odds.sigmoid() * counts
        dice = 1 - (2 * (share * truth).sum(1) + 1) / (share.sum(1) + positive[:, 0] + 1)
        many = used.sum().clamp(min=1)
        return {
            "episode": ((entropy + 0.5 * dice) * used).sum() / many,
            "kinds": _KINDS * self._kinds(model, features.flatten(0, 1), batch["classes"].flatten(0, 1)),
            "ground": _GROUNDS * self._grounds(model, features, batch["classes"], batch["ground"]),
            "contrast": _CONTRAST * self._contrast(model, features, batch["classes"], batch["product"]),
        }

    def _kinds(self, model: nn.Module, features: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each class on every second cell of every second row, positives and ground by class."""
        odds = model.head["kinds"](features[:, :, ::2, ::2].float())
        step = model.stride // 2
        truth = classes[:, :, ::step, ::step].float() / 255
        entropy = functional.binary_cross_entropy_with_logits(odds, truth, reduction="none")
        there = (truth >= 0.5).float()
        positive = (entropy * there).sum() / there.sum().clamp(min=50)
        return 0.3 * positive + entropy.mean(1).mean() * 10

    def _grounds(
        self, model: nn.Module, features: torch.Tensor, classes: torch.Tensor, ground: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the material, of every second cell of every second row on which nothing lies."""
        step = model.stride // 2
        free = (classes[..., ::step, ::step].amax(2) == 0).flatten(0, 1)
        odds = model.head["grounds"](features[..., ::2, ::2].flatten(0, 1).float())
        truth = ground.repeat_interleave(features.shape[1])[:, None, None].expand(odds.shape[0], *odds.shape[2:])
        free = free & (truth >= 0)
        entropy = functional.cross_entropy(odds, truth.clamp(min=0), reduction="none")
        return (entropy * free).sum() / free.sum().clamp(min=1)

    def _contrast(
        self, model: nn.Module, features: torch.Tensor, classes: torch.Tensor, product: torch.Tensor
    ) -> torch.Tensor:
        step = model.stride // 4
        free = (classes[..., ::step, ::step].amax(2) == 0).flatten(0, 1)
        return model.head["contrast"](features.flatten(0, 1), free, product.repeat_interleave(features.shape[1]))

    # --- validation -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def held(self) -> list[_Episode]:
        """Held-out episodes. Raises KizuError where none can be made."""
        skipped: list[dict[str, str]] = []
        count = min(max(len(self.material.held) // (SUPPORT + QUERIES), 1), _MOST_HELD)
        return [self._episodes(self.material.held, k, skipped)[0] for k in range(count)]

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Over the queries' cells of held-out episodes: ``score``, the mean of the episodes' average precisions, and
        ``miou`` at probability 0.5."""
        precisions, overlaps = [], []
        for one in self.held:
            odds, wanted, known = self._answer(model, one)
            counts = np.zeros((2, BINS), np.int64)
            tally(to_bins(odds, "probabilities"), wanted, ~known, *counts)
            if counts[0].any():
                precisions.append(average_precision(*counts))
                hits, called = counts[0, HALF:].sum(), counts[:, HALF:].sum()
                overlaps.append(hits / (counts[0].sum() + called - hits))
        if not precisions:
            raise KizuError("no held-out episode shows its defect on a query: hold out more pictures")
        return {"score": float(np.mean(precisions)), "miou": float(np.mean(overlaps))}

    def _answer(self, model: nn.Module, one: _Episode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities float32 (n, h, w) of the queries, their truth, and where it is known."""
        device = next(model.parameters()).device
        images = torch.from_numpy(np.stack([planes(image) for image in one.images])).to(device)
        features = model(images)
        shares = [torch.from_numpy(values[None]).to(device) for values in (one.wanted, one.other)]
        wanted, known = _truth(*shares, features.shape[2])
        support = features[None, :SUPPORT]
        rows, labels, weights = drawn_cells(support, wanted[:, :SUPPORT], known[:, :SUPPORT], support[0, :, 0].numel())
        asked = features[SUPPORT:].permute(0, 2, 3, 1).reshape(1, -1, features.shape[1]).float()
        odds = model.head["regression"](rows, labels, even(labels, weights), asked)
        shape = (len(images) - SUPPORT, *features.shape[2:])
        return (
            odds.sigmoid().view(shape).float().cpu().numpy(),
            wanted[0, SUPPORT:].cpu().numpy(), known[0, SUPPORT:].cpu().numpy(),
        )  # fmt: skip

    def picture(self, model: nn.Module) -> np.ndarray:
        rows = []
        for one in self.held[:_SHOWN]:
            odds = self._answer(model, one)[0]
            for k, values in enumerate(odds):
                image, size = one.images[SUPPORT + k], one.images.shape[1:3]
                maps = DenseMaps(values[None], np.zeros_like(values), np.zeros((2, *values.shape), np.float32))
                rows.append(Shown(image, one.found[SUPPORT + k], decode(maps, size).instances(), values))
        return sample_page(rows, ("the defect that the support shows",))

    def card(self) -> Card:
        recipe = self.recipe
        return Card(
            "weights",
            f"{self.architecture}, its maps learned through ridge regressions on {SUPPORT} pictures of a product",
            list(self.material.names),
            {"side": recipe.side, "range": "0..255 RGB; the backbone normalises"},
            data=[dict(self.material.data)],
        )


class _NoEpisode(Exception):
    """A product of which no episode can be made; nothing is wrong with it."""


def _filled(numbers: list[int], count: int) -> list[int]:
    """``count`` of the numbers, over again where there are fewer."""
    return [numbers[k % len(numbers)] for k in range(count)]


def _truth(wanted: torch.Tensor, other: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells bool (E, n, h, w) that the class covers by half and more, and those of which this can be said: cells with
    a smaller share, or of other defects, are neither."""
    stride = wanted.shape[2] // rows
    if stride > 1:
        wanted, other = (functional.max_pool2d(values.float(), stride) for values in (wanted, other))
    inside = wanted >= 128
    return inside, inside | ((wanted == 0) & (other == 0))
