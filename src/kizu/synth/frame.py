"""The size of made pictures, as a user writes it."""

from __future__ import annotations

from kizu.core.errors import KizuError


def frame_size(size: int | str) -> tuple[int, int]:
    """(H, W) of ``512`` or ``512x768``. Raises KizuError for anything but a whole number or two of them around an x."""
    parts = str(size).lower().split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise KizuError(f"--size {size}: write 512 for squares, 512x768 for height x width")
    return int(parts[0]), int(parts[-1])
