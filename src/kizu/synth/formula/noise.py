"""Random fields, fast: a few milliseconds for half a megapixel, the same bytes on each run."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit


def white(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """float32 (H, W) of independent values, mean 0, deviation 1, nearly normal (sums of four uniforms, |v| < 3.5).

    One seed is drawn from ``random``; the values come from xoshiro128+ started with it (Blackman and Vigna, 2018).
    """
    out = np.empty(shape, np.float32)
    _white(out.reshape(-1), random.bit_generator.random_raw(2).view(np.uint32))
    return out


@jit
def _white(out: np.ndarray, state: np.ndarray) -> None:
    a, b, c, d = state[0], state[1], state[2], state[3]
    scale = np.float32(np.sqrt(3.0) / 256 / np.sqrt(1 - 1 / 65536))
    for i in range(len(out)):
        value = np.uint32(a + d)
        t = np.uint32(b << np.uint32(9))
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        d = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))
        total = (
            (value & 255)
            + ((value >> np.uint32(8)) & 255)
            + ((value >> np.uint32(16)) & 255)
            + (value >> np.uint32(24))
        )
        out[i] = (np.float32(total) - np.float32(510.0)) * scale


def smooth(shape: tuple[int, int], scale: float | tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Smooth noise float32 (H, W), mean about 0 and deviation about 1.

    Args:
        scale: size of its bumps in pixels, or (down, across).
    """
    out = np.zeros(shape, np.float32)
    add_smooth(out, scale, 1.0, random)
    return out


def add_smooth(
    out: np.ndarray, scale: float | tuple[float, float], amplitude: float, random: np.random.Generator
) -> None:
    """Add smooth noise of deviation ``amplitude`` to ``out`` (H, W): a random lattice, joined by cubic splines."""
    down, across = scale if isinstance(scale, tuple) else (scale, scale)
    shape = (int(out.shape[0] / down) + 5, int(out.shape[1] / across) + 5)
    # A random part of a cell is cut off, so that the lattice does not lie at the same place in each picture.
    start = random.uniform(0, 1, 2)
    first_y, weights_y = _taps(out.shape[0], float(down), start[0])
    first_x, weights_x = _taps(out.shape[1], float(across), start[1])
    _add_lattice(out, white(shape, random) * np.float32(amplitude), first_y, weights_y, first_x, weights_x)


@jit
def _taps(length: int, step: float, start: float) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's first of four lattice points and their weights float32 (length, 4): Catmull-Rom, unit power."""
    first, weights = np.empty(length, np.int64), np.empty((length, 4), np.float32)
    for i in range(length):
        place = (i + 0.5) / step + start
        k = int(np.floor(place))
        t = place - k
        t2, t3 = t * t, t * t * t
        a, b, c, d = -t + 2 * t2 - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, t3 - t2
        # Independent lattice values: dividing by the root of the sum of squares makes the deviation 1 at every pixel.
        unit = 1 / np.sqrt(a * a + b * b + c * c + d * d)
        first[i] = k
        weights[i, 0], weights[i, 1], weights[i, 2], weights[i, 3] = a * unit, b * unit, c * unit, d * unit
    return first, weights


@jit
def _add_lattice(out, lattice, first_y, weights_y, first_x, weights_x):
    rows = np.empty((lattice.shape[0], out.shape[1]), np.float32)
    for i in range(lattice.shape[0]):
        for j in range(out.shape[1]):
            k = first_x[j]
            total = np.float32(0.0)
            for m in range(4):
                total += weights_x[j, m] * lattice[i, k + m]
            rows[i, j] = total
    for i in range(out.shape[0]):
        k = first_y[i]
        a, b, c, d = weights_y[i, 0], weights_y[i, 1], weights_y[i, 2], weights_y[i, 3]
        for j in range(out.shape[1]):
            out[i, j] += a * rows[k, j] + b * rows[k + 1, j] + c * rows[k + 2, j] + d * rows[k + 3, j]


def fractal(
    shape: tuple[int, int], scale: float, random: np.random.Generator, octaves: int = 5, gain: float = 0.5,
    stretch: float = 1.0,
) -> np.ndarray:  # fmt: skip
    """Fractal noise float32 (H, W), deviation about 1: octaves of smooth noise, each half the size of the one before.

    Args:
        scale: size of the largest bumps, pixels.
        gain: amplitude of an octave in units of the one before (0.5: a rough relief; 0.3: nearly smooth).
        stretch: length of the bumps along x in units of that along y.
    """
    total = np.zeros(shape, np.float32)
    sizes = [scale / 2**k for k in range(octaves) if k == 0 or scale / 2**k >= 1.5]
    unit = 1 / np.sqrt(sum(gain ** (2 * k) for k in range(len(sizes))))
    for k, size in enumerate(sizes):
        add_smooth(total, (size, size * stretch), unit * gain**k, random)
    return total
