"""``DetectorTask``: a closed-set detector as a task of the training loop."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.seeds import Stream, generator
from kizu.detector.calibrate import Outlines
from kizu.detector.dense import DenseEngine
from kizu.detector.engine import Candidates, Engine
from kizu.detector.inspector import DENSE
from kizu.detector.measure import average_precision
from kizu.detector.nets.augment import Augment
from kizu.detector.nets.engine import TorchEngine, TorchSession
from kizu.detector.order import Order
from kizu.detector.pictures import Part, Pictures
from kizu.detector.settings import Settings
from kizu.detector.windows import squared
from kizu.inspection.regions import sigmoid
from kizu.models.dense_targets import dense_targets
from kizu.models.nets.dense_loss import dense_loss
from kizu.pretrain.nets.task import Task
from kizu.pretrain.samples import Shown, sample_page
from kizu.synth.compose.within import composed_of

_TRIES = 8  # pictures that may be broken one after the other
_JUDGED = 120  # validation pictures of each look, and their pixels in all; the thresholds are chosen on all pictures
_PIXELS = 2 * 10**8
_SHOWN = 6  # pictures of samples.png
_OUTLINE = 0.5  # probability that outlines what is shown before outlines are chosen


class DetectorTask(Task):
    """Crops of labelled pictures, turned and rescaled; the loss of the detector; AP and IoU on validation pictures."""

    name = "detector"

    def __init__(self, module: nn.Module, pictures: Pictures, settings: Settings, card: Card):
        self.model, self.pictures, self.settings = module, pictures, settings
        self.architecture = settings.backbone
        self.dense, self.masks = settings.model == DENSE, module.masks
        self._card = card
        self._augment = Augment(settings.size, settings.turns)
        self._order = Order(pictures.train.counts, pictures.train.good, settings.seed)
        self._judged = _some(pictures.val, settings.seed)
        self._composed = None
        if settings.composed:
            own = Dataset(pictures.train, pictures.names)
            self._composed = composed_of(own, pictures.names, settings.seed)

    # --- learning -------------------------------------------------------------------------------------------------

    def batch(self, step: int) -> dict[str, Any]:
        """See :class:`Task`: ``images`` uint8 (B, 3, S, S), ``targets``, and for the dense detector ``stats``."""
        size = self.settings.batch
        first = (step * self.world + self.rank) * size
        skipped: list[dict[str, str]] = []
        with one_thread():
            items = [self._item(first + k, skipped) for k in range(size)]
        out = {"images": torch.stack([image for image, _, _ in items]), "skipped": skipped}
        if not self.dense:
            return out | {"targets": [target for _, target, _ in items]}
        maps = [self._maps(target) for _, target, _ in items]
        targets = {name: torch.from_numpy(np.stack([item[name] for item in maps])) for name in maps[0]}
        return out | {"targets": targets, "stats": torch.stack([stats for _, _, stats in items])}

    def _item(self, place: int, skipped: list[dict[str, str]]) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """The training picture at a place of the line, its target, and its statistics."""
        random = generator(self.settings.seed, Stream.TRAINING, place)
        until = self.settings.composed_until
        early = self._composed is not None and (until is None or place < until)
        if early and random.random() < self.settings.composed:
            with contextlib.suppress(DataError):  # of pictures that are told about when their own turn comes
                sample = self._composed[place]
                return self._augment(sample.image, sample.instances, random)
        train = self.pictures.train
        for further in range(_TRIES):
            i = (self._order[place] + further) % len(train)
            try:
                sample = train[i]
                image = sample.image
                break
            except DataError as error:
                skipped.append({"item": train.dataset.ids[i], "reason": str(error)})
        else:
            raise KizuError(f"{_TRIES} pictures in a row cannot be read, the last: {skipped[-1]['reason']}")
        return self._augment(image, sample.instances, random)

    def _maps(self, target: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        side = self.settings.size
        masks = Masks.from_dense(target["masks"].numpy(), (side, side))
        return dense_targets(Instances(target["labels"].numpy(), masks=masks), len(self.pictures.names)).arrays()

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """See :class:`Task`."""
        if self.dense:
            return dense_loss(model(batch["images"], batch["stats"]), batch["targets"])
        return model.loss(batch["images"], batch["targets"])

    # --- judging --------------------------------------------------------------------------------------------------

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mask AP and best pooled IoU, and their mean as the score; for detectors of boxes, box AP."""
        val = self._judged
        if not self.dense:
            engine = self._engine(model)
            finds = [engine.candidates(sample.image).instances for sample in val]
            precision = average_precision(val, finds, self.masks)[""]
            return {"score": precision or 0.0, ("mask AP" if self.masks else "box AP"): precision or 0.0}
        engine, outlines, told = self._engine(model), Outlines(val), []
        for sample in val:
            told.append((engine.maps(sample.image), sample.size))
            outlines.add(told[-1][0], sample)
        engine = engine.outlined(outlines.best(), engine.areas)
        finds = [engine.found(*said) for said in told]
        precision = average_precision(val, finds, True)[""] or 0.0
        overlap = outlines.mean_iou()
        return {"score": (precision + overlap) / 2, "mask AP": precision, "mIoU": overlap}

    def _engine(self, model: nn.Module) -> Engine:
        count = len(self.pictures.names)
        if self.dense:
            return DenseEngine(TorchSession(model), (_OUTLINE,) * count, (4,) * count)
        return TorchEngine(model, {})

    def picture(self, model: nn.Module) -> np.ndarray | None:
        """See :class:`Task`: validation pictures, their labels, what is found, and how sure that is."""
        val, engine, rows = self._judged, self._engine(model), []
        shown = np.flatnonzero(val.counts.any(1))
        for i in shown[np.linspace(0, len(shown) - 1, min(len(shown), _SHOWN)).astype(int)].tolist():
            image, truth = val[i].image, val[i].instances
            said = engine.candidates(image)
            found = said.instances[said.instances.scores >= 0.5]
            square, (truth, found) = squared(image, [truth, found])
            rows.append(Shown(square, truth, found, _certainty(said, image.shape[:2])))
        return sample_page(rows, self.pictures.names)

    def card(self) -> Card:
        """See :class:`Task`."""
        return copy.deepcopy(self._card)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: to share work on small pictures takes longer than the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _certainty(said: Candidates, size: tuple[int, int]) -> np.ndarray:
    """The largest probability of any class, float32 (S, S) in a square frame, of boxes where there are no maps."""
    if said.odds is not None:
        layer = sigmoid(said.odds.max(0)).astype(np.float32)
    else:
        layer = np.zeros(size, np.float32)
        for (x0, y0, x1, y1), score in zip(said.instances.boxes.astype(int), said.instances.scores, strict=True):
            np.maximum(layer[y0:y1, x0:x1], score, out=layer[y0:y1, x0:x1])
    side = max(size)
    out = np.zeros((side, side), np.float32)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    out[top : top + size[0], left : left + size[1]] = layer
    return out


def _some(val: Part, seed: int) -> Part:
    """As many validation pictures as every look takes, those with a defect first."""
    order = generator(seed, Stream.CALIBRATION, 1).permutation(len(val))
    order = order[np.argsort(~val.counts.any(1)[order], kind="stable")][:_JUDGED]
    pixels = np.cumsum([np.prod(val.dataset[int(i)].size) for i in order])
    return val.picked(np.sort(order[: max(int((pixels <= _PIXELS).sum()), 1)]))
