"""How light falls on a surface: the loops over pixels behind ``light.shade``. Lights come as rows of numbers."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit

SEGMENT, RING = (
    0.0,
    1.0,
)  # the first number of a row: a light at a place, on a line or from a direction; around the lens
_DIELECTRIC = 0.04  # reflectance of plastic, glass and paint, seen straight on
_METAL_LOSS = 0.92  # share of its matt reflection that a metal lacks

# Kernels work on strips of one row, at most this long, in one buffer whose parts lie at constant distances: so the
# compiler sees that nothing overlaps, and uses vector instructions. np.divide does not check for zeros as `/` does.
_STRIP = 512
_GX, _GY, _NZ, _ALPHA, _X, _LIT, _GLOSS, _EDGE, _TIMES, _PLUS = (k * _STRIP for k in range(10))


@jit
def fall(height, low, albedo, roughness, metal, shadow, x, y, lights, room, field, out):
    """Radiance into ``out`` (H, W * C).

    Args:
        height, low: float32 (H, W), the height and the height blurred.
        albedo: float32 (H, W * C), C = 1 or 3.
        roughness, metal, shadow: float32 (H, W).
        x, y: float32 (W,), (H,): places of pixel centres, 0 in the middle, 1 half the shorter side away from it.
        lights: float32 (N, 13), see ``_segment`` and ``_around``.
        room: float32 (4,): ambient light, how it leans to x and y, loss a pixel of depth.
        field: float32 (3,): slope of the direct light along x and y, fall-off with the square of the distance.
    """
    rows, columns = height.shape
    colours = albedo.shape[1] // columns
    one, half, nought = np.float32(1.0), np.float32(0.5), np.float32(0.0)
    buffer = np.empty(10 * _STRIP, np.float32)
    ambient, room_x, room_y, depth = room[0], room[1], room[2], room[3]
    lean_x, lean_y, spot = field[0], field[1], field[2]
    for i in range(rows):
        above, here, below = height[max(i - 1, 0)], height[i], height[min(i + 1, rows - 1)]
        step = half if 0 < i < rows - 1 else one
        for start in range(0, columns, _STRIP):
            stop = min(start + _STRIP, columns)
            count = stop - start
            _normals(buffer, above[start:stop], here, below[start:stop], step, start, roughness[i, start:stop])
            places = x[start:stop]
            for j in range(count):
                buffer[_X + j] = places[j]
                buffer[_LIT + j] = nought
                buffer[_GLOSS + j] = nought
                buffer[_EDGE + j] = nought
            for k in range(lights.shape[0]):
                if lights[k, 0] == RING:
                    _around(lights[k], y[i], buffer, count)
                else:
                    _segment(lights[k], y[i], buffer, count)
            deep, level = low[i, start:stop], here[start:stop]
            own, arriving = metal[i, start:stop], shadow[i, start:stop]
            shift, bend = one + lean_y * y[i], spot * y[i] * y[i]
            for j in range(count):
                place = buffer[_X + j]
                over = max(shift + lean_x * place - spot * place * place - bend, np.float32(0.05)) * arriving[j]
                around = np.divide(ambient, one + max(deep[j] - level[j], nought) * depth)
                lean = buffer[_GX + j] * room_x + buffer[_GY + j] * room_y
                grazing = over * buffer[_EDGE + j]
                rest = over * buffer[_GLOSS + j] + around * (one - lean * buffer[_NZ + j]) - grazing
                m = own[j]
                # Linear in the albedo: (diffuse + tinted highlights) * albedo + white highlights.
                matt = (one - np.float32(_METAL_LOSS) * m) * (over * buffer[_LIT + j] + around)
                buffer[_TIMES + j] = matt + m * rest
                buffer[_PLUS + j] = np.float32(_DIELECTRIC) * (one - m) * rest + grazing
            tint, result = albedo[i, start * colours : stop * colours], out[i, start * colours : stop * colours]
            if colours == 1:
                for j in range(count):
                    result[j] = tint[j] * buffer[_TIMES + j] + buffer[_PLUS + j]
            else:
                for j in range(count):
                    a, b = buffer[_TIMES + j], buffer[_PLUS + j]
                    result[3 * j] = tint[3 * j] * a + b
                    result[3 * j + 1] = tint[3 * j + 1] * a + b
                    result[3 * j + 2] = tint[3 * j + 2] * a + b


@jit
def _normals(buffer, above, here, below, step, start, roughness):
    """Slopes (central differences, one-sided at the borders), n_z and the square of the highlight's width."""
    one, half = np.float32(1.0), np.float32(0.5)
    count, columns = len(above), len(here)
    left, right = max(start, 1), min(start + count, columns - 1)
    before, after = here[left - 1 : right - 1], here[left + 1 : right + 1]
    shift = left - start
    for j in range(len(after)):
        buffer[_GX + shift + j] = half * (after[j] - before[j])
    if start == 0:
        buffer[_GX] = here[min(1, columns - 1)] - here[0]
    if start + count == columns:
        buffer[_GX + count - 1] = here[columns - 1] - here[max(columns - 2, 0)]
    for j in range(count):
        buffer[_GY + j] = step * (below[j] - above[j])
        square = roughness[j] * roughness[j]
        buffer[_ALPHA + j] = square * square
    for j in range(count):
        gx, gy = buffer[_GX + j], buffer[_GY + j]
        buffer[_NZ + j] = np.divide(one, np.sqrt(one + gx * gx + gy * gy))


@jit
def _segment(light, y, buffer, count):
    """A light at a place or on a line (the nearest point of the line stands for it), or in a direction."""
    one, nought, quarter = np.float32(1.0), np.float32(0.0), np.float32(0.25)
    px, py, pz, near = light[1], light[2], light[3], light[4]
    bx, by, length = light[5], light[6], light[7]
    across, along = light[8], light[9]
    even, by_line, by_point = light[10], light[11], light[12]
    py -= near * y
    for j in range(count):
        nz = buffer[_NZ + j]
        nx, ny = -buffer[_GX + j] * nz, -buffer[_GY + j] * nz
        dx = px - near * buffer[_X + j]
        t = min(max(dx * bx + py * by, -length), length)
        dx -= t * bx
        dy = py - t * by
        inverse = np.divide(one, np.sqrt(dx * dx + dy * dy + pz * pz))
        lz = pz * inverse
        strength = even + inverse * (by_line + inverse * by_point)
        cosine = (nx * dx + ny * dy) * inverse + nz * lz
        lit = max(cosine, nought) * strength
        # Half vector h = (l + v) / |l + v| with v = (0, 0, 1): (v.h)^2 = (1 + l_z) / 2, n.h = (n.l + n_z) / |l + v|.
        view = np.float32(0.5) * (one + lz)
        both = cosine + nz
        # Squares of the parts of n along h, along the bar (less what of that is along h) and along the third axis, all
        # times (v.h)^4, so that one division is enough.
        toward = min(both * both * quarter, view) * view
        side = (nx * bx + ny * by) * view - quarter * both * (dx * bx + dy * by) * inverse
        side *= side
        rest = max(view * view - toward - side, nought)
        a, b = buffer[_ALPHA + j] + across, buffer[_ALPHA + j] + along
        ab = a * b
        bottom = toward * ab + rest * b + side * a
        shine = np.divide(lit * ab * np.sqrt(ab) * quarter * view * view * view, bottom * bottom)
        miss = one - np.sqrt(view)
        miss_2 = miss * miss
        buffer[_LIT + j] += lit
        buffer[_GLOSS + j] += shine
        buffer[_EDGE + j] += shine * miss_2 * miss_2 * miss


@jit
def _around(light, y, buffer, count):
    """A ring around the lens. In the plane of slopes its mirror image is a circle of radius R = tan(angle / 2).

    The Trowbridge-Reitz lobe a / (a + |s - r|^2)^2, a = width squared, has the mean a A / (A^2 - 4 s^2 R^2)^(3/2) over
    the circle, A = a + s^2 + R^2 (from the integral of (A - B cos)^-2); R = 0 is a coaxial light.
    """
    one, half, four = np.float32(1.0), np.float32(0.5), np.float32(4.0)
    intensity, radius, width, cosine, soft, parallax, view = (
        light[1], light[2], light[3], light[4], light[5], light[6], light[7]
    )  # fmt: skip
    miss = one - view
    fresnel = miss * miss * miss * miss * miss
    factor = np.divide(intensity, four * view * view)
    py = parallax * y
    for j in range(count):
        # Mean of max(n.l, 0) over the ring: exact for a flat surface and where half the ring is below the horizon.
        nz = buffer[_NZ + j]
        straight = nz * cosine
        lit = half * (straight + np.sqrt(straight * straight + soft * (one - nz * nz)))
        sx, sy = buffer[_GX + j] - parallax * buffer[_X + j], buffer[_GY + j] - py
        steep = sx * sx + sy * sy
        a = buffer[_ALPHA + j] + width
        total = a + steep + radius
        spread = total * total - four * steep * radius
        shine = np.divide(factor * lit * a * total, spread * np.sqrt(spread))
        buffer[_LIT + j] += intensity * lit
        buffer[_GLOSS + j] += shine
        buffer[_EDGE + j] += shine * fresnel
