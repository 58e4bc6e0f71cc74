"""Adapting: a small network is fine-tuned to the support, and once more for each fold, to be judged on that fold.

The network is ``kizu-dense`` with the weights that Kizu ships. It learns from the labelled pictures, turned, rescaled
and in other light, and from the good ones; with ``composed``, from pictures composed of them as well. Those of the
folds tell when to stop, what the network is worth beside the scorer, and which thresholds fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError, optional
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.holdout import Parting, one_half, truth_of
from kizu.fewshot.support import Support

_FOLD = 0.3  # of the time for each fold's network, and the rest for the one that is kept


@dataclass(frozen=True)
class Decoders:
    """What came of adapting.

    Attributes:
        parting: of the support into folds.
        judges: for each fold a network that has not seen its pictures, but for the first halves of classes that only
            they show.
        final: has seen the whole support.
        steps: that it was trained for.
    """

    parting: Parting
    judges: list[Decoder]
    final: Decoder
    steps: int


@dataclass(frozen=True)
class Held:
    """A picture uint8 (H, W, 3) to judge a network by, its truth bool (C + 1, H, W) and the classes judged on it."""

    image: np.ndarray
    truth: np.ndarray
    judged: set[int]


def adapt(
    support: Support,
    minutes: float | None,
    steps: int | None = None,
    turns: bool = True,
    composed: float = 0.0,
    seed: int = 0,
) -> Decoders:
    """Fine-tune to a support.

    Args:
        minutes: in all, on this machine; the same minutes need not give the same network twice.
        steps: of each network, in place of minutes.
        turns: pictures may be turned and flipped.
        composed: share of the training pictures that are composed of the support.
        seed: of all chance.

    Raises:
        KizuError: torch is missing, no time, or a labelled picture cannot be read.
    """
    if steps is None and not (minutes and minutes > 0):
        raise KizuError(f"--adapt {minutes}: adapting takes minutes; 3 to 10 are usual")
    for name in ("torch", "accelerate", "onnx"):
        optional(name, "train")
    from kizu.fewshot.nets.adapt_task import fine_tune

    classes = len(support.names)
    parting = Parting.of(support.labelled, support.clean, classes, most=2)
    truths = [truth_of(sample, classes) for sample in support.labelled]
    known = set(range(classes))
    judges, shares = [], []
    for fold in range(parting.count):
        train, held = [], []
        for i, sample in enumerate(support.labelled):
            mine = parting.shown[i]
            if parting.of_labelled[i] != fold:
                train.append(sample)
                continue
            if known - parting.lost[fold]:
                held.append(Held(sample.image, truths[i], known - parting.lost[fold]))
            if mine:
                train.append(_known_half(sample, truths[i], mine))
                held.append(Held(sample.image, one_half(truths[i], mine, 1), mine))
        train += [s for s, f in zip(support.clean, parting.of_clean, strict=True) if f != fold]
        time = None if steps else _FOLD * minutes
        done = fine_tune(train, held, support.names, time, steps, turns, composed, seed)
        judges.append(done.decoder)
        shares.append(done.best)
    share = float(np.mean(shares))
    time = None if steps else (1 - parting.count * _FOLD) * minutes * share
    whole = [*support.labelled, *support.clean]
    final = fine_tune(whole, [], support.names, time, steps and max(round(steps * share), 1), turns, composed, seed)
    return Decoders(parting, judges, final.decoder, final.steps)


def _known_half(sample: Sample, truth: np.ndarray, mine: set[int]) -> Sample:
    """The sample with the first halves of some classes; of their other halves and of other classes nothing is said."""
    layers = one_half(truth, mine, 0)
    for k in range(len(layers) - 1):
        if k not in mine:
            layers[-1] |= layers[k]
            layers[k] = False
    shown = [k for k in range(len(layers)) if layers[k].any()]
    masks = Masks.from_dense(layers[shown], truth.shape[1:])
    return sample.replace(instances=Instances(shown, masks=masks))
