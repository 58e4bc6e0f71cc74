"""Fitting: train on one part of the labelled pictures, choose weights and thresholds on the other."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kizu.core.errors import optional
from kizu.core.files import write_text
from kizu.core.run import Skips, progress
from kizu.detector.calibrate import Outlines, choose_levels, least_areas
from kizu.detector.cards import card_before, complete
from kizu.detector.dense import DenseEngine
from kizu.detector.engine import Engine
from kizu.detector.inspector import DENSE, DetectorInspector
from kizu.detector.measure import average_precision
from kizu.detector.pictures import Pictures
from kizu.detector.settings import Settings
from kizu.detector.start import begin
from kizu.inspection.calibrate import Expected, class_share
from kizu.models.store import Weights, load_weights

_FIGURES = "figures.json"
_RUN = {"config.json", "log.csv", "validation.csv", "loss.png", "samples.png", "checkpoint.pt", "weights.safetensors"}
_RUN |= {"skipped.jsonl", _FIGURES}
_VALIDATIONS = 20  # in a run
_LEAST = 1e-3  # score from which finds are ranked for AP
_PATIENCE = 6  # of them without a better one


@dataclass
class Detected:
    """What a fit came to.

    Attributes:
        inspector: ready to use.
        expected: for each class what the validation pictures let expect.
        precision: AP of each class, and of all ("").
        steps, seconds: of training.
        best_step: after which the best weights were met.
    """

    inspector: DetectorInspector
    expected: list[Expected]
    precision: dict[str, float | None]
    steps: int
    seconds: float
    best_step: int


def fit_detector(
    pictures: Pictures,
    settings: Settings,
    weights: Weights | None,
    folder: Path,
    *,
    false_alarms: float = 0.05,
    resume: bool = False,
    skips: Skips | None = None,
) -> Detected | None:
    """Train a detector and calibrate it.

    Args:
        weights: what it starts from, or None.
        folder: of the run: log, curves, samples, checkpoint, best weights and figures. One whose fit has come to its
            end is made anew.
        false_alarms: allowed share of good pictures on which it fires, in 0..1; the classes share it evenly.
        resume: go on with a run that was stopped.
        skips: notes pictures that cannot be read.

    Returns:
        None in all processes but the first.

    Raises:
        KizuError: torch is missing, the folder is in use, or training fails.
    """
    optional("torch", "train")
    optional("accelerate", "train")
    from kizu.detector.nets.task import DetectorTask
    from kizu.pretrain.nets.loop import train

    share = class_share(false_alarms, len(pictures.names))
    skips = skips or Skips()
    module = begin(settings.model, settings.backbone, len(pictures.names), settings.size, weights, settings.seed)
    task = DetectorTask(module, pictures, settings, card_before(pictures, settings, weights))
    if not resume and os.environ.get("RANK", "0") == "0":
        _clear(folder)
    config = {"settings": settings.record(), "classes": list(pictures.names), "pictures": _digest(pictures)}
    trained = train(task, folder, _plan(settings, pictures), config, resume, skips.strict)
    skips.items += [item for item in trained.skipped if item not in skips.items]
    if task.rank:
        return None
    _restore(module, load_weights(trained.weights))
    engine = _engine(module, settings, pictures)
    with progress("choosing thresholds", len(pictures.val)) as step:
        levels, expected = choose_levels(engine, pictures.val, share, step)
    inspector = DetectorInspector(task.card(), settings.model, levels, engine)
    finds = [inspector.inspect(sample.image, _LEAST)[0] for sample in pictures.val]
    precision = average_precision(pictures.val, finds, module.masks)
    result = Detected(inspector, expected, precision, trained.steps, trained.seconds, int(trained.figures["step"]))
    complete(inspector, result.expected, precision, pictures, false_alarms, module.masks)
    inspector.card.figures["training"] = {
        "steps": trained.steps,
        "best step": result.best_step,
        "minutes": round(trained.seconds / 60, 1),
    }
    return result


def _plan(settings: Settings, pictures: Pictures):
    from kizu.pretrain.nets.plan import Plan

    optional("torch", "train")
    import torch

    cores = os.cpu_count() or 1
    return Plan(
        steps=settings.steps(len(pictures.train)),
        minutes=settings.minutes,
        batch=settings.batch,
        lr=settings.lr,
        average=0.998,
        seed=settings.seed,
        workers=min(cores - 1, 8) if torch.cuda.is_available() else 0,  # on a CPU all cores train as it is
        log_every=10,
        validations=_VALIDATIONS,
        patience=_PATIENCE,
        checkpoint_seconds=60.0,
    )


def close(folder: Path, figures: dict[str, Any]) -> None:
    """Write the figures into the folder of a run whose model is saved: it has come to its end."""
    write_text(folder / _FIGURES, json.dumps(figures, indent=1, allow_nan=False) + "\n")


def _clear(folder: Path) -> None:
    """Make room where an earlier fit has come to its end; anything else is left for the loop to refuse."""
    if (folder / _FIGURES).is_file() and {path.name for path in folder.iterdir()} <= _RUN:
        for path in folder.iterdir():
            path.unlink()


def _digest(pictures: Pictures) -> str:
    """Tells another data set from this one when a run is gone on with."""
    both = [[part.dataset.ids, part.counts.tolist()] for part in (pictures.train, pictures.val)]
    return hashlib.sha256(json.dumps(both).encode()).hexdigest()[:16]


def _restore(module, weights: Weights) -> None:
    import torch

    own = module.state_dict()
    module.load_state_dict({k: torch.from_numpy(v.copy()).to(own[k].dtype) for k, v in weights.arrays.items()})
    module.eval()


def _engine(module, settings: Settings, pictures: Pictures) -> Engine:
    """The network as the model file will hold it, outlines chosen."""
    if settings.model != DENSE:
        from kizu.detector.nets.engine import TorchEngine

        names = ("model", "backbone", "size")
        return TorchEngine(module, {name: getattr(settings, name) for name in names})
    from kizu.models.nets.export import export_dense
    from kizu.models.session import DenseSession

    count = len(pictures.names)
    engine = DenseEngine(DenseSession(export_dense(module)), (0.5,) * count, (1,) * count)
    outlines = Outlines(pictures.val)
    for sample in pictures.val:
        outlines.add(engine.maps(sample.image), sample)
    return engine.outlined(outlines.best(), least_areas([pictures.train, pictures.val]))
