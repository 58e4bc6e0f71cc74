"""Networks on ONNX Runtime, without torch: features of a shipped backbone, and maps of a fitted dense detector."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kizu.core.errors import KizuError
from kizu.models.dense_decode import DenseMaps
from kizu.models.dense_targets import STRIDE
from kizu.models.store import load_weights, weights_path

STRIDES = (4, 8, 16, 32)
_COARSEST = STRIDES[-1]
_PART = "backbone."


class Piece(Protocol):
    """A tile: the pixels that it looks at, the cells that it answers for, and which of its own these are."""

    pixels: tuple[slice, slice]
    cells: tuple[slice, slice]
    inner: tuple[slice, slice]


def picture_stats(image: np.ndarray) -> np.ndarray:
    """Mean and deviation of all values of an image uint8 (H, W, 3): float32 (1, 2), by which it is normalised."""
    counts = np.bincount(image.ravel(), minlength=256).astype(np.float64)
    values = np.arange(256)
    mean = counts @ values / counts.sum()
    return np.array([[mean, np.sqrt(counts @ (values - mean) ** 2 / counts.sum())]], np.float32)


class Session:
    """A graph that takes ``images`` float32 (1, 3, H, W), sides multiples of one number, and ``stats`` (1, 2).

    Args:
        graph: an ONNX model.
        source: what to call it in messages.
        arrays: initialisers that the graph names but does not hold.
        threads: of one call; None = all cores.
        multiple: of which the sides have to be one.

    Raises:
        KizuError: a damaged graph, or arrays that are not those of the graph.
    """

    def __init__(
        self,
        graph: bytes,
        source: str,
        arrays: dict[str, np.ndarray] | None = None,
        threads: int | None = None,
        multiple: int = _COARSEST,
    ):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.log_severity_level = 4  # what goes wrong is raised
        # The session reads the arrays while it is made, and may go on to use their memory.
        arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in (arrays or {}).items()}
        self._values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in arrays.values()]
        self._arrays = arrays
        if arrays:
            options.add_external_initializers(list(arrays), self._values)
        errors = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile)
        errors += (state.NotImplemented, state.RuntimeException, RuntimeError, ValueError)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except errors as error:
            first = str(error).splitlines()[0][:200]
            raise KizuError(
                f"{source}: not a network that runs here ({first}); it is damaged: copy it again"
            ) from error
        self._inputs = {item.name for item in self._session.get_inputs()}
        self.multiple = multiple
        self.widths = tuple(item.shape[1] for item in self._session.get_outputs())

    def run(self, image: np.ndarray, stats: np.ndarray | None = None) -> list[np.ndarray]:
        """Outputs (C, h, w) for an image of any size, which is padded by its last row and column.

        Args:
            image: uint8 (H, W, 3) RGB, not empty.
            stats: float32 (1, 2), :func:`picture_stats` of the whole picture where ``image`` is a tile of it.
        """
        given = {"stats": picture_stats(image) if stats is None else stats}
        height, width = image.shape[:2]
        if height % self.multiple or width % self.multiple:
            image = np.pad(image, ((0, -height % self.multiple), (0, -width % self.multiple), (0, 0)), mode="edge")
        given["images"] = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)[None]
        return [out[0] for out in self._session.run(None, {name: given[name] for name in self._inputs})]


class FeatureNet:
    """Dense features of a backbone.

    Attributes:
        channels: of the maps.
        strides: pixels a cell of each map.
    """

    def __init__(self, session: Session, strides: tuple[int, ...] = STRIDES):
        self._session = session
        self.strides = strides
        self.channels: tuple[int, ...] = session.widths

    def __call__(self, image: np.ndarray, stats: np.ndarray | None = None) -> list[np.ndarray]:
        """Maps float32 (C_k, ceil(H / s), ceil(W / s)) of an image; arguments as those of :meth:`Session.run`."""
        height, width = image.shape[:2]
        maps = self._session.run(image, stats)
        return [m[:, : -(-height // s), : -(-width // s)] for m, s in zip(maps, self.strides, strict=True)]


def features(name: str | Path = "kizu-s", threads: int | None = None) -> FeatureNet:
    """The network of a weight file; its graph lies beside it under the same name with ``.onnx``.

    Args:
        name: of shipped weights, or the path of a weight file.
        threads: of one call; None = all cores.

    Raises:
        KizuError: no such weights, no graph beside them, or one of the two is damaged or of another architecture.
    """
    weights = load_weights(name)
    path = weights_path(name).with_suffix(".onnx")
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise KizuError(
            f"{path}: the graph of these weights cannot be read ({error.strerror}); copy it beside {weights.source}"
        ) from error
    arrays = {key: value for key, value in weights.arrays.items() if key.startswith(_PART)}
    return FeatureNet(Session(graph, str(path), arrays, threads))


class DenseSession:
    """A dense detector that was exported whole (``export_dense``).

    Attributes:
        graph: the ONNX model.
        classes: number of classes K.
    """

    def __init__(self, graph: bytes, source: str = "the network", threads: int | None = None):
        """
        Raises:
            KizuError: the graph is damaged, or no dense detector.
        """
        self.graph = graph
        self._session = Session(graph, source, None, threads)
        if self._session.widths[1:] != (1, 2):
            raise KizuError(f"{source}: a network with outputs of {self._session.widths} channels, no dense detector")
        self.classes: int = self._session.widths[0]

    def maps(self, image: np.ndarray, stats: np.ndarray | None = None) -> DenseMaps:
        """Maps on the cells of an image; arguments as those of :meth:`Session.run`."""
        rows, columns = -(-image.shape[0] // STRIDE), -(-image.shape[1] // STRIDE)
        classes, boundary, offset = (m[:, :rows, :columns] for m in self._session.run(image, stats))
        return DenseMaps(classes, boundary[0], offset)

    def whole(self, image: np.ndarray, tiles: Iterable[Piece]) -> DenseMaps:
        """Maps of a picture of any size, tile by tile, each normalised by the whole picture.

        Args:
            image: uint8 (H, W, 3) RGB.
            tiles: of the picture, of stride 4 (``kizu.inspection.tiling.plan(shape, 4)``); cells of tiles that are not
                among them are 0.
        """
        shape = (-(-image.shape[0] // STRIDE), -(-image.shape[1] // STRIDE))
        out = DenseMaps(
            np.zeros((self.classes, *shape), np.float32), np.zeros(shape, np.float32), np.zeros((2, *shape), np.float32)
        )
        stats = picture_stats(image)
        for tile in tiles:
            here = self.maps(image[tile.pixels], stats)
            for name, values in vars(out).items():
                values[(..., *tile.cells)] = getattr(here, name)[(..., *tile.inner)]
        return out

    def state(self) -> dict[str, Any]:
        """As an array for the file of an inspector: ``network`` uint8 (bytes,)."""
        return {"network": np.frombuffer(self.graph, np.uint8)}
