"""Dead leaves against the scene tree, which puts the same leaves under one another one by one."""

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.painters import deadleaves
from kizu.synth.formula.presets import load
from kizu.synth.formula.raster import fill
from kizu.synth.formula.scene import Node, Scene
from kizu.synth.formula.source import Formula


def values(**changes):
    return load("deadleaves").override({key.replace("__", "."): value for key, value in changes.items()}).values


def pile_of(table, size, least=16):
    """A pile with all leaves of a table, and the linear light of each pixel where every leaf has its own tone."""
    pile = deadleaves.Pile(size, least)
    light, passed = np.zeros((*size, 1), np.float32), np.ones(size, np.float32)
    tones = np.linspace(0.1, 1, len(table)).astype(np.float32)[:, None]
    no_texture = np.zeros(len(table), np.float32), np.zeros((1, 1, 1), np.float32)
    pile.throw(table, tones, *no_texture, light, passed)
    return pile, light[:, :, 0], passed, tones[:, 0]


@pytest.mark.parametrize(("size", "count"), [((96, 128), 300), ((150, 90), 40), ((64, 64), 5)])
def test_labels_are_those_of_the_scene_tree(size, count):
    table = deadleaves.leaves(values(leaves__radius=[0.06, 1.0]), size, np.random.default_rng(count), count)
    pile, *_ = pile_of(table, size)
    scene = Scene(size, least=16)
    for leaf in table:
        scene.add(Node(fill(Outline(deadleaves.ring_of(leaf)), size), int(leaf[0])), below=True)
    got, want = pile.labels(), scene.labels()
    assert len(want) > 3
    assert got.labels.tolist() == want.labels.tolist()
    assert got.masks == want.masks
    assert got.amodal == want.amodal
    assert got.parents.tolist() == want.parents.tolist()
    for name in ("visible_ratio", "truncated", "occluders"):
        assert got.attributes[name].tolist() == want.attributes[name].tolist(), name


def test_light_is_mixed_from_the_front_to_the_back():
    size = (80, 100)
    table = deadleaves.leaves(values(leaves__radius=[0.15, 1.0]), size, np.random.default_rng(3), 30)
    pile, light, passed, tones = pile_of(table, size, least=1)
    seen, rest = np.zeros(size), np.ones(size)
    placed = 0
    owner = np.zeros(size, bool)
    for leaf, tone in zip(table, tones, strict=True):
        cover = fill(Outline(deadleaves.ring_of(leaf)), size)
        if not (cover.mask & ~owner[cover.slices]).any():
            continue
        placed += 1
        owner[cover.slices] |= cover.mask
        seen[cover.slices] += rest[cover.slices] * cover.alpha * tone
        rest[cover.slices] *= 1 - cover.alpha
    assert len(pile.kinds) == placed
    assert light == pytest.approx(seen, abs=1e-4)
    assert passed == pytest.approx(rest, abs=1e-4)


AREAS = {  # in units of the squared radius
    "circle": lambda leaf: np.pi,
    "ellipse": lambda leaf: np.pi * leaf[6],
    "square": lambda leaf: 2,
    "oriented": lambda leaf: 2 * leaf[6],
    "triangle": lambda leaf: 0.75 * np.sqrt(3) * leaf[6],
    "polygon": lambda leaf: leaf[5] / 2 * np.sin(2 * np.pi / leaf[5]),
    "blob": lambda leaf: np.pi * (1 + (leaf[7:11] ** 2).sum() / 2),
}


@pytest.mark.parametrize("name", deadleaves.SHAPES)
def test_shapes_have_their_areas_and_places(name):
    table = deadleaves.leaves(values(leaves__shapes={name: 1}), (512, 512), np.random.default_rng(0), 40)
    assert set(table[:, 0]) == {deadleaves.SHAPES.index(name)}
    for leaf in table:
        outline = Outline(deadleaves.ring_of(leaf))
        assert outline.area == pytest.approx(AREAS[name](leaf) * leaf[3] ** 2, rel=0.015)
        if name != "blob":
            assert outline.points.mean(0) == pytest.approx(leaf[1:3], abs=1e-6 * leaf[3])
        if name == "square":
            assert np.ptp(outline.points, axis=0) == pytest.approx([np.sqrt(2) * leaf[3]] * 2)


def test_radii_follow_the_cube_law():
    table = deadleaves.leaves(values(), (512, 512), np.random.default_rng(0), 20_000)
    radius = table[:, 3] / 512
    assert 0.03 <= radius.min() < 0.0301
    assert radius.max() <= 1
    # P(radius > r) = (r^-2 - 1) / (0.03^-2 - 1)
    for r in (0.04, 0.06, 0.12, 0.3):
        assert (radius > r).mean() == pytest.approx((r**-2 - 1) / (0.03**-2 - 1), rel=0.12)
    assert table[:, 1:3].mean(0) == pytest.approx([256, 256], abs=5)


def test_leaves_cover_the_frame():
    colours = []
    for sample in Formula(load("deadleaves"), 20, (160, 160), 2):
        found = sample.instances
        owner = np.zeros((160, 160), int)
        for k in range(len(found)):
            owner += found.masks.dense(k)
            assert not (found.masks.dense(k) & ~found.amodal.dense(k)).any()
        assert owner.max() == 1
        assert (owner == 0).sum() < 16 * 4  # gaps too small for a leaf
        assert (found.masks.area >= 16).all()
        assert 20 < len(found) < 600
        colours.append(np.ptp(sample.image.astype(int), axis=2).max() > 30)
    assert 0 < sum(colours) < 20


def test_the_same_picture_whoever_asks():
    one, other = Formula(load("deadleaves"), 5, (128, 96), 7), Formula(load("deadleaves"), 9, (128, 96), 7)
    for i in (4, 0, 2):
        assert one[i].image_bytes() == other[i].image_bytes()
        assert one[i].instances.masks == other[i].instances.masks
    assert one[0].image_bytes() != one[1].image_bytes()


def test_no_more_leaves_than_are_allowed():
    sample = Formula(load("deadleaves").override({"leaves.most": 7}), 1, (128, 128), 0)[0]
    assert 1 <= len(sample.instances) <= 7
    assert sample.instances.masks.union().mean() < 1


def test_texture_is_switched_off():
    flat = load("deadleaves").override({"look.texture": 0, "look.colour": 0, "leaves.radius": [0.5, 1.0]})
    image = Formula(flat, 1, (256, 256), 0)[0].image
    found = Formula(flat, 1, (256, 256), 0)[0].instances
    largest = int(np.argmax(found.masks.area))
    inside = found.masks.dense(largest)
    inside[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    assert np.median(image[inside].std(0)) < 3


@pytest.mark.parametrize("changes", [{"leaves__shapes": {"star": 1}}, {"leaves__size": 3}])
def test_unknown_values_are_told(changes):
    with pytest.raises(KizuError):
        values(**changes)
