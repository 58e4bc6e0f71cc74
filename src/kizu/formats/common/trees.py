"""Finding things in folders: texts, JSON, images by stem, splits by folder name, ids that are unique."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.core.images import SUFFIXES, list_images

_SPLITS = {"train": "train", "training": "train", "trainset": "train"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "val") | dict.fromkeys(("test", "testing"), "test")


def split_name(name: str) -> str:
    """``train``, ``val`` or ``test`` where a folder or stem says so (``train2017``, ``instances_val``), else ""."""
    lower = name.lower()
    if lower in _SPLITS:
        return _SPLITS[lower]
    words = re.findall(r"[a-z]+", lower)
    found = {_SPLITS[word] for word in words if word in _SPLITS}
    return found.pop() if len(found) == 1 else ""


def split_parts(relative: PurePosixPath) -> tuple[str, str, str]:
    """``(split, folder, rest)`` of a path whose first folder may name a split; else ("", "", the path)."""
    parts = relative.parts
    split = _SPLITS.get(parts[0].lower(), "") if len(parts) > 1 else ""
    return (split, parts[0], "/".join(parts[1:])) if split else ("", "", relative.as_posix())


def unique_ids(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Sample ids of (folder, name): the name where it is unique, else folder/name."""
    pairs = list(pairs)
    count = Counter(name for _, name in pairs)
    return [f"{folder}/{name}" if folder and count[name] > 1 else name for folder, name in pairs]


_DEEPEST = 100
_KINDS = np.zeros(256, np.int8)  # of a byte of JSON: 1 opens, -1 closes, 2 is a quote
_KINDS[list(b"[{")], _KINDS[list(b"]}")], _KINDS[ord('"')] = 1, -1, 2
_DRIVE = re.compile(r"[A-Za-z]:")
_FORBIDDEN = re.compile(r'[:*?"<>|\\/\x00-\x1f]')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)")


def tidy(name: str) -> str:
    """A file name as a relative path with forward slashes; of one that leads outside the last part is kept.

    A drive (``C:``) is dropped before any part, as Windows takes the rest as a path from there.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or any(_DRIVE.match(part) for part in parts):
        parts = parts[-1:]
    parts = [re.sub(r"^(?:[A-Za-z]:)+", "", part) for part in parts]
    return "/".join(part for part in parts if part not in ("/", "..", ".", ""))


def portable(part: str) -> str:
    """One part of a path as every file system takes it: no reserved character, no device name, no dot at its end."""
    part = _FORBIDDEN.sub("_", part).strip().rstrip(". ")
    return f"_{part}" if _DEVICE.match(part) else part or "_"


def same_file(name: str) -> str:
    """A key that two names share where some file system would hold only one of them (capitals, accents composed)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def printable(text: str) -> str:
    """The text with half surrogates, which no file name and no terminal can hold, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load_text(path: Path) -> str:
    """A UTF-8 text (byte-order mark dropped). Raises DataError where it is missing or not text."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); correct the path or its rights") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text (byte {error.start}); save it again as UTF-8") from error


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises DataError where it is missing, not JSON, or nested beyond reason."""
    return parse_json(load_text(path), str(path))


def parse_json(text: str, name: str) -> Any:
    """The value of a JSON text. Raises DataError, which calls it ``name``, as :func:`load_json` does.

    Python reads deeper values than it can print or write again, how deep depends on its version and on who calls: so
    the limit is our own.
    """
    try:
        if json_depth(text.encode("utf-8", "replace")) > _DEEPEST:
            raise DataError(f"{name}: JSON nested more than {_DEEPEST} levels deep; it is no label file, remove it")
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{name}: not JSON ({error}); the file is cut or damaged, export it again") from error


def json_depth(data: bytes) -> int:
    """How deep the lists and records of a JSON text are nested; brackets in texts do not count."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    deepest = depth = quotes = 0
    for start in range(0, len(data), 1 << 22):
        kinds = _KINDS[np.frombuffer(data, np.uint8, min(1 << 22, len(data) - start), start)]
        kinds = kinds[kinds != 0]
        inside = (np.cumsum(kinds == 2) + quotes) % 2 == 1
        steps = np.cumsum(np.where(inside | (kinds == 2), 0, kinds)) + depth
        if len(steps):
            deepest, depth = max(deepest, int(steps.max())), int(steps[-1])
        quotes += int((kinds == 2).sum())
    return deepest


def load_lines(path: Path) -> list[str]:
    """The lines of a text that are not empty, stripped."""
    return [line.strip() for line in load_text(path).splitlines() if line.strip()]


def class_lines(path: Path) -> list[str]:
    """Class names, one a line. Raises DataError where one stands twice or there is none."""
    names = load_lines(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        what = f"class names {twice} stand twice" if twice else "holds no class name"
        raise DataError(f"{path}: {what}; write each class once, one a line")
    return names


def sniff(path: Path, *words: bytes) -> bool:
    """Whether any word stands in the first or last 4096 bytes of a file; never raises."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
            file.seek(max(0, os.path.getsize(path) - 4096))
            tail = file.read(4096)
    except OSError:
        return False
    return any(word in head or word in tail for word in words)


def images_below(folder: Path) -> dict[str, Path]:
    """Every image file below a folder by its path with forward slashes, sorted."""
    return {path.relative_to(folder).as_posix(): path for path in list_images(folder)}


def any_image(folder: Path, deep: bool = True) -> bool:
    """Whether there is an image file in (``deep``: below) a folder."""
    pattern = folder.rglob("*") if deep else folder.glob("*")
    return any(p.suffix.lower() in SUFFIXES and not p.name.startswith(".") for p in pattern)


def folder_of(path: Path, what: str) -> Path:
    """``path`` if it is a folder. Raises KizuError."""
    if not path.is_dir():
        raise KizuError(f"{path}: not a folder; {what} is a folder, name that")
    return path


def subfolder(folder: Path, *names: str) -> Path | None:
    """The first of the named sub-folders (case ignored) that is there."""
    try:
        there = {child.name.lower(): child for child in sorted(folder.iterdir(), reverse=True) if child.is_dir()}
    except OSError:
        return None
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def mention(items: Iterable[str], most: int = 3) -> str:
    """Some items for a message: ``a, b, c and 7 more``."""
    items = list(items)
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
