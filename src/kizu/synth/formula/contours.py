"""Radial contours: closed curves around a centre, from smooth blobs to sea urchins, alone or nested.

``radial`` is the general family, a Fourier series of the radius. ``nested`` is the growth of polygon from polygon of
RCDB (Kataoka et al., CVPR 2022), SegRCDB (Shinoda et al., ICCV 2023) and VisualAtom (Takashima et al., CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizu.core.jit import jit

_TERMS = 24  # of a wave
DEVIATION = 0.329  # of the noise that RCDB and its relatives move their vertices by
# The low four bits of Perlin's permutation (Perlin, "Improving noise", SIGGRAPH 2002), one digit each: they choose the
# gradients, and as they are fixed, so is the distribution of the noise.
_BITS = (
    "709baf3d9f052971c47e5e83505a7e6478ab0a5eecbb53b09118d587e4d8b84fa576b0b6d2e73f5ac356c9c97e5846f619f118091c4b0929"
    "84724cf644d6da30492acb5a636ef254feb3f0a16dcaf7a57882ca36d95b7bc9167d32cef1082908a614b221e20cf321131b9efb106f57ad"
    "84c0392df46eacdde23d883d03e27dc4"
)
_GRADIENTS = np.array([-1.0 if digit >= 8 else digit + 1.0 for digit in (int(bit, 16) for bit in _BITS)])


def waves(
    vertices: int, beta: float, random: np.random.Generator, first: int = 1, terms: int = _TERMS, count: int = 1
) -> np.ndarray:
    """Closed random waves float64 (count, vertices) of mean 0 and deviation 1 around the turn.

    ``sum a_m cos(m theta + phi_m)`` for m = ``first`` .. ``terms`` with ``a_m ~ m ** -beta``: a large ``beta`` leaves
    only the slowest waves, 0 makes all equal. Terms that the vertices could not follow are left out.
    """
    last = max(min(terms, (vertices - 1) // 2), first)
    out = np.zeros((count, vertices))
    _add_waves(first, float(beta), random.random((count, last + 1 - first)), out)
    return out


@jit
def _add_waves(first, beta, phases, out):
    """Add the waves of phases (P, M), in turns, to out (P, vertices)."""
    vertices, terms = out.shape[1], phases.shape[1]
    amplitude, total = np.empty(terms), 0.0
    for k in range(terms):
        amplitude[k] = (first + k) ** -beta
        total += amplitude[k] ** 2
    amplitude *= np.sqrt(2 / total)
    # The angles m * theta_j are multiples of one step, so that one turn of cosines serves all terms.
    cos, sin = _turn(vertices)
    for k in range(terms):
        step = (first + k) % vertices
        for p in range(len(out)):
            c = amplitude[k] * np.cos(2 * np.pi * phases[p, k])
            s = amplitude[k] * np.sin(2 * np.pi * phases[p, k])
            place = 0
            for j in range(vertices):
                out[p, j] += c * cos[place] - s * sin[place]
                place += step
                if place >= vertices:
                    place -= vertices


@jit
def _turn(vertices):
    """Cosines and sines of the vertices of a regular polygon."""
    cos, sin = np.empty(vertices), np.empty(vertices)
    for j in range(vertices):
        cos[j], sin[j] = np.cos(2 * np.pi / vertices * j), np.sin(2 * np.pi / vertices * j)
    return cos, sin


def radial(
    radius: float, beta: float, roughness: float, random: np.random.Generator,
    aspect: Sequence[float] = (1.0, 1.0), terms: int = 24, vertices: int = 0,
) -> np.ndarray:  # fmt: skip
    """One closed contour around (0, 0), float64 (vertices, 2).

    ``r(theta) = radius (1 + sum a_m cos(m theta + phi_m))``

    Args:
        beta: ``a_m ~ m ** -beta`` for m = 2 .. ``terms`` (m = 1 would only move it): 3 a pebble, 0 an urchin.
        roughness: deviation of the radius around the turn, in units of ``radius``; no dip goes below a tenth of it.
        aspect: factors of x and y.
        vertices: 0: one every 1.5 pixels, and enough for the quickest term.
    """
    vertices = vertices or max(int(2 * np.pi * radius / 1.5), 6 * terms, 24)
    r = radius * np.maximum(1 + roughness * waves(vertices, beta, random, 2, terms)[0], 0.1)
    theta = 2 * np.pi / vertices * np.arange(vertices)
    return np.stack([aspect[0] * r * np.cos(theta), aspect[1] * r * np.sin(theta)], 1)


def power_law(uniform: np.ndarray | float, low_high: Sequence[float], exponent: float) -> np.ndarray:
    """Sizes within [low, high], low > 0, with a density that falls as ``size ** -exponent``, from uniform numbers.

    The inverse of the distribution function of the law that is cut at both ends; dead leaves have the exponent 3.
    """
    low, high = low_high
    k = 1.0 - exponent
    if abs(k) < 1e-9:
        return low * (high / low) ** np.asarray(uniform)
    return (low**k + np.asarray(uniform) * (high**k - low**k)) ** (1 / k)


def nested(
    vertices: int, polygons: int, radius: float, noise: float, width: float, aspect: Sequence[float],
    random: np.random.Generator, sines: tuple[int, int] | None = None, beta: float | None = None,
    kept: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Polygons grown one from the other around (0, 0), innermost first: float64 (polygons, vertices, 2).

    With ``u_j = (cos theta_j, sin theta_j)`` and ``theta_j = 2 pi j / vertices``, polygon 0 (not returned, as it is
    never drawn) has the vertices ``radius * aspect * u_j``, and each further one, component by component::

        v_j += u_j * (width + noise - 2 noise P)                                                     RCDB, SegRCDB
        v_j += u_j * (width + noise (1 - P) + sin(n1 theta_j) / 2 + sin(n2 theta_j) / 2)             VisualAtom

    P is drawn anew for each vertex and component, see :func:`gradient_noise`.

    Args:
        noise: lambda, pixels: the mean growth from polygon to polygon, and how rough it is.
        width: the "line width" of the papers, pixels: a constant growth on top (lines are one pixel wide).
        sines: (n1, n2) of VisualAtom.
        beta: instead of independent values take one closed wave a polygon (see :func:`waves`) of the same deviation for
            both components: neighbours then move together, and the outline stays smooth.
        kept: numbers of the polygons that are wanted, ascending; by default all. With ``beta`` the waves of those left
            out are not drawn one by one: independent, they add up to one of the root of their number.
    """
    n1, n2 = sines or (0, 0)
    if beta is None:
        out = np.empty((polygons, vertices, 2))
        state = random.integers(1, 2**32, 4, dtype=np.uint32)
        _grow(radius * aspect[0], radius * aspect[1], width + noise, noise if sines else 2 * noise, n1, n2, state, out)
        return out if kept is None else out[kept]
    places = np.arange(polygons) if kept is None else np.asarray(kept, np.int64)
    last = max(min(_TERMS, (vertices - 1) // 2), 1)
    out = np.empty((len(places), vertices, 2))
    _grow_together(
        radius * aspect[0], radius * aspect[1], width + noise, DEVIATION * (noise if sines else 2 * noise), n1, n2,
        float(beta), random.random((len(places), last)), places, out,
    )  # fmt: skip
    return out


@jit
def _grow_together(radius_x, radius_y, base, slope, n1, n2, beta, phases, places, out):
    wave = np.zeros(out.shape[:2])
    _add_waves(1, beta, phases, wave)
    cos, sin = _turn(out.shape[1])
    for j in range(out.shape[1]):
        theta = 2 * np.pi / out.shape[1] * j
        grow = base + 0.5 * np.sin(n1 * theta) + 0.5 * np.sin(n2 * theta)
        far, before = 0.0, -1
        for p in range(len(out)):
            number = places[p] - before
            before = places[p]
            far += grow * number - slope * np.sqrt(number) * wave[p, j]
            out[p, j, 0], out[p, j, 1] = (radius_x + far) * cos[j], (radius_y + far) * sin[j]


def gradient_noise(count: int, random: np.random.Generator, both: bool = False) -> np.ndarray:
    """The P of the papers: 1-D gradient noise at unrelated places, thus independent values.

    ``P = 0.4 mix(g_k x, g_k+1 (x - 1), x^3 (6 x^2 - 15 x + 10))`` with x even in [0, 1) and k in 0 .. 255: the noise of
    the ``noise`` library, which the papers call at places drawn evenly from (0, 10000). Its gradients are 1 to 8, or -1
    half of the time. Mean 0, deviation 0.329, ``|P| < 0.952``.

    Args:
        both: for x and for y.

    Returns:
        float64 (count,), or (count, 2).
    """
    out = np.empty((count, 2))
    _noise(random.integers(1, 2**32, 4, dtype=np.uint32), out)
    return out if both else out[:, 0]


@jit
def _noise(state, out):
    for k in range(len(out)):
        for axis in range(2):
            out[k, axis] = _value(_next(state))


@jit
def _grow(radius_x, radius_y, base, slope, n1, n2, state, out):
    polygons, vertices = out.shape[0], out.shape[1]
    grow, cosines, sines = np.empty(vertices), np.empty(vertices), np.empty(vertices)
    for j in range(vertices):
        theta = 2 * np.pi / vertices * j
        cosines[j], sines[j] = np.cos(theta), np.sin(theta)
        grow[j] = base
        if n1 != 0 or n2 != 0:
            grow[j] += 0.5 * np.sin(n1 * theta) + 0.5 * np.sin(n2 * theta)
    for p in range(polygons):
        for j in range(vertices):
            x = radius_x * cosines[j] if p == 0 else out[p - 1, j, 0]
            y = radius_y * sines[j] if p == 0 else out[p - 1, j, 1]
            out[p, j, 0] = x + cosines[j] * (grow[j] - slope * _value(_next(state)))
            out[p, j, 1] = y + sines[j] * (grow[j] - slope * _value(_next(state)))


@jit
def _next(state):
    """A word of xoshiro128+ (Blackman and Vigna, 2018)."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    t = np.uint32(b << np.uint32(9))
    word = np.uint32(a + d)
    c ^= a
    d ^= b
    state[1] = b ^ c
    state[0] = a ^ d
    state[2] = c ^ t
    state[3] = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))
    return word


@jit
def _value(word):
    """P from a word: its upper 24 bits give x, the lower 8 give k."""
    x = np.float64(word >> np.uint32(8)) / 16777216.0
    k = word & np.uint32(255)
    start, end = _GRADIENTS[k] * x, _GRADIENTS[(k + np.uint32(1)) & np.uint32(255)] * (x - 1)
    return 0.4 * (start + x * x * x * (x * (6 * x - 15) + 10) * (end - start))
