"""Boundary F: against distance transforms of whole pictures, on squares that can be counted by hand, and on every
edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.evaluation.boundary import boundary_f, outline_counts, tolerance
from kizu.evaluation.evaluate import evaluate


def square(size, x, y, side):
    out = np.zeros(size, bool)
    out[y : y + side, x : x + side] = True
    return out


def by_hand(predicted, truth, ignored):
    """The same from the definitions, pixel for pixel over the whole picture."""
    around = np.zeros_like(predicted) if ignored is None else ignored
    outlines = [mask & ndimage.binary_dilation(~(mask | around)) for mask in (predicted, truth)]
    limit = max(0.0075 * np.sqrt(np.sum(np.square(predicted.shape))), 1)
    out = []
    for one, other in (outlines, outlines[::-1]):
        far = ndimage.distance_transform_edt(~other) if other.any() else np.full(other.shape, np.inf)
        out += [(one & (far <= limit + 1e-6)).sum(), one.sum()]
    return out


@given(st.integers(0, 2**32 - 1), st.sampled_from([(9, 13), (60, 40), (300, 420), (400, 400)]), st.booleans())
def test_as_defined_on_the_whole_picture(seed, size, ignore):
    random = np.random.default_rng(seed)
    noise = random.normal(size=(3, *size))
    wide = ndimage.gaussian_filter(noise, (0, *[random.uniform(0.5, min(size) / 8)] * 2))
    share = random.uniform(0.02, 0.9)
    bent = np.stack([wide[0], wide[0] + random.uniform(0, 1) * wide[1], wide[2]])
    predicted, truth, ignored = (layer > np.quantile(layer, 1 - share) for layer in bent)
    if not ignore:
        ignored = None
    else:
        predicted, truth = predicted & ~ignored, truth & ~ignored
    assert outline_counts(predicted, truth, ignored).tolist() == by_hand(predicted, truth, ignored)


@pytest.mark.parametrize(
    ("size", "shift", "f"),
    [
        # Squares of 20 pixels a side have an outline of 76. Up to the tolerance all of it is matched; past it, of the
        # two sides along the shift all but what sticks out too far, and next to them the ends of one side across.
        ((100, 100), 0, 1.0),  # tolerance 1.06
        ((100, 100), 1, 1.0),
        ((100, 100), 2, (2 * (20 - 2 + 1) + 2 * 1) / 76),
        ((300, 400), 3, 1.0),  # tolerance 3.75
        ((300, 400), 5, (2 * (20 - 5 + 3) + 2 * 3) / 76),
        ((400, 400), 4, 1.0),  # tolerance 4.24
        ((300, 400), 100, 0.0),
    ],
)
def test_shifted_squares(size, shift, f):
    truth, predicted = square(size, 40, 40, 20), square(size, 40 + shift, 40, 20)
    counts = outline_counts(predicted, truth)
    assert counts[1] == counts[3] == 76
    assert boundary_f(counts) == pytest.approx(f)
    assert outline_counts(truth, predicted).tolist() == counts[[2, 3, 0, 1]].tolist()


def test_tolerance_that_a_distance_equals_is_enough():
    assert tolerance((400, 400)) == pytest.approx(np.sqrt(18))
    one, other = square((400, 400), 100, 100, 1), square((400, 400), 103, 103, 1)  # sqrt(18) apart
    assert outline_counts(one, other).tolist() == [1, 1, 1, 1]
    assert outline_counts(one, square((400, 400), 104, 103, 1)).tolist() == [0, 1, 0, 1]
    assert tolerance((20, 20)) == 1


def test_edges_of_pictures_and_of_ignored_regions_outline_nothing():
    whole = np.ones((30, 30), bool)
    assert outline_counts(whole, whole).tolist() == [0, 0, 0, 0]
    half = np.zeros((30, 30), bool)
    half[:15] = True
    assert outline_counts(half, half).tolist() == [30, 30, 30, 30]
    assert outline_counts(half, half, ~half).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("predicted", "truth", "f"),
    [(None, None, None), (False, False, None), (True, None, 0), (None, True, 0), (False, True, 0), (True, True, 1)],
)
def test_empty_masks(predicted, truth, f):
    masks = [None if full is None else square((40, 40), 5, 5, 10 * full) for full in (predicted, truth)]
    value = float(boundary_f(outline_counts(*masks)))
    assert np.isnan(value) if f is None else value == f


def data(pictures, names=("a", "b")):
    samples = []
    for id, labelled in pictures.items():
        labels = [label for label, _ in labelled]
        masks = Masks.from_dense([mask for _, mask in labelled], (100, 100))
        samples.append(Sample(id, None, Instances(labels, masks=masks), size=(100, 100)))
    return Dataset(samples, names)


def test_evaluate_pools_outlines_over_pictures():
    here, beside, far = (square((100, 100), x, 40, 20) for x in (10, 12, 70))
    truth = data({"1": [(0, here)], "2": [(0, here)], "3": [], "4": [(1, here)]})
    predicted = data({"1": [(0, here)], "2": [(0, beside)], "3": [(0, far)], "4": []})
    result = evaluate(predicted, truth, boxes=False, resamples=200)
    hit = 76 + 40  # of the second picture 2 * (20 - 2 + 1) + 2 * 1, see above
    precision, recall = hit / (3 * 76), hit / (2 * 76)
    figures = {f.class_name: f for f in result.figures if f.name == "boundary F"}
    assert figures["a"].value == pytest.approx(2 * precision * recall / (precision + recall))
    assert figures["b"].value == 0
    assert figures[""].value == pytest.approx(2 * precision * hit / 228 / (precision + hit / 228))
    assert result.figure("segmentation", "mean boundary F").value == pytest.approx(figures["a"].value / 2)
    assert figures["a"].low < figures["a"].value < figures["a"].high


def test_no_outline_is_said():
    mask = square((100, 100), 10, 10, 20)
    result = evaluate(data({"1": [(0, mask)]}), data({"1": []}), boxes=False, resamples=0)
    assert result.figure("segmentation", "boundary F", "a").value == 0  # a false alarm alone
    assert "no outline of this class" in result.figure("segmentation", "boundary F", "b").why
    assert "no true outline" in result.figure("segmentation", "mean boundary F").why
