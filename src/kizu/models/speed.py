"""How large a model is and how quick here: parameters, and the median time of one forward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from kizu.core.errors import KizuError
from kizu.models.registry import SIZE, build_backbone, build_detector, entry
from kizu.models.store import load_weights, shipped

_RUNS = 7
_CLASSES = 3  # of the detectors that are measured


def parameters(name: str) -> int | None:
    """Number of parameters of a model, of a detector with kizu-s as its backbone; None where nothing can tell.

    Without the libraries that make it, shipped weights tell.
    """
    item = entry(name)
    if item.installed:
        return sum(p.numel() for p in _made(name, SIZE).parameters())
    if name in shipped():
        arrays = load_weights(name).part("backbone")
        return sum(value.size for key, value in arrays.items() if "running_" not in key)
    return None


def forward_ms(name: str, size: int = SIZE, runs: int = _RUNS) -> float | None:
    """Median time of one forward pass, in milliseconds, on a picture of ``size`` x ``size`` pixels of noise.

    A backbone gives its four maps, a detector (kizu-s inside, random weights, which find as much as is allowed) its
    detections. All cores are used, as torch or ONNX Runtime use them by themselves.

    Returns:
        None where neither torch nor a shipped graph is there.
    """
    if size < 32:
        raise KizuError(f"size {size}: a picture of at least 32 pixels is needed")
    call = _call(name, size)
    if call is None:
        return None
    call()  # the first one allocates and plans
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _call(name: str, size: int) -> Callable[[], object] | None:
    """One forward pass of a model, or None."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    if entry(name).installed:
        import torch

        module = _made(name, size).eval()
        images = torch.from_numpy(np.array(image.transpose(2, 0, 1)))[None].float()

        def forward() -> object:
            with torch.inference_mode():
                return module.detect(images) if hasattr(module, "detect") else module(images)

        return forward
    if name in shipped():
        from kizu.models.session import features

        net = features(name)
        return lambda: net(image)
    return None


def _made(name: str, size: int):
    return build_backbone(name) if entry(name).kind == "backbone" else build_detector(name, _CLASSES, size=size)
