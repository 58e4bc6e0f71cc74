"""Presets: what a kind of formula image is made of, one TOML record of ranges each.

Values are numbers, texts, true or false, ranges ``[low, high]`` and tables of weights: nothing but numbers from 0 on
(``{surface = 0.6, parts = 0.4}``). A range may be overridden by one number, which then is both ends.
"""

from __future__ import annotations

import copy
import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from kizu.core.errors import KizuError
from kizu.synth.formula import limits


@dataclass(frozen=True)
class Preset:
    """A record of ranges.

    Attributes:
        name: of the preset.
        title: one sentence.
        painter: module of ``kizu.synth.formula.painters`` that draws it.
        values: nested tables of ranges.
    """

    name: str
    title: str
    painter: str
    values: dict[str, Any]

    def override(self, changes: Mapping[str, Any]) -> Preset:
        """A preset with some values exchanged.

        Args:
            changes: dotted key -> value, or text that is a TOML value (``"[1, 3]"``) or plain text.

        Raises:
            KizuError: an unknown key (the nearest ones are named), a value of another kind, or one that makes no sense.
        """
        values = copy.deepcopy(self.values)
        for key, value in changes.items():
            table, last = self._find(values, key)
            table[last] = self._fit(key, table[last], _parse(value))
        limits.check(self.name, values)
        return Preset(self.name, self.title, self.painter, values)

    def _find(self, values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        parts = key.split(".")
        table = values
        for part in parts[:-1]:
            table = table.get(part) if isinstance(table, dict) else None
        if isinstance(table, dict) and parts[-1] not in table and _kind(table) == "weights":
            raise KizuError(self._no(".".join(parts[:-1]), [parts[-1]], table))
        if not isinstance(table, dict) or parts[-1] not in table:
            keys = list(_keys(self.values))
            near = difflib.get_close_matches(key, keys, 3, 0.5) or [k for k in keys if k.split(".")[-1] == parts[-1]]
            hint = f"did you mean {', '.join(near)}?" if near else f"its keys are {', '.join(keys)}"
            raise KizuError(f"preset {self.name}: unknown key {key!r}; {hint}")
        return table, parts[-1]

    def _fit(self, key: str, old: Any, new: Any) -> Any:
        """The new value in the form of the old one. Raises KizuError where it has another."""
        kind = _kind(old)
        if kind == "range":
            pair = [new, new] if _number(new) else new
            if isinstance(pair, list) and len(pair) == 2 and all(_number(v) for v in pair) and pair[0] <= pair[1]:
                return pair
        elif kind == "weights":
            if isinstance(new, dict) and all(_number(v) and v >= 0 for v in new.values()) and any(new.values()):
                unknown = set(new) - set(old)
                if unknown:
                    raise KizuError(self._no(key, unknown, old))
                return {name: new.get(name, 0) for name in old}
        elif kind == "table":
            if isinstance(new, dict):
                unknown = set(new) - set(old)
                if unknown:
                    raise KizuError(self._no(key, unknown, old))
                return {name: self._fit(f"{key}.{name}", v, new[name]) if name in new else v for name, v in old.items()}
        elif kind == _kind(new) or (kind == "a list" and isinstance(new, list)):
            return new
        wanted = {"range": "a range [low, high] or one number", "weights": "a table {name = weight, ...}"}
        raise KizuError(f"preset {self.name}: {key} = {new!r}: it is {wanted.get(kind, kind)}, e.g. {old!r}")

    def _no(self, key: str, unknown: Iterable[str], known: Iterable[str]) -> str:
        there = ", ".join(known) or "none"
        return f"preset {self.name}: {key} has no {', '.join(sorted(unknown))}; known are {there}"

    def to_json(self) -> str:
        """Canonical JSON of all that pictures depend on."""
        return json.dumps({"name": self.name, "painter": self.painter, "values": self.values}, sort_keys=True)


def names() -> list[str]:
    """Names of the presets that Kizu ships."""
    files = resources.files("kizu.synth.formula") / "presets"
    return sorted(file.name[:-5] for file in files.iterdir() if file.name.endswith(".toml"))


def load(name: str) -> Preset:
    """A preset by name. Raises KizuError that lists the names."""
    if name not in names():
        raise KizuError(f"unknown preset {name!r}; known are {', '.join(names())}")
    text = (resources.files("kizu.synth.formula") / "presets" / f"{name}.toml").read_text("utf-8")
    record = tomllib.loads(text)
    title, base = record.pop("title"), record.pop("base", "")
    if base:  # a variant: another preset with some keys set
        like = load(base).override(record["set"])
        return Preset(name, title, like.painter, like.values)
    return Preset(name, title, record.pop("painter"), record)


def changes(texts: Iterable[str] | None) -> dict[str, str]:
    """``key=value`` texts for :meth:`Preset.override`. Raises KizuError for other texts, and for a key twice."""
    out = {}
    for text in texts or ():
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise KizuError(f"--set {text!r}: write it as key=value, e.g. --set scene.clean=0.5")
        if key in out:
            raise KizuError(f"--set {key} is given twice; give it once")
        out[key] = value
    return out


def values(texts: dict[str, str]) -> dict[str, Any]:
    """What :func:`changes` read, as numbers, lists and texts."""
    return {key: _parse(value) for key, value in texts.items()}


def _parse(value: Any) -> Any:
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if _number(value):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "range" if len(value) == 2 and all(_number(v) for v in value) else "a list"
    weights = isinstance(value, dict) and value and all(_number(v) for v in value.values())
    return "weights" if weights else "table"


def _keys(values: dict[str, Any], before: str = "") -> list[str]:
    out = []
    for name, value in values.items():
        out += _keys(value, f"{before}{name}.") if _kind(value) == "table" else [before + name]
    return out
