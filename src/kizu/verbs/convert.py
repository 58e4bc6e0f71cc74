"""``kizu convert``: one data set as another format, with every loss told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.run import Done


@dataclass
class Converted(Done):
    """The result of ``convert``.

    Attributes:
        losses: what the new format could not hold, one sentence each.
        notes: what the reader of the old one remarked.
    """

    losses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert(
    src: Path, dst: Path, *, to: str, split: str | None = None, source: str | None = None, strict: bool = False
) -> Converted:
    """Convert a data set to another format and print what that format cannot hold.

    Nothing stands under DST before all of it is written (a kill leaves .DST.partial, which the next run replaces); Kizu
    shards are finished one by one, and the same command goes on where it was stopped.

    Args:
        src: Data set: a folder or an annotation file of any known format.
        dst: New or empty folder.
        to: Format to write: coco, panoptic, yolo, voc, masks, mvtec, labelme or shards.
        split: Convert only this split, e.g. train; by default all.
        source: Format of SRC, where its folder does not tell it.
        strict: Stop at the first image or annotation that cannot be used, instead of listing it in DST/skipped.jsonl.
    """
    from kizu.core.dataset import Dataset, formats
    from kizu.core.errors import KizuError
    from kizu.core.run import Skips
    from kizu.formats.common.output import output_folder

    src, dst = Path(src), Path(dst)
    able = [name for name, item in formats().items() if item.write]
    if to not in able:
        raise KizuError(f"cannot write format {to!r}; known are {', '.join(able)}")
    if dst.resolve().is_relative_to(src.resolve()):
        raise KizuError(f"{dst} lies inside {src}, which would then hold both data sets; name a folder outside it")
    dataset = Dataset.open(src, source).split(split)
    skips = Skips(strict)
    chosen = dataset[_usable(dataset, skips)]
    if not len(chosen):
        first = skips.items[0]["reason"] if skips.items else "it is empty"
        raise KizuError(f"{src}: no image can be converted; the first reason: {first}")
    if to == "shards":
        losses = chosen.write(dst, to)
        skips.write(dst)
    else:
        with output_folder(dst) as folder:
            losses = chosen.write(folder, to)
            skips.write(folder)
    for text in [*dataset.notes, *losses]:
        print(text)
    kept = "" if losses else "; nothing was lost"
    line = f"{len(chosen)} images were written as {formats()[to].title} to {dst}{kept}."
    if skips.items:
        line += f" {dst / 'skipped.jsonl'} lists what was skipped."
    return Converted(line, dst, skips.items, losses=losses, notes=list(dataset.notes))


def _usable(dataset, skips) -> list[int]:
    """The samples whose pixels and labels can be read and agree in size; the others go to ``skips``."""
    from kizu.core.errors import DataError
    from kizu.core.run import progress

    out = []
    with progress("reading", len(dataset)) as step:
        for i, name in enumerate(dataset.ids):
            with skips.item(name):
                sample = dataset[i]
                real, told = sample.image.shape[:2], sample.size
                if real != told:
                    raise DataError(
                        f"{sample.path or name}: the labels say height, width {list(told)}, but the image is "
                        f"{list(real)}; correct the record, or restore the image that was labelled"
                    )
                _ = sample.instances
                out.append(i)
            step()
    return out
