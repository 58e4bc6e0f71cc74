"""Invented objects: pictures of one thing on a plain background, by a text-to-image model that the user names.

The model is a folder on this machine; nothing is downloaded. Picture i is a function of (seed, i), of the model and of
the machine's arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError, optional
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.lexicon import Lexicon
from kizu.synth.compose.kinds import of_classes
from kizu.synth.compose.plain import foreground
from kizu.synth.compose.segment import DEFECT

GROUND = "on a plain white background"
SOURCE = "invented"
COVERED = (0.05, 0.95)  # share of the picture that an object may cover (X-Paste, Zhao et al., ICML 2023)
AGREE = 0.5  # IoU of a segmenter's mask with what differs from the background, below which it is another thing
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError)  # of loading a folder

Segmenter = Callable[[np.ndarray], np.ndarray]


def prompts_of(texts: Iterable[str] | None, names: Sequence[str], kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """(class, prompt) pairs.

    Args:
        texts: ``"screw"`` or ``"screw: a small brass screw seen from the side"``; None: every class that is no defect.
        names: class names of the data set.
        kinds: class name -> ``object``, ``defect`` or ``auto``.

    Raises:
        KizuError: a class that is a defect: it is no thing that could stand on its own.
    """
    given = [name for name in names if kinds[name] != DEFECT] if texts is None else list(texts)
    if not given:
        raise KizuError("every class is a defect, and objects alone can be invented; name some with --prompts")
    out = []
    for text in given:
        name, _, words = (part.strip() for part in text.partition(":"))
        kind = kinds.get(name) or of_classes([name])[name]
        if kind == DEFECT or name in Lexicon.load():
            raise KizuError(f"{name!r} is a defect, and objects alone can be invented; name an object")
        if not name:
            raise KizuError(f"--prompts {text!r}: write CLASS or CLASS: description")
        out.append((name, f"a photograph of {words or 'one ' + name.replace('_', ' ')}, whole, {GROUND}"))
    return out


class Painter:
    """A text-to-image model of diffusers, from a folder."""

    def __init__(self, folder: Path | str, steps: int = 25, size: int = 512):
        """
        Raises:
            KizuError: diffusers is missing, or the folder holds no model that it can load.
        """
        self.folder, self.steps, self.size = Path(folder), steps, size
        if not (self.folder / "model_index.json").is_file():
            raise KizuError(
                f"{self.folder}: no model_index.json of a diffusers model is there; name the folder of a model that "
                "you have downloaded"
            )
        torch, diffusers = optional("torch", "relight"), optional("diffusers", "relight")
        self._torch = torch
        try:
            pipeline = diffusers.DiffusionPipeline.from_pretrained(str(self.folder), local_files_only=True)
            if torch.cuda.is_available():
                pipeline = pipeline.to("cuda", torch.float16)
        except _BROKEN as error:
            raise KizuError(f"{self.folder}: cannot be loaded by diffusers ({error}); download it again") from error
        self._pipeline = pipeline
        self._pipeline.set_progress_bar_config(disable=True)

    def __call__(self, prompt: str, seed: int) -> np.ndarray:
        """uint8 (size, size, 3) RGB; the same prompt and seed give the same picture.

        Raises:
            DataError: the model gives no picture, or one that is not finite.
        """
        noise = self._torch.Generator("cpu").manual_seed(seed)
        size = {"height": self.size, "width": self.size}
        made = self._pipeline(prompt, num_inference_steps=self.steps, generator=noise, output_type="np", **size)
        image = np.asarray(made.images[0], np.float32)
        if image.ndim != 3 or image.shape[2] != 3 or not np.isfinite(image).all():
            raise DataError(f"{self.folder}: it gave no picture for {prompt!r}; take another model")
        return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def segmenter(folder: Path | str | None) -> Segmenter:
    """What cuts an object out of a picture: uint8 (H, W, 3) -> bool (H, W).

    Args:
        folder: of an image segmentation model of transformers; None: what differs from the plain background, see
            :func:`kizu.synth.compose.plain.foreground`.

    Raises:
        KizuError: transformers is missing, or the folder holds no model that it can load.
    """
    if folder is None:
        return foreground
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise KizuError(f"{folder}: no config.json of a transformers model is there; name the folder of such a model")
    optional("torch", "relight")
    transformers = optional("transformers", "relight")
    try:
        model = transformers.pipeline("image-segmentation", model=str(folder), device="cpu")
    except _BROKEN as error:
        raise KizuError(f"{folder}: cannot be loaded as a segmentation model ({error}); take another") from error

    def cut(image: np.ndarray) -> np.ndarray:
        from PIL import Image

        return agreeing([np.asarray(item["mask"]) > 127 for item in model(Image.fromarray(image))], foreground(image))

    return cut


def agreeing(masks: Sequence[np.ndarray], plain: np.ndarray) -> np.ndarray:
    """The mask that covers best what differs from the background; all of bool (H, W).

    Raises:
        DataError: none has an IoU of a half with it.
    """
    scores = [np.count_nonzero(mask & plain) / max(np.count_nonzero(mask | plain), 1) for mask in masks]
    if not scores or max(scores) < AGREE:
        raise DataError("the segmenter found nothing that stands out from the background; take another prompt or model")
    return masks[int(np.argmax(scores))]


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask bool (H, W), eight neighbours.

    Raises:
        DataError: it covers less than 5 % or more than 95 % of the picture.
    """
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    out = pieces == 1 + int(np.argmax(areas)) if len(areas) else np.zeros(mask.shape, bool)
    share = float(out.mean())
    if not COVERED[0] <= share <= COVERED[1]:
        raise DataError(
            f"the object covers {share:.0%} of the picture, not {COVERED[0]:.0%} to {COVERED[1]:.0%}; it is left out"
        )
    return out


class Invented:
    """Invented pictures, each with the mask of its object: a source of :mod:`kizu.synth.engine`."""

    def __init__(
        self,
        prompts: Sequence[tuple[str, str]],
        count: int,
        paint: Callable[[str, int], np.ndarray],
        cut: Segmenter,
        seed: int = 0,
        model: Mapping[str, Any] | None = None,
    ):
        """
        Args:
            prompts: (class, prompt) pairs, which take turns.
            paint: (prompt, seed) -> picture, such as :class:`Painter`.
            cut: see :func:`segmenter`.
            model: what tells painter and segmenter from others, JSON-able.
        """
        self.names = tuple(dict.fromkeys(name for name, _ in prompts))
        self.prompts, self.count, self.seed, self._paint, self._cut = list(prompts), count, seed, paint, cut
        self.config = {"prompts": self.prompts, "seed": seed, "model": dict(model or {})}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Sample:
        """Picture i. Raises DataError where its object cannot be told, or covers too little or too much."""
        name, prompt = self.prompts[i % len(self.prompts)]
        drawn = int(generator(self.seed, Stream.INVENTION, i).integers(2**63))
        image = self._paint(prompt, drawn)
        mask = largest(np.ascontiguousarray(self._cut(image)))
        found = Instances([self.names.index(name)], masks=Masks.from_dense(mask[None]))
        return Sample(f"invented/{i:06d}.png", image, found, split="train", source=SOURCE, meta={"prompt": prompt})

    def where(self, i: int) -> str:
        """How errors call picture i."""
        return f"invented picture {i} of seed {self.seed}"


class _Joined:
    """Two data sets one after the other, under the class names of both."""

    def __init__(self, first: Dataset, second: Dataset, names: Sequence[str]):
        self.parts, self._labels = (first, second), [names.index(name) for name in second.names]
        self.ids = [*first.ids, *second.ids]
        self.splits = [name for part in self.parts for name in part._split_values()]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> Sample:
        first, second = self.parts
        if i < len(first):
            return first[i]
        sample = second[i - len(first)]
        return sample.replace(instances=lambda: self._named(sample.instances))

    def _named(self, found: Instances) -> Instances:
        return found.replace(labels=np.array(self._labels, np.int32)[found.labels])


def joined(first: Dataset, second: Dataset) -> Dataset:
    """A data set and a second one after it; new class names come at the end, what is known is that of the first."""
    names = [*first.names, *(name for name in second.names if name not in first.names)]
    return Dataset(_Joined(first, second, names), names, first.info, first.notes)


def model_of(folder: Path | str | None) -> dict[str, Any] | None:
    """Name and main file of a model's folder, so that another model is told from it; None for no folder."""
    if folder is None:
        return None
    for name in ("model_index.json", "config.json"):
        try:
            return {"name": Path(folder).name, "config": json.loads((Path(folder) / name).read_text("utf-8"))}
        except (OSError, ValueError):
            continue
    return {"name": Path(folder).name}
