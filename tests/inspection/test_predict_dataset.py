"""A run over a data set with a small but real inspector: what is stored, what is skipped, what a resumed run does."""

import json

import numpy as np
import pytest

from kizu.core import shards
from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.inspector import Inspector
from kizu.core.sample import Sample
from kizu.inspection.predict import predict_dataset
from kizu.inspection.regions import Rule, decide


class DarkOrBright(Inspector):
    """Finds what is darker than 60 or brighter than 200, with candidates up to 20 grey values beyond."""

    def __init__(self, level=60):
        self.level = level
        self.card = Card("test", classes=["dark", "bright"], thresholds={"dark": level, "bright": 200})

    def inspect(self, image, min_score=0.5):
        grey = image.mean(2, dtype=np.float32)
        return decide(np.stack([self.level - grey, grey - 200]) / 10, [Rule(0, 0.5, 2, 4)] * 2, min_score)

    def state(self):
        raise NotImplementedError

    from_state = state


def picture(i):
    """Number 3 k has a dark spot, 3 k + 1 a bright one, 3 k + 2 nothing; every fifth a faint dark one too."""
    image = np.full((24, 20 + i % 5, 3), 128 + i % 7, np.uint8)
    if i % 3 < 2:
        image[3:7, 4:9] = (20, 240)[i % 3]
    if i % 5 == 0:
        image[15:18, 5:9] = 66
    return image


@pytest.fixture
def folder(tmp_path):
    """70 pictures in sub-folders: more than two shards."""
    for i in range(70):
        path = tmp_path / "in" / f"day {i % 2}" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_image(picture(i)))
    return tmp_path / "in"


def run(folder, out, **options):
    return predict_dataset(options.pop("inspector", DarkOrBright()), Dataset.open(folder), out, show=False, **options)


def digests(out):
    return [(line["shard"], line["sha256"]) for line in shards.read_manifest(out)]


def test_what_is_stored(folder, tmp_path):
    found, skips, fired = run(folder, tmp_path / "out")
    assert (len(found), skips.items, fired) == (70, [], 47)
    assert found.names == ("dark", "bright")
    assert found.info["card"]["kind"] == "test"
    assert json.loads((tmp_path / "out" / "card.json").read_text())["classes"] == ["dark", "bright"]
    assert not (tmp_path / "out" / "skipped.jsonl").exists()
    assert len(digests(tmp_path / "out")) == 3
    truth = Dataset.open(folder)
    assert found.ids == truth.ids
    assert "day 0/00.png" in found.ids
    for sample, source in zip(found, truth, strict=True):
        image = source.image
        instances, maps = DarkOrBright().inspect(image)
        assert sample.path.resolve() == source.path.resolve()
        assert np.array_equal(sample.image, image)
        assert sample.size == image.shape[:2]
        assert sample.instances.masks == instances.masks
        assert sample.instances.labels.tolist() == instances.labels.tolist()
        assert np.array_equal(sample.instances.scores, instances.scores)
        assert np.allclose(sample.score_map, maps, atol=5e-4)
        assert ((sample.score_map >= 0.5) == (maps >= 0.5)).all()


def test_candidates_do_not_count_as_finds(folder, tmp_path):
    found, _, fired = run(folder, tmp_path / "out", min_score=0.1)
    assert fired == 47
    scores = np.concatenate([sample.instances.scores for sample in found])
    assert (scores >= 0.5).sum() == 47
    assert (scores < 0.5).sum() == 14


def test_embedded_pictures_travel(folder, tmp_path):
    found, _, _ = run(folder, tmp_path / "out", embed=True, score_maps=False)
    files = [path.read_bytes() for path in sorted(folder.rglob("*.png"))]
    for path in folder.rglob("*.png"):
        path.unlink()
    assert sorted(sample.image_bytes() for sample in found) == sorted(files)
    assert all(sample.score_map is None for sample in found)


def test_broken_pictures_are_listed_with_their_shard(folder, tmp_path):
    for name in ("day 0/04.png", "day 1/69.png"):
        (folder / name).write_bytes(b"no picture")
    out = tmp_path / "out"
    found, skips, _ = run(folder, out)
    assert len(found) == 68
    assert [item["item"] for item in skips.items] == ["day 0/04.png", "day 1/69.png"]
    lines = [json.loads(line) for line in (out / "skipped.jsonl").read_text("utf-8").splitlines()]
    assert lines == skips.items
    assert "not an image" in lines[0]["reason"]
    assert not set(found.ids) & {item["item"] for item in lines}
    # A second run has nothing to do, and still knows what was passed over.
    before = digests(out)
    again, skips, _ = run(folder, out)
    assert [item["item"] for item in skips.items] == ["day 0/04.png", "day 1/69.png"]
    assert (digests(out), len(again)) == (before, 68)


def test_a_shard_of_nothing_but_broken_pictures(folder, tmp_path):
    for path in sorted(folder.rglob("*.png"))[:32]:
        path.write_bytes(b"")
    found, skips, _ = run(folder, tmp_path / "out")
    assert len(found) == 38
    assert len(skips.items) == 32
    assert all(len(sample.id) for sample in found)


def test_strict_stops_at_the_first(folder, tmp_path):
    (folder / "day 0/02.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"02\.png"):
        run(folder, tmp_path / "out", strict=True)
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert not [path.name for path in (tmp_path / "out").iterdir() if "tmp" in path.name]


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on(folder, tmp_path, monkeypatch):
    run(folder, tmp_path / "whole")
    out = tmp_path / "out"
    seen = []

    class Stopping(DarkOrBright):
        def inspect(self, image, min_score=0.5):
            seen.append(0)
            if 40 <= len(seen) < 100:
                raise Stopped
            return super().inspect(image, min_score)

    with pytest.raises(Stopped):
        run(folder, out, inspector=Stopping())
    assert [shard for shard, _ in digests(out)] == [0]
    seen[:] = [0] * 100
    found, _, fired = run(folder, out, inspector=Stopping())
    assert len(seen) == 100 + 70 - 32, "what was finished is not done again"
    assert (len(found), fired) == (70, 47)
    assert digests(out) == digests(tmp_path / "whole")


@pytest.mark.parametrize(
    "options",
    [{"min_score": 0.2}, {"score_maps": False}, {"embed": True}, {"inspector": DarkOrBright(50)}],
    ids=lambda options: next(iter(options)),
)
def test_a_folder_is_gone_on_with_only_as_it_began(folder, tmp_path, options):
    run(folder, tmp_path / "out")
    before = digests(tmp_path / "out")
    with pytest.raises(KizuError, match="another configuration"):
        run(folder, tmp_path / "out", **options)
    assert digests(tmp_path / "out") == before


def test_a_folder_in_use(folder, tmp_path):
    with pytest.raises(KizuError, match="not empty"):
        run(folder, folder)
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(KizuError, match="cannot write"):
            run(folder, out)


def test_samples_in_memory(tmp_path):
    samples = [Sample(f"{i}.png", picture(i)) for i in range(4)]
    found, _, fired = predict_dataset(DarkOrBright(), Dataset(samples, ["other"]), tmp_path / "out", show=False)
    assert fired == 3
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found, samples, strict=True))
    empty, _, fired = predict_dataset(DarkOrBright(), Dataset([], []), tmp_path / "none", show=False)
    assert (len(empty), fired) == (0, 0)
