"""Fitted inspectors that several tests look at, each made once."""

import numpy as np
import pytest
from fewshot_scenes import supported

from kizu.core.dataset import Dataset
from kizu.fewshot.fit import fit_fewshot
from kizu.synth.line import product_line


@pytest.fixture(scope="session")
def line() -> Dataset:
    """The granite line, small: 16 pictures to fit from, 16 to test on."""
    drawn = product_line(16, 16, size=96, seed=3)
    return Dataset(list(drawn), drawn.names, drawn.info)


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
