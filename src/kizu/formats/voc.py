"""Pascal VOC: Annotations/NAME.xml, JPEGImages/ (or images/), ImageSets/Main/SPLIT.txt, SegmentationObject/NAME.png.

``bndbox`` counts pixels from 1 and includes its ends, so xmin = left + 1 and xmax = right (ends exclusive). Value k
of a SegmentationObject raster is the k-th object of the XML, 255 is void where there are fewer objects.
``difficult``, ``truncated``, ``occluded`` and ``pose`` become attributes. Kizu also writes ``classes.txt``, so that
the order of classes survives. XML with a document type (the door to entity bombs) is refused.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.entries import Entries
from kizu.formats.common.output import (
    ImageWriter,
    Losses,
    folder_name,
    output_folder,
    palette_png,
    save,
    without_label,
)
from kizu.formats.common.rasters import read_raster
from kizu.formats.common.things import FARTHEST, Fault, Thing, join, things_of, with_masks
from kizu.formats.common.trees import class_lines, images_below, load_lines, same_file, split_name, subfolder, tidy

ORDER = 30
_FLAGS = ("difficult", "truncated", "occluded")
_VOID = 255


@dataclass(slots=True)
class _Entry:
    id: str
    image: Path
    xml: Path | None
    masks: Path | None
    split: str


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type before any of its entities is read."""

    def doctype(self, name, pubid, system):
        raise ValueError("it declares a document type, which label files do not need and Kizu does not read")


def parse_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file. Raises DataError where it is missing, broken, or declares a document type."""
    try:
        return ElementTree.fromstring(path.read_bytes(), ElementTree.XMLParser(target=_NoDoctype()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); correct the path or its rights") from error
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise DataError(f"{path}: not usable as XML ({error}); export it again") from error


def probe(path: Path) -> bool:
    """Whether a path looks like Pascal VOC."""
    try:
        if not path.is_dir():
            return False
        labels = subfolder(path, "Annotations")
        if labels is None:
            return False
        # Kizu's own folder is known by its list of classes, too: it holds no XML where nothing was labelled yet.
        own = (path / "classes.txt").is_file() and subfolder(path, "JPEGImages") is not None
        return own or any(p.suffix.lower() == ".xml" for p in labels.rglob("*"))
    except OSError:
        return False


def read(path: Path) -> Dataset:
    """Open a VOC folder. The XML files are looked through once for class names, unless ``classes.txt`` names them.

    Raises:
        KizuError: no annotations or no image folder.
    """
    path = Path(path)
    labels = subfolder(path, "Annotations") if path.is_dir() else None
    if labels is None:
        raise KizuError(f"{path}: no folder Annotations/ with XML files; name the folder that holds it")
    images = subfolder(path, "JPEGImages", "images", "PNGImages") or path
    objects = subfolder(path, "SegmentationObject")
    xmls = {p.relative_to(labels).with_suffix("").as_posix(): p for p in sorted(labels.rglob("*.xml"))}
    splits, notes = _splits(path)
    pictures = images_below(images)
    by_stem = {Path(name).with_suffix("").as_posix(): name for name in reversed(pictures)}
    entries, unused = [], dict.fromkeys(pictures)
    for stem, xml in xmls.items():
        name = stem if stem in pictures else by_stem.get(stem)
        if name is None:
            name = _file_name(xml, pictures) or f"{stem}.jpg"
        unused.pop(name, None)
        entries.append(_entry(name, stem, images, xml, objects, splits))
    for name in unused:
        entries.append(_entry(name, Path(name).with_suffix("").as_posix(), images, None, objects, splits))
    entries.sort(key=lambda entry: entry.id)
    twice = [id for id, count in Counter(entry.id for entry in entries).items() if count > 1]
    if twice:
        raise KizuError(f"{labels}: the image {twice[0]!r} has two XML files; remove one")
    listed = next((path / n for n in ("classes.txt", "labels.txt") if (path / n).is_file()), None)
    names = class_lines(listed) if listed else _names(xmls.values())
    if unused:
        notes.append(f"{len(unused)} of {len(entries)} images have no XML file; they are neither good ones nor truth")
    if objects is None and subfolder(path, "SegmentationClass"):
        notes.append("SegmentationClass without SegmentationObject was left aside: its pixels belong to no object")
    return Dataset(VocSource(entries, names), names, notes=notes)


def _entry(name: str, stem: str, images: Path, xml: Path | None, objects: Path | None, splits: dict) -> _Entry:
    masks = objects / f"{stem}.png" if objects is not None and (objects / f"{stem}.png").is_file() else None
    return _Entry(name, images / name, xml, masks, splits.get(stem, splits.get(Path(stem).name, "")))


def _file_name(xml: Path, pictures: dict[str, Path]) -> str | None:
    """The image that an XML of another name tells in <filename>."""
    try:
        name = tidy(parse_xml(xml).findtext("filename") or "")
    except DataError:
        return None
    return name if name in pictures else None


def _splits(path: Path) -> tuple[dict[str, str], list[str]]:
    """The split of each stem, and notes; trainval.txt says nothing, and of two lists the first by name counts."""
    out: dict[str, str] = {}
    notes = []
    for part in ("Main", "Segmentation"):
        for text in sorted((path / "ImageSets" / part).glob("*.txt")):
            split = split_name(text.stem) if text.stem.lower() != "trainval" and "_" not in text.stem else ""
            split = split or (
                text.stem if "_" not in text.stem and text.stem.lower() not in ("trainval", "all") else ""
            )
            for line in load_lines(text) if split else []:
                stem = re.sub(r"\s+-?[01]$", "", line)  # a list of one class says 1 or -1 behind the name
                known = out.setdefault(stem, split)
                if known != split:
                    notes.append(f"{text}: {stem} is also in {known}, where it stays")
    return out, notes[:20]


def _names(xmls) -> list[str]:
    names = set()
    for xml in xmls:
        try:
            names |= {(item.findtext("name") or "").strip() for item in parse_xml(xml).iter("object")}
        except DataError:
            continue  # met again, and named, when the sample is read
    return sorted(names - {""})


class VocSource(Entries):
    """Random access to images with XML labels. ``things`` and ``strays`` serve ``kizu check``."""

    def __init__(self, entries: list[_Entry], names: list[str]):
        self.entries, self.names = entries, names

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]

        def instances() -> Instances:
            things = things_of(self.things(i))
            return join(things, sample.size, entry.xml or "", entry.id, masks=entry.masks is not None)

        sample = Sample(entry.id, None, instances, path=entry.image, split=entry.split, labelled=entry.xml is not None)
        return sample

    def where(self, i: int) -> tuple[Path | str, str]:
        """The file of an image's labels, and the image's id."""
        return self.entries[i].xml or "", self.entries[i].id

    def things(self, i: int) -> Iterator[Thing | Fault]:
        """Every object of an image, usable or not."""
        entry = self.entries[i]
        if entry.xml is None:
            return
        try:
            root = parse_xml(entry.xml)
        except DataError as error:
            yield Fault(str(error), "", file="", image=entry.id, kind="broken label file")
            return
        objects = root.findall("object")
        size = _recorded_size(root)
        if size is not None and entry.image.is_file():
            real = Sample(entry.id, path=entry.image).size
            if real != size:
                what = f"says height, width {list(size)}, but the image is {list(real)}"
                remedy = "label the image in the turn and size that it has"
                yield Fault(what, remedy, file=entry.xml, image=entry.id, field="size", kind="size mismatch")
        masks = None
        if entry.masks is not None:
            try:
                masks = _object_masks(entry.masks, len(objects))
            except DataError as error:
                yield Fault(str(error), "", image=entry.id, kind="broken mask")
        for k, item in enumerate(objects):
            yield _thing(item, k, entry, self.names, masks)

    def strays(self) -> Iterator[Fault]:
        """Images without XML, and XML without an image."""
        for entry in self.entries:
            if entry.xml is None:
                yield Fault(
                    "has no XML file; it is neither a good one nor truth",
                    "label it, or add an XML without objects if it is clean",
                    file=entry.image, image=entry.id, kind="image without label",
                )  # fmt: skip
            elif not entry.image.is_file():
                yield Fault("has no image", "add the image or remove it", file=entry.xml, kind="label without image")


def _recorded_size(root: ElementTree.Element) -> tuple[int, int] | None:
    try:
        height, width = int(root.findtext("size/height", "")), int(root.findtext("size/width", ""))
    except ValueError:
        return None
    return (height, width) if height > 0 and width > 0 else None  # some tools leave zeros


def _object_masks(path: Path, count: int) -> Masks:
    """Masks of the objects 1 .. count of a SegmentationObject raster."""
    values = read_raster(path)
    present = [int(v) for v in np.unique(values) if v not in (0, _VOID)]
    if present and present[-1] > count:
        raise DataError(f"{path}: holds the value {present[-1]}, but the XML has {count} objects; label it again")
    return Masks.from_label_map(values, range(1, count + 1))


def _thing(item: ElementTree.Element, k: int, entry: _Entry, names: list[str], masks: Masks | None) -> Thing | Fault:
    def fault(what: str, remedy: str, field: str, kind: str = "broken record") -> Fault:
        return Fault(what, remedy, file=entry.xml, image=entry.id, item=f"object {k + 1}", field=field, kind=kind)

    name = (item.findtext("name") or "").strip()
    if name not in names:
        return fault(f"class {name[:60]!r} is not listed", "add it to classes.txt", "name", "unknown class")
    try:
        values = [float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
    except ValueError:
        return fault("its four sides are not all numbers", "write xmin, ymin, xmax, ymax", "bndbox", "broken box")
    if not all(math.isfinite(v) and abs(v) < FARTHEST for v in values):
        return fault(f"{values} is not finite", "correct the box", "bndbox", "broken box")
    box = (values[0] - 1, values[1] - 1, values[2], values[3])
    if box[2] < box[0] or box[3] < box[1]:
        return fault(f"{values} ends before it starts", "xmin, ymin come first", "bndbox", "broken box")
    extra = {}
    for flag in _FLAGS:
        if item.find(flag) is not None:
            extra[flag] = 1 if (item.findtext(flag) or "").strip() == "1" else 0
    pose = (item.findtext("pose") or "").strip()
    if pose and pose != "Unspecified":
        extra["pose"] = pose
    mask = masks[k : k + 1] if masks is not None else None
    has = mask is not None and mask.area[0] > 0
    return Thing(f"object {k + 1}", names.index(name), box, mask if has else None, None, extra)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write Annotations, JPEGImages, ImageSets/Main and, where there are masks, the two Segmentation folders.

    An image that nobody has labelled yet gets no XML file.

    Raises:
        DataError: an image or its labels cannot be read. KizuError: the place is taken, or the file system refuses.
    """
    losses = Losses("Pascal VOC", ("splits",), dataset)
    if len(dataset.names) >= _VOID:
        losses.add("classes", 1, "{title} rasters hold 254 classes: those beyond are in the XML alone.")
    lists: dict[str, list[str]] = {}
    used: dict[str, str] = {}
    with output_folder(path) as folder:
        writer = ImageWriter(folder / "JPEGImages")
        for sample in dataset:
            losses.see(sample, (*_FLAGS, "pose"))
            name = writer.write(sample)
            stem = Path(name).with_suffix("").as_posix()
            if same_file(stem) in used:  # a.jpg beside a.png
                stem = name
            other = used.setdefault(same_file(stem), sample.id)
            if other != sample.id:
                raise KizuError(f"the images {other!r} and {sample.id!r} would share one XML file; rename one")
            if sample.split:
                lists.setdefault(folder_name(sample.split), []).append(stem)
            if without_label(sample):
                continue
            kept = _write_masks(sample, folder, stem, losses)
            save(folder / "Annotations" / f"{stem}.xml", _xml(sample, name, dataset.names, kept))
        for split, stems in lists.items():
            save(folder / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{stem}\n" for stem in stems))
        (folder / "Annotations").mkdir(exist_ok=True)
        save(folder / "classes.txt", "".join(f"{name}\n" for name in dataset.names))
        losses.add("renamed", writer.renamed)
    return losses.sentences()


def _write_masks(sample: Sample, folder: Path, stem: str, losses: Losses) -> bool:
    found = sample.instances
    if found.masks is None:
        return False
    has = with_masks(found) & (found.masks.area > 0)
    losses.add("empty masks", int((with_masks(found) & ~has).sum()))
    beyond = has & (np.arange(len(found)) >= _VOID - 1)
    losses.add(
        "objects", int(beyond.sum()), "{n} masks beyond the 254th of their image were left out: {title} has 8 bits."
    )
    shown = np.flatnonzero(has & ~beyond)
    objects = found.masks[shown].to_label_map(shown + 1)
    areas = np.bincount(objects.ravel(), minlength=len(found) + 1)[shown + 1]
    losses.add("overlaps", int((areas < found.masks.area[shown]).sum()))
    value = np.concatenate([[0], np.minimum(found.labels + 1, _VOID)]).astype(np.uint8)
    save(folder / "SegmentationObject" / f"{stem}.png", palette_png(objects))
    save(folder / "SegmentationClass" / f"{stem}.png", palette_png(value[objects]))
    return True


def _xml(sample: Sample, name: str, names: tuple[str, ...], masks: bool) -> bytes:
    root = ElementTree.Element("annotation")

    def add(parent: ElementTree.Element, tag: str, text: object) -> None:
        ElementTree.SubElement(parent, tag).text = "".join(c for c in str(text) if c >= " " or c in "\t\n")

    height, width = sample.size
    add(root, "filename", name)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        add(size, tag, value)
    add(root, "segmented", int(masks))
    found = sample.instances
    for i in range(len(found)):
        item = ElementTree.SubElement(root, "object")
        add(item, "name", names[int(found.labels[i])])
        for tag in ("pose", *_FLAGS):
            value = found.attributes[tag][i] if tag in found.attributes else None
            if value is not None:
                add(item, tag, value if tag == "pose" else int(value))
        box = ElementTree.SubElement(item, "bndbox")
        sides = found.boxes[i].astype(np.float64) + np.array([1, 1, 0, 0])
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True):
            add(box, tag, int(value) if value == int(value) else round(float(value), 5))
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, "utf-8") + b"\n"


FORMAT = Format("voc", "Pascal VOC", probe, read, write)
