"""The folder of a run: which configuration began it, and whether another may go on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kizu.core.errors import KizuError
from kizu.core.files import make_folder, write_text

NAME = "config.json"


def open_folder(folder: Path, config: dict[str, Any], resume: bool) -> None:
    """Begin a run in a folder, or make sure that the run in it has the same configuration.

    Args:
        config: JSON-able: all that the result depends on.
        resume: go on with the run that is there; where there is none, it begins.

    Raises:
        KizuError: the folder holds something else, a run and ``resume`` is not set, or a run of another configuration
            (its keys are named); or the file system refuses.
    """
    path = folder / NAME
    if path.exists():
        if not resume:
            raise KizuError(f"{folder} holds a run; give --resume to go on with it, or name another folder")
        _compare(folder, _read(path), json.loads(json.dumps(config)))
        for stray in folder.glob(".*.tmp.*"):  # what a kill left half-written
            stray.unlink(missing_ok=True)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KizuError(f"{folder} is not an empty folder and holds no run; name a new one")
    make_folder(folder)
    write_text(path, json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise KizuError(f"{path}: cannot be read ({error}); name another folder for the run") from error
    if not isinstance(record, dict):
        raise KizuError(f"{path}: not the configuration of a run; name another folder for the run")
    return record


def _compare(folder: Path, began: dict[str, Any], now: dict[str, Any]) -> None:
    old, new = _flat(began), _flat(now)
    differ = [key for key in {**old, **new} if old.get(key, _ABSENT) != new.get(key, _ABSENT)]
    if differ:
        told = ", ".join(f"{key} {_told(old, key)} (now {_told(new, key)})" for key in differ[:4])
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise KizuError(f"{folder}: the run there has {told}{more}; give the same, or name another folder")


_ABSENT = object()


def _told(values: dict[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "not set"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    out = {}
    for name, value in values.items():
        out |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return out
