"""Problems of image files: missing, cut, of another size or turn than recorded, odd depths and colours."""

from __future__ import annotations

import io
import os
import warnings
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from kizu.core.errors import DataError
from kizu.core.images import open_image, to_rgb
from kizu.core.sample import Sample
from kizu.formats.check.problem import ERROR, INFO, WARNING, Problem
from kizu.formats.common.trees import mention

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_TURNED = (5, 6, 7, 8)


@dataclass
class ImageNotes:
    """What is told once for the whole data set: files by what is odd, and by colour."""

    odd: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    colours: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def problems(self) -> list[Problem]:
        """One line each."""
        remedies = {
            "palette": "nothing to do: colours are looked up",
            "alpha": "nothing to do: the alpha channel is dropped",
            "floating-point": "save as 8-bit or 16-bit if other tools are to read them",
            "CMYK": "save as RGB if other tools are to read them",
            "turned by their EXIF tag": "save them upright: some tools ignore the tag and would turn the labels away",
            "16-bit": "nothing to do: divided by 256 when read",
        }
        out = [
            Problem(INFO, "image kind", files[0], message=f"{len(files)} images are {what}: {mention(files)}",
                    remedy=remedies[what])
            for what, files in self.odd.items()
        ]  # fmt: skip
        if len(self.colours) > 1:
            counts = " and ".join(f"{len(files)} in {name}" for name, files in sorted(self.colours.items()))
            rarer = min(self.colours.values(), key=len)
            message = f"images are mixed: {counts}; the rarer kind begins with {mention(rarer)}"
            out.append(
                Problem(INFO, "mixed colours", rarer[0], message=message, remedy="check that one camera made them")
            )
        return out


def image_problems(sample: Sample, notes: ImageNotes) -> tuple[list[Problem], np.ndarray | None]:
    """Problems of a sample's image file, and its pixels uint8 (H, W, 3) where it can be read."""
    file = str(sample.path) if sample.path is not None else ""
    try:
        source = sample.path if sample.path is not None else sample.image_bytes()
        mode, turn = _header(source)
        image = open_image(source)
        pixels = to_rgb(image, file or sample.id)
    except DataError as error:
        missing = not os.path.isfile(sample.path) if sample.path is not None else sample._image is None
        message, _, remedy = str(error).removeprefix(f"{file}: ").rpartition("; ")
        return [
            Problem(ERROR, "missing image" if missing else "unreadable image", file, sample.id, "", message, remedy)
        ], None
    out = []
    name = sample.id
    if mode in _DEEP:
        top = int(np.asarray(image).max(initial=0))
        notes.odd["16-bit"].append(name)
        if 0 < top < 16384:
            message = (
                f"16-bit image whose highest value is {top}: it uses {top.bit_length()} bits and reads as nearly black"
            )
            remedy = f"multiply its values by {2 ** (16 - top.bit_length())} and save it again"
            out.append(Problem(WARNING, "wrong bit depth", file, sample.id, "", message, remedy))
    odd = {"P": "palette", "PA": "palette", "RGBA": "alpha", "LA": "alpha", "F": "floating-point", "CMYK": "CMYK"}.get(
        mode
    )
    if odd:
        notes.odd[odd].append(name)
    if turn != 1:
        notes.odd["turned by their EXIF tag"].append(name)
    notes.colours["grey" if mode in (*_DEEP, "1", "L", "LA", "F") else "colour"].append(name)
    if pixels.size and pixels.min() == pixels.max():
        message = f"every pixel has the value {int(pixels.min())}"
        out.append(Problem(WARNING, "blank image", file, sample.id, "", message, "take the picture again or remove it"))
    recorded = sample._size if sample._size is not None else pixels.shape[:2]
    if tuple(recorded) != pixels.shape[:2]:
        out.append(_size_problem(tuple(recorded), pixels.shape[:2], turn, file, sample.id))
        return out, None
    return out, pixels


def _header(source) -> tuple[str, int]:
    """Pillow's mode and the EXIF turn of an image, before anything is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                turn = image.getexif().get(0x0112, 1)
                return image.mode, turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
    except Exception:  # open_image, called next, tells what is wrong
        return "", 1


def _size_problem(recorded: tuple, real: tuple, turn: int, file: str, id: str) -> Problem:
    message = f"the labels say height, width {list(recorded)}, but the image is {list(real)}"
    remedy = "correct the record, or restore the image that was labelled"
    if recorded == real[::-1]:
        if turn in _TURNED:
            message += " once turned as its EXIF tag says; it was labelled unturned"
            remedy = "remove the tag, or turn the labels"
        else:
            message += ": height and width are exchanged"
    return Problem(ERROR, "size mismatch", file, id, "width", message, remedy)
