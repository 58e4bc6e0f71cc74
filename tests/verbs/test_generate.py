"""``kizu generate``: the same pictures whatever happens on the way, in any format, with a sheet and a card."""

import functools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import kizu
from kizu.core.dataset import Dataset, formats
from kizu.core.shards import HEADER, read_manifest, verify
from kizu.synth import cluster, engine

SMALL = ("--preset", "rcdb", "--size", "32")
WRITERS = [name for name, item in formats().items() if item.write]


def files(folder):
    """Name -> digest, as the manifest has it, of the shards of a folder."""
    return {line["file"]: line["sha256"] for line in read_manifest(folder)}


def same(a, b):
    """Whether two samples are the same picture with the same masks."""
    return a.image_bytes() == b.image_bytes() and (a.instances.masks, a.instances.amodal) == (
        b.instances.masks,
        b.instances.amodal,
    )


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """40 pictures of 32 x 32 as shards, with sheet and card. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("forty") / "out"
    done = kizu.generate(folder, preset="rcdb", size=32, count=40, workers=1)
    assert done.path == folder
    return folder


def test_what_is_made(forty):
    assert {path.name for path in forty.iterdir()} == {
        HEADER, "manifest.jsonl", "shard-00000.parquet", "sheet.png", "card.md", "card.json",
    }  # fmt: skip
    data = Dataset.open(forty)
    assert (len(data), data.ids[39], data[0].size) == (40, "00000039.jpg", (32, 32))
    assert verify(forty) == []
    found = [sample.instances for sample in data if len(sample.instances)]
    assert len(found) > 20
    assert all(len(instances.masks) == len(instances.amodal) == len(instances) for instances in found)
    record = json.loads((forty / "card.json").read_text("utf-8"))
    assert (record["images"], record["preset"], record["seed"], record["size"]) == (40, "rcdb", 0, [32, 32])
    assert "rcdb" in (forty / "card.md").read_text("utf-8")


def test_the_same_command_again_has_nothing_to_do(run, forty):
    before = {path: path.stat().st_mtime_ns for path in forty.iterdir()}
    code, out, err = run("generate", forty, *SMALL, "--count", 40)
    assert (code, err) == (0, "")
    assert out == f"40 pictures of rcdb are in {forty} already; there was nothing to do.\n"
    assert {path: path.stat().st_mtime_ns for path in forty.iterdir()} == before


def test_start_moves_the_numbers(forty, tmp_path):
    kizu.generate(tmp_path / "d", preset="rcdb", size=32, count=10, start=30, workers=1, sheet=False)
    part, whole = Dataset.open(tmp_path / "d"), Dataset.open(forty)
    assert part.ids == whole.ids[30:]
    assert all(same(part[i], whole[30 + i]) for i in range(10))
    assert not (tmp_path / "d" / "sheet.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "another configuration; name an empty folder"),
        ({"start": 1}, "another configuration; name an empty folder"),
        ({"size": 40}, "another configuration; name an empty folder"),
        ({"preset": "visualatom"}, "another configuration; name an empty folder"),
        ({"count": 39}, "of 40 images already; name another folder for 39"),
        ({"to": "coco"}, "is not an empty folder; name a new one"),
    ],
)
def test_another_command_is_refused_in_the_same_folder(refused, forty, change, message):
    asked = {"preset": "rcdb", "size": 32, "count": 40} | change
    assert message in refused(
        "generate", forty, *(text for key, value in asked.items() for text in (f"--{key}", value))
    )


def test_a_larger_count_goes_on(run, forty, tmp_path):
    folder = tmp_path / "d"
    assert run("generate", folder, *SMALL, "--count", 30, "--no-sheet")[0] == 0
    assert run("generate", folder, *SMALL, "--count", 40, "--no-sheet")[0] == 0
    assert files(folder) == files(forty)
    assert json.loads((folder / "card.json").read_text("utf-8"))["images"] == 40


def test_sizes_and_keys(run, tmp_path):
    keys = ("--set", "scene.classes=7", "--set", "place.rotate=true")
    code, _, err = run("generate", tmp_path / "d", "--preset", "rcdb", "--count", 3, "--size", "32x48", *keys)
    assert (code, err) == (0, "")
    data = Dataset.open(tmp_path / "d")
    assert (data[0].size, len(data.names)) == ((32, 48), 7)
    values = json.loads((tmp_path / "d" / "card.json").read_text("utf-8"))["values"]
    assert (values["scene"]["classes"], values["place"]["rotate"]) == (7, True)


# --- killed on the way ---

# The first process stops to listen after its second shard, so that it is in the middle when it is killed.
CHILD = """
import functools, sys
from kizu.cli import main
from kizu.synth import engine

real, seen = engine._Meter.finish, []

def finish(self, line):
    real(self, line)
    seen.append(line)
    if len(seen) == 2:
        print("in the middle", flush=True)
        sys.stdin.readline()

if __name__ == "__main__":
    engine._Meter.finish = finish
    engine.write = functools.partial(engine.write, shard_size=16)
    main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_and_gone_on_with_it_equals_a_smaller_run(run, tmp_path, monkeypatch):
    """80 pictures in shards of 16, killed after the second; and 40 pictures without interruption."""
    folder, smaller = tmp_path / "killed", tmp_path / "smaller"
    arguments = ["generate", str(folder), *SMALL, "--count", "80", "--workers", "2", "--no-sheet"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CHILD, *arguments], start_new_session=True, **pipes) as process:
        assert process.stdout.readline() == "in the middle\n"
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-signal.SIGKILL, "")
    assert len(read_manifest(folder)) == 2
    monkeypatch.setattr(engine, "write", functools.partial(engine.write, shard_size=16))
    assert run(*arguments)[0] == 0
    assert (len(Dataset.open(folder)), verify(folder)) == (80, [])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    kizu.generate(smaller, preset="rcdb", size=32, count=40, workers=1, sheet=False)
    full = ("shard-00000.parquet", "shard-00001.parquet")
    assert {name: files(folder)[name] for name in full} == {name: files(smaller)[name] for name in full}
    a, b = Dataset.open(folder), Dataset.open(smaller)
    assert a.ids[:40] == b.ids
    assert all(same(a[i], b[i]) for i in range(32, 40))


# --- formats ---


@pytest.mark.parametrize("to", [name for name in WRITERS if name != "shards"])
def test_other_formats(run, forty, tmp_path, to):
    folder = tmp_path / "out"
    arguments = ("generate", folder, *SMALL, "--count", 40, "--to", to, "--workers", 1)
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    data = Dataset.open(folder)
    assert data.notes == []
    assert len(data) == 40
    made = sum(len(sample.instances) for sample in Dataset.open(forty))
    assert sum(len(sample.instances) for sample in data) == made
    beside = {"out", "out-sheet.png"} if to == "labelme" else {"out"}
    assert {path.name for path in tmp_path.iterdir()} == beside, "the shards are gone"
    assert {"card.md", "card.json"} <= {path.name for path in folder.iterdir()}
    if to != "coco":
        assert "left out" in out or "no referring expressions" in out
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out == f"40 pictures of rcdb are in {folder} already; there was nothing to do.\n"


def test_a_kill_while_another_format_is_written_costs_no_picture(run, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    arguments = ("generate", folder, *SMALL, "--count", 12, "--to", "coco", "--workers", 1, "--no-sheet")
    monkeypatch.setattr(Dataset, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(*arguments)[0] == 130
    assert [path.name for path in tmp_path.iterdir()] == [".out.generate"]
    monkeypatch.undo()
    monkeypatch.setattr(engine, "draw", lambda *_: pytest.fail("all pictures are there"))
    assert run(*arguments)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(Dataset.open(folder)) == 12


# --- what cannot be asked for, and pictures that cannot be made ---

REFUSED = {
    "preset": (("--preset", "rcbd"), "unknown preset 'rcbd'; known are "),
    "format": (("--to", "tfrecord"), "cannot write format 'tfrecord'; known are "),
    "engine": (("--engine", "spark"), "engine 'spark': it is pool or ray"),
    "no key": (("--set", "clean"), "--set 'clean': write it as key=value"),
    "unknown key": (("--set", "canvas.side=3"), "unknown key 'canvas.side'"),
    "twice": (("--set", "a=1", "--set", "a=2"), "--set a is given twice"),
    "size": (("--size", "large"), "--size large: write 512 for squares, 512x768 for height x width"),
    "three sizes": (("--size", "1x2x3"), "--size 1x2x3: write 512"),
    "small": (("--size", "16"), "pictures of 16 x 16 pixels: take from 32"),
    "count": (("--count", "0"), "count 0, start 0, seed 0"),
    "seed": (("--seed", "-1"), "seed -1: count is 1 or more"),
    "workers": (("--workers", "-2"), "-2 workers: take 1 or more"),
    "like": (("--like", "nowhere"), "nowhere"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_asked_for(refused, tmp_path, arguments, message):
    base = ["--preset", "rcdb"] if "--preset" not in arguments else []
    assert message in refused("generate", tmp_path / "out", *base, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(refused, tmp_path):
    (tmp_path / "thesis.doc").write_text("x")
    for to in ("shards", "coco"):
        assert "is not an empty folder" in refused("generate", tmp_path, *SMALL, "--count", 3, "--to", to)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.fixture
def odd_painter(monkeypatch):
    """The painter of ``rcdb`` without a picture of number 5."""
    from kizu.synth.formula import presets, source

    painter = source._painter(presets.load("rcdb"))
    real = painter.paint

    def paint(values, size, seed, index):
        if index == 5:
            raise ValueError("no contour")
        return real(values, size, seed, index)

    monkeypatch.setattr(painter, "paint", paint)


REASON = "picture 5 (preset rcdb, seed 0, size 32x32) cannot be made (ValueError: no contour)"


@pytest.mark.parametrize("to", ["shards", "coco"])
def test_a_picture_that_cannot_be_made_is_listed(run, tmp_path, odd_painter, to):
    folder = tmp_path / "out"
    code, out, err = run("generate", folder, *SMALL, "--count", 12, "--workers", 1, "--to", to)
    assert (code, err) == (1, "")
    assert f"1 item(s) skipped, the first: {REASON}" in out
    assert json.loads((folder / "skipped.jsonl").read_text())["reason"] == REASON
    assert sorted(Dataset.open(folder).ids) == [f"{i:08d}.jpg" for i in range(12) if i != 5]


def test_strict_stops_at_it(refused, tmp_path, odd_painter):
    line = refused("generate", tmp_path / "out", *SMALL, "--count", 12, "--workers", 1, "--strict")
    assert line == f"kizu: {REASON}"


def test_ray_takes_the_same_shards(run, forty, tmp_path, monkeypatch):
    """The runner is handed the shards; what it does on a cluster is tested with it."""
    asked = []

    def run_here(work, shards, workers, tell):
        asked.append(list(shards))
        return engine.in_process(work, shards, workers, tell)

    monkeypatch.setattr(cluster, "run", run_here)
    assert run("generate", tmp_path / "d", *SMALL, "--count", 40, "--engine", "ray", "--no-sheet")[0] == 0
    assert asked == [[0]]
    assert files(tmp_path / "d") == files(forty)
    assert np.array_equal(Dataset.open(forty)[3].image, Dataset.open(tmp_path / "d")[3].image)


# --- like a user's own ---


@pytest.fixture
def quick_fit(monkeypatch):
    """The fit with few pictures; returns a list that counts its calls."""
    from kizu.synth import like

    calls, real = [], like.fit

    def fit(dataset, preset, **options):
        calls.append(preset.name)
        return real(dataset, preset, limit=8, count=3, rounds=0, **options)

    monkeypatch.setattr(like, "fit", fit)
    return calls


def test_like_a_data_set(run, disc_line, tmp_path, quick_fit, monkeypatch):
    folder = tmp_path / "out"
    arguments = ("generate", folder, "--like", disc_line, "--count", 6, "--workers", 1, "--set", "scene.clean=0.25")
    real = engine.write
    monkeypatch.setattr(engine, "write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(*arguments)[0] == 130
    monkeypatch.setattr(engine, "write", real)
    for told in ("6 pictures of industrial were written", "are in"):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert told in out
    assert quick_fit == ["industrial"], "what was fitted is kept, through a stop and after the end"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    data = Dataset.open(folder)
    assert (len(data), data[0].size) == (6, (64, 80))
    kept = json.loads((folder / "like.json").read_text("utf-8"))["fit"]["overrides"]
    record = json.loads((folder / "card.json").read_text("utf-8"))
    assert record["like"]["name"] == "line"
    assert record["values"]["match"]["sizes"] == kept["match.sizes"]
    assert record["values"]["scene"]["clean"] == 0.25, "what is set by hand stays"


def test_a_preset_that_cannot_be_like_anything(refused, disc_line, tmp_path):
    assert "rcdb cannot be matched" in refused("generate", tmp_path / "out", "--preset", "rcdb", "--like", disc_line)
    assert list(tmp_path.iterdir()) == []


OWN_TYPE = """
name = "tool_kiss"
family = "surface"
sentences = ["A tool kiss is a short bright line with sharp edges."]
attributes = { tone = ["bright"], shape = ["line"], extent = ["short"], edge = ["sharp"] }
recipe = { draw = "scratch", length = [20, 60], count = [1, 1] }
"""


def test_own_types_are_drawn_and_are_part_of_what_was_asked(run, refused, tmp_path):
    (tmp_path / "own.toml").write_text(OWN_TYPE)
    words = [
        "generate",
        tmp_path / "out",
        "--preset",
        "line",
        "--count",
        "6",
        "--size",
        "96",
        "--types",
        tmp_path / "own.toml",
    ]
    words += ["--set", "defects.types={tool_kiss=1}", "--set", "label.contrast=0", "--no-sheet"]
    run(*words)
    data = Dataset.open(tmp_path / "out")
    assert data.names == ("tool_kiss",)
    assert sum(len(sample.instances) for sample in data) > 0
    (tmp_path / "own.toml").write_text(OWN_TYPE.replace("60]", "61]"))
    assert "another" in refused(*words)
