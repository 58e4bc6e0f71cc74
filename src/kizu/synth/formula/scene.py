"""The scene tree: what lies on what, what hides what, and the exact labels that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks
from kizu.core.rle import encode_cover
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
        runs: run-length code of the amodal mask, from a painter that keeps no cover of a node that never changes.
    """

    cover: Cover
    label: int
    parent: int = -1
    floor: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    payload: Any = None
    runs: np.ndarray | None = None


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
        self._gone: set[int] = set()  # nodes that were forgotten
        self._visible = np.zeros(64, np.int64)  # pixels that each node owns,
        self._shown = np.zeros(64, np.int64)  # and those together with all that belong to it

    def __len__(self) -> int:
        return len(self.nodes)

    def lineage(self, k: int) -> set[int]:
        """A node and all nodes that it belongs to."""
        out = set()
        while k >= 0:
            out.add(k)
            k = self.nodes[k].parent
        return out

    def add(self, node: Node, below: bool = False, counted: tuple[int, int] | None = None) -> int:
        """Admit a node on top (or, ``below``, underneath all others); returns its index, or -1 where it is refused.

        A child's cover is cut to its parent's amodal mask first.

        Args:
            counted: pixels of the cover of a node without a parent and how many of them belong to nobody, where the
                caller knows them.
        """
        if node.parent >= 0:
            node.cover = node.cover.within(self.nodes[node.parent].cover)
        cover = node.cover
        if not cover.alpha.size:
            return -1
        area, free = counted or _areas(self.owner, cover.x, cover.y, cover.alpha)
        gained = free if below else area
        least = self.least if node.label >= 0 else 1
        if area < least or gained < max(least, node.floor * area if below else 0):
            return -1
        lineage = self.lineage(node.parent)
        lost, lost_shown = [], {}
        if not below and free < area:
            taken = _take(self.owner, cover.x, cover.y, cover.alpha, len(self.nodes))[1:]
            lost = [(k, int(taken[k])) for k in np.flatnonzero(taken).tolist()]
            lost_shown = self._lost(lost, lineage)
            if not self._bearable(lost, lost_shown):
                return -1
        if self.cap < 1 and self._overlaps(cover, area, lineage):
            return -1
        index = len(self.nodes)
        if index + 1 >= len(self._visible):
            self._visible = np.concatenate([self._visible, np.zeros_like(self._visible)])
            self._shown = np.concatenate([self._shown, np.zeros_like(self._shown)])
        _paint(self.owner, cover.x, cover.y, cover.alpha, index + 1, below)
        for k, pixels in lost:
            self._visible[k] -= pixels
        for k, pixels in lost_shown.items():
            self._shown[k] -= pixels
        self._visible[index] = self._shown[index] = gained
        for k in lineage:  # what it took from others or from nobody; its family's pixels stay in the family
            self._shown[k] += gained - sum(pixels for other, pixels in lost if k in self.lineage(other))
        self._amodal.append(area)
        self._rank.append(min(self._rank, default=0) - 1 if below else max(self._rank, default=0) + 1)
        self.nodes.append(node)
        return index

    def free(self, cover: Cover) -> int:
        """Pixels of a cover that belong to nobody yet."""
        return _areas(self.owner, cover.x, cover.y, cover.alpha)[1] if cover.alpha.size else 0

    def _lost(self, lost: list[tuple[int, int]], lineage: set[int]) -> dict[int, int]:
        """Pixels that nodes and their ancestors would lose to a node of this lineage: it takes none from its family."""
        out: dict[int, int] = {}
        for k, pixels in lost:
            for up in self.lineage(k) - lineage:
                out[up] = out.get(up, 0) + pixels
        return out

    def _bearable(self, lost: list[tuple[int, int]], lost_shown: dict[int, int]) -> bool:
        """Whether every node keeps what it needs: pixels of its own, and its floor, to which its descendants count."""
        for k, pixels in lost:
            if self.nodes[k].label >= 0 and self._visible[k] - pixels < self.least:
                return False
        return all(self._shown[k] - pixels >= self.nodes[k].floor * self._amodal[k] for k, pixels in lost_shown.items())

    def grow(self, k: int, cover: Cover) -> bool:
        """Let a node on top grow to a larger cover (a burr); False, and nothing done, where others need the place."""
        taken = _take(self.owner, cover.x, cover.y, cover.alpha, len(self.nodes))
        taken[k + 1] = 0
        lost = [(other, int(taken[other + 1])) for other in np.flatnonzero(taken[1:]).tolist()]
        lineage = self.lineage(k)
        lost_shown = self._lost(lost, lineage)
        if not self._bearable(lost, lost_shown):
            return False
        _paint(self.owner, cover.x, cover.y, cover.alpha, k + 1, False)
        gained = int(taken.sum())
        for other, pixels in lost:
            self._visible[other] -= pixels
        for other, pixels in lost_shown.items():
            self._shown[other] -= pixels
        self._visible[k] += gained
        for up in lineage:
            self._shown[up] += gained - sum(pixels for other, pixels in lost if up in self.lineage(other))
        self._amodal[k] = int(np.count_nonzero(cover.mask))
        self.nodes[k].cover = cover
        return True

    def forget(self, k: int) -> None:
        """Take a node that is a leaf of the tree out of the labels: its pixels go to what lies beneath it."""
        node = self.nodes[k]
        node.label = -1
        self._gone.add(k)
        here = self.owner[node.cover.slices]
        freed = here == k + 1
        here[freed] = 0
        for other in sorted(set(range(len(self.nodes))) - self._gone, key=self._rank.__getitem__):
            shared = Cover(node.cover.x, node.cover.y, freed.astype(np.float32)).within(self.nodes[other].cover)
            self.owner[shared.slices][shared.mask] = other + 1
        for up in self.lineage(node.parent):
            self._shown[up] -= np.count_nonzero(freed)
        for other, pixels in enumerate(np.bincount(here[freed], minlength=1)[1:].tolist()):
            self._visible[other] += pixels
            for up in self.lineage(other) if pixels else ():
                self._shown[up] += pixels
        self._visible[k] = self._shown[k] = 0

    def _overlaps(self, cover: Cover, area: int, lineage: set[int]) -> bool:
        """Whether a cover shares more than the cap allows with a node, hidden parts included."""
        for k, node in enumerate(self.nodes):
            apart = k in lineage or not cover.meets(node.cover)
            shared = 0 if apart else np.count_nonzero(cover.within(node.cover).mask)
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
        amodal = _joined([_runs_of(self.nodes[k], self.size) for k in kept], self.size)
        parents = []
        for k in kept:
            up = self.nodes[k].parent
            while up >= 0 and up not in place:
                up = self.nodes[up].parent
            parents.append(place.get(up, -1))
        lineages = [{place[k] for k in self.lineage(k) if k in place} for k in kept]
        shared = _touching(amodal.runs, amodal.offsets, amodal.boxes)
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


def _runs_of(node: Node, size: tuple[int, int]) -> np.ndarray:
    if node.runs is not None:
        return node.runs
    return encode_cover(np.ascontiguousarray(node.cover.alpha), node.cover.x, node.cover.y, size[0])


def _joined(runs: list[np.ndarray], size: tuple[int, int]) -> Masks:
    offsets = np.cumsum([0, *(len(r) for r in runs)])
    return Masks(np.concatenate(runs) if runs else np.zeros((0, 2), np.uint32), offsets, size)


def _lists(values: list[list[int]]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out


# The kernels take the frame and the corner of a box, not a view of the box: rows of a frame have a known stride of one,
# and only then do the loops become vector instructions.


@jit
def _areas(owner: np.ndarray, x: int, y: int, alpha: np.ndarray) -> tuple[int, int]:
    """Pixels of a cover, and how many of them belong to nobody."""
    area, free = 0, 0
    for i in range(alpha.shape[0]):
        row, here = owner[y + i][x : x + alpha.shape[1]], alpha[i]
        in_row, free_in_row = np.int32(0), np.int32(0)
        for j in range(len(row)):
            inside = here[j] >= np.float32(0.5)
            in_row += np.int32(inside)
            free_in_row += np.int32(inside & (row[j] == 0))
        area += in_row
        free += free_in_row
    return area, free


@jit
def _take(owner: np.ndarray, x: int, y: int, alpha: np.ndarray, count: int) -> np.ndarray:
    """Pixels that a cover would take from nobody (entry 0) and from each node (entry k + 1)."""
    out = np.zeros(count + 1, np.int64)
    for i in range(alpha.shape[0]):
        row, here = owner[y + i][x : x + alpha.shape[1]], alpha[i]
        # Counted by stretches of one owner: one counter that goes up at each pixel would wait for itself.
        now, stretch = row[0], 0
        for j in range(len(row)):
            if row[j] != now:
                out[now] += stretch
                now, stretch = row[j], 0
            stretch += here[j] >= np.float32(0.5)
        out[now] += stretch
    return out


@jit
def _paint(owner: np.ndarray, x: int, y: int, alpha: np.ndarray, value: int, below: bool) -> None:
    value = np.int32(value)
    for i in range(alpha.shape[0]):
        row, here = owner[y + i][x : x + alpha.shape[1]], alpha[i]
        if below:
            for j in range(len(row)):
                row[j] = value if (here[j] >= np.float32(0.5)) & (row[j] == 0) else row[j]
        else:
            for j in range(len(row)):
                row[j] = value if here[j] >= np.float32(0.5) else row[j]


@jit
def _touching(runs: np.ndarray, offsets: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool (N, N): which masks share a pixel. The first that is found is enough, so that this is soon done."""
    count = len(offsets) - 1
    out = np.zeros((count, count), np.bool_)
    for i in range(count):
        out[i, i] = offsets[i + 1] > offsets[i]
        for j in range(i):
            if (
                boxes[i, 0] >= boxes[j, 2]
                or boxes[j, 0] >= boxes[i, 2]
                or boxes[i, 1] >= boxes[j, 3]
                or boxes[j, 1] >= boxes[i, 3]
            ):
                continue
            a, b = offsets[i], offsets[j]
            # Both lists are sorted: what ends before the other begins is skipped at once.
            a += np.searchsorted(runs[a : offsets[i + 1], 1], runs[b, 0], side="right")
            if a < offsets[i + 1]:
                b += np.searchsorted(runs[b : offsets[j + 1], 1], runs[a, 0], side="right")
            while a < offsets[i + 1] and b < offsets[j + 1]:
                if runs[a, 1] <= runs[b, 0]:
                    a += 1
                elif runs[b, 1] <= runs[a, 0]:
                    b += 1
                else:
                    out[i, j] = out[j, i] = True
                    break
    return out
