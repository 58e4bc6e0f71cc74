"""The registry: models by name. A model is a decorated function whose name is the model's name (timm's habit)."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kizu.core.errors import KizuError, optional

if TYPE_CHECKING:
    from torch import nn

SIZE = 512  # pixels: the longer side of pictures that a detector is made for, where nobody says
_TIMM = "timm:"
_LIBRARIES = {"train": ("torch", "torchvision", "timm"), "vfm": ("torch", "transformers")}
_entries: dict[str, Entry] = {}


@dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        name: as it is typed: ``kizu-s``.
        kind: ``backbone`` or ``detector``.
        title: what it is, in a line.
        licence: licence of the code.
        origin: where weights come from, and their licence.
        extra: the extra of Kizu that training it needs: ``train`` or ``vfm``.
        masks: a detector that is trained with masks and gives masks.
        build: makes the module; options are those of the function.
    """

    name: str
    kind: str
    title: str
    licence: str
    origin: str
    extra: str
    masks: bool
    build: Callable[..., Any]

    @property
    def installed(self) -> bool:
        """Whether the libraries of the extra are there (nothing is imported to find out)."""
        return all(_installed(library) for library in _LIBRARIES[self.extra])


def register(
    *, kind: str, title: str, licence: str, origin: str, extra: str = "train", masks: bool = False
) -> Callable[[Callable], Callable]:
    """Decorator: the function makes the model of its name, underscores shown as hyphens.

    Arguments are the attributes of :class:`Entry`. A backbone takes ``pretrained``, a detector ``classes``,
    ``backbone`` (a module) and ``size``; both may take more by keyword.
    """

    def decorate(function: Callable) -> Callable:
        name = function.__name__.replace("_", "-")
        if name in _entries:
            raise ValueError(f"two models are called {name}")
        _entries[name] = Entry(name, kind, title, licence, origin, extra, masks, function)
        return function

    return decorate


def entry(name: str) -> Entry:
    """The record of a model; hyphens and underscores are alike, and ``timm:NAME`` is any model of timm.

    Raises:
        KizuError: no such model; the message has the nearest names.
    """
    if name.startswith(_TIMM):
        return _timm_entry(name)
    models, key = _all(), name.replace("_", "-")
    if key not in models:
        near = difflib.get_close_matches(key, models, 3, 0.4) or list(models)
        raise KizuError(f"no model is called {name!r}; nearest: {', '.join(near)} (all of them: kizu models)")
    return models[key]


def names(kind: str | None = None) -> list[str]:
    """Names of all models, or of those of a kind, in the order in which they are registered."""
    return [name for name, item in _all().items() if kind in (None, item.kind)]


def build_backbone(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
    """A backbone (see ``Backbone`` in ``nets/backbone.py``) with random weights.

    Args:
        name: of the registry, or ``timm:NAME``.
        pretrained: weights of its origin: shipped ones, or timm's from the network.
        options: those of its function.

    Raises:
        KizuError: unknown name, no backbone, a missing extra, or weights that cannot be had.
    """
    item = _wanted(name, "backbone")
    module = item.build(pretrained=pretrained, **options)
    module.architecture = item.name
    return module


def build_detector(
    name: str, classes: int, backbone: str | nn.Module = "kizu-s", size: int = SIZE, **options: Any
) -> nn.Module:
    """A detector with random weights that follows the protocol of ``Detector`` in ``nets/detector.py``.

    Args:
        name: of the registry.
        classes: number of classes, background not counted.
        backbone: a name, or a module that is already there.
        size: the longer side of the pictures, in pixels, that sizes of anchors go by; others are taken, too.
        options: those of its function.

    Raises:
        KizuError: unknown name, no detector, a missing extra, no class.
    """
    item = _wanted(name, "detector")
    if classes < 1:
        raise KizuError(f"{item.name}: a detector needs at least one class")
    module = item.build(classes, build_backbone(backbone) if isinstance(backbone, str) else backbone, size, **options)
    module.architecture = item.name
    return module


def _wanted(name: str, kind: str) -> Entry:
    """The entry of a name, its libraries there and its kind right."""
    item = entry(name)
    if item.kind != kind:
        raise KizuError(f"{item.name} is a {item.kind}, not a {kind}; {kind}s: {', '.join(names(kind))}")
    for library in _LIBRARIES[item.extra]:
        optional(library, item.extra)
    return item


def _all() -> dict[str, Entry]:
    # The functions register themselves when their files are loaded.
    from kizu.models import backbones, detectors  # noqa: F401

    return _entries


def _timm_entry(name: str) -> Entry:
    from kizu.models.backbones import timm_backbone

    def build(pretrained: bool = False, **options: Any) -> nn.Module:
        return timm_backbone(name.removeprefix(_TIMM), pretrained, **options)

    title = "any model of timm with maps of the strides 4, 8, 16 and 32"
    return Entry(name, "backbone", title, "Apache-2.0", "timm's, each with its own licence", "train", False, build)


def _installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        return False
