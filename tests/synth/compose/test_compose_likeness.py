"""Segments go on surfaces like their own."""

import numpy as np
import pytest
from compose_lines import composition, line, stock

from kizu.synth.compose.likeness import Likeness, surface


def plate(kind, seed, size=(120, 160)):
    """A picture of a surface: smooth, rough, or brushed along x or y."""
    random = np.random.default_rng(seed)
    base = {"dark": 60, "bright": 190}.get(kind, 128)
    grain = random.normal(0, {"rough": 25}.get(kind, 3), size)
    if kind in ("along", "across"):
        stripes = random.normal(0, 14, size[0] if kind == "along" else size[1])
        grain = grain + (stripes[:, None] if kind == "along" else stripes[None])
    image = np.repeat((base + grain)[:, :, None], 3, 2)
    if kind == "red":
        image[:, :, 0] += 50
    return image.clip(0, 255).astype(np.uint8)


KINDS = ("smooth", "rough", "along", "across", "dark", "bright", "red")


def test_the_same_surface_is_nearer_than_any_other():
    free = np.ones((120, 160), bool)
    first = np.stack([surface(plate(kind, 1), free) for kind in KINDS])
    second = np.stack([surface(plate(kind, 2), free) for kind in KINDS])
    scale = first.std(0)
    away = (((first[:, None] - second[None]) / scale) ** 2).sum(2)
    assert away.argmin(1).tolist() == list(range(len(KINDS)))


def test_what_is_not_free_does_not_count():
    image = plate("smooth", 1)
    free = np.ones(image.shape[:2], bool)
    clean = surface(image, free)
    image[40:80, 40:120] = 0
    free[36:84, 36:124] = False
    assert np.abs(surface(image, free) - clean).max() < 0.35
    assert np.abs(surface(image, np.ones_like(free)) - clean).max() > 0.8


@pytest.mark.parametrize("share, expected", [(1.0, 200), (0.25, 50), (0.01, 24)])
def test_as_many_as_the_share(share, expected):
    random = np.random.default_rng(0)
    places = random.normal(0, 1, (200, 3)).astype(np.float32)
    chosen = Likeness(places, np.zeros(200, int), share).rows(places[7])
    assert len(chosen) == expected
    assert 7 in chosen
    away = ((places - places[7]) ** 2 / places.std(0) ** 2).sum(1)
    assert away[chosen].max() <= np.delete(away, chosen).min(initial=np.inf)


def test_a_class_of_other_surfaces_stays_away():
    places = np.repeat([[0.0, 0.0], [5.0, 5.0]], 100, 0).astype(np.float32)
    places += np.random.default_rng(0).normal(0, 0.1, places.shape)
    labels = np.repeat([0, 1], 100)
    labels[3] = 1  # one of the second class on the first surface, by mistake
    chosen = Likeness(places, labels, 0.4).rows(np.zeros(2, np.float32))
    assert set(labels[chosen].tolist()) == {0}
    assert 3 not in chosen


def test_of_pictures_and_of_margins():
    of_pictures = stock().surfaces(line())
    of_margins = stock().surfaces(None)
    assert of_pictures.shape == of_margins.shape == (len(stock()), 6)
    assert np.isfinite(of_pictures).all() and np.isfinite(of_margins).all()
    # One product, one surface: both say about the same of its brightness.
    assert abs(np.median(of_pictures[:, 0]) - np.median(of_margins[:, 0])) < 0.2


def test_a_composition_with_and_without():
    source = composition(6, seed=1, likeness=1.0)
    assert source._planner._likeness is None, "without surfaces any segment goes anywhere"
