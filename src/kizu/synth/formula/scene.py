"""The scene tree: what lies on what, what hides what, and the exact labels that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks
from kizu.core.rle import encode_crop
from kizu.synth.formula.raster import Cover


@dataclass
class Node:
    """One object of a scene.

    Attributes:
        cover: its geometry; the amodal mask is ``cover.mask``.
        label: class index, or -1 for an object that is drawn and hides others but is not labelled.
        parent: index of the node that it belongs to, or -1; its cover lies within that node's.
        floor: visible share of the amodal mask that later nodes must leave to it, its own descendants excepted.
        attributes: written with the label (JSON-able).
        payload: what the painter of the scene needs to draw it.
    """

    cover: Cover
    label: int
    parent: int = -1
    floor: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    payload: Any = None


class Scene:
    """Nodes, who hides whom, and who owns each pixel.

    A node is admitted only if every node keeps what it needs, so nothing is ever hidden, too small or over the cap:
    what is not labelled was not placed either.
    """

    def __init__(self, size: tuple[int, int], least: int = 16, cap: float = 1.0):
        """
        Args:
            size: (H, W) of the frame.
            least: visible pixels that every labelled node keeps.
            cap: largest share of the smaller of two nodes that may overlap, where neither belongs to the other.
        """
        self.size = size
        self.least = least
        self.cap = cap
        self.nodes: list[Node] = []
        self.owner = np.zeros(size, np.int32)  # index + 1 of the topmost node
        self._amodal: list[int] = []
        self._rank: list[int] = []  # the place of each node from the bottom up
        self._visible = np.zeros(64, np.int64)

    def __len__(self) -> int:
        return len(self.nodes)

    def lineage(self, k: int) -> set[int]:
        """A node and all nodes that it belongs to."""
        out = set()
        while k >= 0:
            out.add(k)
            k = self.nodes[k].parent
        return out

    def add(self, node: Node, below: bool = False) -> int:
        """Admit a node on top (or, ``below``, underneath all others); returns its index, or -1 where it is refused.

        A child's cover is cut to its parent's amodal mask first.
        """
        if node.parent >= 0:
            node.cover = node.cover.within(self.nodes[node.parent].cover)
        cover = node.cover
        if not cover.alpha.size:
            return -1
        area = int(np.count_nonzero(cover.mask))
        here = self.owner[cover.slices]
        taken = _take(here, cover.alpha, len(self.nodes))
        gained = int(taken.sum()) if not below else int(taken[0])
        if area < self.least or gained < max(self.least, node.floor * area if below else 0):
            return -1
        lineage = self.lineage(node.parent)
        if not below:
            for k in np.flatnonzero(taken[1:]).tolist():
                left = self._visible[k] - taken[k + 1]
                other = self.nodes[k]
                need = 0 if other.label < 0 else self.least
                if k not in lineage:
                    need = max(need, other.floor * self._amodal[k])
                if left < need:
                    return -1
        if self.cap < 1 and self._overlaps(cover, area, lineage):
            return -1
        index = len(self.nodes)
        if index + 1 >= len(self._visible):
            self._visible = np.concatenate([self._visible, np.zeros_like(self._visible)])
        _paint(here, cover.alpha, index + 1, below)
        if not below:
            self._visible[: len(taken) - 1] -= taken[1:]
        self._visible[index] = gained
        self._amodal.append(area)
        self._rank.append(min(self._rank, default=0) - 1 if below else max(self._rank, default=0) + 1)
        self.nodes.append(node)
        return index

    def _overlaps(self, cover: Cover, area: int, lineage: set[int]) -> bool:
        """Whether a cover shares more than the cap allows with a node, hidden parts included."""
        for k, node in enumerate(self.nodes):
            shared = 0 if k in lineage else np.count_nonzero(cover.within(node.cover).mask)
            if shared > self.cap * min(area, self._amodal[k]):
                return True
        return False

    def labels(self) -> Instances:
        """Everything labelled, in painting order.

        Masks are visible (disjoint: the topmost node owns a pixel, so a child is cut out of its parent), amodal masks
        are whole silhouettes inside the frame, parents the nearest labelled ancestors. Attributes: ``visible_ratio``
        (visible pixels / amodal pixels), ``truncated`` (goes on outside the frame), ``occluders`` (indices of the nodes
        painted over it that are not part of it), and those of the nodes.
        """
        order = sorted(range(len(self.nodes)), key=self._rank.__getitem__)
        kept = [k for k in order if self.nodes[k].label >= 0]
        if not kept:
            return Instances.empty(self.size)
        place = {k: n for n, k in enumerate(kept)}
        visible = Masks.from_label_map(self.owner, [k + 1 for k in kept])
        amodal = amodal_masks([self.nodes[k].cover for k in kept], self.size)
        parents = []
        for k in kept:
            up = self.nodes[k].parent
            while up >= 0 and up not in place:
                up = self.nodes[up].parent
            parents.append(place.get(up, -1))
        lineages = [{place[k] for k in self.lineage(k) if k in place} for k in kept]
        shared = amodal.intersection(amodal) > 0
        occluders = [
            [m for m in np.flatnonzero(shared[n]).tolist() if m > n and n not in lineages[m]] for n in range(len(kept))
        ]
        names = dict.fromkeys(name for k in kept for name in self.nodes[k].attributes)
        attributes = {name: [self.nodes[k].attributes.get(name) for k in kept] for name in names}
        attributes |= {
            "visible_ratio": np.round(visible.area / amodal.area, 4),
            "truncated": np.array([self.nodes[k].cover.truncated for k in kept], bool),
            "occluders": _lists(occluders),
        }
        labels = [self.nodes[k].label for k in kept]
        return Instances(labels, masks=visible, amodal=amodal, parents=parents, attributes=attributes)


def amodal_masks(covers: list[Cover], size: tuple[int, int]) -> Masks:
    """The masks of covers, hidden parts included."""
    runs = [encode_crop(np.ascontiguousarray(c.mask).view(np.uint8), c.x, c.y, size[0]) for c in covers]
    offsets = np.cumsum([0, *(len(r) for r in runs)])
    return Masks(np.concatenate(runs) if runs else np.zeros((0, 2), np.uint32), offsets, size)


def _lists(values: list[list[int]]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out


@jit
def _take(owner: np.ndarray, alpha: np.ndarray, count: int) -> np.ndarray:
    """Pixels that a cover would take from nobody (entry 0) and from each node (entry k + 1)."""
    out = np.zeros(count + 1, np.int64)
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] >= 0.5:
                out[owner[i, j]] += 1
    return out


@jit
def _paint(owner: np.ndarray, alpha: np.ndarray, value: int, below: bool) -> None:
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] >= 0.5 and (not below or owner[i, j] == 0):
                owner[i, j] = value
