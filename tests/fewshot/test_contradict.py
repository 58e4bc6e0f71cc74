"""A picture that is there twice is told, and whether its labels agree; another picture is not."""

import numpy as np
import pytest
from fewshot_scenes import supported, surface

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.fewshot.contradict import repeated
from kizu.fewshot.fit import fit_fewshot

DISC = surface(0, [(20, 20)])


def labelled(id, labels):
    return DISC.replace(id=id, instances=DISC.instances.replace(labels=np.array(labels, np.int32)))


CASES = {
    "the same": ([0], [0], "xx", ["with the same labels"]),
    "another class": ([0], [1], "xx", ["differ in where a, b is"]),
    "no class that is wanted": ([0], [2], "xx", ["differ in where a, another class is"]),
    "other pictures": ([0], [1], "xy", []),
}


@pytest.mark.parametrize(("one", "two", "digests", "told"), CASES.values(), ids=list(CASES))
def test_what_is_told(one, two, digests, told):
    found = repeated(["a", "b"], [labelled("1.png", one), labelled("2.png", two)], digests)
    assert len(found) == len(told)
    for sentence, what in zip(found, told, strict=True):
        assert "1.png and 2.png are the same picture" in sentence and what in sentence


def test_a_good_picture_with_a_defect_is_told():
    good = DISC.replace(id="good.png", instances=Instances.empty(DISC.size))
    (sentence,) = repeated(["disc"], [DISC, good], "xx")
    assert "differ in where disc is" in sentence


def test_outlines_of_two_hands_agree():
    mask = DISC.instances.masks.union()
    other = np.roll(mask, 2, axis=1)
    two = DISC.replace(id="2.png", instances=Instances([0], masks=type(DISC.instances.masks).from_dense(other[None])))
    (sentence,) = repeated(["disc"], [DISC, two], "xx")
    assert "with the same labels" in sentence


def test_good_pictures_that_are_there_twice_are_nobodys_mistake():
    good = DISC.replace(id="good.png", instances=Instances.empty(DISC.size))
    assert not repeated(["disc"], [good, good.replace(id="again.png")], "xx")


def test_the_card_says_it():
    good = DISC.replace(id="good.png", group="", instances=Instances.empty(DISC.size))
    samples = [DISC, surface(1, [(40, 30)]), surface(2), good]
    model, _ = fit_fewshot(supported(Dataset(samples, ["disc"])))
    assert any(f"{DISC.id} and good.png are the same picture" in note for note in model.card.notes)
