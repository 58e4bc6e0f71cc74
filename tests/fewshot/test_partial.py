"""Pictures that are labelled in part: what is drawn counts, the last stroke most, and the rest is nobody's mistake."""

import numpy as np
import pytest
from fewshot_scenes import surface

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot.cells import coverage, gather
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.holdout import truth_of
from kizu.fewshot.options import compose_support
from kizu.fewshot.partial import choose_partial, drawn_on, nothing_said, within_box
from kizu.fewshot.support import CLASSES, Support, is_partial, ordered, relabelled
from kizu.fewshot.thresholds import choose_rules

SIZE = (12, 16)
BLANK = Sample("a.png", np.zeros((*SIZE, 3), np.uint8))


def area(rows, columns):
    mask = np.zeros(SIZE, bool)
    mask[rows, columns] = True
    return mask


def layers(strokes, names=("disc", "bar")):
    """What strokes make of a blank picture: bool (classes + 1, H, W), the last layer unknown; and the class names."""
    sample = relabelled(drawn_on(nothing_said(BLANK), strokes), names)
    return truth_of(sample, len(names)), sample.meta[CLASSES]


DISC, BAR, OVER = area(slice(2, 6), slice(2, 8)), area(slice(8, 10), slice(0, 16)), area(slice(4, 8), slice(4, 6))


def test_a_class_and_ground():
    truth, names = layers([(DISC, "disc"), (BAR, None)])
    assert names == [None, "disc"]
    assert np.array_equal(truth[0], DISC)
    assert not truth[1].any()
    assert np.array_equal(truth[2], ~DISC & ~BAR)


@pytest.mark.parametrize(
    ("strokes", "disc", "bar"),
    [
        ([(DISC, "disc"), (OVER, None)], DISC & ~OVER, None),
        ([(OVER, None), (DISC, "disc")], DISC, None),
        ([(DISC, "disc"), (OVER, "bar")], DISC & ~OVER, OVER),
        ([(OVER, "bar"), (DISC, "disc")], DISC, OVER & ~DISC),
        ([(DISC, "disc"), (DISC, None)], None, None),
        ([(DISC, "disc"), (area(slice(0), slice(0)), "bar")], DISC, None),
    ],
)
def test_where_two_are_drawn_the_last_one_counts(strokes, disc, bar):
    truth, names = layers(strokes)
    for layer, wanted, name in ((truth[0], disc, "disc"), (truth[1], bar, "bar")):
        assert np.array_equal(layer, area(slice(0), slice(0)) if wanted is None else wanted)
        assert (name in names) == (wanted is not None)
    assert not (truth[2] & (truth[0] | truth[1])).any()


def test_thin_strokes_of_ground_stand_for_whole_cells():
    line = area(7, slice(3, 9))
    unknown = layers([(line, None)])[0][-1]
    assert np.array_equal(~unknown, area(slice(6, 8), slice(2, 10)))
    seen = coverage(relabelled(drawn_on(nothing_said(BLANK), [(line, None)]), ("disc",)).instances, 1, SIZE)
    assert (seen.max(0) == 0).sum() == 4, "four cells of ground"


def test_strokes_on_a_picture_that_is_labelled_whole():
    whole = surface(0, [(20, 20), (40, 60)])
    whole = whole.replace(meta={CLASSES: ["disc", "disc"]})
    rubbed = np.zeros(whole.size, bool)
    rubbed[:32] = True
    sample = drawn_on(whole, [(rubbed, None)])
    assert not is_partial(sample)
    assert sample.instances.masks == whole.instances.masks[[1]]
    assert whole.instances.masks.area.tolist() == [113, 113], "the picture itself is as it was"


def test_only_what_is_drawn_is_learned_from():
    sample = surface(1, [(20, 20), (40, 60)])
    disc, ground = sample.instances.masks.dense(0), np.zeros(sample.size, bool)
    ground[50:60, 10:30] = True
    part = relabelled(drawn_on(nothing_said(sample), [(disc, "disc"), (ground, None)]), ("disc",))
    _, _, labels, _ = gather(part.image, part.instances, 1, np.random.default_rng(0))
    assert (labels == 0).sum() == 5 * 10
    assert (labels == 1).sum() == (coverage(part.instances, 1, part.size)[0] >= 0.5).sum() > 20


# --- boxes ---


def box_of(sample, margin=2):
    x0, y0, x1, y1 = sample.instances.masks.boxes[0] + np.array([-margin, -margin, margin, margin])
    mask = np.zeros(sample.size, bool)
    mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return mask


@pytest.mark.parametrize("place", [(20, 20), (40, 70), (2, 3)])
def test_in_a_box_what_differs_from_around_it_is_the_class(place):
    sample = surface(2, [place])
    disc, box = sample.instances.masks.dense(0), box_of(sample)
    inside, ring = within_box(sample.image, box, box)
    assert (inside & disc).sum() / (inside | disc).sum() > 0.8
    assert not (ring & box).any() and ring.sum() > 50
    assert not (inside & ~box).any()


def test_what_else_is_drawn_is_no_ring():
    sample = surface(3, [(20, 20), (20, 34)])
    others = sample.instances.masks.union()
    _, ring = within_box(sample.image, box_of(sample), others)
    assert not (ring & others).any()


@pytest.mark.parametrize("box", [np.ones(SIZE, bool), area(slice(2, 9), slice(3, 9))], ids=["whole", "flat"])
def test_boxes_that_tell_nothing_from_around_them_are_the_class_as_a_whole(box):
    assert np.array_equal(within_box(BLANK.image, box, box)[0], box)


def test_an_empty_box():
    inside, ring = within_box(BLANK.image, area(slice(0), slice(0)), area(slice(0), slice(0)))
    assert not inside.any() and not ring.any()


# --- choosing ---


def boxed(sample, label=0):
    return sample.replace(instances=Instances([label], boxes=sample.instances.masks.boxes[:1]))


def grounded(seed, label=1):
    found = Instances([label], masks=Masks.from_dense(np.ones((1, 64, 80), bool)))
    return surface(seed, name=f"ground{seed}.png").replace(instances=found)


def chosen(samples, names=("disc", "ground"), classes=None, **options):
    return choose_partial(Dataset(samples, names), classes, None, Dataset([], []), 0, Skips(strict=True), **options)


def test_pictures_of_ground_alone_are_taken_and_those_without_anything_are_not():
    support = chosen([surface(0, [(20, 20)]), grounded(1), surface(2), boxed(surface(3, [(30, 30)]))])
    assert support.names == ("disc",)
    assert [sample.id for sample in support.labelled] == ["0.png", "3.png", "ground1.png"]
    assert all(is_partial(sample) for sample in support.labelled)
    assert support.clean == []
    disc, box = support.labelled[0].instances, support.labelled[1].instances
    assert (disc.labels.tolist(), disc.masks.area.tolist()) == ([1, 0], [64 * 80 - 113, 113])
    assert 60 < box.masks.area[1] <= 169, "the box is parted"


def test_the_class_of_ground_has_another_name():
    support = chosen([surface(0, [(20, 20)]), grounded(1)], ("disc", "fine"), ground="fine")
    assert support.names == ("disc",)
    assert len(support.labelled) == 2


def test_what_cannot_be_chosen():
    with pytest.raises(KizuError, match="no labelled picture"):
        chosen([grounded(1)])
    assert chosen([grounded(1)], some=True).names == ()
    with pytest.raises(KizuError, match="'bar' has no labelled picture"):
        chosen([surface(0, [(20, 20)])], ("disc", "bar"), ["bar"])
    with pytest.raises(KizuError, match="unknown class 'dent'"):
        chosen([surface(0, [(20, 20)])], classes=["dent"])


def test_composing_wants_pictures_that_are_labelled_whole():
    with pytest.raises(KizuError, match="labelled in part"):
        compose_support(chosen([surface(0, [(20, 20)])]), 0)


# --- fitting ---


def test_what_is_not_drawn_is_nobodys_mistake():
    """Of two discs one is drawn, and ground close to it. The other disc is found, and does not count as wrong."""
    samples = []
    for i in range(3):
        y, x = 20, 20 + 8 * i
        sample = surface(i, [(y, x), (46, 60 - 8 * i)])
        frame = np.zeros((1, 64, 80), bool)
        frame[0, y - 12 : y + 13, x - 12 : x + 13] = True
        frame[0, y - 7 : y + 8, x - 7 : x + 8] = False
        ground = Instances([1], masks=Masks.from_dense(frame))
        samples.append(sample.replace(instances=Instances.concat([sample.instances[:1], ground])))
    inspector, (expected,) = fit_fewshot(chosen(samples))
    assert expected.iou > 0.8
    assert expected.escapes == 0
    assert any("3 of 3 labelled pictures are labelled in part" in note for note in inspector.card.notes)
    fresh = surface(30, [(20, 20), (44, 60)])
    instances, _ = inspector.inspect(fresh.image)
    assert len(instances) == 2
    assert fresh.instances.masks.iou(instances.masks).max(1).min() > 0.6


def test_nothing_said_of_any_ground():
    with pytest.raises(KizuError, match=r"nothing is said of the rest.*draw ground"):
        fit_fewshot(chosen([surface(0, [(20, 20)]), surface(1, [(30, 30)])]))


def test_strokes_do_not_tell_how_large_a_defect_is():
    whole = surface(0, [(20, 20)]).replace(meta={CLASSES: ["disc"]})
    dot = np.zeros((64, 80), bool)
    dot[30:32, 30:32] = True
    part = drawn_on(nothing_said(surface(1, [(30, 30)])), [(dot, "disc")])
    map_ = np.where(whole.instances.masks.union(), 4, -4).astype(np.float32)
    for pictures, least in (([whole, part], round(113 / 4)), ([part], 4)):
        support = ordered(Support(("disc",), pictures, []))
        (rule,), _ = choose_rules(support.labelled, [[(map_, map_ > 0)]], [], 0.05)
        assert rule.area == least
