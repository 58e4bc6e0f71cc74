"""The scene tree against a slow, dense twin that follows the rules in words, on scenes that hypothesis makes up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizu.synth.formula.raster import Cover
from kizu.synth.formula.scene import Node, Scene

SIZE = (20, 24)


class Twin:
    """The same rules with whole-frame masks, everything counted anew each time."""

    def __init__(self, least, cap):
        self.least, self.cap = least, cap
        self.masks, self.labels, self.parents, self.floors, self.order = [], [], [], [], []

    def owner(self, order, masks):
        out = np.full(SIZE, -1)
        for k in order:
            out[masks[k]] = k
        return out

    def lineage(self, k):
        return set() if k < 0 else {k} | self.lineage(self.parents[k])

    def family(self, k, parents):
        return [m for m in range(len(parents)) if k in self.up(m, parents)]

    def up(self, k, parents):
        return set() if k < 0 else {k} | self.up(parents[k], parents)

    def add(self, mask, label, parent, floor, below):
        if parent >= 0:
            mask = mask & self.masks[parent]
        new = len(self.masks)
        masks, parents = [*self.masks, mask], [*self.parents, parent]
        order = [new, *self.order] if below else [*self.order, new]
        before, after = self.owner(self.order, self.masks), self.owner(order, masks)
        least = self.least if label >= 0 else 1
        gained = (after == new).sum()
        if mask.sum() < least or gained < least or (below and gained < floor * mask.sum()):
            return -1
        for k in range(new):
            if self.labels[k] >= 0 and (after == k).sum() < min(self.least, (before == k).sum()):
                return -1
            seen = [np.isin(owner, self.family(k, parents)).sum() for owner in (before, after)]
            if k not in self.lineage(parent) and seen[1] < min(seen[0], self.floors[k] * self.masks[k].sum()):
                return -1
            shared, smaller = (self.masks[k] & mask).sum(), min(self.masks[k].sum(), mask.sum())
            if self.cap < 1 and k not in self.lineage(parent) and shared > self.cap * smaller:
                return -1
        self.masks, self.parents, self.order = masks, parents, order
        self.labels.append(label)
        self.floors.append(floor)
        return new


def cover_of(mask):
    """As a cover whose box is a little larger than the mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return Cover(3, 3, np.zeros((0, 0), np.float32))
    y0, x0 = max(rows.min() - 1, 0), max(columns.min() - 1, 0)
    part = mask[y0 : rows.max() + 2, x0 : columns.max() + 2]
    return Cover(int(x0), int(y0), np.where(part, 0.5, 0.49).astype(np.float32))


@st.composite
def shapes(draw):
    """Boxes and discs, some of them outside the frame."""
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    cy, cx = draw(st.integers(-2, SIZE[0] + 1)), draw(st.integers(-2, SIZE[1] + 1))
    h, w = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    if draw(st.booleans()):
        return (abs(y - cy) <= h / 2) & (abs(x - cx) <= w / 2)
    return (y - cy) ** 2 + (x - cx) ** 2 <= (h + w) ** 2 / 16


nodes = st.tuples(
    shapes(), st.integers(-1, 2), st.integers(-3, 8), st.sampled_from([0.0, 0.3, 0.7]), st.booleans(),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(nodes, max_size=10), st.integers(1, 8), st.sampled_from([1.0, 0.5, 0.1]))
def test_a_scene_is_what_its_rules_say(given_nodes, least, cap):
    scene, twin = Scene(SIZE, least, cap), Twin(least, cap)
    for mask, label, parent, floor, below in given_nodes:
        parent = parent if 0 <= parent < len(scene) else -1
        below = below and parent < 0
        k = scene.add(Node(cover_of(mask), label, parent, floor), below)
        assert k == twin.add(mask, label, parent, floor, below)
    owner = twin.owner(twin.order, twin.masks)
    assert np.array_equal(scene.owner, owner + 1)
    found = scene.labels()
    kept = [k for k in twin.order if twin.labels[k] >= 0]
    assert found.labels.tolist() == [twin.labels[k] for k in kept]
    for n, k in enumerate(kept):
        visible, amodal = owner == k, twin.masks[k]
        assert np.array_equal(found.masks.dense(n), visible)
        assert np.array_equal(found.amodal.dense(n), amodal)
        assert visible.sum() >= least
        assert found.attributes["visible_ratio"][n] == pytest.approx(visible.sum() / amodal.sum(), abs=1e-4)
        up = twin.parents[k]
        while up >= 0 and twin.labels[up] < 0:
            up = twin.parents[up]
        assert found.parents[n] == (kept.index(up) if up >= 0 else -1)
        over = [m for m in range(n + 1, len(kept)) if k not in twin.lineage(kept[m])]
        above = [m for m in over if (twin.masks[kept[m]] & amodal).any()]
        assert found.attributes["occluders"][n] == above
    assert (np.sum([found.masks.dense(n) for n in range(len(found))], 0) <= 1).all()


def box(x0, y0, x1, y1):
    """A full cover."""
    return Cover(x0, y0, np.ones((y1 - y0, x1 - x0), np.float32))


ADMISSION = [  # nodes (cover, label, parent, floor, below) of which the last is admitted or not
    ("too small", [(box(0, 0, 3, 5), 0, -1, 0, False)], False),
    ("large enough", [(box(0, 0, 4, 4), 0, -1, 0, False)], True),
    ("an unlabelled one may be small", [(box(0, 0, 1, 1), -1, -1, 0, False)], True),
    ("hides one wholly", [(box(0, 0, 4, 4), 0, -1, 0, False), (box(0, 0, 8, 8), 0, -1, 0, False)], False),
    ("hides an unlabelled one", [(box(0, 0, 4, 4), -1, -1, 0, False), (box(0, 0, 8, 8), 0, -1, 0, False)], True),
    ("hides half", [(box(0, 0, 10, 10), 0, -1, 0.5, False), (box(0, 0, 5, 10), 0, -1, 0, False)], True),
    ("hides more than half", [(box(0, 0, 10, 10), 0, -1, 0.5, False), (box(0, 0, 6, 10), 0, -1, 0, False)], False),
    ("a child may", [(box(0, 0, 10, 10), 0, -1, 0.5, False), (box(0, 0, 6, 10), 0, 0, 0, False)], True),
    ("but leaves some", [(box(0, 0, 10, 10), 0, -1, 0.5, False), (box(0, 0, 10, 9), 0, 0, 0, False)], False),
    (
        "a child does not count as hiding",
        [
            (box(0, 0, 10, 10), 0, -1, 0.5, False), (box(0, 0, 6, 10), 0, 0, 0, False),
            (box(6, 0, 8, 10), 0, -1, 0, False),
        ],
        True,
    ),
    ("below, in view", [(box(0, 0, 5, 5), 0, -1, 0, False), (box(0, 0, 7, 7), 0, -1, 0.4, True)], True),
    ("below, too hidden", [(box(0, 0, 6, 6), 0, -1, 0, False), (box(0, 0, 7, 7), 0, -1, 0.4, True)], False),
]  # fmt: skip


@pytest.mark.parametrize(("given_nodes", "admitted"), [row[1:] for row in ADMISSION], ids=[row[0] for row in ADMISSION])
def test_who_is_admitted(given_nodes, admitted):
    scene = Scene((16, 16), least=16)
    numbers = [scene.add(Node(c, label, parent, floor), below) for c, label, parent, floor, below in given_nodes]
    assert min(numbers[:-1], default=0) >= 0
    before = len(given_nodes) - 1
    assert (numbers[-1] >= 0) == admitted
    assert len(scene) == before + admitted
    assert len(np.unique(scene.owner[scene.owner > 0])) <= len(scene)


@pytest.mark.parametrize(("cap", "admitted"), [(1.0, True), (0.5, True), (0.49, False)])
def test_the_cap_counts_hidden_overlap(cap, admitted):
    scene = Scene((16, 16), least=1, cap=cap)
    scene.add(Node(box(0, 0, 8, 8), 0))
    assert (scene.add(Node(box(4, 0, 12, 8), 0), below=True) >= 0) == admitted


def test_a_refused_node_changes_nothing():
    scene = Scene((16, 16), least=16)
    scene.add(Node(box(0, 0, 4, 4), 0))
    before = scene.owner.copy(), scene.labels()
    assert scene.add(Node(box(0, 0, 9, 9), 1)) == -1
    assert np.array_equal(scene.owner, before[0])
    assert scene.labels().masks == before[1].masks


def test_a_child_lies_inside_its_parent_and_is_cut_out_of_it():
    scene = Scene((16, 16), least=1)
    part = scene.add(Node(box(2, 2, 10, 10), 0))
    hole = scene.add(Node(box(6, 6, 14, 14), 1, part))
    flaw = scene.add(Node(box(0, 8, 16, 9), 2, hole))
    found = scene.labels()
    assert (part, hole, flaw) == (0, 1, 2)
    assert found.parents.tolist() == [-1, 0, 1]
    assert found.amodal.boxes.tolist() == [[2, 2, 10, 10], [6, 6, 10, 10], [6, 8, 10, 9]]
    assert found.masks.area.tolist() == [64 - 16, 16 - 4, 4]
    assert found.attributes["occluders"].tolist() == [[], [], []]


def test_a_forgotten_node_gives_its_pixels_back():
    scene = Scene((16, 16), least=1)
    part = scene.add(Node(box(0, 0, 10, 10), 0, floor=0.5))
    flaw = scene.add(Node(box(0, 0, 5, 10), 1, part))
    scene.forget(flaw)
    found = scene.labels()
    assert found.labels.tolist() == [0]
    assert found.masks.area.tolist() == [100]
    assert scene.add(Node(box(0, 0, 5, 10), 2)) >= 0
    assert scene.add(Node(box(5, 0, 6, 10), 2)) == -1  # half of the part is hidden already


def test_a_node_grows_only_where_others_can_spare_the_place():
    scene = Scene((16, 16), least=16)
    other, part = scene.add(Node(box(0, 0, 8, 8), 0, floor=0.5)), scene.add(Node(box(8, 0, 16, 8), 1))
    assert scene.grow(part, box(4, 0, 16, 8))
    assert not scene.grow(part, box(3, 0, 16, 8))
    assert scene.labels().masks.area.tolist() == [32, 96]
    assert other == 0
