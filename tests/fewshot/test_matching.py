"""Matching against plain loops; what banks hold; damage; and the maps of pictures of any size."""

from dataclasses import replace

import numpy as np
import pytest
from fewshot_scenes import supported, surface
from scipy.ndimage import map_coordinates
from sklearn.linear_model import LogisticRegression

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.fewshot import matching as module
from kizu.fewshot.features import describe
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.matching import Matching, _nearest
from kizu.fewshot.members import PLAIN, WHITENED
from kizu.fewshot.network import at, shipped
from kizu.fewshot.plain import Plain
from kizu.inspection import tiling


def cells_of(labels, width, seed):
    """Rows whose means differ by class, with channels of very different size."""
    random = np.random.default_rng(seed)
    middle = np.random.default_rng(99 + width).normal(size=(5, width)) * 2
    rows = middle[labels] + random.normal(size=(len(labels), width))
    return (rows * np.geomspace(0.01, 100, width)).astype(np.float32)


def fitted(labels, classes, widths=(9, 7), seed=0):
    rows, seen = (cells_of(labels, width, seed + k) for k, width in enumerate(widths))
    return Matching.fit(rows, seen, labels, np.ones(len(labels)), classes, 0), rows, seen


@pytest.mark.parametrize("ends", [[3], [0, 4], [1, 3, 3, 9], [5, 5, 12]], ids=str)
def test_the_three_nearest(ends):
    similar = np.random.default_rng(len(ends)).uniform(-1, 1, (50, ends[-1])).astype(np.float32)
    similar[:, 0] = similar[:, -1]  # equal ones
    out = np.zeros((50, len(ends)), np.float32)
    _nearest(similar, np.array(ends, np.int32), out)
    first = 0
    for k, end in enumerate(ends):
        own = np.sort(similar[:, first:end], axis=1)[:, ::-1][:, :3]
        assert np.allclose(out[:, k], own.mean(1) if own.shape[1] else -1, atol=1e-6)
        first = end


def by_hand(rows, labels, new, classes):
    """The difference of mean cosines of one part, from equations, where every cell is kept."""
    ground = rows[labels == 0].astype(np.float64)
    mean, scale = ground.mean(0), ground.std(0) + 1e-4 * np.abs(ground.mean(0)).max() + 1e-6
    standard, there = (np.clip((values - mean) / scale, -8, 8) for values in (rows, new))
    own = standard[labels == 0]
    spread = own.T @ own / len(own)
    shrunk = 0.9 * spread + 0.1 * np.eye(len(spread)) * np.trace(spread) / len(spread)
    inverse = np.linalg.inv(shrunk)
    # A cosine of whitened vectors: x S^-1 y over the root of x S^-1 x times y S^-1 y.
    lengths = [np.sqrt(np.einsum("ij,jk,ik->i", values, inverse, values)) for values in (there, standard)]
    cosine = there @ inverse @ standard.T / np.outer(*lengths)
    near = [np.sort(cosine[:, labels == k], axis=1)[:, -3:].mean(1) for k in range(classes + 1)]
    return np.stack([near[k] - near[0] for k in range(1, classes + 1)], axis=1)


def test_scores_are_differences_of_whitened_cosines():
    labels = np.random.default_rng(5).choice([0, 0, 0, 1, 2], 400)
    matching, rows, seen = fitted(labels, 2)
    drawn = np.random.default_rng(6).choice(3, 3000)  # several chunks
    new = cells_of(drawn, 9, 7), cells_of(drawn, 7, 8)
    expected = 8 * (by_hand(rows, labels, new[0], 2) + by_hand(seen, labels, new[1], 2))
    found = matching.score(*new)[:, 1]
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 5e-3
    assert (found[drawn == 1, 0] > 0).mean() > 0.9
    assert (found[drawn == 0] < 0).mean() > 0.9


def test_many_axes_are_cut_to_those_that_tell_classes_apart():
    labels = np.random.default_rng(5).choice([0, 0, 0, 1], 600)
    matching, rows, seen = fitted(labels, 1, widths=(module._AXES + 60, 5))
    assert matching.arrays["match.filters.axes"].shape == (module._AXES + 60, module._AXES)
    assert matching.arrays["match.network.axes"].shape == (5, 5)
    found = matching.score(rows, seen)[:, 1, 0]
    assert (found[labels == 1] > 0).mean() > 0.95
    assert (found[labels == 0] < 0).mean() > 0.95


def test_banks_are_bounded_and_drawn_by_the_seed():
    labels = np.repeat([0, 1], [5000, 2000])
    rows, seen = cells_of(labels, 6, 0), cells_of(labels, 4, 1)
    one, same, other = (Matching.fit(rows, seen, labels, np.ones(len(labels)), 1, seed).arrays for seed in (0, 0, 1))
    assert one["match.filters.ends"].tolist() == [module._GROUND, module._GROUND + module._CLASS]
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["match.filters.bank"], other["match.filters.bank"])
    assert np.allclose(np.linalg.norm(one["match.network.bank"], axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("labels", [(0, 2), (1, 2), (0,)], ids=str)
def test_what_was_not_seen_is_like_nothing(labels):
    labels = np.resize(labels, 90)
    matching, rows, seen = fitted(labels, 2)
    found = matching.score(rows, seen)
    assert found.shape == (90, 2, 2)
    assert np.isfinite(found).all()
    for k in (1, 2):
        if k not in labels and 0 in labels:
            assert found[:, :, k - 1].max() < 0


@pytest.mark.parametrize("classes", [1, 2])
def test_the_linear_member_is_that_of_scikit_learn(classes):
    labels = np.random.default_rng(5).choice(classes + 1, 500)
    weights = np.random.default_rng(6).uniform(0.5, 1.5, 500)
    rows, seen = cells_of(labels, 9, 0), cells_of(labels, 7, 1)
    matching = Matching.fit(rows, seen, labels, weights, classes, 0)
    arrays, units = matching.arrays, []
    for part, values in zip(module.PARTS, (rows, seen), strict=True):
        mean, scale, axes = (arrays[f"match.{part}.{name}"] for name in ("mean", "scale", "axes"))
        whitened = np.clip((values - mean) / scale, -8, 8) @ axes
        units.append(whitened / np.linalg.norm(whitened, axis=1, keepdims=True) * np.sqrt(axes.shape[1]))
    both = np.concatenate(units, axis=1)
    share = LogisticRegression(C=module._C, max_iter=1000).fit(both, labels, weights).predict_proba(both)
    expected = np.log(share / (1 - share))[:, 1:]
    assert np.abs(matching.score(rows, seen)[:, 0] - expected).max() < 0.02


WRONG = {
    "another width": ("match.filters.mean", lambda v: v[:-1]),
    "ends beyond the bank": ("match.network.ends", lambda v: v + 1),
    "ends that go back": ("match.network.ends", lambda v: v[::-1].copy()),
    "other classes": ("match.network.ends", lambda v: np.append(v, v[-1])),
    "weights of another width": ("match.weight", lambda v: v[1:]),
    "weights of other classes": ("match.bias", lambda v: v[1:]),
    "a bank of other axes": ("match.filters.bank", lambda v: v[:, 1:]),
}


@pytest.mark.parametrize(("name", "change"), WRONG.values(), ids=list(WRONG))
def test_damaged_banks(name, change):
    arrays = fitted(np.resize([0, 1, 2], 90), 2)[0].arrays
    with pytest.raises(KizuError, match="contradict"):
        Matching(arrays | {name: change(arrays[name])})


@pytest.fixture(scope="module")
def members():
    samples = [surface(0, [(20, 20)]), surface(1, [(40, 30)]), surface(2)]
    return fit_fewshot(supported(Dataset(samples, ["disc"])))[0].members


@pytest.mark.parametrize("step", [2, 4])
def test_maps_are_those_of_blocks(members, monkeypatch, step):
    """Blocks of cells by SciPy's interpolation; every fourth or every eighth pixel."""
    monkeypatch.setattr("kizu.fewshot.members._FINE", 10**9 if step == 2 else 0)
    monkeypatch.setattr("kizu.fewshot.members.suspects", lambda odds: np.ones(odds.shape, bool))
    monkeypatch.setattr(module, "_CLIP", 1e9)  # which is done before maps are interpolated
    image = surface(5, [(30, 30)], size=(61, 83)).image
    ((_, features),), ((_, maps),) = describe(image), shipped().look(image)
    height, width = features.shape[:2]
    blocks = np.mgrid[: -(-height // step), : -(-width // step)] * step
    rows = [
        features[np.ix_(np.clip(y + np.arange(step), 0, height - 1), np.clip(x + np.arange(step), 0, width - 1))]
        for y, x in blocks.reshape(2, -1).T
    ]
    seen = at(maps, *(blocks.reshape(2, -1) + (step - 1) / 2))
    said = {
        4: members.matching.score(np.stack([row.mean((0, 1)) for row in rows]), seen)[:, 1, 0],
        PLAIN: members.plain.score_projected(members.plain.projected(seen))[:, 0],
    }
    places = (np.mgrid[:height, :width] + 0.5) / step - 0.5
    for m, odds in said.items():
        expected = map_coordinates(odds.reshape(blocks.shape[1:]).astype(np.float64), places, order=1, mode="nearest")
        assert np.abs(members.maps(image, {m})[m, 0] - expected).max() < 1e-2


def test_tiles_of_what_is_matched_have_no_seams(members, monkeypatch):
    random = np.random.default_rng(0)
    image = np.kron(random.integers(60, 200, (44, 23, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    whole = members.maps(image)
    monkeypatch.setattr(tiling, "SIZE", 576)
    assert len(tiling.plan(image.shape[:2], 2)) > 2
    cut = members.maps(image)
    monkeypatch.setattr("kizu.fewshot.views._LARGE", 0)  # filters and network side by side
    assert np.array_equal(members.maps(image), cut)
    for m in (*WHITENED, PLAIN):
        assert np.quantile(np.abs(cut[m] - whole[m]), 0.99) < 0.05 * whole[m].std()


def test_members_say_the_same_whoever_else_is_asked(members):
    image = surface(5, [(30, 30)]).image
    whole = members.maps(image)
    for asked in ({0}, {3}, {4}, {5}, {1, 4}, {2, 5}, set()):
        some = members.maps(image, asked)
        assert some.shape == whole.shape
        assert all(np.array_equal(some[m], whole[m]) for m in asked)


@pytest.mark.parametrize(("width", "classes"), [(5, 1), (None, 2)])
def test_members_of_different_features_or_classes_are_refused(members, width, classes):
    labels = np.arange(30) % (classes + 1)
    seen = np.random.default_rng(0).normal(size=(30, width or members.network.width)).astype(np.float32)
    with pytest.raises(KizuError, match="different features or classes"):
        replace(members, plain=Plain.fit(seen, labels, classes, 0))
