"""The rule of GFDS, against loops written from its description, and torch; and the inspector that goes by it."""

import cv2
import numpy as np
import pytest
from fewshot_scenes import supported, surface
from sklearn.metrics import roc_auc_score

import kizu
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.fewshot import GfdsInspector, gfds
from kizu.fewshot.gfds import GRID, SIDE, cells_of, match, nearest, remember, smoothed, unit, vectors_of, widen
from kizu.fewshot.gfds_fit import UNCALIBRATED, fit_gfds, steps
from kizu.fewshot.network import NAME, Network, shipped
from kizu.fewshot.support import Support
from kizu.models import store


def marked(sample, mask, label=0):
    """The picture with one mask (H, W) as all of its labels."""
    return sample.replace(instances=Instances([label], masks=Masks.from_dense(mask[None])))


def dot(size, y, x):
    mask = np.zeros(size, bool)
    mask[y, x] = True
    return mask


def resized(layers, size, corners):
    """Bilinear interpolation of maps (K, h, w) by torch."""
    torch = pytest.importorskip("torch")
    wide = torch.nn.functional.interpolate(
        torch.tensor(np.asarray(layers, np.float64))[None], size, mode="bilinear", align_corners=corners
    )
    return wide[0].numpy()


# --- the rule ---


def by_loops(query, pictures):
    """10 (s_f - s_b) of query vectors, one after the other, from (vectors (4096, C), mask (256, 256)) of pictures."""
    front, back = [], []
    for vectors, mask in pictures:
        cells = sorted({(int(y) // 4, int(x) // 4) for y, x in np.argwhere(mask)})
        own = [vectors[64 * y + x].astype(np.float64) for y, x in cells]
        if len(own) > 10:
            own = [(own[i] + own[i + 1] + own[i + 2]) / 3 for i in range(len(own) - 2)]
        front += own
        back += [vectors[i].astype(np.float64) for i in range(64 * 64) if (i // 64, i % 64) not in cells]

    def most(q, bank):
        return max(float(q @ v) / (np.linalg.norm(q) * np.linalg.norm(v)) for v in bank)

    return [10 * (most(q, front) - most(q, back)) for q in query.astype(np.float64)]


@pytest.mark.parametrize(
    "patches", [[(40, 41, 90, 91), (200, 202, 3, 4)], [(30, 75, 60, 100), (9, 10, 9, 10)]], ids=str
)
def test_the_rule_is_that_of_plain_loops(patches, monkeypatch):
    """One mask of a pixel and one on two cells; then one of a hundred cells, which are smoothed, and a pixel."""
    monkeypatch.setattr(gfds, "vectors_of", lambda image: image)  # vectors instead of pictures
    random = np.random.default_rng(1)
    pictures = []
    for top, bottom, left, right in patches:
        mask = np.zeros((SIDE, SIDE), bool)
        mask[top:bottom, left:right] = True
        pictures.append((random.normal(0.3, 1, (GRID * GRID, 4)).astype(np.float32), mask))
    shots = [remember(vectors, {0: mask}) for vectors, mask in pictures]
    query = random.normal(0.3, 1, (GRID * GRID, 4)).astype(np.float32)
    odds = match(unit(query), shots, [0])
    assert odds.shape == (1, GRID, GRID) and odds.dtype == np.float32
    some = random.choice(GRID * GRID, 12, replace=False)
    assert np.allclose(odds.ravel()[some], by_loops(query[some], pictures), atol=1e-4)


@pytest.mark.parametrize("count", [1, 10, 11, 40])
def test_foreground_is_averaged_where_there_is_more_than_ten(count):
    vectors = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    found = smoothed(vectors)
    assert found.dtype == np.float32
    if count <= 10:
        assert np.array_equal(found, vectors)
    else:
        assert np.allclose(found, [vectors[i : i + 3].mean(0) for i in range(count - 2)], atol=1e-6)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (3, 4), (130, 77), (255, 255)])
def test_one_pixel_is_one_cell(y, x):
    assert np.flatnonzero(cells_of(dot((SIDE, SIDE), y, x))).tolist() == [y // 4 * GRID + x // 4]


@pytest.mark.parametrize("size", [(512, 128), (64, 1024), (256, 256), (300, 700)], ids=str)
def test_masks_are_resized_and_cut_at_30(size):
    mask = np.zeros(size, bool)
    mask[size[0] // 5 : size[0] // 2, size[1] // 3 : size[1] // 3 * 2] = True
    mask |= np.random.default_rng(0).random(size) < 0.002
    small = np.round(resized(mask[None] * 255.0, (SIDE, SIDE), corners=False)[0]) > 30
    expected = [small[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].any() for y in range(GRID) for x in range(GRID)]
    assert np.array_equal(cells_of(mask), expected)


def test_cells_take_the_map_of_their_size_as_it_is():
    """And the coarser ones interpolated, as torch does; the picture need not be square."""
    image = np.random.default_rng(0).integers(0, 256, (90, 200, 3), np.uint8)
    ((_, maps),) = shipped().look(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    vectors = vectors_of(image)
    assert vectors.shape == (GRID * GRID, shipped().width) and vectors.dtype == np.float32
    expected = np.concatenate([resized(layers, (GRID, GRID), corners=False) for layers in maps])
    assert np.allclose(vectors.T.reshape(-1, GRID, GRID), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(256, 256), (100, 333), (512, 40), (1, 1)], ids=str)
def test_maps_are_widened_as_torch_does(size):
    cells = np.random.default_rng(0).normal(0, 3, (2, GRID, GRID)).astype(np.float32)
    wide = resized(cells, (SIDE, SIDE), corners=True)
    expected = wide if size == (SIDE, SIDE) else resized(wide, size, corners=False)
    found = widen(cells, size)
    assert found.shape == (2, *size) and found.dtype == np.float32
    assert np.allclose(found, expected, atol=2e-3)
    assert np.array_equal(found[np.abs(expected) > 0.01] > 0, expected[np.abs(expected) > 0.01] > 0)


def test_what_is_as_much_like_the_one_as_like_the_other_is_ground():
    assert (widen(np.zeros((1, GRID, GRID), np.float32), (50, 60)) < 0).all()


def test_banks_of_any_size_and_empty_groups(random):
    query, bank = (unit(random.normal(size=(count, 6)).astype(np.float32)) for count in (40, 2500))
    groups = random.random((3, 2500)) < 0.3
    groups[1], groups[2, :2000] = False, False
    found = nearest(query, bank, groups)
    assert np.isneginf(found[1]).all()
    for k in (0, 2):
        assert np.allclose(found[k], [max(q @ v for v in bank[groups[k]]) for q in query], atol=1e-6)


def test_each_class_is_matched_on_its_own(monkeypatch, random):
    """Another class is ground, whether it is asked for or not; a picture without the class has no say."""
    monkeypatch.setattr(gfds, "vectors_of", lambda image: image)
    first, second, query = random.normal(size=(3, GRID * GRID, 4)).astype(np.float32)
    spot, bar = np.zeros((2, SIDE, SIDE), bool)
    spot[20:60, 20:60] = True
    bar[100:110, 30:220] = True
    other = remember(second, {1: np.roll(bar, 90, 0)})
    together = match(unit(query), [remember(first, {0: spot, 1: bar}), other], [0, 1])
    assert np.array_equal(together[:1], match(unit(query), [remember(first, {0: spot})], [0]))
    bars = [remember(first, {1: bar}), other]
    assert np.array_equal(together[1:], match(unit(query), bars, [1]))
    assert not np.array_equal(together[1:], match(unit(query), bars[:1], [1]))


# --- the inspector ---


@pytest.fixture(scope="module")
def line_fit(line):
    """(inspector, expected) of two classes of the line, one labelled picture each."""
    return fit_gfds(supported(line.split("train"), ["scratch", "chip"], shots=1))


@pytest.fixture
def bank(line_fit):
    """Arrays, settings and card of an inspector, to be spoilt."""
    arrays, settings = line_fit[0].state()
    return dict(arrays), dict(settings), line_fit[0].card


def test_it_finds_defects_on_a_product_line(line_fit, line):
    inspector, _ = line_fit
    assert inspector.names == ("scratch", "chip")
    maps, truth = [], []
    for sample in line.split("test"):
        own = sample.instances[np.isin(sample.instances.labels, [line.label(name) for name in inspector.names])]
        if not len(own) or len(truth) == 3:
            continue
        found, odds = inspector.inspect(sample.image)
        assert odds.shape == (2, 96, 96) and odds.dtype == np.float32 and odds.min() >= 0 and odds.max() <= 1
        assert np.array_equal((odds >= 0.5).any(0), found.masks.union())
        assert (found.masks.union() & own.masks.union()).any()
        maps.append(odds.max(0).ravel())
        truth.append(own.masks.union().ravel())
    assert len(truth) == 3
    assert roc_auc_score(np.concatenate(truth), np.concatenate(maps)) >= 0.85


@pytest.mark.parametrize("size", [(1, 1), (31, 470)], ids=str)
def test_pictures_of_any_size_and_flat_ones(line_fit, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found, maps = line_fit[0].inspect(image, 0.1)  # one pixel is a flat picture
    assert maps.shape == (2, *size) and np.isfinite(maps).all()
    assert found.masks.size == size


def test_a_score_is_the_share_of_the_foreground(line_fit, line):
    """The softmax of both logits: 1 / (1 + exp(-10 (s_f - s_b))), of a find the largest within it."""
    inspector, sample = line_fit[0], line.split("train")[1]
    cells = match(unit(vectors_of(sample.image)), inspector.shots, [0, 1])
    odds = np.stack([cv2.resize(layer, (96, 96)) for layer in resized(cells, (SIDE, SIDE), corners=True)])
    found, _ = inspector.inspect(sample.image)
    assert len(found)
    for i, (label, score) in enumerate(zip(found.labels, found.scores, strict=True)):
        peak = odds[label][found.masks[[i]].union()].max()
        assert score == pytest.approx(1 / (1 + np.exp(-peak)), abs=1e-4)


def test_saved_and_loaded(line_fit, line, tmp_path):
    inspector, _ = line_fit
    inspector.save(tmp_path / "m.kizu")
    loaded = Inspector.load(tmp_path / "m.kizu")
    assert type(loaded) is GfdsInspector and loaded.card == inspector.card
    (a, first), (b, second) = (model.inspect(line.split("test")[1].image, 0.2) for model in (inspector, loaded))
    assert np.array_equal(first, second) and a.masks == b.masks and np.array_equal(a.scores, b.scores)
    loaded.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == (tmp_path / "m.kizu").read_bytes()


def without(name):
    return lambda arrays, settings: arrays.pop(name)


def changed(name, change):
    return lambda arrays, settings: arrays.update({name: change(arrays[name])})


def of_one_class(arrays, settings):
    settings["shots"] = [[k for k in shown if k == 0] for shown in settings["shots"]]


SPOILT = {
    "cells missing": (without("cells.000"), "cells.000"),
    "cells cut off": (changed("cells.000", lambda a: a[:-1]), "4096 vectors float32"),
    "cells of another type": (changed("cells.000", lambda a: a.astype(np.float64)), "4096 vectors float32"),
    "channels cut off": (changed("cells.001", lambda a: a[:, :-1]), "expected of picture 2"),
    "foreground cut off": (changed("front.000.0", lambda a: a[:-1]), r"foreground vectors of \d+ values are expected"),
    "mask cut off": (changed("mask.000.0", lambda a: a[:-1]), "are expected in picture 1"),
    "mask of other cells": (changed("mask.000.0", lambda a: a * 0), "0 foreground vectors"),
    "a class missing": (of_one_class, "foreground and background of 2 classes are expected"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=list(SPOILT))
def test_a_damaged_bank_is_refused(bank, spoil, message):
    arrays, settings, card = bank
    spoil(arrays, settings)
    with pytest.raises((KizuError, KeyError), match=message):
        GfdsInspector.from_state(arrays, settings, card)


def test_another_network_is_refused(line_fit, tmp_path, monkeypatch):
    path = tmp_path / "m.kizu"
    line_fit[0].save(path)
    monkeypatch.setattr(Network, "identity", {"name": NAME, "sha256": "0" * 64})
    with pytest.raises(KizuError, match=rf"its bank was made by {NAME} of .* ships {NAME} of 000000000000 .*fit again"):
        Inspector.load(path)
    monkeypatch.undo()
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    with pytest.raises(KizuError, match="are not there; install Kizu again"):
        Inspector.load(path)
    with pytest.raises(KizuError, match="are not there; install Kizu again"):
        fit_gfds(supported(Dataset([surface(0, [(20, 20)])], ["disc"])))


# --- the fit ---


def test_what_is_expected_is_what_the_others_find():
    samples = [surface(i, [(20, 20 + 15 * i)]) for i in range(2)]
    done = []
    support = supported(Dataset(samples, ["disc"]))
    _, (expected,) = fit_gfds(support, lambda: done.append(1))
    right = either = 0
    for sample, other in zip(samples, samples[::-1], strict=True):
        found = fit_gfds(supported(Dataset([other], ["disc"])))[0].inspect(sample.image)[0].masks.union()
        truth = sample.instances.masks.union()
        right, either = right + (found & truth).sum(), either + (found | truth).sum()
    assert expected.iou == pytest.approx(right / either) and expected.iou > 0.3
    assert (expected.escapes, expected.false_alarms, expected.clean, expected.promised) == (0, None, 0, False)
    assert len(done) == steps(support) == 4


@pytest.mark.parametrize("groups", [("a", "a"), (None, "")], ids=str)
def test_near_duplicates_and_the_only_picture_are_not_judged(groups):
    samples = [surface(i, [(20, 20)]) for i in range(2)] if groups[0] else [surface(0, [(20, 20)])]
    for sample, group in zip(samples, groups, strict=False):
        sample.group = group
    inspector, (expected,) = fit_gfds(supported(Dataset(samples, ["disc"])))
    assert (expected.iou, expected.escapes) == (None, None)
    assert inspector.card.notes[-1].startswith("No other labelled picture shows disc")


def test_the_card():
    inspector, _ = fit_gfds(supported(Dataset([surface(0, [(20, 20)]), surface(1)], ["disc"])))
    card = inspector.card
    assert card.kind == "fewshot-gfds"
    assert card.threshold_method == UNCALIBRATED == "uncalibrated: the rule of GFDS knows no threshold"
    assert "Good pictures are not used" in card.notes[0]
    assert [record["role"] for record in card.data] == ["support"]
    assert card.thresholds == {"disc": 0.0}
    assert NAME in card.preprocessing["weights"]


@pytest.mark.parametrize(("size", "lost"), [((SIDE, SIDE), False), ((SIDE * 4, SIDE * 4), True)], ids=str)
def test_a_defect_of_one_pixel(size, lost):
    """At 256 x 256 it is a cell. What resizing loses is ground, as in GFDS; all that is left must be something."""
    picture = marked(surface(0, size=size), dot(size, 100, 100))
    if lost:
        with pytest.raises(KizuError, match="'dot': its masks are too small to be seen at 256 x 256"):
            fit_gfds(supported(Dataset([picture], ["dot"])))
        inspector, _ = fit_gfds(supported(Dataset([picture, surface(1, [(20, 20)])], ["dot"])))
        assert sorted(len(shot.fronts[0]) > 0 for shot in inspector.shots) == [False, True]
        assert any(note.startswith("On 1 of the labelled pictures that show dot") for note in inspector.card.notes)
    else:
        inspector, _ = fit_gfds(supported(Dataset([picture], ["dot"])))
        assert inspector.shots[0].fronts[0].shape == (1, shipped().width)
        found = inspector.inspect(picture.image)[0].masks.union()
        assert found[98:106, 98:106].any() and found.sum() < 200


WRONG = {
    "empty": (np.zeros((64, 80), bool), "class 'disc': none of its labelled pictures has a pixel in its mask"),
    "whole": (np.ones((64, 80), bool), "class 'disc': no ground: its masks cover the labelled pictures whole"),
}


@pytest.mark.parametrize(("mask", "message"), WRONG.values(), ids=list(WRONG))
def test_masks_that_give_nothing_to_match(mask, message):
    with pytest.raises(KizuError, match=message):
        fit_gfds(Support(("disc",), [marked(surface(i), mask) for i in range(2)], []))


def test_from_labels_to_a_report(tmp_path, capsys):
    data = Dataset([surface(0, [(20, 20)]), surface(1)], ["disc"])
    data.write(tmp_path / "line", "coco")
    model = tmp_path / "m.kizu"
    done = kizu.fit(tmp_path / "line", matcher="gfds", shots=1, out=model)
    assert "fitted disc from 1 labelled and 0 good pictures" in done.line
    assert done.expected["disc"]["iou"] is None
    printed = " ".join(capsys.readouterr().err.split())
    assert "unknown" in printed and "Uncalibrated" in printed and "thresholds were chosen" not in printed
    kizu.predict(model, tmp_path / "line", tmp_path / "found")
    assert len(Dataset.open(tmp_path / "found")) == 2
    kizu.report(tmp_path / "found", truth=tmp_path / "line")
    assert UNCALIBRATED in next((tmp_path / "found").rglob("*.html")).read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "x"}, "--network belongs to --matcher sam2"),
        ({"clean": "good"}, "--clean: the rule of GFDS knows no good pictures"),
        ({"false_alarms": 0.1}, "--false-alarms: the rule of GFDS knows no good pictures"),
        ({"augment": "compose"}, "--augment belongs to --matcher kizu"),
        ({"refine": "edges"}, "--refine belongs to --matcher kizu"),
        ({"refine_with": "x"}, "--refine belongs to --matcher kizu"),
        ({"mode": "detector"}, "--matcher belongs to --mode fewshot"),
        ({"turns": False}, "--no-turns belongs to --mode detector, --matcher sam2"),
    ],
    ids=str,
)
def test_options_that_do_not_belong_to_it(tmp_path, options, message):
    with pytest.raises(KizuError, match=message):
        kizu.fit(tmp_path, matcher="gfds", out=tmp_path / "m.kizu", **options)
