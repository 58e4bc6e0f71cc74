"""The label audit of ``kizu check`` on made pictures: all presets, and nodes that are taken back."""

import numpy as np
import pytest

from kizu.formats.check.instances import instance_problems
from kizu.formats.check.labels import label_problems
from kizu.synth.formula import presets
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.scene import Node, Scene
from kizu.synth.formula.source import Formula


def told(found, size, names):
    items = [f"instance {k}" for k in range(len(found))]
    listed = [*label_problems(found, items, "", "x"), *instance_problems(found, items, size, "", "x", names)]
    return [f"{p.kind}: {p.id}: {p.message}" for p in listed]


@pytest.mark.parametrize("name", presets.names())
def test_labels_of_a_preset_agree(name):
    data = Formula(presets.load(name), 4, (160, 200), seed=11).dataset()
    for sample in data:
        assert told(sample.instances, sample.size, data.names) == []


def box(x, y, width, height):
    return Cover(x, y, np.ones((height, width), np.float32))


def test_pixels_of_a_forgotten_node_go_to_what_lies_beneath():
    scene = Scene((60, 60))
    plate = scene.add(Node(box(5, 5, 50, 50), 0))
    fitting = scene.add(Node(box(10, 10, 20, 20), 1, plate))
    defect = scene.add(Node(box(20, 20, 20, 20), 2, plate))  # half on the fitting
    beside = scene.add(Node(box(35, 35, 20, 20), 3))
    before = scene.labels()
    assert told(before, (60, 60), "abcd") == []
    scene.forget(defect)
    after = scene.labels()
    assert told(after, (60, 60), "abcd") == []
    assert after.labels.tolist() == [0, 1, 3] and (plate, fitting, beside) == (0, 1, 3)
    assert after.masks.area.tolist() == [2500 - 400 - 400, 400, 400]
