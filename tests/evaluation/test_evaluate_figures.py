"""``evaluate`` on tiny images whose figures can be counted by hand, and on every edge."""

import hashlib
import json

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.evaluation import Evaluation
from kizu.evaluation.evaluate import evaluate

SIZE = (10, 10)


def part(*rectangles, scores=None, boxes=False, **attributes):
    """Instances of (label, x0, y0, x1, y1)."""
    labels = [r[0] for r in rectangles]
    corners = np.array([r[1:] for r in rectangles]).reshape(-1, 4)
    dense = np.zeros((len(labels), *SIZE), bool)
    for k, (x0, y0, x1, y1) in enumerate(corners):
        dense[k, y0:y1, x0:x1] = True
    masks = None if boxes else Masks.from_dense(dense)
    return Instances(labels, corners, masks, scores=scores, attributes=attributes)


def data(images, names=("a", "b"), info=None, maps=None, groups=None):
    samples = [
        Sample(
            id, None, instances, size=SIZE, score_map=None if maps is None else maps[id],
            group="" if groups is None else groups[id],
        )
        for id, instances in images.items()
    ]  # fmt: skip
    return Dataset(samples, names, info)


def run(predicted, truth, names=("a", "b"), **options):
    predictions = predicted if isinstance(predicted, Dataset) else data(predicted, names)
    right = truth if isinstance(truth, Dataset) else data(truth)
    return evaluate(predictions, right, **({"resamples": 0} | options))


def value(result, group, name, class_name=""):
    return result.figure(group, name, class_name).value


A10 = (0, 0, 0, 5, 2)  # ten pixels of class a
TRUTH = {"1": part(A10), "2": part(), "3": part((1, 0, 0, 2, 2))}


def test_counted_by_hand():
    predicted = {
        "1": part((0, 0, 0, 5, 4), scores=[0.9]),  # a: 10 hits, 10 false
        "2": part((0, 0, 0, 5, 1), scores=[0.6]),  # a: 5 false on a clean image
        "3": part((1, 0, 0, 2, 1), scores=[0.7]),  # b: 2 hits, 2 missed
    }
    result = run(predicted, TRUTH)
    got = {(f.name, f.class_name): f.value for f in result.figures if f.group == "segmentation"}
    assert got["IoU", "a"] == pytest.approx(10 / 25)
    assert got["IoU on defective images", "a"] == pytest.approx(10 / 20)
    assert got["IoU", "b"] == pytest.approx(2 / 4)
    assert got["mIoU", ""] == pytest.approx((0.4 + 0.5) / 2)
    assert got["mIoU on defective images", ""] == pytest.approx(0.5)
    assert got["IoU", ""] == pytest.approx(12 / 29)
    assert got["IoU per image", ""] == pytest.approx((0.5 + 0.5) / 2)
    assert got["FB-IoU", ""] == pytest.approx((12 / 29 + (300 - 29) / (300 - 12)) / 2)
    assert (got["precision", "a"], got["recall", "a"]) == pytest.approx((10 / 25, 1))
    assert (got["precision", "b"], got["recall", "b"]) == pytest.approx((1, 1 / 2))
    assert value(result, "image", "false-alarm rate") == 1 and value(result, "image", "escape rate") == 0
    assert value(result, "image", "false-alarm rate", "b") == 0
    assert value(result, "image", "image AUROC") == 1
    assert result.counts | {"images": 3, "defective": 2, "clean": 1, "other_only": 0} == result.counts
    assert result.counts["truth_instances"] == 2 and result.counts["predicted_instances"] == 3
    assert [(r["id"], r["outcome"], r["truth"], r["predicted"]) for r in result.images] == [
        ("1", "hit", 1, 1), ("2", "false alarm", 0, 1), ("3", "hit", 1, 1),
    ]  # fmt: skip
    assert [r["iou"] for r in result.images] == [0.5, 0.0, 0.5]
    assert value(result, "box AP", "AP50", "a") == pytest.approx(1)  # IoU 0.5, and the false alarm scores lower
    assert value(result, "mask AP", "AP75", "a") == pytest.approx(0)
    assert Evaluation.from_json(result.to_json()).to_json() == result.to_json()


def test_candidates_count_for_the_ranking_alone():
    predicted = {"1": part(A10, scores=[0.49]), "2": part(A10, scores=[0.4]), "3": part()}
    result = run(predicted, TRUTH)
    assert value(result, "segmentation", "IoU", "a") == 0
    assert "nothing was predicted" in result.figure("segmentation", "precision", "a").why
    assert value(result, "image", "escape rate", "a") == 1
    assert value(result, "image", "false-alarm rate") == 0
    assert value(result, "image", "image AUROC", "a") == 1
    assert value(result, "box AP", "AP", "a") == pytest.approx(1)
    assert value(result, "pixel", "pixel AP", "a") == pytest.approx(1)
    assert [r["outcome"] for r in result.images] == ["escape", "clean", "escape"]
    assert [r["score"] for r in result.images] == [0.49, 0.4, 0]
    curve = result.curves["threshold"]
    at = curve["threshold"].index(0.5)
    assert (curve["false_alarm"][at], curve["escape"][at]) == (0, 1)
    assert (curve["false_alarm"][0], curve["escape"][0]) == (1, 0)


def test_score_maps():
    maps = {id: np.full((2, *SIZE), 0.1, np.float32) for id in TRUTH}
    maps["1"][0, :2, :5] = 0.75
    maps["1"][0, 9, 9] = 0.8  # one false pixel above all
    maps["3"][1, 0, 0] = 0.625
    nothing = {id: part() for id in TRUTH}
    result = run(data(nothing, maps=maps), TRUTH)
    # class a: precision 10/11 at 0.75
    assert value(result, "pixel", "pixel AP", "a") == pytest.approx(10 / 11)
    assert value(result, "pixel", "pixel AUROC", "a") == pytest.approx(1 - 1 / 290)
    # one false pixel of 290, then all of the region: the curve is at 1 from the rate 1/290 on
    assert value(result, "pixel", "AUPRO", "a") == pytest.approx(1 - 1 / 290 / 0.3)
    # class b: a quarter of the region ahead of all, the other three pixels tie with the background
    assert value(result, "pixel", "pixel AP", "b") == pytest.approx(1 / 4 + 3 / 4 * 4 / 300)
    assert [r["score"] for r in result.images] == pytest.approx([0.8, 0.1, 0.625])
    assert value(result, "image", "image AUROC") == 1
    assert value(result, "image", "escape rate") == 1  # no instance, so nothing fired
    assert set(result.curves["pr"]) == {"a", "b"}
    assert not any("score map" in note for note in result.notes)


def test_one_map_for_all_classes():
    maps = {id: np.full((1, *SIZE), 0.25, np.float32) for id in TRUTH}
    for id in "13":
        maps[id][0, TRUTH[id].masks.union()] = 0.875
    result = run(data({id: part() for id in TRUTH}, maps=maps), TRUTH)
    assert value(result, "pixel", "pixel AP") == pytest.approx(1)
    assert result.figure("pixel", "pixel AP", "a").why == "one score map serves all classes"
    assert result.curves["pr"] == {}


def test_painted_scores_are_said():
    result = run({"1": part(A10, scores=[0.9]), "2": part(), "3": part()}, TRUTH)
    assert any("3 of 3 images without a score map" in note for note in result.notes)
    assert value(result, "pixel", "pixel AP", "a") == pytest.approx(1)
    assert value(result, "pixel", "AUPRO", "a") == pytest.approx(1)
    assert value(result, "pixel", "pixel AUROC", "b") == pytest.approx(0.5)


def test_two_regions_of_one_instance():
    mask = np.zeros((1, *SIZE), bool)
    mask[0, 0, 0] = mask[0, 5:8, 5:8] = True  # one pixel, nine pixels: two regions of equal weight
    truth = {"1": Instances([0], masks=Masks.from_dense(mask)), "2": part()}
    result = run({"1": part((0, 0, 0, 1, 1), scores=[0.9]), "2": part()}, truth)
    # half of the overlap at rate 0, then the straight line to (1, 1)
    assert value(result, "pixel", "AUPRO", "a") == pytest.approx(0.5 + 0.5 * 0.3 / 2)


def test_crowd_is_ignored():
    truth = {"1": part(A10, (0, 0, 5, 10, 10), iscrowd=[0, 1]), "2": part(iscrowd=[])}
    predicted = {"1": part(A10, (0, 0, 5, 10, 9), scores=[0.9, 0.95]), "2": part()}
    result = run(predicted, truth)
    for key in (("segmentation", "IoU"), ("segmentation", "precision"), ("box AP", "AP"), ("pixel", "pixel AP")):
        assert value(result, *key, "a") == pytest.approx(1), key
    assert any(": 1 truth region marked as crowd" in note for note in result.notes)


def test_images_of_other_classes():
    truth = {"1": part(A10), "2": part((1, 0, 0, 5, 2)), "3": part()}
    predicted = {"1": part(A10, scores=[0.9]), "2": part(A10, scores=[0.9]), "3": part()}
    result = run(predicted, truth, names=("a",))
    assert result.counts["other_only"] == 1 and result.images[1]["outcome"] == "other"
    assert value(result, "image", "false-alarm rate") == 0  # image 2 is neither good nor bad
    assert value(result, "segmentation", "IoU", "a") == pytest.approx(0.5)  # its pixels are background
    assert any("only classes that are not evaluated" in note for note in result.notes)


def test_support_is_left_out():
    truth = {"1": part(A10), "2": part(), "3": part(A10)}
    predicted = {id: part(scores=[]) for id in truth} | {"1": part(A10, scores=[0.9])}
    info = {"card": {"data": [{"name": "line3", "role": "support", "ids": ["1"]}, {"name": "x", "role": "validation"}]}}
    result = run(data(predicted, info=info), truth)
    assert (result.counts["images"], result.counts["left_out"]) == (2, 1)
    assert value(result, "image", "escape rate") == 1 and any("left out" in note for note in result.notes)
    kept = run(data(predicted, info=info), truth, keep_support=True)
    assert (kept.counts["images"], kept.counts["left_out"]) == (3, 0)
    info["card"]["data"].append({"name": "good pictures", "role": "clean", "ids": ["2"]})
    assert run(data(predicted, info=info), truth).counts["left_out"] == 2
    with pytest.raises(KizuError, match="keep-support"):
        run(data(predicted, info=info), {"1": part(A10)})


def pictures(values, **fields):
    """Data set of one-coloured pictures, half of them defective; the grey value is all that differs."""
    samples = []
    for i, value in enumerate(values):
        image = encode_image(np.full((*SIZE, 3), value, np.uint8), ".png")
        samples.append(Sample(f"{i}.png", image, part(*[A10] * (i % 2)), size=SIZE))
    return Dataset(samples, "ab", **fields)


def digests(dataset):
    return [hashlib.sha256(sample.image_bytes()).hexdigest()[:16] for sample in dataset]


@pytest.mark.parametrize(
    ("truth", "digest", "left_out"),
    [
        (pictures([1, 2, 3, 4]), True, {"0.png", "1.png"}),  # the set that it was fitted from
        (pictures([5, 6, 7, 8]), True, set()),  # another with the same names
        (pictures([1, 6, 7, 8]), True, {"0.png"}),
        (pictures([5, 6, 7, 8]), False, {"0.png", "1.png"}),  # an older card
        (pictures([2, 1, 3, 4]), True, set()),  # a digest belongs to its id
    ],
)
def test_support_is_told_by_name_and_bytes(truth, digest, left_out):
    own = pictures([1, 2, 3, 4])
    records = [{"role": "support", "ids": ["1.png"]}, {"role": "clean", "ids": ["0.png"]}]
    if digest:
        records[0]["sha256"], records[1]["sha256"] = digests(own)[1:2], digests(own)[:1]
    predictions = pictures([1, 2, 3, 4], info={"card": {"data": records}})
    result = run(predictions, truth)
    assert {f"{i}.png" for i in range(4)} - {record["id"] for record in result.images} == left_out
    assert result.counts["left_out"] == len(left_out)


def test_support_that_cannot_be_read_counts_by_its_name(tmp_path):
    own = pictures([1, 2, 3])
    record = {"role": "support", "ids": ["0.png", "1.png", "2.png"], "sha256": [*digests(own)[:2], ""]}
    gone = [own[0].replace(image=None), own[1].replace(image=None, path=tmp_path / "gone.png", size=SIZE)]
    truth = Dataset([gone[0].replace(size=SIZE), gone[1], pictures([1, 2, 9])[2], *data({"x": part()})], "ab")
    predictions = Dataset([*own, *data({"x": part()})], "ab", {"card": {"data": [record]}})
    assert [record["id"] for record in run(predictions, truth).images] == ["x"]


SEG, IMG = "segmentation", "image"


@pytest.mark.parametrize(
    ("predicted", "truth", "figures"),
    [
        (  # nothing wrong anywhere
            {"1": part(), "2": part()}, {"1": part(), "2": part()},
            {(SEG, "mIoU"): "no truth", (IMG, "image AUROC"): "no defective image", (IMG, "escape rate"): "no defect",
             (IMG, "false-alarm rate"): 0.0, (SEG, "precision"): "nothing was predicted", ("box AP", "AP"): "no truth",
             ("pixel", "pixel AP"): "no truth", ("pixel", "AUPRO"): "no truth"},
        ),
        (  # all clean, one alarm
            {"1": part(A10, scores=[0.9]), "2": part()}, {"1": part(), "2": part()},
            {(SEG, "IoU"): "no truth", (SEG, "precision"): 0.0, (IMG, "false-alarm rate"): 0.5},
        ),
        (  # no clean image
            {"1": part(A10, scores=[0.9])}, {"1": part(A10)},
            {(IMG, "image AUROC"): "no clean image", (IMG, "false-alarm rate"): "no clean image", (SEG, "IoU"): 1.0,
             (IMG, "escape rate"): 0.0},
        ),
        (  # nothing predicted
            {"1": part(), "2": part()}, {"1": part(A10), "2": part()},
            {(SEG, "IoU"): 0.0, (SEG, "recall"): 0.0, ("mask AP", "AP"): 0.0, (IMG, "image AUROC"): 0.5,
             ("pixel", "pixel AUROC"): 0.5, (IMG, "escape rate"): 1.0},
        ),
        (  # the truth has boxes alone
            {"1": part(A10, scores=[0.9]), "2": part()}, {"1": part(A10, boxes=True), "2": part()},
            {(SEG, "IoU"): "truth has boxes", ("pixel", "pixel AP"): "truth has boxes", ("mask AP", "AP"): "truth has",
             ("box AP", "AP"): 1.0, (IMG, "escape rate"): 0.0},
        ),
        (  # the predictions have boxes alone
            {"1": part(A10, scores=[0.9], boxes=True), "2": part()}, {"1": part(A10), "2": part()},
            {(SEG, "FB-IoU"): "predictions have boxes", ("pixel", "AUPRO"): "neither score maps nor masks",
             ("mask AP", "AP"): "predictions have boxes", ("box AP", "AP"): 1.0, (IMG, "image AUROC"): 1.0},
        ),
        (  # predictions without scores
            {"1": part(A10), "2": part()}, {"1": part(A10), "2": part()},
            {(SEG, "mIoU"): 1.0, (IMG, "escape rate"): 0.0, ("mask AP", "AP"): 1.0},
        ),
    ],
    ids=["clean", "alarm", "no clean", "no prediction", "truth boxes", "predicted boxes", "no scores"],
)  # fmt: skip
def test_figures_that_cannot_be_had_say_why(predicted, truth, figures):
    result = run(predicted, truth)
    for key, want in figures.items():
        got = result.figure(*key)
        if isinstance(want, str):
            assert got.value is None and want in got.why, key
        else:
            assert got.value == pytest.approx(want), key
    assert all((f.value is None) == bool(f.why) for f in result.figures)
    json.loads(result.to_json())


def test_mixed_truth_leaves_box_images_out_of_pixel_figures():
    truth = {"1": part(A10), "2": part(A10, boxes=True), "3": part()}
    result = run({id: part(A10, scores=[0.9]) if id != "3" else part() for id in truth}, truth)
    assert value(result, "segmentation", "IoU", "a") == value(result, "mask AP", "AP", "a") == 1
    assert result.counts["boxes_only"] == 1 and result.images[1]["iou"] is None


def test_class_that_the_truth_does_not_know():
    result = run({"1": part((1, 0, 0, 2, 2), scores=[0.9])}, data({"1": part(A10)}, ["a"]))
    assert "no truth of this class" in result.figure("segmentation", "IoU", "b").why
    assert value(result, "segmentation", "mIoU") == 0
    assert any("the truth has no class b" in note for note in result.notes)


def test_unknown_is_what_the_predictions_do_not_know():
    """Of three classes the model knows one: an image of another is found, one escapes, a good one fires."""
    truth = {"1": part(A10), "2": part((1, 0, 0, 5, 2)), "3": part((2, 0, 0, 5, 2)), "4": part(), "5": part(A10)}
    found = {"1": part(A10, scores=[0.9]), "2": part((1, 0, 0, 5, 4), scores=[0.9]), "3": part()}
    found |= {"4": part((1, 0, 0, 1, 1), scores=[0.6]), "5": part((1, 0, 0, 5, 2), scores=[0.9])}
    result = run(found, data(truth, ["a", "b", "c"]), ["a", "unknown"])
    assert value(result, "segmentation", "IoU", "unknown") == 10 / (20 + 10 + 10 + 1)
    assert value(result, "segmentation", "IoU", "a") == 0.5
    assert value(result, "image", "escape rate", "unknown") == 0.5
    assert value(result, "image", "escape rate", "a") == 0.5
    assert value(result, "image", "escape rate") == 0.25, "what is found as unknown is found"
    assert value(result, "image", "false-alarm rate") == value(result, "image", "false-alarm rate", "unknown") == 1
    assert [image["outcome"] for image in result.images] == ["hit", "hit", "escape", "false alarm", "hit"]
    assert "classes that the predictions do not have count as unknown: b, c" in result.notes
    assert not any("the truth has no class" in note or "not evaluated" in note for note in result.notes)


def test_unknown_where_the_truth_has_nothing_else():
    result = run({"1": part((1, 0, 0, 5, 2), scores=[0.9])}, data({"1": part(A10)}, ["a"]), ["a", "unknown"])
    assert "no truth of this class" in result.figure("segmentation", "IoU", "unknown").why
    assert value(result, "segmentation", "mIoU") == 0 and value(result, "image", "escape rate") == 0
    assert any("the truth has none but the classes of the predictions" in note for note in result.notes)
    both = run({"1": part((1, 0, 0, 5, 2), scores=[0.9])}, data({"1": part(A10)}, ["b", "unknown"]), ["a", "unknown"])
    assert both.counts["other_only"] == 1, "where the truth has the class by name, others are others"


def test_labels_are_matched_by_name():
    predicted = data({"1": part((1, 0, 0, 5, 2), scores=[0.9])}, ["b", "a"])
    assert value(run(predicted, {"1": part(A10)}), "segmentation", "IoU", "a") == 1


def big(id, size):
    return Dataset([Sample(id, None, Instances.empty(size), size=size)], ["a"])


BAD_MAP = {"1": np.zeros((3, *SIZE), np.float32)}


@pytest.mark.parametrize(
    ("predictions", "truth", "options", "error", "message"),
    [
        (
            data({"1": part()}),
            data({"1": part(), "2": part()}),
            {},
            KizuError,
            "1 of 2 .* no prediction: 2; .*--partial",
        ),
        (data({"x/1": part()}), data({"1": part()}), {"partial": True}, KizuError, "ids like 1, the predictions x/1"),
        (data({}), data({"1": part()}), {}, KizuError, "no image of the truth has a prediction"),
        (data({"1": part()}), data({}), {}, KizuError, "holds no image"),
        (data({"1": part()}, ["c"]), data({"1": part()}), {}, KizuError, "no class in common"),
        (big("7.png", (10, 12)), big("7.png", (10, 10)), {}, DataError, r"7\.png: .*10 x 12.* of 10 x 10"),
        (
            data({"1": part()}, maps=BAD_MAP),
            data({"1": part()}),
            {},
            DataError,
            r"1: a score map of shape \(3, 10, 10\)",
        ),
        (
            data({"1": part(A10, scores=[3.5])}),
            data({"1": part()}),
            {},
            DataError,
            "1: a predicted score .* from 0 to 1",
        ),
        (
            Dataset([*data({"1": part()}), *data({"1": part()})], "ab"),
            data({"1": part()}),
            {},
            DataError,
            "stands twice",
        ),
        (data({"1": part((2, 0, 0, 1, 1))}), data({"1": part()}), {}, DataError, "label 2, but there are 2 classes"),
        (data({"1": part()}), data({"1": part()}), {"resamples": -1}, KizuError, "resamples"),
    ],
)
def test_errors_say_what_to_do(predictions, truth, options, error, message):
    with pytest.raises(error, match=message):
        evaluate(predictions, truth, **({"resamples": 0, "skips": Skips(strict=True)} | options))


def unreadable():
    raise DataError("b.png: annotation 7: a polygon of 4 numbers")


def lost_half_way():
    return np.where(np.arange(200).reshape(2, *SIZE) < 150, 0.25, np.nan).astype(np.float32)


BROKEN = {  # what breaks the prediction (first) or the truth of the image "b.png", and the reason that is told
    "truth": ({}, {"instances": unreadable}, "annotation 7: a polygon"),
    "prediction": ({"instances": unreadable}, {}, "annotation 7: a polygon"),
    "size": ({"instances": Instances.empty((9, 10)), "size": (9, 10)}, {}, "9 x 10 image, the truth of 10 x 10"),
    "no image": ({}, {"instances": None, "size": None}, "no image file was found"),
    "label": ({}, {"instances": part((2, 0, 0, 1, 1))}, "label 2, but there are 2 classes"),
    "score": ({"instances": part(A10, scores=[3.5])}, {}, "a predicted score of 3.5"),
    "map shape": ({"score_map": np.zeros((3, *SIZE), np.float32)}, {}, "a score map of shape"),
    "map values": ({"score_map": lost_half_way}, {}, "b.png: a score map of nan to nan"),
    "map range": ({"score_map": np.full((2, *SIZE), 1.5, np.float32)}, {}, "a score map of 1.5 to 1.5"),
}


def with_broken(case):
    """Predictions and truth of three images, the second of them broken; and the reason."""
    found, right, reason = BROKEN[case]
    ids = {"a.png": part(A10, scores=[0.9]), "b.png": part(), "c.png": part()}
    predictions, truth = [*data(ids)], [*data({"a.png": part(A10), "b.png": part(A10), "c.png": part()})]
    predictions[1], truth[1] = predictions[1].replace(**found), truth[1].replace(**right)
    return Dataset(predictions, "ab"), Dataset(truth, "ab"), reason


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_image_is_passed_over_and_told(case):
    predictions, truth, reason = with_broken(case)
    skips = Skips()
    skips.items.append({"item": "z.png", "reason": "of an earlier step"})
    result = run(predictions, truth, skips=skips)
    assert [item["item"] for item in skips.items] == ["z.png", "b.png"] and reason in skips.items[1]["reason"]
    assert (result.counts["broken"], result.counts["images"]) == (1, 2)
    told = [note for note in result.notes if "1 image that cannot be used" in note]
    assert len(told) == 1 and reason in told[0] and "earlier" not in told[0]
    whole = run(predictions[[0, 2]], truth[[0, 2]])  # nothing of the broken image is in any figure
    assert whole.counts["broken"] == 0 and not any("cannot be used" in note for note in whole.notes)
    assert (result.figures, result.images, result.curves) == (whole.figures, whole.images, whole.curves)
    assert run(predictions, truth).to_json() == result.to_json()
    with pytest.raises(DataError, match=reason):
        run(predictions, truth, skips=Skips(strict=True))
    with pytest.raises(KizuError, match=f"1 of 1 image cannot be used, the first: .*{reason}"):
        run(predictions[1:2], truth[1:2])


@pytest.mark.parametrize(
    ("info", "options", "told"),
    [
        ({"scores kept from": 0.5}, {}, "from a score of 0.5 up alone; predict with --min-score 0.05"),
        ({"scores kept from": 0.2}, {}, "from a score of 0.2 up alone"),
        ({"scores kept from": 0.1}, {}, ""),
        ({"scores kept from": 0.5}, {"boxes": False}, ""),
        ({"scores kept from": "all"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_a_cut_curve_is_said(info, options, told):
    result = run(data({id: part(A10, scores=[0.9]) for id in TRUTH}, info=info), TRUTH, **options)
    notes = [note for note in result.notes if note.startswith("AP counts finds")]
    assert len(notes) == bool(told) and all(told in note for note in notes)


def test_notes_count_in_words():
    truth = Dataset([*data({"1": part(A10), "2": part()}), Sample("3", size=SIZE, labelled=False)], "ab")
    result = run({"1": part(A10), "2": part(), "3": part(), "4": part(), "5": part()}, truth)
    assert "left out: 1 image of the truth without a label file" in result.notes
    assert "left out: 2 images with a prediction, but without truth here" in result.notes


def test_partial_and_surplus_are_noted():
    result = run({"1": part(A10, scores=[0.9]), "9": part()}, TRUTH, partial=True)
    assert result.counts | {"images": 1, "unpredicted": 2, "surplus": 1} == result.counts
    assert len([note for note in result.notes if "left out" in note]) == 2


def test_intervals_hold_the_figures_and_follow_groups():
    random = np.random.default_rng(0)
    truth, predicted, groups = {}, {}, {}
    for i in range(60):
        groups[str(i)] = f"g{i // 3}" if i < 45 else ""
        bad = i % 2 == 0
        truth[str(i)] = part((0, 1, 1, 6, 6)) if bad else part()
        alarm = random.random() < (0.8 if bad else 0.1)
        box = (0, 1, 1, 3 + int(random.integers(0, 6)), 6)
        predicted[str(i)] = part(box, scores=[0.5 + random.random() / 2]) if alarm else part()
    result = run(data(predicted, ("a",)), data(truth, ("a",), groups=groups), resamples=500)
    found = [f for f in result.figures if f.low is not None]
    assert {f.name for f in found} >= {"mIoU", "FB-IoU", "precision", "image AUROC", "false-alarm rate", "escape rate"}
    assert all(0 <= f.low <= f.value <= f.high <= 1 and f.low < f.high for f in found)
    assert any("groups of images" in note for note in result.notes)
    again = run(data(predicted, ("a",)), data(truth, ("a",), groups=groups), resamples=500)
    assert again.figures == result.figures
    assert run(data(predicted, ("a",)), data(truth, ("a",), groups=groups), boxes=False).figures[-1].group == "image"


def test_order_of_predictions_does_not_matter():
    predicted = {"1": part(A10, scores=[0.9]), "2": part(A10, scores=[0.9]), "3": part((1, 0, 0, 2, 2), scores=[0.9])}
    turned = dict(reversed(predicted.items()))
    assert run(predicted, TRUTH, resamples=50).to_json() == run(turned, TRUTH, resamples=50).to_json()


def test_memory_and_disk_give_the_same(tmp_path):
    random = np.random.default_rng(1)
    maps = {id: random.random((2, *SIZE)).astype(np.float32) for id in TRUTH}
    image = np.zeros((*SIZE, 3), np.uint8)
    predictions = data({id: part(A10, scores=[0.7]) for id in TRUTH}, maps=maps)
    predictions = Dataset([sample.replace(image=image) for sample in predictions], "ab")
    truth = Dataset([sample.replace(image=image) for sample in data(TRUTH)], "ab")
    predictions.write(tmp_path / "p", "shards")
    truth.write(tmp_path / "t", "shards")
    stored = evaluate(Dataset.open(tmp_path / "p", "shards"), Dataset.open(tmp_path / "t", "shards"))
    held = evaluate(predictions, truth)
    assert stored.figures == held.figures and stored.curves["pr"] == held.curves["pr"]
    assert Dataset.open(tmp_path / "p", "shards")[1:].ids == ["2", "3"]
