"""Labels and expressions are exact, whatever is composed. Thousands of scenes: ``bench/compose.py exact``."""

import numpy as np
import pytest
from compose_exact import EACH, LAYOUTS, audited, faults_of_expressions, faults_of_masks
from compose_lines import line

from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.synth.compose.backgrounds import Backgrounds
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.options import Options
from kizu.synth.compose.refer.express import express
from kizu.synth.compose.source import Composition
from kizu.synth.compose.spec import Layer, Scene
from kizu.synth.compose.stock import Stock
from kizu.synth.compose.visibility import Piece, labels

SIZE = (60, 80)
SOME = range(2 * len(LAYOUTS))


@pytest.fixture(scope="module")
def scenes():
    """(sample, faults, hidden) of some dozens of random scenes."""
    return {k: list(audited(11, k)) for k in SOME}


@pytest.mark.parametrize("k", SOME)
def test_nothing_is_wrong(k, scenes):
    assert [fault for _, faults, _ in scenes[k] for fault in faults] == []


def test_there_is_something_that_could_be_wrong(scenes):
    rows = [row for own in scenes.values() for row in own]
    made = [sample for sample, _, _ in rows if sample is not None]
    assert len(made) >= 0.9 * EACH * len(SOME)
    assert sum(len(sample.instances) for sample in made) >= 2 * len(made)
    assert sum(len(sample.meta["expressions"]) for sample in made) >= 9 * len(made)
    assert sum(hidden for _, _, hidden in rows) <= 0.1 * len(made)
    ratios = [sample.instances.attributes["visible_ratio"] for sample in made if len(sample.instances)]
    assert (np.concatenate(ratios) < 1).sum() >= 10


def covering(segments, segment, thing, over, margin):
    """A layer that lays a segment over a box XYXY of the frame and beyond it."""
    k = segments.find(segment)
    (x, y), height, width = segments.corner(k), *segments.mask(k).shape
    x0, y0, x1, y1 = thing.tolist()
    scale = float(margin * max((x1 - x0) / width, (y1 - y0) / height))
    e, f = (x0 + x1) / 2 - scale * (x + width / 2), (y0 + y1) / 2 - scale * (y + height / 2)
    return Layer(over, segment, (scale, 0.0, e, 0.0, scale, f), blend={"name": "hard"}, light={"scene": 0.0})


def test_what_is_covered_wholly_leaves_the_labels_and_their_numbers():
    data = line()
    ground = Backgrounds(data, np.arange(len(data)), labelled=True)
    segments = Stock.of(Bank.cut(data, "object"))
    stout = int(np.argmax(segments.column("area") / (segments.column("width") * segments.column("height"))))
    source = Composition(segments, ground, None, Options(layout="sos", expressions=9), 1)
    gone = 0
    for number in (30, 4, 1):  # pictures with three things on them
        things = data[number].instances
        label, id = (str(segments.column(name)[stout]) for name in ("label", "id"))
        layers = [
            covering(segments, id, things.boxes[0], label, 2.5),
            covering(segments, id, things.boxes[2], label, 1),
        ]
        sample = source.sample(Scene((128, 160), data.ids[number], (0, 0, 160, 128), layers=tuple(layers)), 0)
        gone += len(things) + 2 - len(sample.instances)
        assert faults_of_masks(sample) == []
        assert faults_of_expressions(sample, source.names) == []
        assert sample.instances.attributes["order"].tolist() == list(range(len(sample.instances)))
        assert any(sample.instances.attributes["occluders"])
    assert gone >= 3


# --- what counts the faults does find them ---


def pair():
    """A red block that a blue one covers in part, and a blue one beside them."""
    blocks = [(10, 10, 20, 20), (22, 14, 20, 20), (60, 30, 10, 20)]
    pieces = [Piece.cut(np.ones((h, w), bool), x, y, SIZE) for x, y, w, h in blocks]
    image = np.full((*SIZE, 3), 200, np.uint8)
    for (x, y, w, h), colour in zip(blocks, [(200, 25, 35), (40, 70, 200), (40, 70, 200)], strict=True):
        image[y : y + h, x : x + w] = colour
    found = labels(pieces, [0, 1, 1], SIZE)
    said = express(found, ("bolt", "nut"), image, np.random.default_rng(0), 30)
    return Sample("00000000.png", image, found, size=SIZE, meta={"expressions": [item.to_json() for item in said]})


def test_what_is_right_has_no_fault():
    assert faults_of_masks(pair()) == []
    assert faults_of_expressions(pair(), ("bolt", "nut")) == []


def masks(found, *rows):
    """The same instances with other visible masks."""
    return found.replace(masks=Masks.concat(rows), boxes=None)


@pytest.mark.parametrize(
    "kind, change",
    [
        ("disjoint", lambda found: masks(found, found.amodal)),
        ("raster", lambda found: masks(found, found.amodal)),
        ("amodal", lambda found: masks(found, found.masks[1:], found.masks[:1])),
        ("order", lambda found: masks(found, found.masks[1:], found.masks[:1])),
        ("empty", lambda found: masks(found, Masks.from_dense(np.zeros((1, *SIZE), bool)), found.masks[1:])),
        ("box", lambda found: found.replace(boxes=found.boxes + 1)),
        ("ratio", lambda found: found.replace(attributes=found.attributes | {"visible_ratio": np.full(3, 0.5)})),
        ("occluders", lambda found: found[[1, 0, 2]]),
    ],
)
def test_wrong_masks_are_found(kind, change):
    sample = pair()
    broken = sample.replace(instances=change(sample.instances))
    assert kind in {fault.split(":")[0] for fault in faults_of_masks(broken)}


@pytest.mark.parametrize(
    "kind, change",
    [
        ("expression", lambda item: item | {"targets": [(k + 1) % 3 for k in item["targets"]] or [0]}),
        ("expression", lambda item: item | {"form": ["one", "nut", [["colour", "green"]], []]}),
        ("reading", lambda item: item | {"text": "the green nut"}),
    ],
)
def test_wrong_expressions_are_found(kind, change):
    sample = pair()
    for item in [item for item in sample.meta["expressions"] if item["targets"]]:
        broken = sample.replace(meta={"expressions": [change(item)]})
        assert kind in {fault.split(":")[0] for fault in faults_of_expressions(broken, ("bolt", "nut"))}
