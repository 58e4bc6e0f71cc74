"""``Network``: what a network sees of a picture, beside the filter bank: its maps, tile by tile.

It is the one that Kizu ships, or another one, exported, which then lies in the model file. The maps are taken as they
come: on real pictures, their distance from the picture's own mean was no better, and worse where a defect covers much
of the picture (``bench/features.py --norm picture``).

A cell of the filter bank's grid takes the values of each map at its middle, by bilinear interpolation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.features import STRIDE
from kizu.fewshot.features import VERSION as FILTERS
from kizu.inspection.tiling import Tile, plan
from kizu.models.session import STRIDES, FeatureNet, Session, features, picture_stats
from kizu.models.store import weights_path

NAME = "kizu-s"
VERSION = (
    f"{FILTERS} + network/2 + matching/3"  # of all features together: to be counted up with every change of the numbers
)
_ARRAY = "network.graph"
_LIKELY = range(1, 65)  # pixels a cell that a network may have


@dataclass(frozen=True)
class Network:
    """A network on ONNX Runtime.

    Attributes:
        name: what it is called in a card.
        sha256: of its weight file, or of its graph.
        net: gives the maps of a picture.
        border: pixels mirrored around a picture, for the zeros with which a convolution pads look like an edge; a
            multiple of all strides. A network of patches has none.
        graph: the ONNX model of one that travels in the model file; None for the one that Kizu ships.
    """

    name: str
    sha256: str
    net: FeatureNet
    border: int
    graph: bytes | None = None

    @classmethod
    def of(cls, graph: bytes, name: str, strides: Sequence[int], border: int) -> Network:
        """Of an exported graph.

        Raises:
            KizuError: it is damaged, or has not a map for each stride.
        """
        strides = tuple(strides)
        if not strides or not all(s in _LIKELY and border >= 0 and border % s == 0 for s in strides):
            raise KizuError(f"{name}: strides {strides} and a border of {border} pixels do not go together")
        # One thread: pictures are looked at side by side, and the numbers do not depend on the number of cores.
        session = Session(graph, name, threads=1, multiple=max(strides))
        if len(session.widths) != len(strides) or not all(isinstance(count, int) for count in session.widths):
            raise KizuError(f"{name}: {len(session.widths)} maps, and strides of {len(strides)}")
        return cls(name, hashlib.sha256(graph).hexdigest(), FeatureNet(session, strides), border, graph)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels a cell of each map."""
        return self.net.strides

    @property
    def width(self) -> int:
        """Number of channels of all maps together."""
        return sum(self.net.channels)

    @property
    def identity(self) -> dict[str, str]:
        """Its name and its SHA-256."""
        return {"name": self.name, "sha256": self.sha256}

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON-able settings from which :func:`network_of` makes the same network."""
        if self.graph is None:
            return {}, self.identity
        arrays = {_ARRAY: np.frombuffer(self.graph, np.uint8)}
        return arrays, self.identity | {"strides": list(self.strides), "border": self.border}

    def look(self, image: np.ndarray) -> Iterator[tuple[Tile, list[np.ndarray]]]:
        """What the network sees of an image, tile by tile, in the order of :func:`kizu.fewshot.features.describe`.

        Args:
            image: uint8 (H, W, 3) RGB.

        Yields:
            the tile, and its maps float32 (C_k, h, w) of :attr:`strides`, margins included.
        """
        maps_of = self.looker(image)
        for tile in plan(image.shape[:2], STRIDE):
            yield tile, maps_of(tile)

    def looker(self, image: np.ndarray) -> Callable[[Tile], list[np.ndarray]]:
        """The maps of a tile of an image, as a function of the tile; see :meth:`look`."""
        stats = picture_stats(image)
        return lambda tile: self._maps(image[tile.pixels], stats)

    def _maps(self, here: np.ndarray, stats: np.ndarray) -> list[np.ndarray]:
        """Maps float32 (C, ceil(h / s), ceil(w / s)) of a tile of h x w pixels."""
        height, width = here.shape[:2]
        border, whole = self.border, max(self.strides)
        odd = (-height % whole, -width % whole)
        wide = cv2.copyMakeBorder(here, border, border + odd[0], border, border + odd[1], cv2.BORDER_REFLECT_101)
        out = []
        for values, stride in zip(self.net(wide, stats), self.strides, strict=True):
            first = border // stride
            out.append(values[:, first : first - (-height // stride), first : first - (-width // stride)])
        return out


@lru_cache
def _open(path: Path) -> Network:
    # One thread: as above.
    return Network(NAME, hashlib.sha256(path.read_bytes()).hexdigest(), features(path, threads=1), STRIDES[-1])


def shipped() -> Network:
    """The network that comes with Kizu.

    Raises:
        KizuError: its files are missing or damaged.
    """
    try:
        path = weights_path(NAME)
    except KizuError as error:
        raise KizuError(f"{NAME}: the weights that come with Kizu are not there; install Kizu again") from error
    return _open(path)


def network_of(arrays: dict[str, np.ndarray], record: dict[str, Any]) -> Network:
    """The network of a model file: the one in it, or the shipped one; the inverse of :meth:`Network.state`.

    Raises:
        KizuError: it is damaged, or this Kizu ships another one.
    """
    if _ARRAY in arrays:
        network = Network.of(arrays[_ARRAY].tobytes(), record["name"], record["strides"], record["border"])
        if network.sha256 != record["sha256"]:
            raise KizuError(f"its network {network.name} is not the one that it was fitted to")
        return network
    ships = shipped()
    if record != ships.identity:
        raise KizuError(
            f"fitted to {record['name']} of {record['sha256'][:12]}, and this Kizu ships {ships.name} of "
            f"{ships.sha256[:12]}; fit again"
        )
    return ships


def at(maps: list[np.ndarray], rows: np.ndarray, columns: np.ndarray, strides: Sequence[int] = STRIDES) -> np.ndarray:
    """Values float32 (N, C) of all maps at cells (rows, columns) (N,) of the filter bank's grid, or between them.

    Args:
        maps: float32 (C_k, h, w) of a tile.
        strides: pixels a cell of each map.
    """
    out = []
    for values, stride in zip(maps, strides, strict=True):
        pairs = []
        for cells, count in ((rows, values.shape[1]), (columns, values.shape[2])):
            place = np.clip((cells + 0.5) * STRIDE / stride - 0.5, 0, count - 1)
            low = place.astype(int)
            pairs.append((low, np.minimum(low + 1, count - 1), (place - low).astype(np.float32)))
        (top, bottom, down), (left, right, across) = pairs
        upper = values[:, top, left] * (1 - across) + values[:, top, right] * across
        lower = values[:, bottom, left] * (1 - across) + values[:, bottom, right] * across
        out.append((upper * (1 - down) + lower * down).T)
    return np.concatenate(out, axis=1)
