"""Sources of dense features for the benchmarks: an image in, maps of some strides out, brought to one grid.

A source is a name, or several joined by ``+``: ``filters`` (the filter bank), ``imagenet`` (SqueezeNet 1.1 as
published), ``kizu-s`` (as the few-shot inspector looks with it), ``random`` or ``random:ARCHITECTURE`` (a backbone
without training), ``FILE.safetensors`` (weights that Kizu made), ``FILE.py:FUNCTION`` (a function that returns a
callable: image uint8 (H, W, 3) -> list of float32 (C, h, w) with h = ceil(H / stride); an attribute ``offsets`` of the
callable says where the first cell of each map has its centre, in pixels, if not at (stride - 1) / 2).
"""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.features import STRIDE, VERSION, channels, describe
from kizu.fewshot.network import NAME, shipped
from kizu.models.session import STRIDES as SHIPPED_STRIDES

IMAGENET = Path("../shared/weights/squeezenet1_1_imagenet.safetensors")
_STRIDES = (2, 4, 8, 16, 32, 64)
_BORDER = 16  # pixels mirrored around a picture for a network that pads nothing

NORMS = {
    "none": "as they come",
    "unit": "each map's vectors have length 1",
    "picture": "each channel has mean 0 and deviation 1 over the picture",
}
Maps = list[tuple[np.ndarray, int, float]]  # (C, h, w), stride, centre of the first cell in pixels


@lru_cache(256)
def _sampling(cells: int, stride: int, offset: float, count: int, grid: int) -> np.ndarray:
    """Weights float32 (cells, count): a cell of the grid is the mean of its bilinear samples of a map."""
    points = max(grid // stride, 1)
    out = np.zeros((cells, count), np.float32)
    for k in range(points):
        pixel = grid * np.arange(cells) + (k + 0.5) * grid / points - 0.5
        place = np.clip((pixel - offset) / stride, 0, count - 1)
        low = np.minimum(place.astype(int), count - 1)
        high = np.minimum(low + 1, count - 1)
        share = (place - low).astype(np.float32)
        np.add.at(out, (np.arange(cells), low), (1 - share) / points)
        np.add.at(out, (np.arange(cells), high), share / points)
    return out


def to_grid(maps: Maps, size: tuple[int, int], grid: int, norm: str) -> np.ndarray:
    """Maps on one grid, float32 (h, w, C) with h = ceil(H / grid); ``norm`` see :data:`NORMS`."""
    height, width = (-(-side // grid) for side in size)
    out = []
    for values, stride, offset in maps:
        if norm == "unit":
            values = values / (np.linalg.norm(values, axis=0, keepdims=True) + 1e-6)
        down = _sampling(height, stride, offset, values.shape[1], grid)
        across = _sampling(width, stride, offset, values.shape[2], grid)
        out.append(np.einsum("chw->hwc", down @ values @ across.T))
    whole = np.ascontiguousarray(np.concatenate(out, axis=2), np.float32)
    if norm == "picture":
        # A channel that is silent on this picture stays so.
        whole = (whole - whole.mean((0, 1))) / (whole.std((0, 1)) + 1e-3 * whole.std())
    return whole


class Source:
    """Features of an image on one grid: ``source(image, key)`` is float32 (h, w, C); ``key`` names it in a cache.

    Attributes:
        widths: channels of each part, once an image was looked at.
    """

    def __init__(self, name: str, grid: int = 8, norm: str = "picture", strides: tuple[int, ...] = _STRIDES):
        self.name, self.grid, self.norm, self.strides = name, grid, norm, strides
        self.parts = [_part(term) for term in name.split("+")]

    def __call__(self, image: np.ndarray, key: str | None = None) -> np.ndarray:
        found = [self._one(part, image, key) for part in self.parts]
        self.widths = tuple(values.shape[2] for values in found)
        return np.concatenate(found, axis=2)

    def _one(self, part: Callable[[np.ndarray], Maps], image: np.ndarray, key: str | None) -> np.ndarray:
        if part is not _filters:
            maps = [item for item in part(image) if item[1] in self.strides]
            if not maps:
                raise KizuError(f"{self.name}: no map has one of the strides {self.strides}")
            return to_grid(maps, image.shape[:2], self.grid, self.norm)
        # The filter bank is slow and never changes within a version: it is kept between runs.
        name = hashlib.sha256(f"{VERSION} {self.grid} {image.shape} {key}".encode()).hexdigest()[:24]
        path = Path(tempfile.gettempdir()) / "kizu-bench-filters" / f"{name}.npy"
        if key is not None and path.exists():
            return np.load(path).astype(np.float32)
        values = to_grid(part(image), image.shape[:2], self.grid, "none")
        if key is not None:
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f"{name}.{id(self)}.tmp.npy")
            np.save(temporary, values.astype(np.float16))
            temporary.replace(path)
        return values


def _part(term: str) -> Callable[[np.ndarray], Maps]:
    if term == "filters":
        return _filters
    if term == "imagenet":
        return _imagenet()
    if term == NAME:
        return _shipped
    if term.split(":")[0] == "random":
        return _backbone(term.partition(":")[2] or "kizu-s", None)
    if ".py:" in term:
        return _module(*term.rsplit(":", 1))
    if term.endswith(".safetensors"):
        return _backbone(None, Path(term))
    raise KizuError(
        f"{term}: no source of features; known are filters, imagenet, {NAME}, random, FILE.safetensors, "
        "FILE.py:FUNCTION"
    )


def _filters(image: np.ndarray) -> Maps:
    # Side by side over both copies of a channel: as it is, and against the picture's own median.
    out = np.empty((2 * len(channels()), *(-(-side // STRIDE) for side in image.shape[:2])), np.float32)
    for tile, values in describe(image):
        out[:, tile.cells[0], tile.cells[1]] = tile.core(values).transpose(2, 0, 1)
    return [(out, STRIDE, (STRIDE - 1) / 2)]


def _shipped(image: np.ndarray) -> Maps:
    tiles = list(shipped().look(image))
    if len(tiles) > 1:
        raise KizuError(f"{NAME} as a source takes pictures of one tile, not of {image.shape[:2]}; make --side smaller")
    return [(values, stride, (stride - 1) / 2) for values, stride in zip(tiles[0][1], SHIPPED_STRIDES, strict=True)]


def _imagenet() -> Callable[[np.ndarray], Maps]:
    import cv2
    import torch
    from safetensors.torch import load_file
    from torchvision.models import squeezenet1_1

    net = squeezenet1_1(weights=None).eval()
    net.load_state_dict({name: value.float() for name, value in load_file(IMAGENET).items()})
    mean = torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)
    ends = {4: 4, 7: 8, 12: 16}  # layer -> stride

    @torch.inference_mode()
    def maps(image: np.ndarray) -> Maps:
        # No layer but those inside the fire modules pads: the unit i of a map looks at the pixel s i + s - 1.
        around = cv2.copyMakeBorder(image, *[_BORDER] * 4, cv2.BORDER_REFLECT_101)
        x = torch.from_numpy(around).permute(2, 0, 1)[None].float() - mean
        out = []
        for k, layer in enumerate(net.features):
            x = layer(x)
            if k in ends:
                out.append((x[0].numpy(), ends[k], float(ends[k] - 1 - _BORDER)))
        return out

    return maps


def _module(path: str, function: str) -> Callable[[np.ndarray], Maps]:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _aligned(getattr(module, function)())


def _aligned(call: Callable[[np.ndarray], list[np.ndarray]]) -> Callable[[np.ndarray], Maps]:
    def maps(image: np.ndarray) -> Maps:
        found = call(image)
        strides = [_stride(image.shape[:2], values.shape[1:]) for values in found]
        offsets = getattr(call, "offsets", None) or [(stride - 1) / 2 for stride in strides]
        return list(zip((np.asarray(values, np.float32) for values in found), strides, offsets, strict=True))

    return maps


def _stride(size: tuple[int, int], cells: tuple[int, int]) -> int:
    for stride in (1, *_STRIDES):
        if tuple(-(-side // stride) for side in size) == tuple(cells):
            return stride
    raise KizuError(f"a map of {tuple(cells)} cells for {size} pixels: its stride is none of 1, 2 ... 64")


def _backbone(name: str | None, path: Path | None) -> Callable[[np.ndarray], Maps]:
    import torch

    from kizu.models.registry import build_backbone

    torch.manual_seed(0)
    if path is None:
        net = build_backbone(name)
    else:
        from kizu.models.store import load_weights

        weights = load_weights(path)
        net = build_backbone(weights.architecture)
        weights.into(net, part="backbone")
    net.eval()

    @torch.inference_mode()
    def call(image: np.ndarray) -> list[np.ndarray]:
        return [values[0].float().numpy() for values in net(torch.from_numpy(image).permute(2, 0, 1)[None].float())]

    return _aligned(call)
