"""``kizu predict`` from the command line: pictures of any kind in, a data set out, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

import kizu
from kizu.core.dataset import Dataset
from kizu.core.shards import read_manifest


def fired(folder):
    """Ids of the pictures on which something was found."""
    return {sample.id for sample in Dataset.open(folder) if (sample.instances.scores >= 0.5).any()}


def test_a_split_of_a_data_set(run, disc_model, disc_line, tmp_path):
    code, out, err = run("predict", disc_model, disc_line, tmp_path / "out", "--split", "test")
    assert (code, err) == (0, "")
    assert out.startswith("inspected 12 pictures in ")
    assert f"something found on 6; written to {tmp_path / 'out'}. Next: kizu report {tmp_path / 'out'}" in out
    assert fired(tmp_path / "out") == {f"{i:03d}.png" for i in range(20, 32, 2)}
    found, truth = Dataset.open(tmp_path / "out"), Dataset.open(disc_line).split("test")
    assert found.ids == truth.ids
    assert found.info["card"]["classes"] == ["disc"]
    for a, b in zip(found, truth, strict=True):
        if len(b.instances):
            assert a.instances.masks.iou(b.instances.masks).max() > 0.6
        assert a.score_map.shape == (1, 64, 80)


def test_a_folder_and_a_single_picture(run, disc_model, disc_line, tmp_path):
    code, _, _ = run("predict", disc_model, disc_line / "images", tmp_path / "all", "--no-score-maps")
    assert code == 0
    assert len(fired(tmp_path / "all")) == 16
    assert Dataset.open(tmp_path / "all")[0].score_map is None
    code, out, _ = run("predict", disc_model, disc_line / "images" / "001.png", tmp_path / "one")
    assert code == 0
    assert "inspected 1 pictures" in out and "something found on 0" in out
    done = kizu.predict(disc_model, disc_line / "images" / "000.png", tmp_path / "python", embed=True)
    assert done.path == tmp_path / "python"
    assert fired(done.path) == {"000.png"}


def test_pictures_of_every_kind(run, disc_model, disc_line, tmp_path):
    folder = tmp_path / "today"
    (folder / "sub folder ü").mkdir(parents=True)
    with Image.open(disc_line / "images" / "000.png") as image:
        grey = image.convert("L")
        grey.save(folder / "grey.png")
        image.save(folder / "lossy.jpg", quality=95)
        image.convert("RGBA").save(folder / "sub folder ü" / "alpha.png")
        image.convert("P").save(folder / "palette.png")
        image.save(folder / "plain.bmp")
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(folder / "deep.tiff")
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("no picture, and not meant as one")
    code, out, _ = run("predict", disc_model, folder, tmp_path / "out")
    assert code == 0
    assert "inspected 7 pictures" in out
    assert fired(tmp_path / "out") == {
        "grey.png", "lossy.jpg", "palette.png", "plain.bmp", "deep.tiff", "sub folder ü/alpha.png"
    }  # fmt: skip


BROKEN = ["003.png", "017.png", "030.png"]


@pytest.fixture
def broken_line(own_line):
    images = own_line / "images"
    (images / BROKEN[0]).write_bytes(b"no picture")
    (images / BROKEN[1]).write_bytes((images / BROKEN[1]).read_bytes()[:900])
    (images / BROKEN[2]).unlink()
    return own_line


def test_broken_pictures_are_skipped_counted_and_listed(run, disc_model, broken_line, tmp_path):
    code, out, err = run("predict", disc_model, broken_line, tmp_path / "out")
    assert (code, err) == (1, "")
    assert "inspected 29 pictures" in out
    assert "3 item(s) skipped, the first: " in out and "003.png" in out
    lines = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text("utf-8").splitlines()]
    assert [line["item"] for line in lines] == BROKEN
    assert all(set(line) == {"item", "reason"} and line["item"] in line["reason"] for line in lines)
    found = Dataset.open(tmp_path / "out")
    assert len(found) == 29
    assert not set(found.ids) & set(BROKEN)
    assert fired(tmp_path / "out") == {f"{i:03d}.png" for i in range(0, 32, 2)} - {"030.png"}


def test_strict_stops_at_the_first(refused, disc_model, broken_line, tmp_path):
    assert "003.png" in refused("predict", disc_model, broken_line, tmp_path / "out", "--strict")
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_used_folder(run, refused, disc_model, disc_line, tmp_path):
    arguments = ("predict", disc_model, disc_line, tmp_path / "out", "--split", "test")
    assert run(*arguments)[0] == 0
    before = [(line["sha256"], line["shard"]) for line in read_manifest(tmp_path / "out")]
    assert refused(*arguments).endswith("holds predictions already; name another folder, or go on in it with --resume")
    code, out, _ = run(*arguments, "--resume")
    assert code == 0
    assert "something found on 6" in out
    assert "another configuration" in refused(*arguments, "--resume", "--min-score", 0.3)
    assert [(line["sha256"], line["shard"]) for line in read_manifest(tmp_path / "out")] == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "not empty" in refused("predict", disc_model, disc_line, tmp_path / "mine", "--resume")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_candidates(run, disc_model, tmp_path):
    (tmp_path / "in").mkdir()
    rows, columns = np.mgrid[:64, :80]
    for depth in range(0, 60, 4):  # from what nobody sees to what cannot be missed
        image = np.random.default_rng(depth).normal(150, 5, (64, 80, 1)).repeat(3, 2)
        image[(rows - 30) ** 2 + (columns - 40) ** 2 <= 49] -= depth
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / "in" / f"{depth}.png")
    scores = {}
    for name, least in (("all", 0.01), ("some", 0.5), ("sure", 0.9)):
        assert run("predict", disc_model, tmp_path / "in", tmp_path / name, "--min-score", least)[0] == 0
        scores[name] = np.sort(np.concatenate([sample.instances.scores for sample in Dataset.open(tmp_path / name)]))
    assert scores["all"].min() < 0.5 < scores["all"].max()
    assert np.array_equal(scores["all"][scores["all"] >= 0.5], scores["some"])
    assert np.array_equal(scores["some"][scores["some"] >= 0.9], scores["sure"])


@pytest.mark.parametrize("least", [0, -1, 1.01, 5])
def test_scores_that_are_none(refused, disc_model, disc_line, tmp_path, least):
    assert "min score" in refused("predict", disc_model, disc_line, tmp_path / "out", "--min-score", least)
    assert not (tmp_path / "out").exists()


def test_nothing_to_inspect(refused, disc_model, disc_line, tmp_path):
    assert "no such file or folder" in refused("predict", disc_model, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused("predict", disc_model, tmp_path / "empty", tmp_path / "out")
    assert "split 'night'" in refused("predict", disc_model, disc_line, tmp_path / "out", "--split", "night")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there(refused, disc_line, tmp_path):
    line = refused("predict", tmp_path / "gone.kizu", disc_line, tmp_path / "out")
    assert "no such model file; make one with: kizu fit" in line


@pytest.mark.parametrize("keep", [0, 4, 1000, 0.5, -1], ids=str)
def test_a_model_cut_short(refused, disc_model, disc_line, tmp_path, keep):
    data = disc_model.read_bytes()
    path = tmp_path / "cut.kizu"
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    line = refused("predict", path, disc_line, tmp_path / "out")
    assert "cut.kizu: cannot be read as a model" in line
    assert not (tmp_path / "out").exists()


def changed(path, out, arrays=None, settings=None, whole=None):
    """A model file with other arrays, other entries of its settings, or other settings as a whole."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata["settings"] = whole or json.dumps(json.loads(metadata["settings"]) | (settings or {}))
    save_file({name: values for name, values in (kept | (arrays or {})).items() if values is not None}, out, metadata)


DAMAGE = {
    "features of another version": {"settings": {"features": "filter-bank/0"}},
    "rules of another version": {"settings": {"rules": [{"pixel": 1, "edge": 2}]}},
    "rules of fewer classes": {"settings": {"rules": [], "mixes": []}},
    "no settings": {"whole": "{}"},
    "settings of another kind": {"whole": "[]"},
    "an array missing": {"arrays": {"mean": None}},
    "a tree that leads out of itself": {"arrays": {"all.left": np.full(10**4, 10**6, np.int32)}},
    "a tree of another length": {"arrays": {"own.left": np.full(3, -1, np.int32)}},
    "features that are not there": {"arrays": {"weight": np.zeros((4, 2), np.float32)}},
    "a number that is none": {"arrays": {"bias": np.full(2, np.nan, np.float32)}},
}


def test_a_changed_file_that_is_whole(run, disc_model, disc_line, tmp_path):
    """What the damage below is done with does no harm by itself."""
    changed(disc_model, tmp_path / "same.kizu")
    assert run("predict", tmp_path / "same.kizu", disc_line / "images" / "001.png", tmp_path / "out")[0] == 0


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_model_that_does_not_fit_together(refused, disc_model, disc_line, tmp_path, damage):
    path = tmp_path / "other.kizu"
    changed(disc_model, path, **damage)
    line = refused("predict", path, disc_line / "images" / "001.png", tmp_path / "out")
    assert "other.kizu" in line and "fit" in line
