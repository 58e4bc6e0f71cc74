"""MVTec-AD-style folders of one product: train/good, test/good, test/DEFECT, ground_truth/DEFECT/NAME_mask.png.

The folder under train, validation and test is the class (``good``, ``ok`` and ``normal`` are clean, whatever their
capitals). A mask is found as NAME_mask.png, NAME.png or, as in MVTec LOCO, as every image of the folder NAME/; its
8-connected parts become the instances. A defective image without a mask has no instance and counts as not labelled;
``sample.meta["image_label"]`` tells its folder, as it does for every image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.entries import Entries
from kizu.formats.common.outline import components
from kizu.formats.common.output import ImageWriter, Losses, folder_name, output_folder, save
from kizu.formats.common.rasters import cut_soft, read_raster
from kizu.formats.common.things import Fault, with_masks
from kizu.formats.common.trees import images_below, mention, same_file, subfolder, tidy

ORDER = 40
_UNLABELLED = "{n} images that nobody has labelled yet were left out: {title} would take them for good ones."
GOOD = ("good", "ok", "normal")
_PARTS = (("train", ("train",)), ("val", ("validation", "val", "valid")), ("test", ("test",)))


@dataclass(slots=True)
class _Entry:
    id: str
    path: Path
    split: str
    name: str  # of the folder
    masks: list[Path]


def _is_product(path: Path) -> bool:
    parts = [subfolder(path, "train"), subfolder(path, "test")]
    if any(part is not None and subfolder(part, *GOOD) for part in parts):
        return True
    return parts[1] is not None and subfolder(path, "ground_truth") is not None


def probe(path: Path) -> bool:
    """Whether a path looks like MVTec AD, or like a folder of several such products."""
    try:
        return path.is_dir() and (_is_product(path) or any(_is_product(p) for p in path.iterdir() if p.is_dir()))
    except OSError:
        return False


def read(path: Path) -> Dataset:
    """Open one product; masks are read when a sample is asked for.

    Raises:
        KizuError: no such folders, or several products at once.
    """
    path = Path(path)
    if not path.is_dir() or not _is_product(path):
        inner = sorted(p.name for p in path.iterdir() if p.is_dir() and _is_product(p)) if path.is_dir() else []
        if inner:
            raise KizuError(f"{path}: holds {len(inner)} products; open one of them: {mention(inner, 6)}")
        raise KizuError(f"{path}: neither train/good nor test/good is there; name the folder of one product")
    truth = subfolder(path, "ground_truth", "masks", "gt")
    entries, bare = [], 0
    for split, folders in _PARTS:
        part = subfolder(path, *folders)
        for folder in sorted(p for p in part.iterdir() if p.is_dir() and p.name[0] != ".") if part else []:
            masks = _masks_by_stem(truth, folder.name) if folder.name.lower() not in GOOD else {}
            for name, image in images_below(folder).items():
                own = masks.get(Path(name).with_suffix("").as_posix(), [])
                bare += folder.name.lower() not in GOOD and not own
                entries.append(_Entry(image.relative_to(path).as_posix(), image, split, folder.name, own))
    if not entries:
        raise KizuError(f"{path}: its folders hold no image; put images into train/good and test/...")
    names = sorted({entry.name for entry in entries if entry.name.lower() not in GOOD})
    notes = []
    if bare:
        notes.append(f"{bare} defective images have no mask; only meta['image_label'] tells of their defect")
    return Dataset(MvtecSource(entries, names, truth), names, notes=notes)


def _masks_by_stem(truth: Path | None, name: str) -> dict[str, list[Path]]:
    folder = subfolder(truth, name) if truth is not None else None
    out: dict[str, list[Path]] = {}
    if folder is None:
        return out
    for key, path in images_below(folder).items():
        stem = Path(key).with_suffix("").as_posix()
        out.setdefault(stem.removesuffix("_mask"), []).append(path)
        if "/" in stem:  # LOCO: a folder a picture
            out.setdefault(stem.rsplit("/", 1)[0], []).append(path)
    return out


class MvtecSource(Entries):
    """Random access to the images of a product. ``strays`` serves ``kizu check``."""

    def __init__(self, entries: list[_Entry], names: list[str], truth: Path | None):
        self.entries, self.names, self.truth = entries, names, truth

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]

        def instances() -> Instances:
            size = sample.size
            if not entry.masks:
                return Instances.empty(size)
            parts = []
            for path in entry.masks:
                values = read_raster(path)
                if values.shape != size:
                    raise Fault(
                        f"is {list(values.shape)} high and wide, its image {list(size)}", "make the mask again",
                        file=path, image=entry.id, kind="size mismatch",
                    )  # fmt: skip
                parts.append(Masks.from_label_map(components(cut_soft(values))))
            masks = Masks.concat(parts)
            return Instances(np.full(len(masks), self.names.index(entry.name)), masks=masks)

        meta = {"image_label": entry.name}
        labelled = entry.name.lower() in GOOD or bool(entry.masks)
        sample = Sample(entry.id, None, instances, path=entry.path, split=entry.split, meta=meta, labelled=labelled)
        return sample

    def strays(self) -> Iterator[Fault]:
        """Defective images without a mask, and masks without an image."""
        used = {path for entry in self.entries for path in entry.masks}
        for entry in self.entries:
            if entry.name.lower() not in GOOD and not entry.masks:
                yield Fault(
                    "is defective by its folder but has no mask", "draw one, or use it for image-level figures only",
                    file=entry.path, image=entry.id, kind="image without label",
                )  # fmt: skip
        for path in images_below(self.truth).values() if self.truth is not None else []:
            if path not in used:
                yield Fault("has no image", "add the image or remove it", file=path, kind="label without image")


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write train/good, validation/good, test/good, test/CLASS and ground_truth/CLASS/NAME_mask.png.

    Images that nobody has labelled yet and no folder calls defective are left out: every folder would judge them.

    Raises:
        DataError: an image or its labels cannot be read.
        KizuError: no image is labelled, the place is taken, or the file system refuses.
    """
    losses = Losses("MVTec AD", ("splits",), dataset)
    used: set[str] = set()
    with output_folder(path) as folder:
        writer = ImageWriter(folder)
        for sample in dataset:
            losses.see(sample.replace(meta={k: v for k, v in sample.meta.items() if k != "image_label"}))
            part, name = _place(sample, dataset.names, losses)
            if name == "good" and not sample.labelled:
                losses.add("unlabelled", 1, _UNLABELLED)
                continue
            data = sample.image_bytes()
            own = tidy(writer.name(sample, data))
            base = own.rsplit("/", 1)[-1] if own.startswith(f"{part}/{name}/") else own.replace("/", "__")
            target = Path(part, name, base)
            key = same_file(target.with_suffix("").as_posix())
            if key in used:
                raise KizuError(f"{sample.id!r}: another image would have the same mask file as {target}; rename one")
            used.add(key)
            if target.as_posix() != sample.id:
                losses.add("renamed", 1, "{n} images got another name (their class is their folder).")
            save(folder / target, data)
            if part == "test" and name.lower() not in GOOD and len(sample.instances):
                _write_mask(sample, folder / "ground_truth" / name / f"{target.stem}_mask.png", losses)
        if len(dataset) and not used:
            raise KizuError("no image is labelled, and MVTec AD folders hold none of those; label some, or use coco")
    return losses.sentences()


def _place(sample: Sample, names: tuple[str, ...], losses: Losses) -> tuple[str, str]:
    labels = np.unique(sample.instances.labels)
    label = str(sample.meta.get("image_label", ""))
    if not len(labels) and (not label or label.lower() in GOOD):
        part = {"train": "train", "val": "validation"}.get(sample.split, "test")
        if sample.split in ("train", "val", "test"):
            return part, "good"
        if sample.split:
            losses.add("moved", 1, "{n} images of other splits were put under test.")
            return "test", "good"
        losses.add("unsplit", 1, "{n} clean images without a split were put under train.")
        return "train", "good"
    if sample.split != "test":
        losses.add(
            "defective", 1, "{n} defective images of other splits were put under test: {title} trains on good ones."
        )
    if len(labels) > 1:
        losses.add(
            "combined", 1, "{n} images with several classes were put under 'combined': {title} has one class an image."
        )
        return "test", "combined"
    return "test", folder_name(names[int(labels[0])] if len(labels) else label)


def _write_mask(sample: Sample, path: Path, losses: Losses) -> None:
    found = sample.instances
    has = with_masks(found) & (found.masks.area > 0) if found.masks is not None else np.zeros(len(found), bool)
    losses.add("boxes only", int((~has).sum()))
    if not has.any():
        return
    union = found.masks[has].union()
    if int(components(union).max()) != int(has.sum()):
        losses.add(
            "joined",
            1,
            "instances of {n} images touch or have several parts: reading them again cuts them differently.",
        )
    differ = (found.boxes[has] != found.masks.boxes[has]).any(1)
    losses.add("boxes", int(differ.sum()))
    save(path, encode_image(union.astype(np.uint8) * 255))


FORMAT = Format("mvtec", "MVTec AD folders", probe, read, write)
