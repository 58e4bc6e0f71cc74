"""The layouts by name, and their options."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kizu.core.errors import KizuError


@dataclass(frozen=True)
class Layout:
    """A layout: ``lay(shapes, size, part, prior, options, random)`` gives placements in painting order."""

    name: str
    lay: Callable[..., list]
    options: type


_layouts: dict[str, Layout] = {}


def layout(options: type) -> Callable[[Callable], Callable]:
    """Register a function as the layout of its name, with the class of its options."""

    def register(function: Callable) -> Callable:
        _layouts[function.__name__] = Layout(function.__name__, function, options)
        return function

    return register


def layouts() -> dict[str, Layout]:
    """All layouts by name."""
    return dict(_layouts)


def find(name: str) -> Layout:
    """A layout by its name. Raises KizuError that lists the names."""
    if name not in _layouts:
        raise KizuError(f"unknown layout {name!r}; known are {', '.join(_layouts)}")
    return _layouts[name]


def options_of(name: str, values: Mapping[str, Any] | None = None) -> Any:
    """The options of a layout: its defaults, with some exchanged.

    Raises:
        KizuError: an option that the layout does not have, or a value of another kind than its default.
    """
    kind = find(name).options
    fields = {field.name: field.default for field in dataclasses.fields(kind)}
    given = {}
    for key, value in (values or {}).items():
        if key not in fields:
            raise KizuError(f"layout {name} has no option {key!r}; it has {', '.join(fields)}")
        given[key] = _like(value, fields[key], f"layout {name}: option {key!r}")
    return kind(**given)


def _like(value: Any, default: Any, where: str) -> Any:
    """A value as the kind of its default; numbers only where they are finite."""
    if isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and len(value) == len(default):
            return tuple(_like(item, like, where) for item, like in zip(value, default, strict=True))
        raise KizuError(f"{where}: {value!r} is no list of {len(default)} numbers, such as {list(default)}")
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        if isinstance(value, type(default)):
            return value
    elif number and (isinstance(default, float) or value == int(value)):
        return type(default)(value)
    raise KizuError(f"{where}: {value!r} is not of the kind of its default, {default!r}")
