"""``Sample``: one image with its instances; pixels are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.errors import DataError
from kizu.core.images import encode_image, image_size, read_image
from kizu.core.instances import Instances


class Sample:
    """One image, what is on it, and where it comes from.

    Attributes:
        id: unique in its data set; for files, the path below the image folder.
        path: the image file, or None where the image is held in memory or in a shard.
        split: ``train``, ``val``, ``test`` or "" (unknown).
        group: samples of one group (same part, near-duplicates) belong in one split; "" = on its own.
        source: the name of the data set that the sample comes from.
        labelled: False where nobody has looked yet (no label file): no instances then does not mean a good picture.
        meta: anything else, JSON-able.
    """

    __slots__ = (
        "_image",
        "_instances",
        "_score_map",
        "_size",
        "group",
        "id",
        "labelled",
        "meta",
        "path",
        "source",
        "split",
    )

    def __init__(
        self,
        id: str,
        image: np.ndarray | bytes | None = None,
        instances: Instances | Callable[[], Instances] | None = None,
        *,
        path: Path | str | None = None,
        size: tuple[int, int] | None = None,
        split: str = "",
        group: str = "",
        source: str = "",
        labelled: bool = True,
        meta: dict[str, Any] | None = None,
        score_map: np.ndarray | Callable[[], np.ndarray] | None = None,
    ):
        """
        Args:
            image: uint8 (H, W, 3) RGB, or the bytes of an image file; None where ``path`` is given.
            instances: or a function that makes them when they are asked for.
            size: (height, width) if known; it spares a look into the image file.
            score_map: float32 (C, H, W) or (H, W), or a function that makes it.

        Raises:
            DataError: no image and no path, or an array that is not uint8 (H, W, 3).
        """
        if isinstance(image, np.ndarray) and (image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3):
            raise DataError(f"{id}: an image is uint8 (H, W, 3) RGB, not {image.dtype} {image.shape}")
        self.id = str(id)
        self.path = None if path is None else Path(path)
        self.split = split
        self.group = group
        self.source = source
        self.labelled = labelled
        self.meta = meta or {}
        self._image = image
        self._instances = instances
        self._size = image.shape[:2] if isinstance(image, np.ndarray) else size
        self._score_map = score_map

    def __repr__(self) -> str:
        return f"Sample({self.id!r})"

    @property
    def image(self) -> np.ndarray:
        """uint8 (H, W, 3) RGB; files are read at each call. Raises DataError where there is none or it is broken."""
        if isinstance(self._image, np.ndarray):
            return self._image
        if self._image is None and self.path is None:
            raise DataError(f"{self.id}: no image file was found for this sample; put it beside the labels")
        return read_image(self._image if self._image is not None else self.path)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width): as recorded, else from the image's header."""
        if self._size is None:
            if self._image is None and self.path is None:
                raise DataError(f"{self.id}: no image file was found for this sample; put it beside the labels")
            self._size = image_size(self._image if self._image is not None else self.path)
        return (int(self._size[0]), int(self._size[1]))

    @property
    def instances(self) -> Instances:
        """What is on the image (made at the first call)."""
        if callable(self._instances):
            self._instances = self._instances()
        elif self._instances is None:
            self._instances = Instances.empty(self.size)
        return self._instances

    @property
    def score_map(self) -> np.ndarray | None:
        """float32 (C, H, W) defect scores in 0..1, one layer a class, or None."""
        values = self._score_map() if callable(self._score_map) else self._score_map
        return values if values is None or values.ndim == 3 else values[None]

    def image_bytes(self) -> bytes:
        """The image as file bytes: the file itself where there is one, else a PNG.

        Raises:
            DataError: there is no image file, or it cannot be read.
        """
        if isinstance(self._image, bytes):
            return self._image
        if isinstance(self._image, np.ndarray):
            return encode_image(self._image, ".png")
        if self.path is None:
            raise DataError(f"{self.id}: no image file was found for this sample; put it beside the labels")
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); correct the path") from error

    def suffix(self) -> str:
        """The file name suffix that :meth:`image_bytes` asks for."""
        if isinstance(self._image, np.ndarray):
            return ".png"
        if self._image is None:
            return self.path.suffix.lower() if self.path else ".png"
        magic = {b"\xff\xd8": ".jpg", b"BM": ".bmp", b"RI": ".webp", b"II": ".tif", b"MM": ".tif"}
        magic |= {b"P2": ".pgm", b"P5": ".pgm", b"P3": ".ppm", b"P6": ".ppm"}
        return magic.get(self._image[:2], ".png")

    def replace(self, **fields) -> Sample:
        """A copy with some of ``id, image, instances, path, size, split, group, ... score_map`` exchanged."""
        now = {"id": self.id, "image": self._image, "instances": self._instances, "path": self.path}
        now |= {
            "size": self._size,
            "split": self.split,
            "group": self.group,
            "source": self.source,
            "labelled": self.labelled,
        }
        now |= {"meta": self.meta, "score_map": self._score_map}
        if "image" in fields and "size" not in fields:
            now["size"] = None
        return Sample(**(now | fields))
