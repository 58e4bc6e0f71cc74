"""The page as a whole: what it holds in each case, and that nothing gets out of it or in."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from report_reader import Page
from report_scenes import NAMES, make, sample

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.evaluation.evaluate import evaluate
from kizu.evaluation.support import digest
from kizu.reporting import build, words


@pytest.fixture
def measured():
    return make(["clean", "hit", "escape", "false alarm", "clean", "hit"])


def found_alone():
    return make(["clean", "hit", "escape", "false alarm"])[0], None, None


def labels_alone():
    return make(["clean", "hit", "escape", "hit"])[1], None, None


def no_images():
    return Dataset([], NAMES), None, None


def boxes_alone():
    image = np.zeros((40, 50, 3), np.uint8)
    return Dataset([Sample("a.png", image, Instances([1], [[3, 4, 20, 30]]))], NAMES), None, None


def measured_by_kizu():
    found, truth, _ = make(["clean", "hit", "escape", "false alarm", "clean", "hit"])
    return found, truth, evaluate(found, truth, resamples=20)


CASES = {
    "predictions with truth": (
        lambda: make(["clean", "hit", "escape", "false alarm"]),
        "4 of 4",
        "1 raised a false alarm",
    ),
    "measured by kizu": (measured_by_kizu, "5 of 5", "Of 3 pictures with a defect, 1 escaped"),
    "predictions alone": (found_alone, "4 of 4", "Something was found on 2 of 4 pictures"),
    "labels alone": (labels_alone, "4 of 4", "4 pictures with 3 labelled instances of 2 classes, on 3 of them"),
    "boxes alone": (boxes_alone, "1 of 1", "1 picture with 1 labelled instance of 2 classes"),
    "no images": (no_images, "0 of 0", "There are no pictures in this set."),
}


@pytest.mark.parametrize("case", CASES)
def test_cases_render_well_formed_and_complete(case):
    make_case, shown, verdict = CASES[case]
    report = build(*make_case())
    page = Page(report.html)
    assert not page.problems
    assert f"Showing {shown}" in page.words
    assert verdict in page.words
    assert not report.skipped
    assert len(page.tiles) == report.shown


def test_head_says_verdict_thresholds_notes_and_what_is_missing(measured):
    words = (
        Page(build(*measured, title="Line 3").html)
        .words.replace("\N{NO-BREAK SPACE}", " ")
        .replace("\N{WORD JOINER}", "")
    )
    assert "Of 3 good pictures, 1 raised a false alarm (33.3 %, 95 % interval 2.1–6.6 %)." in words
    assert "Of 3 pictures with a defect, 1 escaped (33.3 %)." in words
    for text in (
        "Line 3", "scratch 0.62", "the 99 % quantile of good pictures", "class pit is uncalibrated", "0.612",
        "no picture holds a defect of these classes", "no truth of this class & no guess", "one group is missing",
        "feature matching", "licence", "not stated", "the model was fitted from this picture",
    ):  # fmt: skip
        assert text in words, text


@pytest.mark.parametrize(
    ("outcomes", "left_out", "said"),
    [
        (["hit", "escape"], 0, "There are no good pictures in this set, so"),
        (["hit", "escape"], 3, "There are no good pictures outside of the fit, so"),
        (["clean"], 0, "There are no pictures with a defect in this set, so"),
        (["clean"], 1, "There are no pictures with a defect outside of the fit, so"),
    ],
)
def test_verdict_tells_a_set_from_what_the_fit_left_of_it(outcomes, left_out, said):
    evaluation = make(outcomes)[2]
    evaluation.counts["left_out"] = left_out
    assert any(sentence.startswith(said) for sentence in words.verdict(evaluation))


@pytest.mark.parametrize("same", [True, False])
def test_pictures_of_the_fit_are_told_by_their_bytes(same):
    found, truth, evaluation = make(["hit"])
    record = found.info["card"]["data"][0]
    record["sha256"] = [digest(truth[0]) if same else "0" * 16]
    for sides in ((truth, evaluation), (None, None)):
        page = Page(build(found, *sides).html)
        assert ("the model was fitted from this picture" in page.words) == same


def test_missing_figures_carry_the_number_of_their_reason(measured):
    html = build(*measured).html
    assert re.search(r"<td>–<sup>1</sup></td>", html)
    assert "NaN" not in html
    assert ">None<" not in html


EVIL = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "</script><script>alert(2)</script>",
    "a'b&c {{ 7*7 }}",
]


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_names_stay_text(evil):
    found, truth, evaluation = make(["hit", "escape"])
    names = (evil, "pit")
    samples = [s.replace(id=evil + s.id) for s in found]
    truths = [s.replace(id=evil + s.id) for s in truth]
    for record in evaluation.images:
        record["id"] = evil + record["id"]
    evaluation.names = names
    evaluation.notes = [evil]
    evaluation.curves["pr"] = {evil: evaluation.curves["pr"]["scratch"]}
    card = {
        "kind": evil,
        "classes": [evil],
        "notes": [evil],
        "thresholds": {evil: 0.5},
        "data": [{"name": evil, "licence": evil}],
    }
    predictions = Dataset(samples, names, {"card": card, "origin": evil})
    report = build(predictions, Dataset(truths, names, {}, [evil]), evaluation, title=evil)
    page = Page(report.html)
    assert not page.problems
    assert [a for tag, a in page.tags if tag == "script" and a.get("type") != "application/json"] == [{}]
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert all(a["src"].startswith("data:") for tag, a in page.tags if tag == "img")
    assert {tile["data-id"] for tile in page.tiles} == {evil + "image_0000.png", evil + "image_0001.png"}
    data = re.search(r'<script type="application/json" id="kizu-data">(.*?)</script>', report.html, re.S).group(1)
    assert json.loads(data)["card"]["notes"] == [evil]


def test_only_the_scripts_of_the_package_may_run_and_nothing_is_fetched(measured):
    report = build(*measured)
    page = Page(report.html)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/webp;base64,", "#")), (tag, name, value[:60])
    assert not re.search(r"@import|url\((?!#)", report.html)
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_ids_are_unique_and_every_reuse_has_its_original(measured):
    tags = Page(build(*measured).html).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for t, a in tags if t == "use"} <= set(ids)


@pytest.mark.parametrize("limit", [5, 8, 40])
def test_errors_come_first_and_the_count_is_honest(limit):
    outcomes = ["clean"] * 20 + ["hit"] * 10 + ["escape", "false alarm"] * 4 + ["clean"] * 2
    report = build(*make(outcomes), images=limit)
    page = Page(report.html)
    shown = [tile["data-outcome"] for tile in page.tiles]
    assert len(shown) == report.shown == limit
    errors = min(limit, 8)
    assert shown[:errors] == (["escape"] * 4 + ["false alarm"] * 4)[:errors]
    assert not {"escape", "false alarm"} & set(shown[errors:])
    assert f"Showing {limit} of 40" in page.words
    assert (f"({8 - errors} more are not shown)" in page.words) == (errors < 8)


def test_an_unreadable_image_is_a_tile_with_its_reason(tmp_path):
    found, truth, evaluation = make(["clean", "hit", "escape"])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    broken = [s.replace(image=None, path=tmp_path / "broken.png", size=(60, 80)) for s in (found[1], truth[1])]
    found = Dataset([found[0], broken[0], found[2]], NAMES, found.info)
    truth = Dataset([truth[0], broken[1], truth[2]], NAMES)
    report = build(found, truth, evaluation)
    page = Page(report.html)
    assert len(page.tiles) == 3
    assert "This picture could not be read." in page.words
    assert "broken.png" in page.words
    assert [item["item"] for item in report.skipped] == ["image_0001.png"]
    assert sum(tag == "img" and a["alt"] != "close-up" for tag, a in page.tags) == 2


def test_broken_labels_are_counted_and_the_rest_goes_on():
    def broken():
        from kizu.core.errors import DataError

        raise DataError("b.png: mask 3 is of another image; label it again")

    samples = [sample("a.png", [(5, 5, 20, 20)], [1]), Sample("b.png", np.zeros((60, 80, 3), np.uint8), broken)]
    report = build(Dataset(samples, NAMES))
    page = Page(report.html)
    assert report.skipped == [{"item": "b.png", "reason": "b.png: mask 3 is of another image; label it again"}]
    assert "mask 3 is of another image" in page.words
    assert {tile["data-outcome"] for tile in page.tiles} == {"labelled", "unreadable"}


def test_predictions_fall_back_on_the_pictures_of_the_truth():
    found, truth, evaluation = make(["hit"])
    moved = Dataset([found[0].replace(image=None, path=Path("gone.png"), size=(60, 80))], NAMES, found.info)
    report = build(moved, truth, evaluation)
    assert not report.skipped
    assert "could not be read" not in report.html


def test_truth_may_have_classes_that_the_predictions_lack():
    found, _, evaluation = make(["hit", "clean"])
    truth = Dataset(
        [sample("image_0000.png", [(2, 2, 9, 9), (20, 20, 40, 40)], [0, 1]), sample("image_0001.png")],
        ("dent", "scratch"),
    )
    page = Page(build(found, truth, evaluation).html)
    assert page.tiles[0]["data-labels"] == "0 2"  # scratch, pit, dent
    assert "dent (truth)" in page.words


def test_candidates_below_the_threshold_are_neither_drawn_nor_counted():
    found = Dataset([sample("a.png", [(5, 5, 20, 20), (30, 30, 50, 50)], [0, 1], [0.49, 0.5])], NAMES)
    page = Page(build(found).html)
    assert "pit 0.50 (found)" in page.words
    assert "0.49" not in page.words
    assert "1 find in all" in page.words


def test_labels_alone_show_some_of_every_class():
    many = [sample(f"{i:03d}.png", [(5, 5, 20, 20)], [0]) for i in range(60)]
    few = [sample(f"z{i}.png", [(5, 5, 20, 20)], [1]) for i in range(2)]
    page = Page(build(Dataset(many + few, NAMES), images=10).html)
    assert [t["data-labels"] for t in page.tiles].count("1") == 2
    assert len(page.tiles) == 10
    assert "The figures cover all 62" in page.words


def test_an_id_that_stands_twice_gives_two_tiles():
    twice = [sample("a.png", [(5, 5, 20, 20)], [0]), sample("a.png", [(5, 5, 30, 30)], [1])]
    page = Page(build(Dataset(twice, NAMES)).html)
    assert [t["data-labels"] for t in page.tiles] == ["0", "1"]


def test_two_hundred_pictures_stay_small():
    report = build(*make((["hit", "clean", "escape", "false alarm"] * 50), size=(240, 320)))
    assert report.shown == 200
    assert len(report.html) < 8e6  # pure noise compresses worst; real pictures are a third of it


def test_the_page_is_a_function_of_its_input(measured):
    assert build(*measured).html == build(*measured).html


def test_truth_and_evaluation_go_together(measured):
    with pytest.raises(KizuError, match="go together"):
        build(measured[0], measured[1])
    with pytest.raises(KizuError, match="images is -1"):
        build(*measured, images=-1)
    with pytest.raises(KizuError, match="model card"):
        build(Dataset([], NAMES, {"card": "text"}))
