"""Image files to ``uint8 (H, W, 3)`` RGB and back: every bit depth scaled and none clipped, nothing half-decoded."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kizu.core.errors import DataError

_KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_KINDS |= {".webp": "WEBP", ".pgm": "PPM", ".ppm": "PPM"}
SUFFIXES = frozenset(_KINDS)


def open_image(source: Path | str | bytes) -> Image.Image:
    """Open and decode an image file (or its bytes) as Pillow reads it, turned as its EXIF tag says.

    Pillow refuses truncated files where OpenCV would return grey rows.

    Raises:
        DataError: missing, unreadable, truncated, or too large to be a picture.
    """
    name = "an image in memory" if isinstance(source, bytes) else str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such image file; correct the path or remove the entry") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: not an image that can be read; save it again as PNG or JPEG") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: cannot be decoded ({error}); copy or save it again") from error


def to_rgb(image: Image.Image, name: str = "image") -> np.ndarray:
    """A decoded Pillow image as ``uint8 (H, W, 3)`` RGB.

    16-bit values are divided by 256 (the whole range is kept, never clipped), palettes are looked up, alpha is dropped;
    floating-point images are taken as 0..1 or 0..255.

    Raises:
        DataError: a floating-point or 32-bit image whose range has no agreed meaning.
    """
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        values = np.asarray(image)
        grey = _scale_deep(values, image.mode, name)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _scale_deep(values: np.ndarray, mode: str, name: str) -> np.ndarray:
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if mode == "F":
        if np.isfinite(values).all() and low >= 0 and high <= 255:
            return np.round(values * 255 if high <= 1 else values).astype(np.uint8)
    elif low >= 0 and high <= 65535:
        return (values.astype(np.uint32) >> 8).astype(np.uint8)
    raise DataError(
        f"{name}: values from {low:g} to {high:g} in mode {mode}; save it as 8-bit or 16-bit grey, or as floats in 0..1"
    )


def read_image(source: Path | str | bytes) -> np.ndarray:
    """Read an image file or its bytes as ``uint8 (H, W, 3)`` RGB.

    Raises:
        DataError: see :func:`open_image` and :func:`to_rgb`.
    """
    name = "an image in memory" if isinstance(source, bytes) else str(source)
    return to_rgb(open_image(source), name)


def image_size(source: Path | str | bytes) -> tuple[int, int]:
    """``(height, width)`` of an image as :func:`read_image` would give it, from the header alone.

    Raises:
        DataError: missing or not an image.
    """
    name = "an image in memory" if isinstance(source, bytes) else str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                width, height = image.size
                if image.format == "TIFF":  # some versions of Pillow have turned this size already
                    width, height = image.tag_v2[256], image.tag_v2[257]
                turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such image file; correct the path or remove the entry") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: not an image that can be read ({error}); save it again as PNG or JPEG") from error
    return (width, height) if turned else (height, width)


def encode_image(image: np.ndarray, suffix: str = ".png", quality: int = 95) -> bytes:
    """Encode ``uint8 (H, W)`` or ``(H, W, 3)`` RGB, or ``uint16 (H, W)`` as PNG, to the bytes of a file.

    Args:
        suffix: it tells the format; one of :data:`SUFFIXES`.
        quality: of JPEG and WebP, the formats that lose something.

    Raises:
        DataError: another suffix, or an array that this format cannot hold.
    """
    buffer = io.BytesIO()
    kind = _KINDS.get(suffix.lower())
    options = {"PNG": {"compress_level": 3}, "JPEG": {"quality": quality}, "WEBP": {"quality": quality}}
    try:
        Image.fromarray(image).save(buffer, kind or "", **options.get(kind, {}))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{image.dtype} {image.shape} cannot be written as {suffix!r} ({error}); use .png") from error
    return buffer.getvalue()


def list_images(folder: Path | str) -> list[Path]:
    """Every image file below ``folder``, hidden ones left out, sorted by path."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
