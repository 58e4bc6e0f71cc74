"""Fitted inspectors that several tests look at, each made once."""

import numpy as np
import pytest
from fewshot_scenes import supported

from kizu.core.dataset import Dataset
from kizu.fewshot.fit import fit_fewshot
from kizu.synth.line import product_line


@pytest.fixture(scope="session")
def line() -> Dataset:
    """A product line, small, its defects plain to see: in each split 16 pictures, good and bad in turn."""
    keys = {"defects__size": [80, 180], "defects__strength": [2, 3], "label__contrast": 2, "distractors__use": False}
    drawn = product_line(60, 60, size=96, seed=3, **keys)
    chosen = []
    for split in ("train", "test"):
        samples = list(drawn.split(split))
        bad = [sample for sample in samples if len(sample.instances)][:8]
        good = [sample for sample in samples if not len(sample.instances)][:8]
        chosen += [sample for pair in zip(good, bad, strict=True) for sample in pair]
    return Dataset(chosen, drawn.names, drawn.info)


@pytest.fixture(scope="session")
def fitted(line):
    """(inspector, expected, support) of all three classes of the line."""
    support = supported(line.split("train"))
    return (*fit_fewshot(support), support)


@pytest.fixture(scope="session")
def scratches(line):
    """(inspector, expected, support) of one class from two pictures, without any good one."""
    train = line.split("train")
    support = supported(train, ["scratch"], shots=2, clean=train[:0])
    return (*fit_fewshot(support), support)


@pytest.fixture
def random():
    return np.random.default_rng(0)
