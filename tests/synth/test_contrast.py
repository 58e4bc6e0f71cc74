"""Contrast against a dense reference, known scenes, and what has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.contrast import contrasts


def reference(image, masks, parents):
    """The documented formula on whole frames, with SciPy's morphology and sorted values."""
    planes = image.reshape(*image.shape[:2], -1).astype(float)
    owner = np.zeros(image.shape[:2], int)
    for k in sorted(range(len(masks)), key=lambda k: -masks[k].sum()):
        owner[masks[k]] = k + 1
    out = []
    for k, mask in enumerate(masks):
        if not mask.any():
            out.append(0.0)
            continue
        near = ndimage.binary_dilation(mask, np.ones((3, 3)))
        ring = ndimage.binary_dilation(mask, np.ones((13, 13))) & ~near
        parent = ring & (owner == parents[k] + 1) if parents[k] >= 0 else ring & False
        if parent.sum() < 16:
            parent |= ring & (owner == 0)
        best = 0.0
        for c in range(planes.shape[2]):
            values = np.sort(planes[..., c][parent])
            if not len(values):
                continue
            cut = len(values) // 20
            values = values[cut : len(values) - cut]
            mean, deviation = values.mean(), values.std() / 0.7893
            spread = ((planes[..., c][mask] - mean) ** 2).mean() - deviation**2 * (1 + np.sqrt(2 / mask.sum()))
            best = max(best, np.sqrt(max(spread, 0)) / max(deviation, 0.3))
        out.append(best)
    return np.array(out)


def blobs(rng, count, shape):
    """Disjoint masks bool (N, H, W), some of them inside others, and the parents of those."""
    ids = np.zeros(shape, int)
    y, x = np.ogrid[: shape[0], : shape[1]]
    parents = []
    for k in range(count):
        host = int(rng.integers(-1, k)) if k else -1
        inside = np.argwhere(ids == host + 1)
        if not len(inside):
            host, inside = -1, np.argwhere(ids >= 0)
        cy, cx = inside[rng.integers(len(inside))]
        blob = ((y - cy) / rng.uniform(0.5, 12)) ** 2 + ((x - cx) / rng.uniform(0.5, 12)) ** 2 <= 1
        ids[blob & ((ids == host + 1) | (host < 0))] = k + 1
        parents.append(host)
    return np.stack([ids == k + 1 for k in range(count)]), parents


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([(), (1,), (3,)]))
def test_against_a_dense_reference(seed, count, channels):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(12, 70, 2))
    masks, parents = blobs(rng, count, shape)
    image = rng.integers(0, rng.integers(2, 256), (*shape, *channels), np.uint8)
    image[masks[0]] //= 2
    if channels == (1,):
        image = image[..., 0]
    found = Instances(np.zeros(count), masks=Masks.from_dense(masks), parents=parents)
    np.testing.assert_allclose(contrasts(image, found), reference(image, masks, parents), rtol=2e-5, atol=1e-5)


def test_overlapping_masks_give_the_smaller_one_the_pixels():
    rng = np.random.default_rng(3)
    masks = np.zeros((2, 60, 60), bool)
    masks[0, 20:30, 20:30] = True
    masks[1, 5:55, 5:55] = True
    image = rng.integers(90, 110, (60, 60), np.uint8)
    image[masks[0]] += 40
    found = Instances([0, 0], masks=Masks.from_dense(masks), parents=[1, -1])
    np.testing.assert_allclose(contrasts(image, found), reference(image, masks, [1, -1]), rtol=1e-5)


def scene(change, sigma=4.0, shape=(128, 128)):
    """A disc of 20 pixels on noise, and what ``change`` (on the disc's pixels, float) makes of it."""
    rng = np.random.default_rng(7)
    values = rng.normal(120, sigma, shape)
    y, x = np.indices(shape)
    disc = np.hypot(y - 64, x - 64) <= 20
    values[disc] = change(values[disc], x[disc])
    return np.clip(np.round(values), 0, 255).astype(np.uint8), Instances([0], masks=Masks.from_dense(disc[None]))


@pytest.mark.parametrize(
    "change, expected, slack",
    [
        (lambda v, x: v, 0.0, 0.3),
        (lambda v, x: v + 8, 2.0, 0.15),
        (lambda v, x: v - 20, 5.0, 0.3),
        (lambda v, x: v + np.where(x < 64, 12, -12), 3.0, 0.25),  # a bright and a dark lip: no shift of the mean
        (lambda v, x: 120 + 3 * (v - 120), np.sqrt(8), 0.3),  # only rougher
    ],
    ids=["nothing", "brighter", "darker", "lips", "rougher"],
)
def test_known_contrasts(change, expected, slack):
    image, found = scene(change)
    assert contrasts(image, found)[0] == pytest.approx(expected, abs=slack)
    assert contrasts(np.repeat(image[:, :, None], 3, 2), found)[0] == contrasts(image, found)[0]


def test_a_few_stray_pixels_around_do_not_hide_a_defect():
    image, found = scene(lambda v, x: v + 8)
    plain = contrasts(image, found)[0]
    stray = image.copy()
    stray[40:44, 40:44] = stray[64, 86:89] = 255
    assert contrasts(stray, found)[0] == pytest.approx(plain, rel=0.15)


def test_colour_alone_counts():
    image = np.full((40, 40, 3), 100, np.uint8)
    image[15:25, 15:25] = (110, 100, 90)  # the same grey
    found = Instances([0], np.array([[15, 15, 25, 25]], np.float32))
    assert contrasts(image, found)[0] == pytest.approx(10 / 0.3, rel=1e-5)


def test_what_is_not_there_has_no_contrast():
    image = np.full((32, 32), 50, np.uint8)
    dense = np.zeros((2, 32, 32), bool)
    dense[1] = True  # fills the frame: nothing around it
    found = Instances([0, 0], masks=Masks.from_dense(dense))
    assert contrasts(image, found).tolist() == [0, 0]
    assert contrasts(image, Instances.empty((32, 32))).shape == (0,)


def test_boxes_stand_in_for_masks():
    rng = np.random.default_rng(5)
    image = rng.integers(80, 120, (50, 60), np.uint8)
    image[10:20, 12:30] = 200
    box = np.array([[12, 10, 30, 20], [40, 30, 48, 44]], np.float32)
    dense = np.zeros((2, 50, 60), bool)
    dense[0, 10:20, 12:30] = dense[1, 30:44, 40:48] = True
    whole = contrasts(image, Instances([0, 0], masks=Masks.from_dense(dense)))
    np.testing.assert_array_equal(contrasts(image, Instances([0, 0], box)), whole)
    half = Instances(
        [0, 0], box, Masks.from_dense(dense * np.array([1, 0])[:, None, None]), attributes={"has_mask": [True, False]}
    )
    np.testing.assert_array_equal(contrasts(image, half), whole)


@pytest.mark.parametrize(
    "image, size",
    [
        (np.zeros((32, 32), np.float32), (32, 32)),
        (np.zeros((32, 32), np.uint8), (32, 40)),
        (np.zeros(9, np.uint8), (3, 3)),
    ],
)
def test_errors(image, size):
    with pytest.raises(DataError):
        contrasts(image, Instances([0], masks=Masks.from_dense(np.ones((1, *size), bool))))
