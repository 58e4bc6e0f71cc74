"""Small predictions and truth with every outcome in them, drawn from shapes."""

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.evaluation.result import Evaluation, Figure

NAMES = ("scratch", "pit")


def mask(size, box):
    out = np.zeros(size, bool)
    out[box[1] : box[3], box[0] : box[2]] = True
    return out


def picture(size, seed):
    return np.random.default_rng(seed).integers(60, 120, (*size, 3), dtype=np.uint8)


def sample(id, boxes=(), labels=(), scores=None, size=(60, 80), seed=0, **fields):
    masks = Masks.from_dense([mask(size, box) for box in boxes], size)
    instances = Instances(labels, masks=masks, scores=scores)
    return Sample(id, fields.pop("image", picture(size, seed)), instances, size=size, **fields)


def make(outcomes, prefix="image", size=(60, 80)):
    """Predictions, truth and evaluation with these outcomes, in this order."""
    found, truth, images = [], [], []
    for i, outcome in enumerate(outcomes):
        id = f"{prefix}_{i:04d}.png"
        box = (10 + i % 20, 12, 24 + i % 20, 30)
        holds, fires = outcome in ("hit", "escape"), outcome in ("hit", "false alarm")
        score_map = np.full((2, *size), 0.1, np.float32)
        score_map[0, 12:30, 12:30] = 0.8 if fires else 0.3
        truth.append(sample(id, [box] * holds, [0] * holds, size=size, seed=i))
        found.append(sample(id, [box] * fires, [0] * fires, [0.8] * fires, size=size, seed=i, score_map=score_map))
        score = 0.8 if fires else 0.3
        record = {"id": id, "truth": int(holds), "predicted": int(fires), "score": score, "outcome": outcome}
        images.append(record | {"iou": (0.1 + i % 9 / 10 if fires else 0.0) if holds else None})
    figures = [
        Figure("image", "false-alarm rate", "", 0.0386, low=0.021, high=0.066),
        Figure("image", "escape rate", "", None, "no picture holds a defect of these classes"),
        Figure("segmentation", "mIoU", "", 0.6123),
        Figure("segmentation", "IoU", "scratch", 0.7, low=0.6, high=0.8),
        Figure("segmentation", "IoU", "pit", None, "no truth of this class & no guess"),
    ]
    curves = {
        "threshold": {"threshold": [0.0, 0.5, 1.0], "false_alarm": [1.0, 0.2, 0.0], "escape": [0.0, 0.3, 1.0]},
        "pr": {
            "scratch": {"recall": [0.0, 0.4, 0.8, 1.0], "precision": [1.0, 0.9, 0.5, 0.1], "score": [1, 0.7, 0.4, 0]}
        },
    }
    evaluation = Evaluation(NAMES, {"images": len(images)}, figures, curves, images, ["one group is missing"])
    card = {"kind": "fewshot", "architecture": "feature matching", "classes": list(NAMES), "version": "0.1.0"}
    card |= {"thresholds": {"scratch": 0.62}, "threshold_method": "the 99 % quantile of good pictures"}
    card |= {
        "notes": ["class pit is uncalibrated"],
        "data": [{"name": "line3", "role": "support", "ids": ["image_0000.png"]}],
    }
    return Dataset(found, NAMES, {"card": card}), Dataset(truth, NAMES), evaluation
