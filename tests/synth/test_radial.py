"""Lines, outlines and the pictures of the radial presets: the same geometry in the picture and in the labels."""

import cv2
import numpy as np
import pytest
from skimage.measure import label

from kizu.core.errors import KizuError
from kizu.synth.formula import contours, lines
from kizu.synth.formula.painters import radial
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula

PRESETS = ("inscore", "segrcdb", "rcdb", "visualatom")


def values(name, **changes):
    return load(name).override({key.replace("__", "."): value for key, value in changes.items()}).values


def pictures(name, count, size=192, seed=0, **changes):
    preset = load(name).override({key.replace("__", "."): value for key, value in changes.items()})
    return Formula(preset, count, (size, size), seed)


def circle(radius, centre=(64.3, 63.8), count=400):
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], 1)


def frame_of(cover, size=(128, 128)):
    out = np.zeros(size, np.float32)
    out[cover.slices] = cover.alpha
    return out


# --- lines ---

FIGURES = {
    "urchin": lambda s: contours.nested(160, 7, 5, 3.5, 0, (1, 1), np.random.default_rng(s))[-1],
    "tiny edges": lambda s: contours.nested(500, 6, 3, 1.5, 0, (1, 1), np.random.default_rng(s))[-1],
    "triangle": lambda s: contours.nested(3, 3, 30, 2, 0, (1, 1.5), np.random.default_rng(s))[-1],
    "blob": lambda s: contours.radial(35, 1.5, 0.2, np.random.default_rng(s)),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("seed", range(4))
def test_a_line_is_closed_and_never_broken(name, seed):
    ring = FIGURES[name](seed) + np.array([60.37, 66.21])
    line = frame_of(lines.traced(ring[None], (128, 128))) >= 0.5
    assert label(line, connectivity=2).max() == 1  # one piece
    assert not line[0].any()
    # ... and nothing of what it closes in can be reached from the outside.
    solid = frame_of(lines.outlined([ring], (128, 128))) >= 0.5
    free = label(~line, connectivity=1)
    assert not (solid & ~line & (free == free[0, 0])).any()


def test_a_line_is_one_pixel_wide_at_any_place():
    for shift in np.linspace(0, 1, 7):
        box = np.array([[10 + shift, 10 + shift / 3], [90, 10 + shift / 3], [90, 70.2], [10 + shift, 70.2]])
        alpha = frame_of(lines.traced(box[None], (128, 128)))
        assert alpha[:40, 20:80].sum(0) == pytest.approx(np.ones(60), abs=1e-5)
        assert alpha[20:60, :50].sum(1) == pytest.approx(np.ones(40), abs=1e-5)
    slanted = np.array([[10, 10], [110, 45.5], [60, 120]])
    alpha = frame_of(lines.traced(slanted[None], (128, 128)))
    assert alpha[:34, 25:60].sum(0) == pytest.approx(np.ones(35), abs=1e-5)


def test_coverage_is_never_more_than_nearness():
    ring = FIGURES["blob"](1) + 64
    alpha = frame_of(lines.traced(ring[None], (128, 128)))
    a, b = ring, np.roll(ring, -1, 0)
    for y, x in np.argwhere(alpha > 0):
        t = np.clip((((x + 0.5, y + 0.5) - a) * (b - a)).sum(1) / ((b - a) ** 2).sum(1), 0, 1)
        far = np.hypot(*(a + t[:, None] * (b - a) - (x + 0.5, y + 0.5)).T).min()
        assert alpha[y, x] <= 1 - far + 1e-5


@pytest.mark.parametrize("radius", [6, 17.5, 40])
def test_the_area_is_that_of_the_polygon_with_half_its_line(radius):
    alpha = frame_of(lines.outlined([circle(radius)], (128, 128)))
    mask = (alpha >= 0.5).sum()
    assert mask == pytest.approx(np.pi * (radius + 0.5) ** 2, rel=0.01, abs=4)
    ring = frame_of(lines.outlined([circle(radius), circle(radius / 2)], (128, 128))) >= 0.5
    assert ring.sum() == pytest.approx(np.pi * ((radius + 0.5) ** 2 - (radius / 2 - 0.5) ** 2), rel=0.015, abs=5)


@pytest.mark.parametrize("shift", [(-70, 0), (0, 80), (60, -60), (500, 0)])
def test_what_lies_outside_is_cut_off_and_told(shift):
    ring = circle(30) + shift
    whole = frame_of(lines.outlined([ring + 600], (1400, 1400)), (1400, 1400))[600:728, 600:728]
    part = lines.outlined([ring], (128, 128))
    assert part.truncated
    assert np.allclose(frame_of(part), whole, atol=1e-5)
    line = frame_of(lines.traced((ring + 600)[None], (1400, 1400)), (1400, 1400))[600:728, 600:728]
    assert np.allclose(frame_of(lines.traced(ring[None], (128, 128))), line, atol=1e-5)


def test_lines_are_drawn_over_one_another():
    shade, body = np.full((128, 128), 100, np.float32), np.ones((128, 128), np.float32)
    most = np.zeros_like(body)
    body[10, 40:50], body[10, 50:] = 0.8, 0
    box = np.array([[10.5, 10.5], [60.5, 10.5], [60.5, 60.5], [10.5, 60.5]])
    figure, room = np.stack([box, box + np.array([0, 0.25])]), lines.room((128, 128))
    lines.draw(figure, np.array([200, 40], np.float32), 0, 0, shade, body, most, room)
    assert most[10, [30, 45]] == pytest.approx(1)
    assert most[11, 30] == pytest.approx(0.25)
    assert shade[10, 30] == pytest.approx(200 + 0.75 * (40 - 200))
    assert shade[11, 30] == pytest.approx(100 + 0.25 * (40 - 100))
    assert shade[10, 45] == pytest.approx(200 + 0.75 / 0.8 * (40 - 200))  # all but a sixteenth of the body is line
    assert shade[5, 5] == shade[30, 30] == shade[10, 55] == 100
    assert not room[0].any()


# --- classes ---


def test_classes_have_the_ranges_and_sizes_of_segrcdb():
    table = values("segrcdb", scene__classes=4000)
    shapes = [radial.Classes(table, 0)[k] for k in range(4000)]
    n = np.array([s.vertices for s in shapes])
    assert (n.min(), n.max() <= 500) == (3, True)
    cut = 103 - 497 / (np.exp(4.97) - 1) - 0.5  # mean of the exponential cut to 3 .. 500, floored
    assert n.mean() == pytest.approx(cut, rel=0.05)
    assert {s.polygons for s in shapes} == set(range(1, 51))
    assert {s.radius for s in shapes} == set(range(51))
    assert all(0 <= s.noise <= 4 and 0 <= s.width <= 0.1 and s.sines is None and s.beta is None for s in shapes)
    assert all(1 <= a <= 2 for s in shapes for a in s.aspect)
    sizes = np.quantile([s.size for s in shapes], [0.05, 0.25, 0.5, 0.75, 0.95])
    assert sizes == pytest.approx([22, 48, 77, 116, 176], rel=0.12)


def test_visualatom_has_two_frequencies_that_differ():
    table = values("visualatom", scene__classes=3000)
    shapes = [radial.Classes(table, 0)[k] for k in range(3000)]
    pairs = np.array([s.sines for s in shapes])
    assert (pairs.min(), pairs.max()) == (0, 20)
    assert (pairs[:, 0] != pairs[:, 1])[pairs[:, 0] > 0].all()
    assert np.bincount(pairs[:, 1], minlength=21).min() > 90
    n = [s.vertices for s in shapes]
    assert (min(n), max(n)) == (200, 1000)
    assert np.mean(n) == pytest.approx(600, rel=0.03)


@pytest.mark.parametrize("name", PRESETS)
def test_a_class_does_not_depend_on_how_many_there_are(name):
    few, many = values(name, scene__classes=10), values(name, scene__classes=2000)
    assert all(radial.Classes(few, 5)[k] == radial.Classes(many, 5)[k] for k in range(10))
    assert radial.Classes(few, 5)[3] != radial.Classes(few, 6)[3]
    assert radial.names(few) == radial.names(many)[:10]


# --- pictures ---

VARIANTS = [
    ("inscore", {}),
    ("inscore", {"mode": "m1"}),
    ("inscore", {"mode": "m2"}),
    ("segrcdb", {"mode": "m1"}),
    ("segrcdb", {"mode": "m1", "look__solid": False}),
    ("segrcdb", {"mode": "m2"}),
    ("segrcdb", {"mode": "m3"}),
    ("segrcdb", {"mode": "m2", "contour__polygons": 1}),
    ("segrcdb", {"mode": "m3", "size__law": "power"}),
    ("rcdb", {}),
    ("visualatom", {}),
    ("visualatom", {"mode": "m1"}),
]
variants = pytest.mark.parametrize(
    ("name", "changes"), VARIANTS, ids=[f"{n} {' '.join(map(str, c.values()))}" for n, c in VARIANTS]
)


@variants
def test_labels_hang_together(name, changes):
    least = values(name, **changes)["scene"]["least"]
    some = 0
    for sample in pictures(name, 4, 160, **changes):
        found = sample.instances
        some += len(found)
        assert sample.image.shape == (160, 160, 3)
        assert (found.masks.area >= least).all()
        owner = np.zeros((160, 160), int)
        for k in range(len(found)):
            visible, amodal = found.masks.dense(k), found.amodal.dense(k)
            owner += visible
            assert not (visible & ~amodal).any()
            parent = found.parents[k]
            assert parent < 0 or not (amodal & ~found.amodal.dense(parent)).any()
            assert parent < 0 or found.attributes["level"][k] > found.attributes["level"][parent] - 1
        assert owner.max(initial=0) <= 1
    assert some


@variants
def test_the_same_picture_whoever_asks(name, changes):
    one, other = pictures(name, 6, 128, seed=3, **changes), pictures(name, 9, 128, seed=3, **changes)
    for i in (5, 0, 3):
        a, b = one[i], other[i]
        assert a.image_bytes() == b.image_bytes()
        assert a.instances.masks == b.instances.masks
        assert a.instances.amodal == b.instances.amodal
        assert a.instances.labels.tolist() == b.instances.labels.tolist()
    assert pictures(name, 1, 128, seed=4, **changes)[0].image_bytes() != one[0].image_bytes()


@pytest.mark.parametrize("mode", ["m1", "m2", "m3"])
@pytest.mark.parametrize("crowd", ["drop", "avoid"])
def test_no_hidden_line_shows_inside_a_later_figure(mode, crowd):
    """Bright figures behind dark ones: inside what a figure covers, nothing of those behind it is to be seen."""
    table = values("segrcdb", mode=mode, scene__crowd=crowd, scene__instances=12)
    for seed in range(4):
        canvas = radial.Canvas(table, (256, 256), np.random.default_rng(seed))
        known = radial.Classes(table, seed)
        bodies = np.zeros((256, 256), bool)
        order = range(12)
        dark_until = 4 if canvas.below else 8
        shown = 0
        for k in order:
            dark = k < dark_until if canvas.below else k >= dark_until
            table["look"]["grey"] = [30, 30] if dark else [255, 255]
            figure = canvas.figure(known[k]) + canvas.random.uniform(40, 216, 2)
            number = canvas.add(figure, 0)
            if number >= 0 and dark:
                shown += 1
                cover = canvas.outline(figure)
                bodies[cover.slices] |= cover.alpha >= 0.999
        assert shown
        assert canvas.finish()[bodies].max() <= 30.5


def test_a_hole_of_m2_shows_what_lies_behind():
    table = values("segrcdb", mode="m2", look__grey=200)
    canvas = radial.Canvas(table, (128, 128), np.random.default_rng(0))
    front = np.stack([circle(20), circle(40)])
    assert canvas.add(front, 0) == 0
    assert canvas.add(np.stack([circle(4), circle(9)]), 1) == 1
    found = canvas.scene.labels()
    small, large = found.masks.dense(0), found.masks.dense(1)
    assert found.labels.tolist() == [1, 0]
    assert small.sum() == pytest.approx(np.pi * (9.5**2 - 3.5**2), rel=0.03)
    assert large.sum() == pytest.approx(np.pi * (40.5**2 - 19.5**2), rel=0.01)


def test_a_ring_of_one_polygon_is_filled():
    canvas = radial.Canvas(values("segrcdb", mode="m2"), (128, 128), np.random.default_rng(0))
    assert canvas.add(circle(20)[None], 0) == 0
    assert canvas.scene.labels().masks.area[0] == pytest.approx(np.pi * 20.5**2, rel=0.01)


def test_the_lines_of_m1_are_the_mask():
    canvas = radial.Canvas(values("segrcdb", look__grey=255), (128, 128), np.random.default_rng(0))
    canvas.add(np.stack([circle(r) for r in (10, 20, 30)]), 0)
    mask = canvas.scene.labels().masks.dense(0)
    assert np.array_equal(mask, canvas.finish() >= 127.5)
    assert label(mask, connectivity=2).max() == 3


def test_a_figure_that_is_too_hidden_is_not_in_the_picture():
    canvas = radial.Canvas(values("segrcdb", mode="m3", look__grey=255), (128, 128), np.random.default_rng(0))
    canvas.add(circle(30)[None], 0)
    before = canvas.finish().copy()
    assert canvas.add(circle(29)[None], 1) == -1
    assert np.array_equal(canvas.finish(), before)


def families(found):
    """Visible share of each instance, with what belongs to it."""
    shown = found.masks.area.astype(float)
    for k in range(len(found)):
        up = found.parents[k]
        while up >= 0:
            shown[up] += found.masks.area[k]
            up = found.parents[up]
    return shown / found.amodal.area


def test_inscore_is_as_crowded_as_it_says():
    found = [sample.instances for sample in pictures("inscore", 60, 192)]
    counts = np.array([len(f) for f in found])
    ratios = np.concatenate([f.attributes["visible_ratio"] for f in found])
    shown = np.concatenate([families(f) for f in found])
    levels = np.concatenate([f.attributes["level"] for f in found])
    area = np.concatenate([f.amodal.area for f in found]) * (512 / 192) ** 2
    assert counts.min() >= 1
    assert counts.max() <= 100  # queries of the usual trainer
    assert 0.68 < ratios.mean() < 0.85
    assert 0.78 < shown.mean() < 0.95
    assert (shown < 0.95).mean() > 0.25  # hidden in part
    assert shown.min() >= 0.2
    assert 0.2 < (levels > 0).mean() < 0.7
    assert 0.3 < (area < 32**2).mean() < 0.65  # small in the sense of COCO, at the usual size
    assert (area > 96**2).mean() > 0.06


def test_segrcdb_hides_as_much_as_was_measured_of_the_original():
    """Of 32 figures 34.7 % are hidden wholly, and the mean visible share of all is 0.30."""
    found = [sample.instances for sample in pictures("segrcdb", 40, 192, mode="m3")]
    kept = np.mean([len(f) for f in found]) / 32
    assert 0.6 < kept < 0.75
    assert kept * np.mean(np.concatenate([f.attributes["visible_ratio"] for f in found])) == pytest.approx(
        0.30, abs=0.05
    )


@pytest.mark.parametrize("name", ["rcdb", "visualatom"])
def test_one_figure_a_picture_of_many_classes(name):
    samples = list(pictures(name, 25, 128))
    assert [len(s.instances) for s in samples] == [1] * 25
    assert len({int(s.instances.labels[0]) for s in samples}) > 20


def test_rcdb_draws_the_size_anew_and_segrcdb_does_not():
    def radii(name):
        table = values(name)
        canvas = radial.Canvas(table, (512, 512), np.random.default_rng(0))
        shape = radial.Classes(table, 0)[5]
        spread = [np.ptp(canvas.figure(radial.Classes(table, 0)[5])[-1], axis=0).mean() / 2 for _ in range(30)]
        return np.std(spread) / shape.size

    assert radii("rcdb") > 0.1
    assert radii("segrcdb") < 0.05


@pytest.mark.parametrize("size", [(96, 200), (33, 33), (700, 300)])
def test_frames_of_any_shape(size):
    for name in PRESETS:
        sample = Formula(load(name), 1, size, 1)[0]
        assert sample.image.shape == (*size, 3)
        assert sample.instances.masks.size == size


def test_lines_stay_bright_in_the_file():
    image = pictures("rcdb", 1, 256)[0].image
    assert image.max() > 150
    assert (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) < 8).mean() > 0.2


WRONG = [
    ({"mode": "m4"}, "known are m1, m2, m3"),
    ({"scene__crowd": "push"}, "drop, avoid"),
    ({"contour__step": "bezier"}, "rcdb, visualatom"),
    ({"size__law": "even"}, "class, power"),
    ({"tree__levels": [1, 2]}, "avoid"),
    ({"tree__inside": 0.5}, "avoid"),
    ({"scene__classes": 0}, "1 to 100000"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_values_that_are_no_choice_are_told(changes, message):
    with pytest.raises(KizuError, match=message):
        pictures("segrcdb", 1, **changes)
