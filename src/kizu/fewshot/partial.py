"""Pictures that are labelled in part: strokes, boxes and masks on some of it, and nothing said of the rest.

What is drawn as a class is the class, what is drawn as ground is no defect; where two are drawn, the last one counts.
The rest becomes one instance of no class, which a fit neither learns from nor judges by, as other classes are.

A box without a mask says where, not what: those pixels in it that differ from a ring around it more than the others
(Otsu, 1979, on the Mahalanobis distance of their colour) are the class, the ring is ground, and of the rest of the box
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot.features import STRIDE
from kizu.fewshot.support import CLASSES, Support, choose_support, ordered
from kizu.formats.common.things import HAS_MASK, with_masks

GROUND = "ground"  # the class that says: no defect
_RING = 0.25  # width of the ring around a box, of its shorter side,
_LEAST = 4  # and in pixels at least

Stroke = tuple[np.ndarray, str | None]  # mask bool (H, W), the class, or None for ground


def choose_partial(
    dataset: Dataset,
    classes: list[str] | None,
    shots: int | None,
    clean: Dataset | None,
    seed: int,
    skips: Skips,
    false_alarms: float = 0.05,
    ground: str = GROUND,
    some: bool = False,
    more: int = 0,
) -> Support:
    """As :func:`kizu.fewshot.support.choose_support`, of pictures that are labelled in part.

    Args:
        ground: the class of what is no defect; pictures that show nothing else are taken, too.

    Raises:
        KizuError: an unknown class, or one without any labelled picture.
    """
    named = [name for name in classes or dataset.names if name != ground]
    asked = [dataset.names[dataset.label(name)] for name in named if not some or name in dataset.names]
    asked += [ground] if ground in dataset.names else []
    filled = Dataset(_Filled(dataset), dataset.names, dataset.info)
    chosen = choose_support(filled, asked, shots, clean, seed, skips, false_alarms, True, more, boxes=True)
    lost = [name for name in named if name not in chosen.names] if classes and not some else []
    if lost:
        raise KizuError(f"class {lost[0]!r} has no labelled picture here; label one, or leave the class out")
    names = tuple(name for name in chosen.names if name != ground)
    if not names and not some:
        raise KizuError("no labelled picture was found; label the defects of one to five pictures first")
    labelled = [_in_part(sample, ground) for sample in chosen.labelled]
    return ordered(Support(names, labelled, chosen.clean, chosen.clean_there, chosen.info))


class _Filled:
    """Samples whose boxes are masks; which these are, their attribute ``has_mask`` still tells."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Sample:
        sample = self.dataset[i]
        return sample.replace(instances=lambda: _filled(sample.instances, sample.size))


def _filled(found: Instances, size: tuple[int, int]) -> Instances:
    drawn = with_masks(found)
    if drawn.all():
        return found
    crops = []
    for i, (x0, y0, x1, y1) in enumerate(found.boxes):
        if drawn[i]:
            crops.append(found.masks.crop(i))
            continue
        left, right = (int(np.clip(round(float(x)), 0, size[1])) for x in (x0, x1))
        top, bottom = (int(np.clip(round(float(y)), 0, size[0])) for y in (y0, y1))
        crops.append((np.ones((max(bottom - top, 0), max(right - left, 0)), bool), (left, top)))
    return found.replace(masks=Masks.from_crops(crops, size), attributes=found.attributes | {HAS_MASK: drawn})


def _in_part(sample: Sample, ground: str) -> Sample:
    """A chosen sample with what it says: see the head of this file."""
    found, names, drawn = sample.instances, sample.meta[CLASSES], with_masks(sample.instances)
    everything = found.masks.union()
    image = None if drawn.all() else sample.image
    strokes: list[Stroke] = []
    around = np.zeros(sample.size, bool)
    for i, name in enumerate(names):
        mask = found.masks.dense(i)
        if name == ground:
            strokes.append((mask, None))
        elif drawn[i]:
            strokes.append((mask, name))
        else:
            inside, ring = within_box(image, mask, everything)
            strokes.append((inside, name))
            around |= ring
    return drawn_on(nothing_said(sample), [(around, None), *strokes])


def within_box(image: np.ndarray, box: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a box says: bool (H, W) of the pixels that are the class, and of the ring around it that is ground.

    Args:
        image: uint8 (H, W, 3).
        box: bool (H, W), the pixels of the box.
        others: bool (H, W), whatever else is drawn; the ring leaves it out.
    """
    none = np.zeros(box.shape, bool)
    if not box.any():
        return none, none
    x, y, width, height = cv2.boundingRect(box.view(np.uint8))
    wide = max(round(_RING * min(width, height)), _LEAST)
    window = (slice(max(y - wide, 0), y + height + wide), slice(max(x - wide, 0), x + width + wide))
    ring = none.copy()
    ring[window] = True
    ring &= ~box & ~others
    around, own = ring[window], box[window]
    if around.sum() < _LEAST**2:
        return box, ring
    colours = cv2.GaussianBlur(np.ascontiguousarray(image[window]), (3, 3), 0).astype(np.float64)
    known = colours[around]
    spread = np.cov(known.T) + np.eye(3)
    off = colours[own] - known.mean(0)
    distance = np.sqrt(np.einsum("nc,nc->n", off @ np.linalg.inv(spread), off))
    inside = none.copy()
    inside[box] = distance > _otsu(distance)
    return (inside if inside.any() else box), ring


def _otsu(values: np.ndarray) -> float:
    """The level that parts values into two sets of the largest variance between them."""
    ordered_values = np.sort(values)
    count = np.arange(1, len(values))
    low = np.cumsum(ordered_values)[:-1]
    gap = low / count - (ordered_values.sum() - low) / (len(values) - count)
    between = count * (len(values) - count) * gap**2
    return float(ordered_values[int(np.argmax(between))]) if len(between) else -np.inf


def nothing_said(sample: Sample) -> Sample:
    """The sample with one instance of no class, which is all of it."""
    everything = Masks.from_dense(np.ones((1, *sample.size), bool))
    return sample.replace(instances=Instances([0], masks=everything), meta=sample.meta | {CLASSES: [None]})


def drawn_on(sample: Sample, strokes: Iterable[Stroke]) -> Sample:
    """The sample with strokes drawn over what it says, one after the other; its labels are to be made anew.

    A stroke of ground stands for the whole cells of the filter bank that it touches, for thinner ones would be lost.
    """
    masks = [sample.instances.masks[i] for i in range(len(sample.instances))]
    names = list(sample.meta[CLASSES])
    for stroke, name in strokes:
        if not stroke.any():
            continue
        wide = _whole_cells(stroke) if name is None else stroke
        for i, own in enumerate(names):
            before = masks[i].dense(0)
            after = before & ~(wide if own is None else stroke)
            if after.sum() != before.sum():
                masks[i] = Masks.from_dense(after[None])
        if name is not None:
            masks.append(Masks.from_dense(stroke[None]))
            names.append(name)
    kept = [i for i, own in enumerate(names) if own is None or masks[i].area[0]]
    masks, names = [masks[i] for i in kept], [names[i] for i in kept]
    found = Instances([0] * len(names), masks=Masks.concat([Masks.empty(sample.size), *masks]))
    return sample.replace(instances=found, meta=sample.meta | {CLASSES: names})


def _whole_cells(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % STRIDE), (0, -width % STRIDE)))
    cells = padded.reshape(padded.shape[0] // STRIDE, STRIDE, -1, STRIDE).any((1, 3))
    return cells.repeat(STRIDE, 0).repeat(STRIDE, 1)[:height, :width]
