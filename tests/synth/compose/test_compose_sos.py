"""The SOS layout against the figures of its released code, and against painting whole frames."""

import numpy as np
import pytest
from compose_shapes import mixed, pieces_of, shapes_of

from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.layouts import find, options_of
from kizu.synth.compose.layouts import sos as module
from kizu.synth.compose.layouts.canvas import Canvas
from kizu.synth.compose.visibility import areas

SIZE = (256, 256)
FULL = np.ones(SIZE, bool)


def lay(shapes, seed, part=FULL, **options):
    options = options_of("sos", options)
    return find("sos").lay(shapes, part.shape, part, None, options, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "count, expected",
    [(5, (2, 2, 1)), (8, (3, 3, 2)), (12, (5, 4, 3)), (19, (8, 6, 5)), (1, (1, 0, 0)), (0, (0, 0, 0))],
)
def test_strata(count, expected):
    ranges = module.strata(count, options_of("sos"))
    assert [ranges.count(one) for one in (module.SMALL, module.MEDIUM, module.LARGE)] == list(expected)
    assert ranges == sorted(ranges, reverse=True)  # large ones first


def test_thresholds_are_cocos_on_a_frame_of_640_by_480():
    assert module.SMALL[0] * 307_200 == 512 and module.SMALL[1] * 307_200 == 1024
    assert (*module.MEDIUM, *module.LARGE) == (module.SMALL[1], 0.03, 0.03, 0.5)


@pytest.mark.parametrize(
    "count, visible, hidden, covered", [(5, 0.99, 0.20, 0.29), (12, 0.94, 0.30, 0.53), (19, 0.91, 0.37, 0.60)]
)
def test_boxes_behave_as_measured_on_the_released_code(count, visible, hidden, covered, monkeypatch):
    """Mean visible ratio, share of things that are occluded, share of the canvas that is covered (spec, 1.2)."""
    seen = []

    class Watched(Canvas):
        def add(self, piece, taken):
            super().add(piece, taken)
            if self._count == count:
                seen.append((self._visible / self._amodal, self._visible.sum() / self._owner.size))

    monkeypatch.setattr(module, "Canvas", Watched)
    shapes = mixed()
    for seed in range(100):
        lay(shapes, seed, least=count, most=count, rule="boxes")
    ratios = np.array([ratio for ratio, _ in seen])
    assert ratios.mean() == pytest.approx(visible, abs=0.012)
    assert (ratios < 1).mean() == pytest.approx(hidden, abs=0.05)
    assert np.mean([share for _, share in seen]) == pytest.approx(covered, abs=0.05)


@pytest.mark.parametrize("turn", [0, 180])
def test_the_rule_holds_on_masks_and_nothing_is_outside(turn):
    shapes, counts = mixed(), set()
    for seed in range(40):
        laid = lay(shapes, seed, turn=turn, flip=0.5)
        counts.add(len(laid))
        pieces = pieces_of(shapes, laid, SIZE)
        visible, amodal = areas(pieces, SIZE)
        assert (visible / amodal).mean() >= 0.8 and (visible / amodal).min() >= 0.5
        assert all(np.count_nonzero(piece.mask) == piece.pixels for piece in pieces)
        assert all(placement.shared for placement in laid)
    assert min(counts) >= 5 and max(counts) <= 19 and len(counts) > 8


def test_each_prefix_of_a_layout_meets_the_rule():
    shapes = mixed()
    laid = lay(shapes, 3, least=19, most=19)
    pieces = pieces_of(shapes, laid, SIZE)
    for k in range(1, 20):
        visible, amodal = areas(pieces[:k], SIZE)
        assert (visible / amodal).mean() >= 0.8 and (visible / amodal).min() >= 0.5


def test_segments_keep_their_aspect_and_fill_their_box_one_way():
    shapes = shapes_of([np.ones((40, 20), bool)])
    areas_of = {}
    for seed in range(30):
        for k, placement in enumerate(lay(shapes, seed, least=6, most=6)):
            a, b, _, d, e, _ = placement.affine
            assert a == e > 0 and b == d == 0
            areas_of.setdefault(k, []).append(a * a * 800 / 256**2)
    # 1 large, 2 medium, 3 small; a box of aspect 0.5..2 holds a 1:2 block of a quarter of its area to all of it.
    for k, (low, high) in enumerate([module.LARGE, module.MEDIUM, module.MEDIUM, *[module.SMALL] * 3]):
        assert low / 4 <= min(areas_of[k]) and max(areas_of[k]) <= high


def test_one_class_when_asked():
    shapes = mixed()
    for seed in range(10):
        assert len({int(shapes.label[p.row]) for p in lay(shapes, seed, single=True)}) == 1
    assert len({int(shapes.label[p.row]) for p in lay(shapes, 0, least=19)}) > 1


def test_things_stay_on_the_part_and_defects_are_passed_over():
    y, x = np.mgrid[:256, :256]
    part = (x - 140) ** 2 + (y - 120) ** 2 < 90**2
    shapes = mixed()
    shapes.defect[::2] = True
    for seed in range(10):
        laid = lay(shapes, seed, part, least=5, most=8)
        assert not shapes.defect[[p.row for p in laid]].any()
        for piece in pieces_of(shapes, laid, SIZE):
            height, width = piece.mask.shape
            assert not (piece.mask & ~part[piece.y : piece.y + height, piece.x : piece.x + width]).any()


def test_the_same_seed_gives_the_same_layout():
    assert lay(mixed(), 5) == lay(mixed(), 5) != lay(mixed(), 6)


@pytest.mark.parametrize(
    "part, options, error, word",
    [
        (FULL, {"least": 30, "most": 30, "least_visible": 1.0, "large": 1.0, "restarts": 1}, DataError, "no place"),
        (FULL, {"rule": "hulls"}, KizuError, "masks, boxes"),
        (FULL, {"least": 9, "most": 3}, KizuError, "least"),
        (~FULL, {}, DataError, "no pixel"),
        (FULL, {"leest": 3}, KizuError, "least, most, large"),
        (FULL, {"least": 2.5}, KizuError, "kind"),
        (FULL, {"aspect": [1]}, KizuError, "list of 2"),
        (FULL, {"mean_visible": float("nan")}, KizuError, "kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(part, options, error, word):
    with pytest.raises(error, match=word):
        lay(mixed(), 0, part, **options)


def test_an_unknown_layout_is_told():
    with pytest.raises(KizuError, match="sos"):
        find("soz")
    assert options_of("sos", {"aspect": [1, 2], "least": 6.0}).aspect == (1.0, 2.0)


def test_a_bank_without_segments_is_told():
    with pytest.raises(DataError, match="no segment"):
        lay(shapes_of([]), 0)
