"""Writing a data set: a whole folder or none, images byte for byte, and an honest list of what was lost."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.files import make_folder, write_error
from kizu.core.images import SUFFIXES
from kizu.core.sample import Sample
from kizu.formats.common.things import HAS_MASK
from kizu.formats.common.trees import mention, portable, same_file, tidy


@contextlib.contextmanager
def output_folder(path: Path | str) -> Iterator[Path]:
    """Yield ``.NAME.partial`` beside ``path``; it becomes ``path`` when all went well and is removed when not.

    A kill leaves the partial folder alone, and the next run to the same name replaces it.

    Raises:
        KizuError: ``path`` is a file or holds something, or the file system refuses.
    """
    path = Path(path).absolute()
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise KizuError(f"{path} is not an empty folder; name a new one, or delete it first")
        partial = path.with_name(f".{path.name}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        make_folder(partial)
        try:
            yield partial
            if path.exists():
                path.rmdir()
            os.replace(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise write_error(error.filename or path, error) from error


_MAGIC = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
}
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}


class ImageWriter:
    """Writes the images of samples below a folder, bytes unchanged, each under its id.

    ``renamed`` counts the ids that are no usable path: they lead elsewhere, or hold what some file system refuses.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.renamed = 0
        self._used: dict[str, str] = {}

    def name(self, sample: Sample, data: bytes | None = None) -> str:
        """The file name, a relative path: the id, with the suffix that the content asks for where it has another.

        Raises:
            KizuError: two samples would have one file name.
        """
        name = "/".join(portable(part) for part in (tidy(sample.id) or "image").split("/"))
        self.renamed += name != sample.id
        suffix = PurePosixPath(name).suffix.lower()
        kind = sample.suffix() if data is None else next((s for m, s in _MAGIC.items() if data.startswith(m)), suffix)
        if suffix not in SUFFIXES:
            name += kind if kind in SUFFIXES else ".png"
        elif sample.path is None and _SAME.get(suffix, suffix) != _SAME.get(kind, kind):
            name = name[: -len(suffix)] + kind
        other = self._used.setdefault(same_file(name), sample.id)
        if other != sample.id:
            raise KizuError(
                f"the images {other!r} and {sample.id!r} would both be written as {name!r} where capitals do not "
                "count; rename one"
            )
        return name

    def write(self, sample: Sample, below: str = "", name: str | None = None) -> str:
        """Write the image as ``below/name`` and return its name.

        Raises:
            DataError: the image cannot be read. KizuError: two of one name.
        """
        data = sample.image_bytes()
        name = self.name(sample, data) if name is None else name
        save(self.folder / below / name, data)
        return name


def without_label(sample: Sample) -> bool:
    """Whether a sample gets no label file, as nobody has labelled it; one that holds instances all the same gets one.

    A file without objects would call the picture a good one, which nobody has said.
    """
    return not sample.labelled and not len(sample.instances)


def save(path: Path, data: bytes | str) -> None:
    """Write one file of an :func:`output_folder` (which is renamed as a whole, so this needs no rename of its own)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def folder_name(text: str) -> str:
    """A split or class as the name of one folder or file: nothing in it leads elsewhere."""
    return portable(text.strip().strip(". "))


def palette_png(values: np.ndarray) -> bytes:
    """An index raster uint8 (H, W) as a palette PNG in the colours of Pascal VOC: the value is the index."""
    image = Image.fromarray(np.ascontiguousarray(values, np.uint8))
    image.putpalette(voc_colours().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def voc_colours() -> np.ndarray:
    """The 256 colours of Pascal VOC, uint8 (256, 3): the bits of the index, dealt to red, green and blue in turn."""
    index = np.arange(256)
    out = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            out[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index = index >> 3
    return out.astype(np.uint8)


_SENTENCES = {
    "scores": "{n} scores were left out: {title} has no place for them.",
    "amodal": "{n} amodal masks (hidden parts included) were left out: {title} has no place for them.",
    "parents": "{n} links from an instance to the one that it lies on were left out.",
    "score_map": "score maps of {n} images were left out.",
    "groups": "the groups of {n} images were left out: {title} has no place for them.",
    "splits": "the splits of {n} images were left out: {title} has no place for them.",
    "crowd": "{n} crowd regions were written as ordinary instances: {title} does not know crowds.",
    "masks": "{n} masks were left out: only their boxes were written.",
    "empty masks": "{n} empty masks were left out: only their boxes were written.",
    "boxes only": "{n} instances without a mask were left out: {title} holds masks.",
    "boxes": "{n} boxes that differ from their masks were left out: {title} derives boxes from masks.",
    "sources": "the sources of {n} images (the data sets that they come from) were left out.",
    "coco ids": "the COCO ids of {n} images and of what is on them were left out.",
    "renamed": "{n} images got another name: their ids cannot be file names everywhere.",
    "unlabelled": "{n} images that nobody has labelled yet count as good ones there: {title} cannot tell them apart.",
    "labelled": "{n} images with labels that are marked as not labelled yet count as labelled there.",
    "overlaps": "{n} masks lie under others and lost the pixels that they share.",
}
_INTERNAL = {"coco_id", "iscrowd", "area", HAS_MASK}


class Losses:
    """Counts what a format cannot hold, and says it in sentences.

    Args:
        title: the format's name in sentences.
        keeps: what it can hold, of: scores, amodal, parents, score_map, groups, splits, sources, labelled, crowd,
            meta, attributes, info.
        dataset: what is written, for what belongs to no image of it.
    """

    def __init__(self, title: str, keeps: tuple[str, ...] = (), dataset: Dataset | None = None):
        self.title = title
        self.keeps = set(keeps)
        self.counts: Counter[str] = Counter()
        self.texts = dict(_SENTENCES)
        self.attributes: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()
        info = dataset.info if dataset is not None and "info" not in self.keeps else {}
        self.info = [str(name) for name, value in info.items() if value not in (None, "", [], {})]

    def see(self, sample: Sample, attributes: tuple[str, ...] = ()) -> None:
        """Count what of a sample will be lost; ``attributes`` are those that the format keeps."""
        found = sample.instances
        lost = {
            "scores": 0 if found.scores is None else len(found),
            "amodal": 0 if found.amodal is None else len(found),
            "parents": int((found.parents >= 0).sum()),
            "score_map": int(sample._score_map is not None),
            "groups": int(bool(sample.group)),
            "splits": int(bool(sample.split)),
            "sources": int(bool(sample.source)),
            "labelled": int(not sample.labelled and len(found) > 0),
            "crowd": int(np.sum(found.attributes.get("iscrowd", np.zeros(0)) == 1)),
        }
        for key, count in lost.items():
            if key not in self.keeps:
                self.counts[key] += count
        if "attributes" not in self.keeps:
            self.attributes.update(
                {n: len(found) for n in found.attributes if n not in _INTERNAL and n not in attributes and len(found)}
            )
        if "meta" not in self.keeps:
            self.fields.update(name for name in sample.meta if name != "coco_id")
            self.counts["coco ids"] += "coco_id" in sample.meta

    def add(self, key: str, count: int = 1, text: str | None = None) -> None:
        """Count one more loss; ``text`` is its sentence ({n} = the number, {title} = the format)."""
        if text is not None:
            self.texts[key] = text
        self.counts[key] += int(count)

    def sentences(self) -> list[str]:
        """One sentence each; nothing lost gives an empty list."""
        out = [self.texts[key].format(n=n, title=self.title) for key, n in self.counts.items() if n]
        if self.attributes:
            names = mention(sorted(self.attributes), 6)
            out.append(f"attributes of {max(self.attributes.values())} instances were left out: {names}.")
        if self.fields:
            names = mention(sorted(self.fields), 6)
            out.append(f"fields of {max(self.fields.values())} images were left out: {names}.")
        if self.info:
            out.append(f"what the data set tells of itself was left out: {mention(sorted(self.info), 6)}.")
        return [text[0].upper() + text[1:] for text in out]
