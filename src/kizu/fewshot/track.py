"""The few-shot inspector that remembers: labelled pictures are the frames before, the new picture is the next one.

SAM2 follows things through a video. Here the "video" is what was labelled, and a new picture comes next; what SAM2 then
finds on it is a defect of that class. It also says how sure it is that anything is there at all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from kizu.core.card import Card
from kizu.core.errors import AbsentError, KizuError, optional
from kizu.core.images import encode_image, read_image
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.fewshot.cells import mostly
from kizu.fewshot.sam2_folder import input_side, weight_files, weights_digest
from kizu.inspection.regions import Rule, decide

if TYPE_CHECKING:
    from kizu.fewshot.nets.sam2 import Memory, Tracker

NOWHERE = -20.0  # log odds of a pixel where nothing is present, and the least of any other


@dataclass(frozen=True)
class Example:
    """A picture to remember, as the model sees it.

    Attributes:
        image: uint8 (side, side, 3) RGB.
        masks: class -> bool (side, side). A good picture has an empty one for every class.
    """

    image: np.ndarray
    masks: dict[int, np.ndarray]

    def views(self, turns: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The picture and its masks bool (K, side, side); where it shows a defect, with ``turns`` mirrored across,
        down and both, too.

        The place of a thing tells SAM2 as much as its looks, and a defect may be anywhere. (A quarter turn would
        stretch what a picture that is not square was squeezed by.)
        """
        masks = np.stack(list(self.masks.values()))
        for down, across in ((1, 1), (1, -1), (-1, 1), (-1, -1)) if turns and masks.any() else ((1, 1),):
            yield (
                np.ascontiguousarray(self.image[::down, ::across]),
                np.ascontiguousarray(masks[:, ::down, ::across]),
            )


def squeeze(image: np.ndarray, side: int) -> np.ndarray:
    """A picture uint8 (H, W, 3) as the model looks at it, uint8 (side, side, 3): resized as its processor does."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def squeeze_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask bool (H, W) as bool (side, side): cells of which it covers a half; of a tiny defect the most covered."""
    shrinks = max(mask.shape) > side
    share = cv2.resize(
        mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return mostly(share)


def memories_of(tracker: Tracker, example: Example, turns: bool) -> dict[int, list[Memory]]:
    """What there is to remember of an example, by class."""
    out: dict[int, list[Memory]] = {k: [] for k in example.masks}
    for image, masks in example.views(turns):
        for k, memory in zip(example.masks, tracker.remember(image, masks), strict=True):
            out[k].append(memory)
    return out


def together(parts: Iterable[dict[int, list[Memory]]], classes: int) -> list[list[Memory]]:
    """The memories of several examples, a list a class."""
    parts = list(parts)
    return [[memory for part in parts for memory in part.get(k, ())] for k in range(classes)]


def combine(logits: np.ndarray, presence: float) -> np.ndarray:
    """Log odds that a pixel is on a defect: that one is there, and that it covers this pixel.

    The probability is the product of the two. Of log odds a and b it has -log(exp(-a) + exp(-b) + exp(-a - b)), a bit
    below the smaller one: a strong mask counts no more than the presence. At a presence of 0 or less SAM2 says that
    nothing is there, and :data:`NOWHERE` is everywhere.

    Args:
        logits: mask logits float32 (h, w).
        presence: the object score, a logit.
    """
    if not presence > 0:
        return np.full(logits.shape, NOWHERE, np.float32)
    masked = np.maximum(logits, NOWHERE).astype(np.float64)
    odds = -np.logaddexp(-masked, np.logaddexp(-presence, -masked - presence))
    return np.maximum(odds, NOWHERE).astype(np.float32)


def odds_of(tracker: Tracker, image: np.ndarray, memories: list[list[Memory]]) -> np.ndarray:
    """Log odds float32 (C, H, W) of an image uint8 (H, W, 3) RGB, asked about the memories of each class."""
    size = (image.shape[1], image.shape[0])
    logits, presence = tracker.ask(squeeze(image, tracker.side), memories)
    wide = [cv2.resize(layer, size, interpolation=cv2.INTER_LINEAR) for layer in logits]
    return np.stack([combine(layer, float(score)) for layer, score in zip(wide, presence, strict=True)])


def open_tracker(folder: Path | str) -> Tracker:
    """The model in a folder.

    Raises:
        KizuError: torch or transformers is missing, or the folder holds no SAM2 video model.
    """
    input_side(folder)  # what is wrong with the folder is said without loading torch
    weight_files(folder)
    optional("torch", "vfm")
    optional("transformers", "vfm")
    from kizu.fewshot.nets.sam2 import Tracker

    return Tracker(folder)


class TrackInspector(Inspector):
    """Finds on a picture what SAM2 remembers of labelled ones.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        folder: of the SAM2 video model, as it was given.
        digest: SHA-256 of its weights.
        turns: whether mirrored copies of the examples are remembered, too.
        examples: labelled and good pictures.
        rules: one a class.
    """

    kind: ClassVar[str] = "fewshot-track"

    def __init__(
        self, card: Card, folder: str, digest: str, turns: bool, examples: list[Example], rules: list[Rule],
        ready: tuple[Tracker, list[list[Memory]]] | None = None,
    ):  # fmt: skip
        """
        Args:
            ready: the model and what it remembers of the examples; None = made at the first picture.
        """
        self.card, self.folder, self.digest, self.turns = card, folder, digest, turns
        self.examples, self.rules = examples, rules
        self._ready = ready
        self._lock = threading.Lock()  # pictures are inspected side by side

    def ready(self) -> tuple[Tracker, list[list[Memory]]]:
        """The model, and what it remembers: worked out once.

        Raises:
            KizuError: torch or transformers is missing, or the model cannot be loaded.
        """
        with self._lock:
            if self._ready is None:
                tracker = open_tracker(self.folder)
                parts = (memories_of(tracker, example, self.turns) for example in self.examples)
                self._ready = tracker, together(parts, len(self.rules))
            return self._ready

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """Instances (strongest first) and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image.

        What is found on it is not remembered: the same image gives the same answer, whatever came before.
        """
        tracker, memories = self.ready()
        return decide(odds_of(tracker, image, memories), self.rules, min_score)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {}
        for i, example in enumerate(self.examples):
            arrays[f"image.{i:03d}"] = np.frombuffer(encode_image(example.image, ".png"), np.uint8)
            arrays[f"masks.{i:03d}"] = np.packbits(np.stack(list(example.masks.values())))
        return arrays, {
            "network": {"folder": self.folder, "sha256": self.digest},
            "turns": self.turns,
            "examples": [list(example.masks) for example in self.examples],
            "rules": [asdict(rule) for rule in self.rules],
        }

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> TrackInspector:
        folder, digest = str(settings["network"]["folder"]), str(settings["network"]["sha256"])
        examples = [_example(arrays, i, classes) for i, classes in enumerate(settings["examples"])]
        rules = [Rule(**rule) for rule in settings["rules"]]
        if len(rules) != len(card.classes) or {k for e in examples for k in e.masks} != set(range(len(rules))):
            raise KizuError(f"{len(card.classes)} classes are expected, and its parts have others")
        check_network(folder, digest)
        return cls(card, folder, digest, bool(settings["turns"]), examples, rules)


def check_network(folder: str, digest: str) -> None:
    """Raise AbsentError unless the weights in the folder are those with this SHA-256."""
    try:
        input_side(folder)
        found = weights_digest(folder)
    except KizuError as error:
        raise AbsentError(
            f"it needs the SAM2 model that it was fitted with ({error}); put that there, or fit again with --network"
        ) from error
    if found != digest:
        raise AbsentError(
            f"it was fitted with SAM2 weights of SHA-256 {digest[:12]}, and those in {folder} have {found[:12]}; put "
            "the former there, or fit again with --network"
        )


def _example(arrays: dict[str, np.ndarray], i: int, classes: list[int]) -> Example:
    image = read_image(arrays[f"image.{i:03d}"].tobytes())
    side = image.shape[0]
    bits = np.unpackbits(arrays[f"masks.{i:03d}"], count=len(classes) * side * side)
    masks = bits.view(bool).reshape(len(classes), side, side)
    return Example(image, dict(zip(map(int, classes), masks, strict=True)))
