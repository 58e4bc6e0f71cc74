"""Strokes that are answered at once: against matching with longer banks, and at last the exact fit."""

import cv2
import numpy as np
import pytest
from fewshot_scenes import supported, surface

import kizu
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.fewshot.blocks import Blocks
from kizu.fewshot.correct import Corrections
from kizu.fewshot.features import describe
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.inspector import mixed
from kizu.fewshot.matching import Matching
from kizu.fewshot.memory import remember
from kizu.fewshot.network import at, shipped
from kizu.fewshot.options import KEPT
from kizu.fewshot.plain import Plain
from kizu.fewshot.support import CLASSES

SIZE = (48, 60)


def bright(seed, place):
    """A surface with a bright disc, of the class disc."""
    sample = surface(seed, [place], SIZE)
    image = sample.image.copy()
    image[sample.instances.masks.union()] = 235
    return sample.replace(image=image)


@pytest.fixture(scope="module")
def inspector():
    """Fitted to dark discs and good pictures, with its memory."""
    samples = [surface(i, [(20, 15 + 10 * i)], SIZE) for i in range(2)] + [surface(i, (), SIZE) for i in (5, 6)]
    support = supported(Dataset(samples, ["disc"]))
    made, _ = fit_fewshot(support)
    remember(made, support, dict(KEPT))
    return made


PICTURES = [bright(20, (20, 20)), bright(21, (30, 40)), surface(22, [(24, 30)], SIZE)]
SPOT, OTHER, DARK = (sample.id for sample in PICTURES)


@pytest.fixture
def corrections(inspector):
    return Corrections(inspector, PICTURES)


def at_disc(odds, sample):
    return float(odds[0][sample.instances.masks.union()].mean())


def test_before_any_stroke_it_says_what_the_inspector_says(corrections, inspector):
    for sample in PICTURES:
        wanted = mixed(inspector.members.maps(sample.image), inspector.mixes, sample.size)
        assert np.array_equal(corrections.odds(sample.id), wanted)
        assert np.array_equal(corrections.inspect(sample.id)[1], inspector.inspect(sample.image)[1])
    assert corrections.ids == [SPOT, OTHER, DARK]


@pytest.mark.parametrize(("size", "step"), [((48, 60), 2), ((47, 61), 2), ((50, 33), 4)])
def test_blocks_that_learned_are_those_of_a_matching_with_longer_banks(inspector, size, step, random, monkeypatch):
    monkeypatch.setattr("kizu.fewshot.matching._CLIP", 1e9)  # which is done before maps are interpolated
    image = surface(30, [(20, 20)], size).image
    matching, plain = inspector.members.matching, inspector.members.plain
    blocks = Blocks(image, inspector.members, step)
    mask = np.zeros(size, bool)
    mask[10:31, 8:20] = True
    cells = blocks.covered(mask, 10)
    assert [len(rows) for rows in cells] == ([10] * 3 if step == 2 else [4] * 3)
    arrays = matching.arrays | plain.arrays
    for name, rows in zip(("match.filters", "match.network", "plain"), cells, strict=True):
        arrays[f"{name}.bank"] = np.concatenate([arrays[f"{name}.bank"], rows])  # the class stands last in a bank
        arrays[f"{name}.ends"] = arrays[f"{name}.ends"] + np.array([0, len(rows)], np.int32)
    weight = random.normal(0, 0.5, arrays["match.weight"].shape).astype(np.float32)
    arrays["match.weight"] = arrays["match.weight"] + weight
    # The same blocks from the features themselves, their middles by the formula of a cell's place.
    ((_, features),), ((_, maps),) = describe(image), shipped().look(image)
    whole = np.pad(features, ((0, -features.shape[0] % step), (0, -features.shape[1] % step), (0, 0)), mode="edge")
    rows, y, x = [], [], []
    for i in range(0, whole.shape[0], step):
        for j in range(0, whole.shape[1], step):
            rows.append(whole[i : i + step, j : j + step].mean((0, 1)))
            y.append(i + (step - 1) / 2)
            x.append(j + (step - 1) / 2)
    inputs = np.array(rows, np.float32), at(maps, np.array(y), np.array(x))
    seen = plain.projected(inputs[1])
    told = [
        np.concatenate([one.score(*inputs)[:, :, 0], other.score_projected(seen)], axis=1)
        for one, other in ((Matching(arrays), Plain(arrays)), (matching, plain))
    ]
    assert np.allclose(blocks.change(np.zeros_like(weight)), 0, atol=1e-6)
    blocks.learn(1, cells)
    change = blocks.change(weight)
    assert change.shape == (3, 1, *features.shape[:2])
    layers = [layer.reshape(blocks.shape) for layer in (told[0] - told[1]).T]
    fine = np.stack([cv2.resize(layer, whole.shape[1::-1]) for layer in layers])  # bilinear
    assert np.abs(fine).max() > 1
    assert np.allclose(change[:, 0], fine[:, : change.shape[2], : change.shape[3]], atol=0.05), "but for half precision"
    blocks.forget()
    assert np.allclose(blocks.change(np.zeros_like(weight)), 0, atol=1e-6)


def test_a_stroke_of_a_class_is_believed_here_and_where_it_looks_alike(corrections):
    before = {sample.id: at_disc(corrections.odds(sample.id), sample) for sample in PICTURES}
    ground = corrections.odds(DARK)[0][:10].mean()
    corrections.stroke(SPOT, [(18, 20), (22, 20)], "disc", 4)
    after = {sample.id: at_disc(corrections.odds(sample.id), sample) for sample in PICTURES}
    assert after[SPOT] > before[SPOT] + 2
    assert after[OTHER] > before[OTHER] + 1
    assert corrections.odds(DARK)[0][:10].mean() < ground + 0.5, "ground stays ground"


def test_a_stroke_of_ground_takes_a_find_away(corrections):
    assert len(corrections.inspect(DARK)[0]) == 1
    corrections.stroke(DARK, [(25, 24), (35, 24)], None, 11)
    assert len(corrections.inspect(DARK)[0]) == 0


def test_a_box_says_what_is_in_it(corrections):
    before = at_disc(corrections.odds(OTHER), PICTURES[1])
    corrections.box(SPOT, (11.2, 11, 29, 28.7), "disc")
    assert at_disc(corrections.odds(OTHER), PICTURES[1]) > before + 1
    corrections.undo()
    corrections.box(SPOT, (11, 11, 29, 29), None)
    assert at_disc(corrections.odds(OTHER), PICTURES[1]) < before


def test_what_is_taken_back_leaves_no_trace(corrections):
    corrections.stroke(SPOT, [(20, 20)], "disc")
    one = corrections.odds(OTHER)
    corrections.stroke(DARK, [(30, 24)], None)
    corrections.stroke(OTHER, [(5, 5), (9, 9)], None)
    assert not np.array_equal(corrections.odds(OTHER), one)
    corrections.undo()
    corrections.undo()
    assert np.array_equal(corrections.odds(OTHER), one)
    corrections.undo()
    assert np.array_equal(corrections.odds(OTHER), Corrections(corrections._inspector, PICTURES).odds(OTHER))
    with pytest.raises(KizuError, match="nothing was drawn"):
        corrections.undo()


def test_the_order_in_which_pictures_are_asked_for_does_not_matter(inspector):
    first, second = (Corrections(inspector, PICTURES) for _ in range(2))
    for corrections, looks in ((first, True), (second, False)):
        for place in ((20, 20), (40, 30)):
            corrections.stroke(SPOT, [place], "disc")
            if looks:
                corrections.odds(OTHER)
        corrections.stroke(DARK, [(5, 5)], None)
    assert np.allclose(first.odds(OTHER), second.odds(OTHER), atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.odds("x.png"), r"x.png: no such picture is open; there are: 20.png"),
        (lambda c: c.stroke(SPOT, [(5, 5)], "dent"), "unknown class 'dent'; there are: disc"),
        (lambda c: c.draw(SPOT, np.zeros((4, 4), bool), None), r"a mask of \(4, 4\) on a picture of \(48, 60\)"),
        (lambda c: c.stroke(SPOT, [(500, 500)], None), "nothing of what was drawn lies on the picture"),
        (lambda c: c.commit(), "nothing was drawn; there is nothing to commit"),
    ],
)
def test_what_cannot_be_drawn(corrections, call, message):
    with pytest.raises(KizuError, match=message):
        call(corrections)


def test_it_is_opened_on_what_is_remembered_and_on_no_twin(inspector):
    with pytest.raises(KizuError, match=r"1\.png: the inspector remembers another picture of this id"):
        Corrections(inspector, [surface(40, (), SIZE, name="1.png")])
    bare = type(inspector)(inspector.card, inspector.members, inspector.mixes, inspector.rules)
    with pytest.raises(KizuError, match="remembers no examples"):
        Corrections(bare, PICTURES)


# --- the exact fit ---


@pytest.fixture
def saved(inspector, tmp_path):
    inspector.save(tmp_path / "old.kizu")
    return tmp_path / "old.kizu"


def test_commit_is_an_update_with_what_was_drawn(saved, tmp_path):
    old = kizu.Inspector.load(saved)
    corrections = Corrections(old, PICTURES)
    line = np.zeros(SIZE, bool)
    line[16:25, 18:23] = True
    corrections.draw(SPOT, line, "disc")
    corrections.draw(DARK, line, None)
    corrections.odds(OTHER)
    committed = corrections.commit()
    drawn = [
        sample.replace(instances=Instances([label], masks=Masks.from_dense(line[None])))
        for sample, label in ((PICTURES[0], 0), (PICTURES[2], 1))
    ]
    Dataset(drawn, ["disc", "ground"]).write(tmp_path / "drawn", "coco")
    kizu.fit(tmp_path / "drawn", update=saved, partial=True, out=tmp_path / "new.kizu")
    updated = kizu.Inspector.load(tmp_path / "new.kizu")
    (arrays, _), (wanted, _) = committed.state(), updated.state()
    assert [name for name, values in arrays.items() if not np.array_equal(values, wanted[name])] == ["memory.examples"]
    assert (committed.rules, committed.mixes, committed.card) == (updated.rules, updated.mixes, updated.card)
    old.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == saved.read_bytes(), "the old one is as it was"


def test_what_is_remembered_is_corrected_as_it_is_labelled(inspector):
    support = inspector.memory.support()
    corrections = Corrections(inspector, [*support.labelled, *support.clean])
    corrections.stroke("0.png", [(40, 40)], "disc", 6)  # another defect on a labelled picture
    corrections.stroke("5.png", [(30, 20)], "disc", 6)  # one on a good picture
    everything = np.ones(SIZE, bool)
    corrections.draw("1.png", everything, None)  # a labelled picture is good
    new = corrections.commit().memory.support()
    assert [sample.id for sample in new.labelled] == ["0.png", "5.png"]
    assert [sample.id for sample in new.clean] == ["1.png", "6.png"]
    assert [sample.meta[CLASSES] for sample in new.labelled] == [["disc", "disc"], ["disc"]]
    assert new.labelled[0].instances.masks.area[0] == 113
