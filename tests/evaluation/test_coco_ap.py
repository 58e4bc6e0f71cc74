"""Golden tests of AP and AR against pycocotools."""

import contextlib
import io
import itertools

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.evaluation.coco import CocoAP, coco_figures
from kizu.evaluation.pairs import Matching

NAMES = ("a", "b", "absent")
SIZE = (120, 160)
COLUMNS = ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100", "ARsmall", "ARmedium")
COLUMNS += ("ARlarge",)


def disc(random, box=None):
    """A filled ellipse, near ``box`` where one is given."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    if box is None:
        centre, radius = random.uniform((20, 20), (100, 140)), random.uniform(4, 60, 2)
    else:
        centre = (box[1::2].mean() + random.normal(0, 2), box[::2].mean() + random.normal(0, 2))
        radius = np.maximum((box[3] - box[1], box[2] - box[0]) * random.uniform(0.8, 1.2, 2) / 2, 2)
    return ((y - centre[0]) / radius[0]) ** 2 + ((x - centre[1]) / radius[1]) ** 2 <= 1


def make(seed, many=False, areas=False):
    """Random truth with crowds, empty images and images without prediction; scores of two digits, so that many tie."""
    random = np.random.default_rng(seed)
    truth, predicted = [], []
    for i in range(24):
        right = [disc(random) for _ in range(random.integers(0, 5))]
        masks = Masks.from_dense(right, SIZE)
        labels = random.integers(0, 2, len(right))
        crowd = (random.random(len(right)) < 0.2).astype(int)
        attributes = {"iscrowd": crowd}
        if areas:  # as files give them: of the whole object, say; where one has none, the mask's counts
            given = masks.area * np.random.default_rng(100 + i).choice([0.1, 0.3, 1, 3, 9], len(right))
            attributes["area"] = [None if k == 1 else float("nan") if k == 2 else a for k, a in enumerate(given)]
        truth.append(Sample(f"{i}.png", None, Instances(labels, masks=masks, attributes=attributes), size=SIZE))
        found = [] if i % 7 == 0 else [disc(random, box) for box in masks.boxes.astype(float) if random.random() < 0.8]
        guesses = [label if random.random() < 0.9 else 1 - label for label in labels[: len(found)]]
        extra = 0 if i % 7 == 0 else (130 if many and i == 1 else random.integers(0, 4))
        found += [disc(random) for _ in range(extra)]
        guesses += [0 if many else int(random.integers(0, 2)) for _ in range(extra)]
        scores = random.integers(1, 20, len(found)) / 20
        instances = Instances(guesses, masks=Masks.from_dense(found, SIZE), scores=scores)
        predicted.append(Sample(f"{i}.png", None, instances, size=SIZE))
    order = random.permutation(len(predicted))  # ties between images must not depend on the order of the predictions
    return Dataset(truth, NAMES), Dataset([predicted[i] for i in order], NAMES)


def reference(truth, predictions, kind):
    """Precision (T, R, K, A, M) and recall (T, K, A, M) of pycocotools."""
    number = {sample.id: i + 1 for i, sample in enumerate(truth)}
    images = [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in number.values()]
    sides = {"truth": [], "predicted": []}
    for name, data in (("truth", truth), ("predicted", predictions)):
        for sample in data:
            found = sample.instances
            for k in range(len(found)):
                x0, y0, x1, y1 = (float(v) for v in found.boxes[k])
                record = {"id": len(sides[name]) + 1, "image_id": number[sample.id]}
                record |= {"category_id": int(found.labels[k]) + 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
                if name == "truth":
                    given = found.attributes["area"][k] if "area" in found.attributes else None
                    area = found.masks.area[k] if given is None or np.isnan(given) else given
                    record |= {"iscrowd": int(found.attributes["iscrowd"][k]), "area": float(area)}
                else:
                    record |= {"score": float(found.scores[k])}
                if name == "truth" or kind == "mask":
                    record["segmentation"] = found.masks[k].to_coco()[0]
                if name == "predicted" and kind == "mask":
                    del record["bbox"]  # else pycocotools takes the box's area for the mask's
                sides[name].append(record)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)]
        coco.dataset = {"images": images, "categories": categories, "annotations": sides["truth"]}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(sides["predicted"]), "segm" if kind == "mask" else "bbox")
        run.evaluate()
        run.accumulate()
    return run.eval["precision"], run.eval["recall"]


def expected(precision, recall, column, classes):
    area = next((i for i, name in enumerate(("small", "medium", "large"), 1) if column.endswith(name)), 0)
    if column.startswith("AP"):
        values = precision[:, :, classes, area, 2]
        values = values[{"AP50": [0], "AP75": [5]}.get(column, slice(None))]
    else:
        values = recall[:, classes, area, {"AR1": 0, "AR10": 1}.get(column, 2)]
    values = values[values > -1]
    return values.mean() if len(values) else None


CASES = [*itertools.product((1, 2), (False, True), (False,), ("box", "mask"))]
CASES += [*itertools.product((1, 2), (False,), (True,), ("box", "mask"))]


@pytest.mark.parametrize(("seed", "many", "areas", "kind"), CASES)
def test_equal_to_pycocotools(seed, many, areas, kind):
    truth, predictions = make(seed, many, areas)
    figures = {(f.name, f.class_name): f for f in coco_figures(truth, predictions, kind)}
    precision, recall = reference(truth, predictions, kind)
    assert len(figures) == len(COLUMNS) * (len(NAMES) + 1)
    for column in COLUMNS:
        for name, classes in [("", slice(None)), *((name, slice(i, i + 1)) for i, name in enumerate(NAMES))]:
            want, got = expected(precision, recall, column, classes), figures[column, name]
            assert got.group == f"{kind} AP"
            if want is None:
                assert got.value is None and got.why
            else:
                assert got.value == pytest.approx(want, abs=1e-6), (column, name)
    assert 0.05 < figures["AP", ""].value < 0.95
    if areas:  # else this case would show nothing
        by_mask = {(f.name, f.class_name): f.value for f in coco_figures(*make(seed, many), kind)}
        assert by_mask["APmedium", ""] != pytest.approx(figures["APmedium", ""].value, abs=1e-3)
        assert by_mask["AP", ""] == pytest.approx(figures["AP", ""].value)


def test_cut_to_100_is_said():
    truth, predictions = make(1, many=True)
    item = CocoAP(NAMES, "box")
    for pair in Matching(predictions, truth):
        item.add(pair)
    item.figures()
    assert "100 best" in item.notes[0]


def one(instances, names=("a",)):
    return Dataset([Sample("x.png", None, instances, size=SIZE)], names)


BOX = np.array([[10, 10, 30, 30]])
MASK = Masks.from_dense([np.pad(np.ones((20, 20), bool), ((10, 90), (10, 130)))])


@pytest.mark.parametrize(
    ("truth", "predicted", "kind", "value", "why"),
    [
        (Instances([0], BOX), Instances([0], BOX, scores=[0.9]), "box", 1.0, ""),
        (Instances([0], BOX), Instances([0], BOX, scores=[0.2]), "box", 1.0, ""),  # candidates count
        (Instances([0], BOX), Instances([0], BOX), "box", 1.0, ""),  # no scores at all
        (Instances([0], BOX), Instances([0], BOX + 50, scores=[0.9]), "box", 0.0, ""),
        (Instances([0], BOX), Instances.empty(SIZE), "box", 0.0, ""),
        (Instances([0], masks=MASK), Instances([0], masks=MASK, scores=[0.9]), "mask", 1.0, ""),
        (Instances.empty(SIZE), Instances([0], BOX, scores=[0.9]), "box", None, "no truth"),
        (Instances([0], BOX), Instances([0], masks=MASK, scores=[0.9]), "mask", None, "truth has boxes"),
        (Instances([0], masks=MASK), Instances([0], BOX, scores=[0.9]), "mask", None, "predictions have boxes"),
        (Instances([0], BOX, attributes={"crowd": [True]}), Instances([0], BOX), "box", None, "no truth"),
    ],
)
def test_edges(truth, predicted, kind, value, why):
    figure = coco_figures(one(truth), one(predicted), kind)[0]
    assert (figure.name, figure.class_name) == ("AP", "")
    assert why in figure.why and bool(why) == bool(figure.why)
    assert figure.value == (None if value is None else pytest.approx(value))


def test_size_that_is_not_there_has_a_reason():
    figures = {f.name: f for f in coco_figures(one(Instances([0], BOX)), one(Instances([0], BOX)))}
    assert figures["APsmall"].value == pytest.approx(1)
    assert figures["APlarge"].value is None and figures["APlarge"].why == "no truth of large size"


def test_no_common_class():
    with pytest.raises(KizuError, match="no class in common"):
        coco_figures(one(Instances([0], BOX), ["dent"]), one(Instances([0], BOX), ["scratch"]))
