"""Image files of every kind to uint8 RGB, and every kind of broken file to one clear error."""

import io
import random
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from kizu.core.errors import DataError
from kizu.core.images import encode_image, image_size, list_images, open_image, read_image

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (11, 17), np.uint8)
RGB = RNG.integers(0, 256, (11, 17, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (11, 17)).astype(np.uint16)
SMOOTH = np.stack([np.tile(np.linspace(0, 250, 64), (48, 1))] * 3, 2).astype(np.uint8)


def three(grey):
    return np.repeat(np.asarray(grey)[:, :, None], 3, 2)


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def by_opencv(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


def big_endian_tiff(values):
    """An uncompressed 16-bit grey TIFF of Motorola order, written by hand."""
    height, width = values.shape
    data = values.astype(">u2").tobytes()
    tags = [
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(data)),
    ]
    directory = struct.pack(">H", len(tags))
    for tag, value in tags:
        directory += struct.pack(">HHIHH", tag, 3, 1, value, 0)
    return b"MM\0*" + struct.pack(">I", 8 + len(data)) + data + directory + b"\0\0\0\0"


def palette(alpha=False):
    image = Image.fromarray(RNG.integers(0, 4, (11, 17)).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0, 255, 255, 255])
    options = {"transparency": b"\x00\x80\xff\xff"} if alpha else {}
    colours = np.array([[10, 20, 30], [200, 100, 50], [0, 0, 0], [255, 255, 255]], np.uint8)
    return saved(image, **options), colours[np.asarray(image)]


BITS = RNG.random((11, 17)) < 0.5
ALPHA = np.dstack([RGB, GREY])
FLOAT = np.round(RNG.random((11, 17)) * 255).astype(np.float32)
READABLE = {
    "8-bit grey": (saved(GREY), three(GREY)),
    "RGB": (saved(RGB), RGB),
    "BMP": (saved(RGB, "BMP"), RGB),
    "TIFF": (saved(RGB, "TIFF"), RGB),
    "lossless WebP": (saved(RGB, "WEBP", lossless=True), RGB),
    "PPM": (saved(RGB, "PPM"), RGB),
    "PGM": (saved(GREY, "PPM"), three(GREY)),
    "RGBA": (saved(ALPHA), RGB),
    "grey with alpha": (saved(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(255 - GREY)])), three(GREY)),
    "palette": palette(),
    "palette with alpha": palette(alpha=True),
    "1-bit": (saved(Image.fromarray(BITS)), three(BITS * np.uint8(255))),
    "16-bit grey": (saved(DEEP), three((DEEP >> 8).astype(np.uint8))),
    "16-bit grey TIFF": (saved(DEEP, "TIFF"), three((DEEP >> 8).astype(np.uint8))),
    "16-bit grey PGM": (by_opencv(DEEP, ".pgm"), three((DEEP >> 8).astype(np.uint8))),
    "16-bit big-endian TIFF": (big_endian_tiff(DEEP), three((DEEP >> 8).astype(np.uint8))),
    "16-bit RGB": (by_opencv(np.dstack([DEEP] * 3), ".png"), three((DEEP >> 8).astype(np.uint8))),
    "float 0..255": (saved(FLOAT, "TIFF"), three(FLOAT.astype(np.uint8))),
    "float 0..1": (saved(FLOAT / 255, "TIFF"), three(FLOAT.astype(np.uint8))),
}


@pytest.mark.parametrize(("data", "expected"), READABLE.values(), ids=list(READABLE))
def test_every_kind_of_file(data, expected, tmp_path):
    image = read_image(data)
    assert image.dtype == np.uint8
    assert np.array_equal(image, expected)
    assert image_size(data) == expected.shape[:2]
    path = tmp_path / "a b ü.img"
    path.write_bytes(data)
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(str(path)), expected)
    assert image_size(path) == expected.shape[:2]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(mode):
    image = Image.fromarray(SMOOTH).convert(mode)
    error = np.abs(read_image(saved(image, "JPEG", quality=95)).astype(int) - SMOOTH).max()
    assert error <= 6


def test_16_bit_uses_the_whole_range_and_clips_nothing():
    values = np.array([[0, 255, 256, 32768, 65279, 65280, 65535]], np.uint16)
    assert read_image(saved(values))[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255, 255]


TURNS = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", TURNS)
def test_exif_turns(turn, kind):
    blocks = np.kron(RNG.integers(0, 2, (2, 3)) * 255, np.ones((16, 16))).astype(np.uint8)
    image = Image.fromarray(three(blocks))
    exif = image.getexif()
    exif[0x0112] = turn
    data = saved(image, kind, exif=exif)
    expected = TURNS[turn](three(blocks))
    assert image_size(data) == expected.shape[:2]
    read = read_image(data)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= 40


def test_exif_turns_16_bit_tiff():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(DEEP, "TIFF", exif=exif)
    assert image_size(data) == (17, 11)
    assert np.array_equal(read_image(data), three(np.rot90(DEEP >> 8, -1).astype(np.uint8)))


UNREADABLE = {
    "nothing": b"",
    "text": b"this is not a picture\n",
    "half a PNG": saved(RGB)[: len(saved(RGB)) // 2],
    "a PNG without its end": saved(RGB)[:-60],
    "a PNG header": saved(RGB)[:20],
    "half a JPEG": saved(SMOOTH, "JPEG")[: len(saved(SMOOTH, "JPEG")) // 2],
    "a JPEG header": saved(SMOOTH, "JPEG")[:30],
    "half a TIFF": saved(RGB, "TIFF")[:300],
    "half a BMP": saved(RGB, "BMP")[:300],
    "half a WebP": saved(SMOOTH, "WEBP")[:60],
    "floats beyond 255": saved(np.full((4, 4), 300, np.float32), "TIFF"),
    "negative floats": saved(np.full((4, 4), -0.5, np.float32), "TIFF"),
    "NaN": saved(np.full((4, 4), np.nan, np.float32), "TIFF"),
    "32-bit values": saved(np.full((4, 4), 70000, np.int32), "TIFF"),
    "negative values": saved(np.full((4, 4), -1, np.int32), "TIFF"),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=list(UNREADABLE))
def test_broken_files_are_told_by_name(data, tmp_path):
    path = tmp_path / "part.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"part\.png: ") as told:
        read_image(path)
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="memory: "):
        read_image(data)


@pytest.mark.parametrize("look", [read_image, image_size, open_image])
def test_paths_that_are_no_file(look, tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: no such image file"):
        look(tmp_path / "gone.png")
    with pytest.raises(DataError):
        look(tmp_path)
    with pytest.raises(DataError):
        look(b"")


def test_a_picture_too_large_is_refused_before_it_is_decoded():
    head = saved(Image.new("1", (1, 1)))
    bomb = head[:16] + struct.pack(">II", 60000, 60000) + head[24:29]
    bomb += struct.pack(">I", zlib.crc32(bomb[12:29])) + head[33:]
    with pytest.raises(DataError, match="exceeds limit"):
        read_image(bomb)


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
SEEDS = {
    "PNG": saved(GREY), "JPEG": saved(SMOOTH, "JPEG"), "TIFF": saved(DEEP, "TIFF"), "BMP": saved(RGB, "BMP"),
    "WebP": saved(RGB, "WEBP"), "palette": palette(alpha=True)[0], "PPM": saved(RGB, "PPM"),
    "JPEG with EXIF": saved(SMOOTH, "JPEG", exif=EXIF),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on broken metadata
@pytest.mark.parametrize("data", SEEDS.values(), ids=list(SEEDS))
def test_damaged_bytes_give_a_picture_or_a_data_error(data):
    rng = random.Random(11)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(min(len(damaged), 400))] = rng.randrange(256)
        for look in (read_image, image_size):
            try:
                look(bytes(damaged))
            except DataError:
                continue


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG", ".ppm"])
def test_encoding_without_loss(suffix):
    for image in (RGB, GREY):
        assert np.array_equal(read_image(encode_image(image, suffix)), RGB if image is RGB else three(GREY))


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP"), (".bmp", "BMP"), (".tif", "TIFF")],
)
def test_the_suffix_tells_the_format(suffix, kind):
    data = encode_image(SMOOTH, suffix)
    assert open_image(data) is not None
    assert Image.open(io.BytesIO(data)).format == kind
    assert np.abs(read_image(data).astype(int) - SMOOTH).max() <= 12


def test_16_bit_png_keeps_every_bit():
    assert np.array_equal(np.asarray(open_image(encode_image(DEEP))), DEEP)


@pytest.mark.parametrize(("image", "suffix"), [(DEEP, ".jpg"), (RGB, ".gif"), (RGB, ""), (GREY.astype(float), ".png")])
def test_what_cannot_be_encoded(image, suffix):
    with pytest.raises(DataError, match="cannot be written as"):
        encode_image(image, suffix)


def test_listing(tmp_path):
    for name in ("b.PNG", "a.jpg", "sub/c.tiff", ".hidden/d.png", "sub/.e.png", "notes.txt", "folder.png/f.bmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "folder.png/f.bmp", "sub/c.tiff"]
