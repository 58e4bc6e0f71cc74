"""``Source``: where regions that know no class come from."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.masks import Masks

SOURCES = ("edges", "segmenter", "sam")


class Source(abc.ABC):
    """Makes regions of a picture on which something fires.

    Attributes:
        name: what it is called on the command line.
        about: what it is, for the card of an inspector.
    """

    name: ClassVar[str]
    about: str

    @abc.abstractmethod
    def masks(self, image: np.ndarray, margins: np.ndarray, found: np.ndarray) -> list[Masks]:
        """Regions for each class; they may overlap.

        Args:
            image: uint8 (H, W, 3) RGB.
            margins: float32 (C, H, W), log odds of each class above its pixel threshold.
            found: bool (C, H, W), pixels of what fires, some of them.
        """

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON-able settings from which ``from_state`` of its class makes the same source."""
        return {}, {}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> Source:
        """The inverse of :meth:`state`. Raises KizuError where the parts are damaged."""
        return cls(**settings)


def source_class(name: str) -> type[Source]:
    """The class of a source by its name.

    Raises:
        KizuError: no such source.
    """
    if name == "edges":
        from kizu.fewshot.regions.edges import Edges

        return Edges
    if name == "segmenter":
        from kizu.fewshot.regions.segmenter import Segmenter

        return Segmenter
    if name == "sam":
        from kizu.fewshot.regions.sam import Sam

        return Sam
    raise KizuError(f"no source of regions is called {name!r}; there are: {', '.join(SOURCES)}")


def source_from(name: str, given: Path | None) -> Source:
    """A new source from what the user names.

    Args:
        name: one of :data:`SOURCES`.
        given: of ``segmenter`` a weight file, of ``sam`` a folder; ``edges`` takes none.

    Raises:
        KizuError: no such source, or what it needs is not given, cannot be used, or is given in vain.
    """
    made = source_class(name)
    if name == "edges":
        if given is not None:
            raise KizuError(f"--refine edges needs no weights; leave {given} out, or choose segmenter or sam")
        return made()
    if given is None:
        need = "the weights.safetensors of a run of kizu pretrain masks" if name == "segmenter" else "a folder of SAM"
        raise KizuError(f"--refine {name} needs {need}; name it with --refine-with")
    return made.of(given)
