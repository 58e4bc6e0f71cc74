"""Augmentation with torchvision's v2 transforms: picture, masks and boxes are turned and scaled together."""

from __future__ import annotations

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from kizu.core.instances import Instances
from kizu.detector.windows import boxes_of, cut, draw_window

_SMALLEST = 1.0  # pixels of a side; what is thinner after scaling is no instance


class Augment:
    """From a labelled picture to a training picture of ``side`` x ``side`` pixels; chance comes from a seed alone.

    Args:
        side: pixels.
        turns: whether quarter turns and flips may happen; not where the direction is what makes a defect.
    """

    def __init__(self, side: int, turns: bool = True):
        self.side = side
        steps = [v2.Resize((side, side), antialias=True)]
        if turns:
            quarters = [v2.RandomRotation((angle, angle), expand=True) for angle in (90, 180, 270)]
            steps += [v2.RandomHorizontalFlip(), v2.RandomChoice([v2.Identity(), *quarters])]
        self._view = v2.Compose([*steps, v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.2))], p=0.15)])
        self._light = v2.RandomApply([v2.ColorJitter(0.25, 0.25, 0.25, 0.02)], p=0.8)
        self._sanitise = v2.SanitizeBoundingBoxes(min_size=_SMALLEST, labels_getter=_by_instance)

    def __call__(
        self, image: np.ndarray, found: Instances, seed: np.random.Generator
    ) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """One training picture.

        Args:
            image: uint8 (H, W, 3) RGB.
            found: its instances.
            seed: all chance comes from it; torch's own generator is left as it was.

        Returns:
            uint8 (3, side, side), and its target: boxes float32 (N, 4) XYXY, labels int64 (N,), and masks bool
            (N, side, side) where ``found`` has masks; and mean and deviation of the whole picture, float32 (2,), in
            the same light.
        """
        window = draw_window(seed, image.shape[:2], found.boxes, self.side)
        pixels, boxes, labels, masks = cut(image, found, window)
        item = {
            "image": tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1).contiguous()),
            "boxes": tv_tensors.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=pixels.shape[:2]),
            "labels": torch.from_numpy(labels),
        }
        if masks is not None:
            item["masks"] = tv_tensors.Mask(torch.from_numpy(masks))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed.integers(2**63)))
            item = self._view(item)
            lit = self._light(item["image"])
        stats = _in_new_light(image, item["image"], lit)
        item["image"] = lit
        if masks is not None:
            item = _around_masks(item)
        item = self._sanitise(item)
        return (
            item["image"].as_subclass(torch.Tensor),
            {name: value.as_subclass(torch.Tensor) for name, value in item.items() if name != "image"},
            stats,
        )


def _in_new_light(whole: np.ndarray, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Mean and deviation (2,) of a picture, changed as the light has changed the mean and the deviation of its window.

    A network normalises by the whole picture when it inspects, so that is what it has to see when it learns.
    """
    picture, window, lit = ((float(v.mean()), float(v.std())) for v in (whole, before.numpy(), after.numpy()))
    gain = (lit[1] + 1) / (window[1] + 1)
    return torch.tensor([lit[0] + gain * (picture[0] - window[0]), gain * picture[1]], dtype=torch.float32)


def _by_instance(item: dict) -> tuple[torch.Tensor, ...]:
    """What has one entry an instance, beside the boxes: it goes with its box when that is dropped."""
    return (item["labels"], *([item["masks"]] if "masks" in item else []))


def _around_masks(item: dict) -> dict:
    """Boxes drawn anew around the masks; instances that scaling left without a pixel go."""
    masks = item["masks"].numpy()
    shown = masks.any((1, 2)) if len(masks) else np.zeros(0, bool)
    kept = torch.from_numpy(shown)
    size = item["image"].shape[-2:]
    boxes = tv_tensors.BoundingBoxes(torch.from_numpy(boxes_of(masks[shown])), format="XYXY", canvas_size=size)
    return item | {"boxes": boxes, "labels": item["labels"][kept], "masks": tv_tensors.Mask(item["masks"][kept])}
