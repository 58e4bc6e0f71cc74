"""Writing YOLO labels: boxes, and polygons along the edges of the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common import yaml
from kizu.formats.common.outline import is_hole, mask_loops, one_polygon
from kizu.formats.common.output import ImageWriter, Losses, folder_name, output_folder, save, without_label
from kizu.formats.common.things import with_masks
from kizu.formats.common.trees import same_file

NO_SPLIT = "unsplit"  # the folder of images without a split among images with one


def write(dataset: Dataset, path: Path, segments: bool = True) -> list[str]:
    """Write ``data.yaml``, ``images/`` and ``labels/`` (each with a folder a split, where there are splits).

    Args:
        segments: write masks as polygons; else everything as boxes.

    Raises:
        DataError: an image or its labels cannot be read. KizuError: the place is taken, or the file system refuses.
    """
    losses = Losses("YOLO", ("splits", "scores"), dataset)
    used: dict[str, bool] = {}
    worst: list[float] = []
    split_up = any(dataset.splits)
    with output_folder(path) as folder:
        writer = ImageWriter(folder / "images")
        texts: dict[str, str] = {}
        for sample in dataset:
            losses.see(sample)
            below = folder_name(sample.split) if sample.split else (NO_SPLIT if split_up else "")
            name = writer.write(sample, below)
            used[below] = True
            text = str(Path(below, name).with_suffix(".txt"))
            other = texts.setdefault(same_file(text), sample.id)
            if other != sample.id:
                raise KizuError(f"the images {other!r} and {sample.id!r} would share the labels {text}; rename one")
            if without_label(sample):
                losses.add("unlabelled")
                continue
            save(folder / "labels" / text, "".join(_lines(sample, segments, losses, worst)))
        save(folder / "data.yaml", _yaml(dataset.names, list(used)))
        losses.add("renamed", writer.renamed)
    if worst:
        losses.add(
            "iou",
            len(worst),
            f"{{n}} polygons do not give their masks back exactly; the worst IoU is {min(worst):.3f}.",
        )
    return losses.sentences()


def _yaml(names: tuple[str, ...], splits: list[str]) -> str:
    lines = ["path: ."]
    if splits == [""] or not splits:
        lines += ["train: images", "val: images"]
    else:
        lines += [f"{split}: {yaml.quote('images/' + split)}" for split in splits]
        # Pointing 'val' at the test images would let a trainer choose by them, so it stays away.
        lines += [f"# there are no {split} images" for split in ("train", "val") if split not in splits]
    return "\n".join([*lines, "names:", *(f"  {k}: {yaml.quote(name)}" for k, name in enumerate(names))]) + "\n"


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") or "0"


def _lines(sample: Sample, segments: bool, losses: Losses, worst: list[float]) -> Iterator[str]:
    found = sample.instances
    height, width = sample.size
    has = with_masks(found) & (found.masks.area > 0 if found.masks is not None else False)
    losses.add("empty masks", int((with_masks(found) & ~has).sum()))
    if not segments:
        losses.add("masks", int(has.sum()))
    if found.scores is not None and len(found):
        polygons = int(has.sum()) if segments else 0
        losses.add("polygon scores", polygons, "{n} scores were left out: a YOLO polygon has no place for one.")
    for i in range(len(found)):
        words = [str(int(found.labels[i]))]
        if segments and has[i]:
            points = _polygon(found.masks, i, losses, worst) / [width, height]
            if (found.boxes[i] != found.masks.boxes[i]).any():
                losses.add("boxes")
            words += [_number(v) for v in points.ravel()]
        else:
            x0, y0, x1, y1 = (float(v) for v in found.boxes[i])
            box = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
            words += [_number(v) for v in box]
            if found.scores is not None:
                words.append(_number(float(str(found.scores[i]))))
        yield " ".join(words) + "\n"


def _polygon(masks: Masks, i: int, losses: Losses, worst: list[float]) -> np.ndarray:
    loops = mask_loops(masks, i)
    holes = sum(is_hole(loop) for loop in loops)
    joined = (
        "written as one polygon each, by bridges of no width (a tool that draws outlines shows them as thin lines)."
    )
    losses.add("holes", int(holes > 0), "{n} masks with holes were " + joined)
    losses.add("parts", int(len(loops) - holes > 1), "{n} masks of several parts were " + joined)
    points = one_polygon(loops)
    again = Masks.from_coco([[points.ravel().tolist()]], masks.size)
    iou = float(again.iou(masks[i : i + 1])[0, 0])
    if iou < 1:
        worst.append(iou)
    return points
