"""The folder of a SAM2 video model of transformers that the user names; it is looked at without torch.

Nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from kizu.core.errors import KizuError

KIND = "sam2_video"  # model_type in the config.json of such a model
_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
_BLOCK = 2**22  # bytes read at a time


def input_side(folder: Path | str) -> int:
    """The side in pixels of the square that the model looks at (1024 for the published ones).

    Raises:
        KizuError: the folder is not there, or holds no SAM2 video model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise KizuError(f"{folder}: no such folder; name the folder of a SAM2 video model that you have downloaded")
    if not (folder / "config.json").is_file():
        raise KizuError(
            f"{folder}: no config.json is there; name the folder of a SAM2 video model of transformers, such as a copy "
            "of facebook/sam2.1-hiera-tiny"
        )
    config = _json(folder / "config.json")
    if config.get("model_type") != KIND:
        raise KizuError(
            f"{folder}: a model of type {config.get('model_type')!r}, not {KIND!r}; name the folder of a SAM2 video "
            "model of transformers, such as a copy of facebook/sam2.1-hiera-tiny"
        )
    side = config.get("image_size", 1024)
    if not isinstance(side, int) or side < 16:
        raise KizuError(f"{folder / 'config.json'}: image_size {side!r} is not the side of a square; download it again")
    return side


def weight_files(folder: Path | str) -> list[Path]:
    """The weight files, sorted: one, or the parts that an index names.

    Raises:
        KizuError: there are none in safetensors, or a part is missing.
    """
    folder = Path(folder)
    if (folder / _WHOLE).is_file():
        return [folder / _WHOLE]
    if not (folder / _INDEX).is_file():
        raise KizuError(f"{folder}: no {_WHOLE} is there; download the weights in that format")
    parts = _json(folder / _INDEX).get("weight_map")
    names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        raise KizuError(f"{folder / _INDEX}: {(missing or ['its list of parts'])[0]} is missing; download it again")
    return [folder / name for name in names]


def weights_digest(folder: Path | str) -> str:
    """SHA-256 of the weights, of all parts one after the other; raises as :func:`weight_files`."""
    try:
        return _digest(tuple((path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in weight_files(folder)))
    except OSError as error:
        raise KizuError(f"{folder}: its weights cannot be read ({error.strerror}); download them again") from error


@lru_cache(maxsize=4)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    out = hashlib.sha256()
    for path, *_ in files:
        for block in _blocks(path):
            out.update(block)
    return out.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def colour_scale(folder: Path | str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the channels in 0..1 that the model expects: those of its processor, or ImageNet's."""
    found: dict[str, Any] = {}
    for name in _PROCESSORS:
        path = Path(folder) / name
        record = _json(path) if path.is_file() else {}
        for part in (record, record.get("video_processor"), record.get("image_processor")):
            if isinstance(part, dict):
                found = {key: part[key] for key in _IMAGENET if isinstance(part.get(key), list)} | found
    scale = _IMAGENET | found
    return tuple(map(float, scale["image_mean"])), tuple(map(float, scale["image_std"]))


def _json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise KizuError(f"{path}: cannot be read ({error}); download it again") from error
    if not isinstance(record, dict):
        raise KizuError(f"{path}: not a JSON object; download it again")
    return record
