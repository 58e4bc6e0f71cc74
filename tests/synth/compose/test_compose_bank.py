"""Banks: the same segments from disk and from the data set, the same bytes after a kill, and what is damaged."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compose_bank_sets import NAMES, Many, disc_sample, many

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.shards import MANIFEST, verify
from kizu.synth.compose.bank import Bank, Cutting, is_bank, write_bank
from kizu.synth.compose.checker import bank_sheet, on_checkers
from kizu.synth.compose.plan import plan
from kizu.synth.compose.segment import Segment
from kizu.synth.compose.stored import Held, to_sample, to_segment

COUNT, SHARD = 8, 5  # 24 segments, five shards


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bank that was written without interruption. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("bank") / "b"
    assert write_bank(plan(many(COUNT)), folder, workers=1, shard_size=SHARD).made == 3 * COUNT
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("shard-*.parquet")}


def same(a, b):
    assert (a.colour == b.colour).all() and (a.alpha == b.alpha).all()
    for name in ("id", "label", "kind", "picture", "group", "split", "corner", "frame", "record"):
        assert getattr(a, name) == getattr(b, name), name


def test_a_bank_from_disk_and_one_from_the_data_set_are_the_same(whole):
    stored, cut = Bank.open(whole), Bank.cut(many(COUNT))
    assert len(stored) == len(cut) == 3 * COUNT
    assert (stored.names, cut.names) == (NAMES, NAMES)
    for row in (23, 0, 7, 8, 0):
        same(stored.segment(row), cut.segment(row))
    for name in ("id", "label", "kind", "picture", "group", "split", "corner", "frame", "truncated", "blurred", "tiny"):
        assert (stored.table[name] == cut.table[name]).all(), name
    for name in ("width", "height", "box"):
        assert np.abs(stored.table[name] - cut.table[name]).max() <= 2, name
    assert stored.table["label"].tolist() == ["bolt", "scratch", "bolt"] * COUNT
    assert stored.table["kind"].tolist() == ["object", "defect", "object"] * COUNT


def test_the_table_says_what_the_segments_are(whole):
    bank = Bank.open(whole)
    for row in range(0, len(bank), 5):
        segment, table = bank.segment(row), {name: values[row] for name, values in bank.table.items()}
        x0, y0, x1, y1 = segment.box
        assert (table["width"], table["height"], table["area"]) == (x1 - x0, y1 - y0, segment.mask.sum())
        assert table["box"].tolist() == np.add(segment.box, segment.corner * 2).tolist()
        assert tuple(table["frame"]) == segment.frame and tuple(table["corner"]) == segment.corner
        for name in ("orientation", "elongation", "truncated", "hidden"):
            assert table[name] == segment.record[name]


def test_a_bank_is_a_data_set_that_check_finds_nothing_wrong_with(whole):
    from kizu.verbs.check import check

    data = Dataset.open(whole)
    assert data.splits == {"train": 12, "val": 12}
    assert data[4].group == "part 0"
    assert (data[4].score_map[0] >= 0.5).sum() == data[4].instances.masks.area[0]
    assert check(whole).problems == 0
    assert is_bank(whole) and verify(whole) == []


def test_a_bank_converts_like_any_data_set(whole, tmp_path):
    Dataset.open(whole).write(tmp_path / "coco", "coco")
    there = Dataset.open(tmp_path / "coco")
    assert (there[3].image == Dataset.open(whole)[3].image).all()
    assert there.names == NAMES
    assert there[3].meta["segment"]["picture"] == "001.png"


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({}, range(24)),
        ({"split": "val"}, [i for i in range(24) if i // 6 % 2 == 0]),
        ({"split": "test"}, []),
        ({"classes": ["scratch"]}, range(1, 24, 3)),
        ({"classes": []}, []),
        ({"kind": "defect", "split": "train"}, [7, 10, 19, 22]),
        ({"refuse": ["truncated"]}, None),
    ],
)
def test_choosing_segments(whole, asked, rows):
    bank = Bank.open(whole)
    if rows is None:
        rows = [i for i in range(24) if not bank.segment(i).record["truncated"]]
    assert bank.select(**asked).tolist() == list(rows)


def test_choosing_what_is_not_there(whole):
    bank = Bank.open(whole)
    with pytest.raises(KizuError, match="unknown class 'nut'; this bank has bolt, scratch"):
        bank.select(classes=["nut"])
    with pytest.raises(KizuError, match="unknown flag 'ugly'"):
        bank.select(refuse=["ugly"])
    with pytest.raises(IndexError, match="segment 24 of 24"):
        bank.segment(24)


def test_flags_and_classes_keep_instances_out():
    discs = ((60.0, 50.0, 20.0), (0.0, 20.0, 10.0), (100.0, 20.0, 3.0))
    data = Dataset([disc_sample(discs)], ("bolt",))
    found = plan(data, refuse=["truncated", "tiny"])
    assert (found.table["id"].tolist(), found.refused) == (["a.png#0"], {"truncated": 1, "tiny": 1})
    assert len(plan(many(2), classes=["scratch"])) == 2
    with pytest.raises(KizuError, match="unknown class 'nut'"):
        plan(many(2), classes=["nut"])


def test_what_the_data_set_calls_no_defect_is_an_object():
    data = Dataset([disc_sample()], ("scratch",), {"not_defects": ["scratch"]})
    assert plan(data).table["kind"].tolist() == ["object"]
    assert plan(data, kinds={"scratch": "defect"}).table["kind"].tolist() == ["defect"]


@pytest.mark.parametrize("bank", ["stored", "cut"])
def test_a_bank_goes_to_another_process(whole, bank):
    one = Bank.open(whole) if bank == "stored" else Bank.cut(many(COUNT))
    one.segment(3)
    two = pickle.loads(pickle.dumps(one))
    same(one.segment(9), two.segment(9))
    assert len(pickle.dumps(one)) < 40_000, "segments that are held do not travel"


def test_a_data_set_of_boxes_and_an_empty_one(tmp_path):
    boxes = disc_sample().instances.replace(masks=None)
    for data, reason in [
        (Dataset([disc_sample().replace(instances=boxes)], ("bolt",)), "it has a box but no mask"),
        (Dataset([disc_sample(())], ("bolt",)), "no instance of the chosen classes is left"),
        (Dataset([], ("bolt",)), "no instance of the chosen classes is left"),
    ]:
        bank = Bank.cut(data)
        assert len(bank) == 0 and bank.select().tolist() == []
        with pytest.raises(KizuError, match=f"no segment can be cut from this data set; the first reason: .*{reason}"):
            write_bank(plan(data), tmp_path / "none")
        assert not (tmp_path / "none").exists()


# --- memory ---


def test_what_is_held_stays_below_its_limit():
    held, made = Held(100, len), []

    def get(key, size):
        return held.get(key, lambda: made.append(key) or b"x" * size)

    for key, size in [("a", 40), ("b", 40), ("a", 0), ("c", 40), ("a", 0), ("b", 40), ("d", 500), ("d", 0)]:
        get(key, size)
        assert held.bytes <= 100 or key == "d"
    assert made == ["a", "b", "c", "b", "d"]


def test_segments_are_read_once_while_they_fit(whole, monkeypatch):
    bank = Bank.open(whole)
    first = bank.segment(2)
    assert bank.segment(2) is first
    small = Bank.open(whole, memory=1)
    assert small.segment(2) is not small.segment(3)
    same(small.segment(2), first)


# --- the same bytes ---


def test_any_number_of_workers_writes_the_same_bytes(whole, tmp_path):
    data = Dataset(Many(COUNT), NAMES, {"licence": "CC0"})
    write_bank(plan(data), tmp_path / "b", workers=2, shard_size=SHARD)
    assert files(tmp_path / "b") == files(whole)


CHILD = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from compose_bank_sets import Many, NAMES
from kizu.core.dataset import Dataset
from kizu.synth.compose.bank import Cutting, write_bank
from kizu.synth.compose.plan import plan

found = plan(Dataset(Many(8), NAMES, {"licence": "CC0"}))
read = Cutting.__getitem__

def stop(self, row):
    if row == 12:
        print("in the middle", flush=True)
        threading.Event().wait()
    return read(self, row)

Cutting.__getitem__ = stop
write_bank(found, sys.argv[2], workers=1, shard_size=5)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_killed_in_the_middle_and_gone_on_with(whole, tmp_path):
    folder = tmp_path / "b"
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
    assert sorted(files(folder)) == ["shard-00000.parquet", "shard-00001.parquet"]
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert write_bank(plan(many(COUNT)), folder, workers=1, shard_size=SHARD).made == 14
    assert files(folder) == files(whole)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert write_bank(plan(many(COUNT)), folder, workers=1, shard_size=SHARD).made == 0


@pytest.mark.parametrize("change", [{"kind": "object"}, {"erode": 0.25}, {"classes": ["bolt"]}])
def test_another_way_of_cutting_is_another_bank(whole, change):
    with pytest.raises(KizuError, match=r"another configuration"):
        write_bank(plan(many(COUNT), **change), whole, workers=1, shard_size=SHARD)


# --- what is broken ---


def test_a_picture_that_cannot_be_read_is_listed_once(whole, tmp_path):
    written = write_bank(plan(many(COUNT, broken=(2,))), tmp_path / "b", workers=1, shard_size=SHARD)
    assert [item["item"] for item in written.skipped] == ["002.png"]
    assert json.loads((tmp_path / "b" / "skipped.jsonl").read_text())["item"] == "002.png"
    bank = Bank.open(tmp_path / "b")
    assert len(bank) == 3 * (COUNT - 1) and "002.png" not in bank.table["picture"]
    same(bank.segment(8), Bank.open(whole).segment(11))
    assert Bank.cut(many(COUNT, broken=(2,))).skipped == written.skipped
    with pytest.raises(DataError):
        plan(many(COUNT, broken=(2,)), strict=True)


def test_a_picture_that_is_gone_when_it_is_cut():
    found = plan(many(COUNT))
    found.dataset = many(COUNT, broken=(2,))
    bank = Bank(found.table, NAMES, Cutting(found))
    with pytest.raises(DataError):
        bank.segment(6)
    assert bank.segment(3).picture == "001.png"


def damage(whole, folder, change):
    """A copy of a bank in which ``change`` has been at the rows of the first shard."""
    folder.mkdir()
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    path = folder / "shard-00000.parquet"
    table = pq.ParquetFile(path).read()
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    return folder


def other_shape(row):
    row["score_map"], row["score_shape"] = np.zeros((1, 3, 5), np.float16).tobytes(), [1, 3, 5]


DAMAGES = {
    "an image that is none": (lambda row: row.update(image=b"no picture"), "not an image that can be read"),
    "a cut image": (lambda row: row.update(image=row["image"][:200]), "cannot be decoded"),
    "alpha of another shape": (
        other_shape,
        r"its image is \[\d+, \d+\], but its alpha \[1, 3, 5\]; make the bank again",
    ),
    "alpha of too few bytes": (lambda row: row.update(score_map=b"123"), "its score map is damaged"),
    "no alpha": (lambda row: row.update(score_map=None), "but its alpha None; make the bank again"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_segment_is_named(whole, tmp_path, what):
    change, message = DAMAGES[what]
    bank = Bank.open(damage(whole, tmp_path / "b", lambda rows: change(rows[2])))
    with pytest.raises(DataError, match=rf"segment 000\.png#2: .*{message}"):
        bank.segment(2)
    assert bank.segment(1).id == "000.png#1"
    assert bank_sheet(bank, tmp_path / "sheet.png").stat().st_size > 1000


def test_a_shard_that_is_gone_or_torn(whole, tmp_path):
    folder = damage(whole, tmp_path / "b", lambda rows: None)
    bank = Bank.open(folder)
    (folder / "shard-00004.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"shard-00004\.parquet: damaged"):
        bank.segment(23)
    (folder / "shard-00004.parquet").unlink()
    (folder / MANIFEST).write_text("".join((folder / MANIFEST).read_text().splitlines(True)[:4]))
    assert len(Bank.open(folder)) == 20


@pytest.mark.parametrize("change", [lambda row: row.update(meta=None), lambda row: row.update(meta='{"segment": {}}')])
def test_a_table_of_something_else(whole, tmp_path, change):
    folder = damage(whole, tmp_path / "b", lambda rows: change(rows[1]))
    with pytest.raises(KizuError, match=r"'000\.png#1' is no segment"):
        Bank.open(folder)


def test_there_and_back():
    segment = Segment(
        "a#0", "bolt", "object", np.full((4, 5, 3), 9, np.uint8), np.full((4, 5), 0.5, np.float32), "a", "g", "val",
        (3, 4), (40, 50), {"area": 20},
    )  # fmt: skip
    same(to_segment(to_sample(segment, NAMES), NAMES), segment)


# --- the sheet ---


def test_segments_on_checkers():
    bank = Bank.cut(Dataset([disc_sample()], ("bolt",)))
    cell = on_checkers(bank.segment(0), 120)
    assert cell.shape == (120, 120, 3)
    assert np.abs(cell[60, 60].astype(int) - (200, 40, 30)).max() <= 2
    for corner in (cell[:10, :10], cell[:10, -10:], cell[-10:, :10]):
        assert len(np.unique(corner.reshape(-1, 3), axis=0)) == 1, "nothing but checkers beside the disc"
