"""``kizu demo``: the whole story on made pictures and on one's own, and the folders that it leaves alone."""

import json
import re
from html.parser import HTMLParser

import pytest

from kizu.core.dataset import Dataset
from kizu.core.inspector import Inspector


class References(HTMLParser):
    """Everything that a page would fetch from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.found += re.findall(r"url\(\s*['\"]?(?!data:|#)([^)]*)", text)
        self.found += re.findall(r"@import[^;]*", text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "data", "poster", "xlink:href") or (name == "href" and tag != "a"):
                self.found += [] if (value or "").startswith(("data:", "#")) else [f"<{tag} {name}={value}>"]


def figures(folder):
    """The evaluation's figures of all classes together, by name, after a check that all of them are sane."""
    record = json.loads((folder / "evaluation.json").read_text("utf-8"))
    for figure in record["figures"]:
        assert (figure["value"] is None) == bool(figure["why"])
        if figure["value"] is not None:
            assert 0 <= figure["value"] <= 1, figure
    return record, {figure["name"]: figure["value"] for figure in record["figures"] if not figure["class_name"]}


def check_report(page):
    text = page.read_text("utf-8")
    assert References(text).found == []
    assert 20_000 < len(text) < 20_000_000
    assert "data:image/" in text
    return text


def test_the_whole_story(run, tmp_path):
    out = tmp_path / "demo"
    code, text, err = run("demo", out, "--images", 24, "--shots", 2)
    assert code == 0
    last = text.splitlines()[-1]
    assert re.fullmatch(r"demo done in \d+ s \(evaluated 8 images: .*\); open .*report\.html in a browser", last)
    for step in range(1, 6):
        assert f"{step}/5 " in err
    # The commands that it tells are the ones to type.
    for verb in ("generate", "fit", "predict", "evaluate", "report"):
        assert re.search(rf"^ +kizu {verb} {re.escape(str(out))}", err, re.M)
    line = Dataset.open(out / "line")
    assert line.splits == {"train": 16, "test": 8}
    assert set(line.names) == {"scratch", "stain", "chip"}
    assert Inspector.load(out / "model.kizu").names == line.names
    found = Dataset.open(out / "results")
    assert found.ids == line.split("test").ids
    record, measured = figures(out / "results")
    bad = sum(len(sample.instances) > 0 for sample in line.split("test"))
    assert (record["counts"]["images"], record["counts"]["defective"], record["counts"]["clean"]) == (8, bad, 8 - bad)
    assert 0 < bad < 8
    assert measured["image AUROC"] >= 0.7
    assert measured["pixel AUROC"] >= 0.7
    page = check_report(out / "report.html")
    assert all(name in page for name in line.names)


def test_with_own_pictures_and_once_more(run, refused, disc_line, tmp_path):
    out = tmp_path / "demo"
    code, text, _ = run("demo", out, "--data", disc_line, "--shots", 3)
    assert code == 0
    assert "evaluated 12 images" in text
    assert not (out / "line").exists()
    record, measured = figures(out / "results")
    assert (record["counts"]["images"], record["counts"]["defective"]) == (12, 6)
    assert measured["image AUROC"] == 1
    assert measured["mIoU"] > 0.5
    assert "disc" in check_report(out / "report.html")
    # A folder that a demo made is made anew; what cannot be used is told before anything is deleted.
    (out / "stale").write_text("x")
    assert "no such file or folder" in refused("demo", out, "--data", tmp_path / "nowhere")
    assert "too few" in refused("demo", out, "--images", 3)
    assert "shots" in refused("demo", out, "--shots", 0)
    assert "lies in" in refused("demo", out, "--data", out / "results")
    assert (out / "stale").exists() and (out / "report.html").exists()
    assert run("demo", out, "--data", disc_line, "--shots", 1)[0] == 0
    assert not (out / "stale").exists()


def test_a_set_without_splits_is_halved(run, own_line, tmp_path):
    record = json.loads((own_line / "instances.json").read_text())
    for image in record["images"]:
        del image["split"]
    (own_line / "instances.json").write_text(json.dumps(record))
    code, text, _ = run("demo", tmp_path / "demo", "--data", own_line, "--shots", 2)
    assert code == 0
    halves = Dataset.open(tmp_path / "demo" / "halves")
    assert halves.splits == {"train": 16, "test": 16}
    support = {id for data in Inspector.load(tmp_path / "demo" / "model.kizu").card.data for id in data["ids"]}
    assert support <= set(halves.split("train").ids)
    assert "evaluated 16 images" in text


def test_a_single_labelled_picture_is_not_measured(run, own_line, tmp_path):
    record = json.loads((own_line / "instances.json").read_text())
    first = record["annotations"][0]["image_id"]
    defective = {a["image_id"] for a in record["annotations"]} - {first}
    record["annotations"] = [a for a in record["annotations"] if a["image_id"] == first]
    record["images"] = [
        {k: v for k, v in i.items() if k != "split"} for i in record["images"] if i["id"] not in defective
    ]
    (own_line / "instances.json").write_text(json.dumps(record))
    code, text, _ = run("demo", tmp_path / "demo", "--data", own_line)
    assert code == 0
    assert "not measured" in text
    assert (tmp_path / "demo" / "report.html").is_file()


def test_broken_pictures_show_in_the_exit_code(run, own_line, tmp_path):
    (own_line / "images" / "025.png").write_bytes(b"no picture")
    code, text, _ = run("demo", tmp_path / "demo", "--data", own_line, "--shots", 1)
    assert code == 1
    assert "1 item(s) skipped" in text and "025.png" in text


def test_a_folder_of_somebody_else(refused, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    assert "holds other files; name another folder" in refused("demo", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("arguments", [["--seed", -1], ["--images", 19], ["--shots", -3]], ids=str)
def test_what_is_refused_leaves_no_folder(refused, tmp_path, arguments):
    refused("demo", tmp_path / "demo", *arguments)
    assert not (tmp_path / "demo").exists()
