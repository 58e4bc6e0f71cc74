"""Mask folders: PNGs whose values are classes or instances, or one PNG a class.

Images lie in ``images/`` (or the folder itself), masks in ``masks/``, ``labels/``, ``ground_truth/`` ... or beside
the images: NAME.png, NAME_mask.png (one mask an image), CLASS/NAME.png or NAME_CLASS.png (one a class), NAME_0.png
(one an instance); all of it also inside train/, val/ and test/.

What values mean:

- with ``classes.txt``, value k is its k-th line (its line k + 1 where the first is called background); 255 beyond
  them is void;
- with ``classes.txt`` of one class and several values, values are instances;
- without it, one value (or a soft mask, cut at half of its maximum) is the class ``defect``, several are classes
  named by value.

Where a mask holds only classes, its 8-connected parts become the instances. Kizu writes
:mod:`kizu.formats.common.maskset`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common import maskset
from kizu.formats.common.entries import Entries
from kizu.formats.common.outline import components
from kizu.formats.common.rasters import cut_soft, read_raster
from kizu.formats.common.things import Fault
from kizu.formats.common.trees import class_lines, images_below, split_name, split_parts, subfolder, unique_ids

ORDER = 60
DEFECT = "defect"
_IMAGES = ("images", "image", "imgs", "img", "JPEGImages", "data")
_MASKS = ("masks", "mask", "ground_truth", "groundtruth", "gt", "labels", "label", "annotations", "segmentation",
          "SegmentationClass", "instances")  # fmt: skip
_TAILS = ("_mask", "-mask", "_masks", "_gt", "_label", "_labels", "_seg", "_segmentation", "_truth")
_BACKGROUND = {"background", "_background_", "bg", "__background__"}
_VOID = 255
_MANY = 24  # more different values than this without a class list are brightness (a soft edge) or instance numbers


@dataclass(slots=True)
class _Entry:
    name: str
    path: Path
    below: Path  # the image folder
    masks: list[tuple[Path, str]] = field(default_factory=list)  # with the class, "" = by value, "#" = one instance
    id: str = ""
    split: str = ""


@dataclass(slots=True)
class _Values:
    """What mask values mean: classes by value (-1 = void), instances of one class, or only inside and outside."""

    kind: str  # "classes", "instances", "binary"
    labels: dict[int, int] = field(default_factory=dict)


# --- finding ----------------------------------------------------------------------------------------------------------


def _pairs(path: Path) -> list[tuple[Path, Path | None]]:
    """(image folder, mask folder or None = beside the images)."""
    images = subfolder(path, *_IMAGES)
    masks = subfolder(path, *_MASKS)
    if masks is not None and _has_raster(masks):
        return [(images or path, masks)]
    out = []
    for part in sorted(p for p in path.iterdir() if p.is_dir() and split_name(p.name)):
        inner = subfolder(part, *_MASKS)
        if inner is not None and _has_raster(inner):
            out.append((subfolder(part, *_IMAGES) or part, inner))
    return out or [(images or path, None)]


def _has_raster(folder: Path) -> bool:
    return any(p.suffix.lower() in (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg") for p in folder.rglob("*"))


def _beside(names: list[str]) -> dict[str, str]:
    """Mask name -> image name, where masks lie beside the images."""
    there = set(names)
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(PurePosixPath(name).with_suffix("").as_posix(), []).append(name)
    out = {}
    for name in names:
        pure = PurePosixPath(name)
        stem = pure.with_suffix("").as_posix()
        tail = next((tail for tail in _TAILS if stem.endswith(tail)), None)
        if tail and stem.removesuffix(tail) in stems:
            out[name] = stems[stem.removesuffix(tail)][0]
        elif pure.suffix.lower() == ".png":
            other = [
                n for n in stems[stem] if n in there and PurePosixPath(n).suffix.lower() in (".jpg", ".jpeg", ".bmp")
            ]
            if other:
                out[name] = other[0]
    return out


def probe(path: Path) -> bool:
    """Whether a path looks like a mask folder."""
    try:
        if not path.is_dir():
            return False
        if maskset.is_maskset(path):
            return True
        pairs = _pairs(path)
        if pairs[0][1] is not None:
            images = images_below(pairs[0][0])
            return any(not p.is_relative_to(pairs[0][1]) for p in images.values())
        return bool(_beside(list(images_below(pairs[0][0]))))
    except OSError:
        return False


# --- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> Dataset:
    """Open a mask folder. Without ``classes.txt`` all masks are looked through once for their values.

    Raises:
        KizuError: no images, or no masks beside them.
    """
    path = Path(path)
    if not path.is_dir():
        raise KizuError(f"{path}: not a folder; a mask folder holds images/ and masks/")
    if maskset.is_maskset(path):
        return maskset.read(path)
    entries, strays = _entries(path)
    if not any(entry.masks for entry in entries):
        raise KizuError(f"{path}: no mask belongs to an image; put masks/NAME.png beside images/NAME.jpg")
    rows = []
    for entry in entries:
        split, folder, rest = split_parts(PurePosixPath(entry.name))
        above = next((p.name for p in (entry.below, entry.below.parent) if p != path and split_name(p.name)), "")
        entry.split = split or split_name(above)
        rows.append((folder or above, rest))
    for entry, id in zip(entries, unique_ids(rows), strict=True):
        entry.id = id
    listed = next((path / n for n in ("classes.txt", "labels.txt") if (path / n).is_file()), None)
    names, values, notes = _meaning(entries, class_lines(listed) if listed else None)
    bare = sum(1 for entry in entries if not entry.masks)
    if bare:
        notes.append(f"{bare} of {len(entries)} images have no mask; they are neither good ones nor truth")
    return Dataset(MaskSource(entries, names, values, strays), names, notes=notes)


def _entries(path: Path) -> tuple[list[_Entry], list[Path]]:
    entries: list[_Entry] = []
    strays: list[Path] = []
    for images, masks in _pairs(path):
        found = images_below(images)
        if masks is None:
            belongs = _beside(list(found))
            own = {n: _Entry(n, p, images) for n, p in found.items() if n not in belongs}
            for mask, name in belongs.items():
                if name in own:
                    own[name].masks.append((found[mask], ""))
        else:
            inside = [m for m in (subfolder(images, n) for n in _MASKS) if m is not None] if images == path else [masks]
            own = {n: _Entry(n, p, images) for n, p in found.items() if not any(p.is_relative_to(m) for m in inside)}
            strays += _deal(own, images_below(masks))
        entries += own.values()
    return entries, strays


def _deal(own: dict[str, _Entry], masks: dict[str, Path]) -> list[Path]:
    """Give each mask to its image; those that belong to none are returned."""
    stems: dict[str, _Entry] = {}
    for name, entry in own.items():
        stems.setdefault(PurePosixPath(name).with_suffix("").as_posix(), entry)
        stems.setdefault(name, entry)  # NAME.jpg.png
    strays = []
    for name, path in masks.items():
        stem = PurePosixPath(name).with_suffix("").as_posix()
        found = _owner(stem, stems) or (
            _owner(stem.split("/", 1)[1], stems, stem.split("/", 1)[0]) if "/" in stem else None
        )
        if found is None:
            strays.append(path)
        else:
            found[0].masks.append((path, found[1]))
    return strays


def _owner(stem: str, stems: dict[str, _Entry], folder: str = "") -> tuple[_Entry, str] | None:
    """The image of a mask and the class that its name tells."""
    if stem in stems:
        return stems[stem], folder
    tail = next((tail for tail in _TAILS if stem.endswith(tail)), "")
    if tail and stem.removesuffix(tail) in stems:
        return stems[stem.removesuffix(tail)], folder
    base = stem.removesuffix(tail) if tail else stem
    for at in range(len(base) - 1, 0, -1):
        if base[at] in "_-" and base[:at] in stems and not folder:
            word = base[at + 1 :]
            return stems[base[:at]], "#" if word.isdecimal() else word
    return None


def _meaning(entries: list[_Entry], listed: list[str] | None) -> tuple[list[str], _Values, list[str]]:
    """Class names, the meaning of values, and notes."""
    told = sorted({name for entry in entries for _, name in entry.masks if name not in ("", "#")})
    plain = [path for entry in entries for path, name in entry.masks if name == ""]
    notes: list[str] = []
    if listed is not None:
        first = 0 if listed[0].lower() in _BACKGROUND else 1
        names = listed[1:] if first == 0 else listed
        foreign = [name for name in told if name not in names]
        if foreign:
            raise KizuError(f"masks of the classes {foreign} are there, but classes.txt does not name them; add them")
        labels = {k + 1: k for k in range(len(names))}
        return names, _Values("classes" if len(names) > 1 else "instances", labels), notes
    if not plain:
        return [*told, *([DEFECT] if _any_single(entries) and DEFECT not in told else [])], _Values("binary"), notes
    values, jpeg = _all_values(plain)
    if told:
        return sorted({*told, DEFECT}), _Values("binary"), notes
    if jpeg or len(values) <= 1:
        if jpeg and len(values) > 1:
            notes.append("masks are JPEG files, whose values are blurred; they were cut at half of their maximum")
        return [DEFECT], _Values("binary"), notes
    if len(values) > _MANY:
        if max(values) in (_VOID, 65535):
            notes.append(f"masks have soft edges ({len(values)} values); they were cut at half of their maximum")
            return [DEFECT], _Values("binary"), notes
        notes.append(
            f"mask values go to {max(values)} without a classes.txt; they were taken as instances of one class"
        )
        return [DEFECT], _Values("instances", {1: 0}), notes
    labels = {}
    small = [v for v in values if v < 64]
    if _VOID in values and len(small) == len(values) - 1 and small:
        values = small
        labels[_VOID] = -1
        notes.append("mask value 255 was taken as void, as other values are small numbers")
    labels |= {value: k for k, value in enumerate(values)}
    notes.append(f"no classes.txt names the mask values {values}; classes are called by them")
    return [str(value) for value in values], _Values("classes", labels), notes


def _any_single(entries: list[_Entry]) -> bool:
    return any(name == "#" for entry in entries for _, name in entry.masks)


def _all_values(paths: list[Path]) -> tuple[list[int], bool]:
    values: set[int] = set()
    for path in paths:
        try:
            values.update(np.unique(read_raster(path)).tolist())
        except DataError:
            continue  # met again, and named, when the sample is read
    jpeg = all(path.suffix.lower() in (".jpg", ".jpeg") for path in paths)
    return sorted(values - {0}), jpeg


class MaskSource(Entries):
    """Random access to images with mask files. ``strays`` serves ``kizu check``."""

    def __init__(self, entries: list[_Entry], names: list[str], values: _Values, lost: list[Path]):
        self.entries, self.names, self.values, self.lost = entries, names, values, lost

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]

        def instances() -> Instances:
            size = sample.size
            parts = [Masks.empty(size)]
            labels: list[int] = []
            for path, name in entry.masks:
                masks, own = self._masks(path, name, entry.id, size)
                parts.append(masks)
                labels += own
            return Instances(labels, masks=Masks.concat(parts))

        sample = Sample(entry.id, None, instances, path=entry.path, split=entry.split, labelled=bool(entry.masks))
        return sample

    def _masks(self, path: Path, name: str, image: str, size: tuple[int, int]) -> tuple[Masks, list[int]]:
        values = read_raster(path)
        if values.shape != size:
            raise Fault(
                f"is {list(values.shape)} high and wide, its image {list(size)}",
                "make the mask again in the size and turn of its image", file=path, image=image, kind="size mismatch",
            )  # fmt: skip
        if name == "#":
            inside = cut_soft(values)
            return Masks.from_dense(inside[None]), [self.names.index(DEFECT)]
        if name or self.values.kind == "binary":
            masks = Masks.from_label_map(components(cut_soft(values)))
            return masks, [self.names.index(name or DEFECT)] * len(masks)
        present = [int(v) for v in np.unique(values) if v]
        if self.values.kind == "instances":
            soft = len(present) > _MANY and present[-1] == _VOID
            if len(present) <= 1 or soft:
                masks = Masks.from_label_map(components(cut_soft(values)))
            else:
                masks = Masks.from_label_map(values)
            return masks, [0] * len(masks)
        parts, labels = [Masks.empty(size)], []
        for value in present:
            label = self.values.labels.get(value, -1 if value == _VOID else None)
            if label is None:
                known = ", ".join(str(v) for v in list(self.values.labels)[:12])
                raise Fault(
                    f"holds the value {value}, which is no class (known are {known})", "add it to classes.txt",
                    file=path, image=image, kind="unknown class",
                )  # fmt: skip
            if label >= 0:
                parts.append(Masks.from_label_map(components(values == value)))
                labels += [label] * len(parts[-1])
        return Masks.concat(parts), labels

    def strays(self) -> Iterator[Fault]:
        """Images without a mask, and masks without an image."""
        for entry in self.entries:
            if not entry.masks:
                yield Fault(
                    "has no mask; it is neither a good one nor truth", "draw one, or save an empty mask if it is clean",
                    file=entry.path, image=entry.id, kind="image without label",
                )  # fmt: skip
        for path in self.lost:
            yield Fault("has no image", "add the image or remove it", file=path, kind="label without image")


FORMAT = Format("masks", "mask folders", probe, read, maskset.write)
