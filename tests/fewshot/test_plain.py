"""Plain matching against plain loops; what its bank holds; damage."""

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.fewshot import plain as module
from kizu.fewshot.plain import Plain

WIDTH = 12


def cells_of(labels, seed, width=WIDTH):
    """Rows that are about alike, as those behind a ReLU, with a middle of their own for each class."""
    random = np.random.default_rng(seed)
    middle = 1 + np.random.default_rng(7).uniform(0, 1.5, (5, width))
    return np.abs(middle[labels] + 0.2 * random.normal(size=(len(labels), width))).astype(np.float32)


def by_hand(seen, labels, new, classes):
    """The difference of mean cosines with the three nearest cells, from the equation, where every cell is kept."""
    cosine = new @ seen.T / np.outer(np.linalg.norm(new, axis=1), np.linalg.norm(seen, axis=1))
    near = [np.sort(cosine[:, labels == k], axis=1)[:, -3:].mean(1) for k in range(classes + 1)]
    return 40 * np.stack([near[k] - near[0] for k in range(1, classes + 1)], axis=1)


def test_scores_are_differences_of_plain_cosines():
    labels = np.random.default_rng(5).choice([0, 0, 0, 1, 2], 400)
    plain = Plain.fit(cells_of(labels, 1), labels, 2, 0)
    drawn = np.random.default_rng(6).choice(3, 3000)  # several chunks
    new = cells_of(drawn, 2)
    found = plain.score_projected(plain.projected(new))
    assert found.dtype == np.float32 and (plain.classes, plain.channels) == (2, WIDTH)
    assert np.abs(found - by_hand(cells_of(labels, 1).astype(float), labels, new.astype(float), 2)).max() < 1e-3
    assert (found[drawn == 1, 0] > 0).mean() > 0.9
    assert (found[drawn == 0] < 0).mean() > 0.9


def test_channels_may_be_projected_in_parts():
    labels = np.arange(60) % 2
    plain = Plain.fit(cells_of(labels, 1), labels, 1, 0)
    new = cells_of(labels, 2)
    parts = plain.projected(new[:, :5]) + plain.projected(new[:, 5:], first=5)
    assert np.abs(parts - plain.projected(new)).max() < 1e-4


def test_many_axes_are_cut_to_those_that_hold_most():
    labels = np.random.default_rng(5).choice([0, 0, 0, 1], 900)
    wide = module._AXES + 40
    # Of low rank, as the maps of a network are: nothing is lost.
    turn = np.random.default_rng(8).normal(size=(WIDTH, wide)).astype(np.float32)
    seen, new = cells_of(labels, 1) @ turn, cells_of(labels, 2) @ turn
    plain = Plain.fit(seen, labels, 1, 0)
    assert plain.arrays["plain.axes"].shape == (wide, module._AXES)
    expected = by_hand(seen.astype(float), labels, new.astype(float), 1)
    assert np.abs(plain.score_projected(plain.projected(new)) - expected).max() < 1e-2


def test_the_bank_holds_the_ground_first_and_is_drawn_where_there_is_much(monkeypatch):
    monkeypatch.setattr(module, "_GROUND", 50)
    monkeypatch.setattr(module, "_CLASS", 20)
    labels = np.repeat([0, 1, 2], (300, 15, 90))
    seen = cells_of(labels, 1)
    plain, again, other = (Plain.fit(seen, labels, 2, seed) for seed in (0, 0, 1))
    assert plain.arrays["plain.ends"].tolist() == [50, 65, 85]
    assert all(np.array_equal(plain.arrays[name], again.arrays[name]) for name in plain.arrays)
    assert not np.array_equal(plain.arrays["plain.bank"], other.arrays["plain.bank"])
    assert np.allclose(np.linalg.norm(plain.arrays["plain.bank"], axis=1), 1, atol=1e-4)
    # An eighth of each, so that the coarse look takes an eighth of the time.
    assert plain._thin[1].tolist() == [7, 9, 12]
    rough = plain.score_projected(plain.projected(seen), thinned=True)
    assert np.corrcoef(rough.ravel(), plain.score_projected(plain.projected(seen)).ravel())[0, 1] > 0.9


def test_a_class_without_cells_is_as_unlike_as_can_be():
    labels = np.repeat([0, 2], 40)
    plain = Plain.fit(cells_of(labels, 1), labels, 2, 0)
    found = plain.score_projected(plain.projected(cells_of(labels, 2)))
    assert (found[:, 0] < -40).all() and (found[labels == 2, 1] > 0).all()


@pytest.mark.parametrize(
    "name, damage",
    [
        ("ends", lambda ends: ends + 1),
        ("ends", lambda ends: ends[::-1]),
        ("ends", lambda ends: ends[:1]),
        ("bank", lambda bank: bank[:-1]),
        ("bank", lambda bank: bank[:, :-1]),
        ("axes", lambda axes: axes[0]),
    ],
)
def test_damaged_arrays_are_refused(name, damage):
    labels = np.arange(60) % 3
    arrays = Plain.fit(cells_of(labels, 1), labels, 2, 0).arrays
    arrays[f"plain.{name}"] = damage(arrays[f"plain.{name}"])
    with pytest.raises(KizuError, match="contradict"):
        Plain(arrays)
