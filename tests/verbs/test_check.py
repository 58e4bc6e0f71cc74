"""``kizu check``: the table, the files, the exit code."""

import csv
import json

import numpy as np
import pytest

from kizu.cli import main
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.verbs.check import check


@pytest.fixture
def source(tmp_path):
    """A COCO folder with eight missing images (errors) and a class without instances (warning)."""
    folder = tmp_path / "src"
    (folder / "images").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    (folder / "images" / "0.png").write_bytes(encode_image(pixels))
    images = [{"id": k, "file_name": f"{k}.png", "width": 40, "height": 32} for k in range(9)]
    boxes = [{"id": k, "image_id": 0, "category_id": 1, "bbox": [k, 1, 9, 9]} for k in range(6)]
    names = [{"id": 1, "name": "scratch"}, {"id": 2, "name": "[red]pit[/red]"}]
    (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": names}))
    return folder


def test_table_cuts_long_lists(source, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = check(source)
    assert (done.problems, len(done.found), done.path) == (8, 9, None)
    text = capsys.readouterr().out
    assert "missing image" in text and "(8)" in text and "3 more; --out FILE for all" in " ".join(text.split())
    assert "[red]pit[/red]" in " ".join(text.split())  # a class name is no markup
    assert str(done) == f"{source}: 8 errors, 1 warning, 0 remarks."


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_file_holds_all(source, tmp_path, suffix):
    path = tmp_path / f"problems{suffix}"
    done = check(source, out=path)
    text = path.read_text("utf-8")
    rows = json.loads(text) if suffix == ".json" else list(csv.DictReader(text.splitlines()))
    assert len(rows) == 9 and done.path == path
    assert list(rows[0]) == ["severity", "kind", "file", "id", "field", "message", "remedy"]
    assert [row["severity"] for row in rows] == ["error"] * 8 + ["warning"]
    assert {row["id"] for row in rows[:8]} == {f"{k}.png" for k in range(1, 9)}


def test_strict_counts_warnings(source):
    assert check(source, strict=True).problems == 9


@pytest.mark.parametrize(
    "options, word", [({"out": "p.txt"}, r"\.json or \.csv"), ({"dataset": "none"}, "no such file")]
)
def test_what_is_refused(source, tmp_path, options, word):
    with pytest.raises(KizuError, match=word):
        check(**({"dataset": source} | options))


@pytest.mark.parametrize("fix, code", [(False, 1), (True, 0)])
def test_exit_code(source, fix, code):
    if fix:
        table = json.loads((source / "instances.json").read_text())
        table["images"] = table["images"][:1]
        (source / "instances.json").write_text(json.dumps(table))
    with pytest.raises(SystemExit) as stop:
        main(["check", str(source)])
    assert stop.value.code == code


def test_junk_is_a_problem_and_not_a_crash(tmp_path, capsys):
    (tmp_path / "instances.json").write_bytes(b"\xff\x00junk")
    done = check(tmp_path)
    assert done.problems == 1 and done.found[0].kind == "cannot be opened"
