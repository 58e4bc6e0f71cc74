"""Compiled loops never leave their arrays: the same code, not compiled, where NumPy looks at every index."""

import numpy as np
import pytest

from kizu.synth.formula import raster


@pytest.mark.parametrize("kind", ["anywhere", "on half pixels", "ends at the right edge"])
def test_filling_stays_in_the_box(monkeypatch, kind):
    monkeypatch.setattr(raster, "_edge", raster._edge.py_func)
    random = np.random.default_rng(7)
    for _ in range(150):
        count, width, height = int(random.integers(3, 9)), *random.integers(3, 20, 2).tolist()
        points = random.random((count, 2)) * 40 - 12
        if kind == "on half pixels":
            points = np.round(points * 2) / 2
        elif kind == "ends at the right edge":
            points[:, 0] = np.minimum(points[:, 0], width)
        out = np.zeros((height, width), np.float32)
        raster._fill.py_func(points, np.array([0, count]), 0, 0, out)
        compiled = np.zeros_like(out)
        raster._fill(points, np.array([0, count]), 0, 0, compiled)
        assert np.abs(out - compiled).max() < 1e-5
