"""What is seen of a picture, tile by tile: the filter bank's cells and the network's maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock

import numpy as np

from kizu.core.run import ahead
from kizu.fewshot.features import describe
from kizu.fewshot.network import Network
from kizu.inspection.tiling import Tile

View = tuple[Tile, np.ndarray, list[np.ndarray]]
_LARGE = 2**20  # pixels
_MOST = 400 * 2**20  # bytes of the pictures that are remembered


def views(image: np.ndarray, network: Network) -> Iterator[View]:
    """Views of an image.

    Args:
        image: uint8 (H, W, 3) RGB.

    Yields:
        the tile, its cells float32 (h, w, 2 C) of :func:`kizu.fewshot.features.describe`, and its maps float32
        (C_k, h_k, w_k) of :meth:`Network.look`.
    """
    maps_of = network.looker(image)
    if image.shape[0] * image.shape[1] <= _LARGE:  # mostly one tile, and pictures are looked at side by side
        for tile, features in describe(image):
            yield tile, features, maps_of(tile)
        return
    # The network looks at a tile while the filters look at the next one.
    for future in ahead(lambda item: (*item, maps_of(item[0])), describe(image), 1):
        yield future.result()


class Kept:
    """Views of pictures that are looked at again and again, remembered as far as memory allows."""

    def __init__(self, network: Network):
        self.network = network
        self._held: dict[object, list[View]] = {}
        self._bytes = 0
        self._lock = Lock()  # pictures are looked at side by side

    def __call__(self, key: object, image: np.ndarray) -> Iterable[View]:
        """Views of an image, as :func:`views`.

        Args:
            key: of the image: what is remembered under it is given again.
        """
        if key in self._held:
            return self._held[key]
        if self._bytes >= _MOST or image.shape[0] * image.shape[1] > _LARGE:  # of large pictures a tile at a time
            return views(image, self.network)
        found = list(views(image, self.network))
        size = sum(features.nbytes + sum(own.nbytes for own in maps) for _, features, maps in found)
        with self._lock:
            if self._bytes + size <= _MOST:
                self._held[key] = found
                self._bytes += size
        return found
