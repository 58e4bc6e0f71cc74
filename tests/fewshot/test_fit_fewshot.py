"""From a few labelled pictures to an inspector that finds what it has not seen, and says what to expect of it."""

import json

import cv2
import numpy as np
import pytest
from fewshot_scenes import supported, surface
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score

from kizu import __version__
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot import FewShotInspector, holdout
from kizu.fewshot.fit import fit_fewshot, steps
from kizu.fewshot.support import Support, choose_support
from kizu.inspection import tiling


def overlap(instances, sample):
    """IoU of all finds with all of the truth."""
    found, truth = instances.masks.union(), sample.instances.masks.union()
    return (found & truth).sum() / max((found | truth).sum(), 1)


# --- on a made product line ---


def test_it_finds_defects_on_pictures_it_has_not_seen(fitted, line):
    inspector, _, _ = fitted
    test = line.split("test")
    peaks = [float(inspector.inspect(sample.image)[1].max()) for sample in test]
    bad = [bool(len(sample.instances)) for sample in test]
    assert sum(bad) == 8
    assert roc_auc_score(bad, peaks) >= 0.8
    # Pixel by pixel too: the maps know where.
    maps = np.concatenate([inspector.inspect(sample.image)[1].max(0).ravel() for sample in test])
    truth = np.concatenate([sample.instances.masks.union().ravel() for sample in test])
    assert roc_auc_score(truth, maps) >= 0.85


def test_what_inspect_returns(fitted, line):
    inspector, _, _ = fitted
    sample = line.split("train")[1]
    instances, maps = inspector.inspect(sample.image)
    assert isinstance(inspector, FewShotInspector)
    assert inspector.names == line.names
    assert maps.shape == (3, 96, 96)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1
    assert instances.masks.size == (96, 96)
    assert len(instances) and (instances.scores >= 0.5).all(), "a labelled picture itself is found"
    assert np.array_equal((maps >= 0.5).any(0), instances.masks.union())
    more, _ = inspector.inspect(sample.image, 0.05)
    assert len(more) >= len(instances)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 40), (31, 47), (97, 121)])
def test_pictures_of_any_size(fitted, size, random):
    instances, maps = fitted[0].inspect(random.integers(0, 256, (*size, 3), np.uint8))
    assert maps.shape == (3, *size)
    assert np.isfinite(maps).all()
    assert instances.masks.size == size


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures(fitted, value):
    _, maps = fitted[0].inspect(np.full((50, 61, 3), value, np.uint8))
    assert np.isfinite(maps).all()


def test_the_card_says_what_it_is(fitted, line):
    inspector, expected, support = fitted
    card = inspector.card
    assert (card.kind, card.classes, card.version) == ("fewshot", ["scratch", "stain", "chip"], __version__)
    assert card.preprocessing and card.architecture and card.threshold_method
    roles = {record["role"]: record for record in card.data}
    train = set(line.split("train").ids)
    assert roles["support"]["ids"] == [sample.id for sample in support.labelled]
    assert roles["support"]["images"] == len(support.labelled) == 8
    assert roles["support"]["source"] == ["kizu line"]
    assert roles["clean"]["images"] == len(roles["clean"]["ids"]) == 8
    assert set(roles["support"]["ids"]) | set(roles["clean"]["ids"]) == train
    assert set(card.figures) == set(card.thresholds) == set(card.classes)
    for name, item, rule in zip(card.classes, expected, inspector.rules, strict=True):
        assert card.thresholds[name] == pytest.approx(rule.region, abs=1e-5)
        assert card.figures[name]["iou"] == item.iou
        assert 0 <= item.iou <= 1 and 0 <= item.escapes <= 1 and 0 <= item.false_alarms <= 1
        assert item.clean == 8
        assert not item.promised
    (note,) = [note for note in card.notes if "too few" in note]
    assert "8 good pictures are too few to promise 5.0% false alarms (58 would do)" in note
    assert not [note for note in card.notes if "Uncalibrated" in note]
    assert json.loads(card.to_json())["figures"]["chip"]["clean"] == 8


def test_no_good_picture_that_was_held_out_fires(fitted):
    """Eight pictures cannot promise 5 %, so the strictest threshold is in force: none of them fires."""
    _, expected, _ = fitted
    assert [item.false_alarms for item in expected] == [0, 0, 0]


def test_without_good_pictures(scratches):
    inspector, expected, _ = scratches
    assert any("Uncalibrated for false alarms" in note and "--clean" in note for note in inspector.card.notes)
    assert [record["role"] for record in inspector.card.data] == ["support"]
    assert (expected[0].false_alarms, expected[0].clean, expected[0].promised) == (None, 0, False)
    assert "no good pictures were given" in inspector.card.threshold_method


def test_saved_and_loaded(fitted, line, tmp_path):
    inspector, _, _ = fitted
    inspector.save(tmp_path / "line.kizu")
    loaded = Inspector.load(tmp_path / "line.kizu")
    assert type(loaded) is FewShotInspector
    assert loaded.card == inspector.card
    for sample in line.split("test")[:4]:
        (a, first), (b, second) = inspector.inspect(sample.image, 0.1), loaded.inspect(sample.image, 0.1)
        assert np.array_equal(first, second)
        assert a.masks == b.masks
        assert np.array_equal(a.scores, b.scores)
        assert np.array_equal(a.labels, b.labels)
    loaded.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == (tmp_path / "line.kizu").read_bytes()
    assert all(values.dtype.kind in "if" for values in load_file(tmp_path / "line.kizu").values())


def test_the_same_support_and_seed_give_the_same_model(scratches, line, tmp_path):
    inspector, _, support = scratches
    models = [inspector, fit_fewshot(support)[0], fit_fewshot(support, seed=1)[0]]
    for k, model in enumerate(models):
        model.save(tmp_path / str(k))
    first, again, other = ((tmp_path / str(k)).read_bytes() for k in range(3))
    assert first == again
    assert first != other


# --- on surfaces with dark discs ---


@pytest.fixture(scope="module")
def discs():
    """(inspector, expected) from one labelled picture and six good ones."""
    samples = [surface(0, [(20, 20), (40, 60)])] + [surface(i) for i in range(1, 7)]
    return fit_fewshot(supported(Dataset(samples, ["disc"])))


def test_one_shot_works(discs):
    inspector, expected = discs
    assert any("No other labelled picture shows disc" in note for note in inspector.card.notes)
    assert expected[0].iou > 0.5
    assert expected[0].escapes == 0
    for seed in (20, 21):
        sample = surface(seed, [(30, 15 + seed), (30, 65)])
        instances, _ = inspector.inspect(sample.image)
        assert len(instances) == 2
        assert overlap(instances, sample) > 0.7
        clean, maps = inspector.inspect(surface(seed + 10).image)
        assert len(clean) == 0
        assert maps.max() < 0.5


@pytest.fixture
def seen_whole(discs, monkeypatch):
    """A picture beyond the size of a tile, and what is found on it in one piece."""
    image = surface(50, [(y, x) for y in range(40, 1200, 130) for x in range(30, 1000, 120)], (1216, 1024)).image
    monkeypatch.setattr(tiling, "SIZE", 4096)
    whole = discs[0].inspect(image)
    monkeypatch.undo()
    return image, whole


def test_a_large_picture_in_tiles_gives_the_same(discs, seen_whole):
    image, (whole, whole_maps) = seen_whole
    assert len(tiling.plan(image.shape[:2], 2)) > 1
    cut, maps = discs[0].inspect(image)
    assert len(cut) == len(whole) == 9 * 9
    assert (cut.masks.union() ^ whole.masks.union()).sum() < 0.005 * whole.masks.union().sum()
    assert ((maps >= 0.5) != (whole_maps >= 0.5)).mean() < 1e-4
    assert np.quantile(np.abs(maps - whole_maps), 0.999) < 0.05


def test_other_classes_are_neither_found_nor_ground():
    """Bright bars are labelled but not asked for: no rule of theirs is made, and they do not count as mistakes."""
    samples = []
    for i in range(4):
        sample = surface(i, [(20, 20 + 10 * i)])
        image, mask = sample.image.copy(), np.zeros((64, 80), bool)
        mask[45:50, 10:60] = True
        image[mask] = 250
        both = Instances.concat([sample.instances, Instances([1], masks=Masks.from_dense(mask[None]))])
        samples.append(sample.replace(image=image, instances=both))
    inspector, (expected,) = fit_fewshot(supported(Dataset(samples, ["disc", "bar"]), ["disc"]))
    assert inspector.names == ("disc",)
    assert expected.iou > 0.6
    assert inspector.inspect(samples[0].image)[1].shape[0] == 1


def test_several_classes_are_told_apart():
    samples = []
    for i in range(6):
        sample = surface(i, [(20, 20 + 8 * i)])
        image, mask = sample.image.copy(), np.zeros((64, 80), bool)
        cv2.circle(view := mask.view(np.uint8), (15 + 9 * i, 45), 6, 1, -1)
        image[view.astype(bool)] = 245
        both = Instances.concat([sample.instances, Instances([1], masks=Masks.from_dense(mask[None]))])
        samples.append(sample.replace(image=image, instances=both))
    data = Dataset([*samples[:4], *(surface(i) for i in range(10, 16))], ["dark", "bright"])
    inspector, expected = fit_fewshot(supported(data))
    for sample in samples[4:]:
        instances, _ = inspector.inspect(sample.image)
        assert sorted(instances.labels.tolist()) == [0, 1]
        for label in (0, 1):
            assert overlap(instances[instances.labels == label], sample.replace(
                instances=sample.instances[sample.instances.labels == label]
            )) > 0.5  # fmt: skip
    assert [item.escapes for item in expected] == [0, 0]


def test_classes_on_different_pictures_do_not_escape_from_each_other():
    samples = [surface(i, [(20, 30)]) for i in range(3)] + [surface(i, [(40, 50)], label=1) for i in range(3, 6)]
    for i, sample in enumerate(samples[3:], 3):
        image = sample.image.copy()
        image[sample.instances.masks.union()] = 250
        samples[i] = sample.replace(image=image)
    _, expected = fit_fewshot(supported(Dataset(samples, ["dark", "bright"])))
    assert [item.escapes for item in expected] == [0, 0]


def test_a_defect_of_one_pixel():
    samples = []
    for i in range(3):
        mask, sample = np.zeros((1, 64, 80), bool), surface(i)
        mask[0, 30 + i, 41 - 7 * i] = True
        image = sample.image.copy()
        image[mask[0]] = 0
        found = Instances([0], masks=Masks.from_dense(mask))
        samples.append(sample.replace(image=image, instances=found))
    inspector, (expected,) = fit_fewshot(supported(Dataset(samples, ["dot"])))
    assert expected.iou > 0
    for sample in samples:  # nothing on the picture is likelier
        scores = inspector.inspect(sample.image)[1][0]
        peak = np.unravel_index(scores.argmax(), scores.shape)
        assert np.abs(np.argwhere(sample.instances.masks.union())[0] - peak).max() <= 2


def test_a_picture_that_is_all_defect():
    full = Instances([0], masks=Masks.from_dense(np.ones((1, 64, 80), bool)))
    bad = [surface(i).replace(image=np.full((64, 80, 3), 40 + i, np.uint8), instances=full) for i in range(2)]
    good = [surface(i) for i in range(5, 9)]
    inspector, _ = fit_fewshot(supported(Dataset(bad + good, ["dark"])))
    assert len(inspector.inspect(bad[0].image)[0]) == 1
    assert len(inspector.inspect(good[0].image)[0]) == 0
    with pytest.raises(KizuError, match=r"no ground.*good pictures"):
        fit_fewshot(supported(Dataset(bad, ["dark"])))


def test_empty_masks():
    none = Instances([0], masks=Masks.from_dense(np.zeros((1, 64, 80), bool)))
    samples, good = [surface(i).replace(instances=none) for i in range(2)], surface(5, [(30, 30)])
    with pytest.raises(KizuError, match=r"no labelled picture was found that can be used.*mask of disc has no pixel"):
        choose_support(Dataset(samples, ["disc"]), None, None, None, 0, Skips())
    with pytest.raises(KizuError, match="class 'disc': none of its labelled pictures has a pixel"):
        fit_fewshot(Support(("disc",), samples, []))
    skips = Skips()
    support = choose_support(Dataset([*samples, good], ["disc"]), None, None, None, 0, skips)
    assert [item["item"] for item in skips.items] == [sample.id for sample in samples]
    (one, expected), (alone, known) = fit_fewshot(support), fit_fewshot(supported(Dataset([good], ["disc"])))
    assert (one.rules, expected) == (alone.rules, known), "nothing is judged by them"
    assert any("No other labelled picture shows disc" in note for note in one.card.notes)


def test_a_picture_that_is_there_twice_is_left_out_with_its_copy():
    one = surface(5, [(30, 30)])
    support = supported(Dataset([one, one.replace(id="copy.png"), surface(6)], ["disc"]))
    assert holdout.Parting.of(support.labelled, support.clean, 1).lost[0] == {0}
    inspector, _ = fit_fewshot(support)
    assert any("copy.png are the same picture, with the same labels" in note for note in inspector.card.notes)
    assert any("No other labelled picture shows disc" in note for note in inspector.card.notes)
    # A group and a copy bring together what neither does alone.
    others = [surface(i, [(30, 30)]) for i in range(6, 9)]
    folds, _, _ = holdout.folds([one, *others, one.replace(id="copy.png", group="g"), others[0].replace(group="g")], [])
    assert folds[0] == folds[1] == folds[4] == folds[5] and len(set(folds)) == 3


def test_pictures_of_16_bits_and_of_different_sizes(tmp_path):
    samples = []
    for i, scale in enumerate((1, 2, 1)):
        sample = surface(i, [(30, 30)])
        size = (scale * sample.size[1], scale * sample.size[0])
        grey = cv2.resize(sample.image[:, :, 0], size, interpolation=cv2.INTER_LINEAR).astype(np.uint16) * 16  # 12 bits
        mask = cv2.resize(sample.instances.masks.dense(0).view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / f"{i}.png"), grey)
        found = Instances([0], masks=Masks.from_dense(mask[None] > 0))
        samples.append(Sample(f"{i}.png", path=tmp_path / f"{i}.png", instances=found, size=grey.shape))
    inspector, (expected,) = fit_fewshot(supported(Dataset(samples, ["disc"])))
    assert expected.escapes == 0 and expected.iou > 0.5
    for sample in samples:
        assert overlap(inspector.inspect(sample.image)[0], sample) > 0.5


def test_good_pictures_that_cannot_be_read_are_passed_over():
    clean = [surface(i) for i in range(4)] + [Sample("gone.png", path="nowhere/gone.png", size=(64, 80))]
    support = Support(("disc",), [surface(9, [(30, 30)])], clean, 5)
    skips, done = Skips(), []
    _, (expected,) = fit_fewshot(support, skips=skips, step=lambda: done.append(1))
    assert [item["item"] for item in skips.items] == ["gone.png"]
    assert expected.clean == 4
    assert 0 < len(done) <= steps(support)
    with pytest.raises(KizuError, match=r"gone\.png"):
        fit_fewshot(support, skips=Skips(strict=True))


def test_steps_are_counted_right(line):
    support = supported(line.split("train"), ["stain"], shots=1)
    done = []
    fit_fewshot(support, step=lambda: done.append(1))
    assert len(done) == steps(support)


@pytest.mark.parametrize("alarms", [0, 1, -1, 2.5, float("nan")])
def test_a_share_of_false_alarms_that_is_none(alarms, scratches):
    with pytest.raises(KizuError, match="not a share between 0 and 1"):
        fit_fewshot(scratches[2], false_alarms=alarms)


def test_near_duplicates_are_left_out_together():
    """Two turns of one part would tell on each other: held out, they are scored by a model that saw neither."""
    samples = [surface(i, [(30, 20 + 9 * i)]) for i in range(6)]
    for sample, group in zip(samples, "aabbcc", strict=True):
        sample.group = group
    support = supported(Dataset(samples, ["disc"]))
    folds, _, _ = holdout.folds(support.labelled, [])
    for group in "abc":
        assert len({fold for fold, sample in zip(folds, support.labelled, strict=True) if sample.group == group}) == 1
    assert len(set(folds)) == 3
    many, _, count = holdout.folds([surface(i) for i in range(13)], [])
    assert len(set(many)) == count == 5
    twin, lone = surface(20), surface(21)
    twin.group = "b"
    labelled, clean, _ = holdout.folds(support.labelled, [twin, lone])
    own = next(fold for fold, sample in zip(labelled, support.labelled, strict=True) if sample.group == "b")
    assert clean[0] == own, "a good twin of a labelled picture is left out with it"
    assert holdout.folds(support.labelled[:1], [lone, surface(22)])[2] == 2
