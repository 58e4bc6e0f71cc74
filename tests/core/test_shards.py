"""Kizu's shards: everything comes back, a kill costs one shard, and damage is found and told."""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shard_samples import NAMES, made

from kizu.core import shards
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.files import sha256
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.shards import (
    HEADER,
    MANIFEST,
    ShardWriter,
    read,
    read_columns,
    read_header,
    read_manifest,
    verify,
    write,
)


def same_instances(a, b):
    for field in ("labels", "boxes", "scores", "parents"):
        left, right = getattr(a, field), getattr(b, field)
        assert (left is None) == (right is None)
        assert left is None or (left.dtype == right.dtype and np.array_equal(left, right))
    assert (a.masks, a.amodal) == (b.masks, b.amodal)
    assert {k: v.tolist() for k, v in a.attributes.items()} == {k: v.tolist() for k, v in b.attributes.items()}


def same(a, b):
    for field in ("id", "split", "group", "source", "meta", "size"):
        assert getattr(a, field) == getattr(b, field)
    assert np.array_equal(a.image, b.image)
    same_instances(a.instances, b.instances)
    assert (a.score_map is None) == (b.score_map is None)
    assert a.score_map is None or (b.score_map.dtype == np.float32 and np.array_equal(a.score_map, b.score_map))


def fill(folder, count, shard_size=4, shards=None, **options):
    writer = ShardWriter(folder, NAMES, count, {"seed": 3}, shard_size, **options)
    for shard in writer.missing if shards is None else shards:
        writer.write(shard, map(made, writer.range(shard)))
    return writer


def digests(folder):
    return {path.name: sha256(path) for path in Path(folder).glob("shard-*.parquet")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """22 samples in 6 shards, written without interruption. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("shards") / "whole"
    fill(folder, 22, info={"title": "line 3", "licence": "none"})
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


# --- round trips ---


def test_everything_comes_back(whole):
    data = Dataset.open(whole)
    assert data.names == tuple(NAMES)
    assert data.info == {"title": "line 3", "licence": "none"}
    assert data.notes == []
    assert len(data) == 22
    for i, sample in enumerate(data):
        same(made(i), sample)
        if isinstance(made(i)._image, bytes):
            assert sample.image_bytes() == made(i).image_bytes()
    assert data.ids == [made(i).id for i in range(22)]
    assert data.splits == {"train": 8, "val": 7, "": 7}
    assert Dataset.open(whole / HEADER).ids == data.ids


def test_random_access_equals_reading_in_order(whole):
    data = read(whole)
    for i in np.random.default_rng(1).permutation(np.repeat(np.arange(22), 2)):
        same(made(int(i)), data[i])
    for i in (-1, 21):
        same(made(21), data[i])
    assert data.split("val")[2:4].ids == [made(i).id for i in (7, 10)]


def test_score_maps_stay_on_their_side_of_the_threshold(tmp_path):
    scores = np.array(
        [[[0, 0.25, 0.4999, np.nextafter(np.float32(0.5), np.float32(0)), 0.5, 0.50001, 0.7, 1]]], np.float32
    )
    write(Dataset([Sample("a", np.zeros((1, 8, 3), np.uint8), score_map=scores)], NAMES[:1]), tmp_path / "d")
    back = read(tmp_path / "d")[0].score_map
    assert np.array_equal(back >= 0.5, scores >= 0.5)
    assert np.abs(back - scores).max() < 5e-4


def test_row_groups_within_a_shard(tmp_path):
    write(
        Dataset([Sample(f"{i}", np.full((2, 2, 3), i, np.uint8)) for i in range(70)], []), tmp_path / "d", shard_size=70
    )
    data = read(tmp_path / "d")
    assert [int(data[i].image[0, 0, 0]) for i in (69, 0, 33, 31, 32, 64)] == [69, 0, 33, 31, 32, 64]


def test_columns_are_read_without_images(whole):
    tables = list(read_columns(whole, ["id", "split"]))
    assert [name for table in tables for name in table["id"].to_pylist()] == [made(i).id for i in range(22)]
    assert all(table.column_names == ["id", "split"] for table in tables)


@pytest.mark.parametrize("relative", [False, True])
def test_images_by_path(tmp_path, monkeypatch, relative):
    images = tmp_path / "images"
    images.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    (images / "a.png").write_bytes(encode_image(picture))
    monkeypatch.chdir(tmp_path)
    path = Path("images/a.png") if relative else images / "a.png"
    write(Dataset([Sample("a.png", path=path)], []), tmp_path / "deep" / "out", embed=False)
    monkeypatch.chdir("/")
    sample = read(tmp_path / "deep" / "out")[0]
    assert sample.path == images / "a.png"
    assert np.array_equal(sample.image, picture)
    assert sample.size == (4, 6)
    assert next(read_columns(tmp_path / "deep" / "out", ["image"]))["image"].to_pylist() == [None]
    write(Dataset([sample], []), tmp_path / "embedded")
    (images / "a.png").unlink()
    assert np.array_equal(read(tmp_path / "embedded")[0].image, picture)
    with pytest.raises(DataError, match=r"a\.png: no such image file"):
        _ = sample.image


def test_a_data_set_without_images(tmp_path):
    write(Dataset([], NAMES, {"title": "none"}), tmp_path / "d")
    data = Dataset.open(tmp_path / "d")
    assert (len(data), data.names, data.info, data.ids, data.splits) == (0, tuple(NAMES), {"title": "none"}, [], {})
    assert verify(tmp_path / "d") == []


@st.composite
def instances(draw):
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    count = draw(st.integers(0, 4))
    stack = hnp.arrays(bool, (count, *size))
    corners = hnp.arrays(np.float32, (count, 2, 2), elements=st.floats(0, 100, width=32))
    values = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(), st.booleans(), st.none())
    columns = st.dictionaries(st.text(max_size=3), st.lists(values, min_size=count, max_size=count), max_size=2)
    return size, Instances(
        draw(hnp.arrays(np.int32, count, elements=st.integers(0, 2**31 - 1))),
        np.sort(draw(corners), axis=1).reshape(count, 4),
        draw(st.none() | stack.map(Masks.from_dense)),
        draw(st.none() | hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
        draw(st.none() | stack.map(Masks.from_dense)),
        draw(st.none() | hnp.arrays(np.int32, count, elements=st.integers(-1, max(count - 1, -1)))),
        draw(columns),
    )


@settings(max_examples=25)
@given(st.lists(instances(), max_size=5), st.integers(1, 3))
def test_any_instances_come_back(items, shard_size):
    samples = [Sample(str(i), np.zeros((*size, 3), np.uint8), found) for i, (size, found) in enumerate(items)]
    with tempfile.TemporaryDirectory() as folder:
        write(Dataset(samples, []), Path(folder) / "d", shard_size=shard_size)
        back = read(Path(folder) / "d")
        assert len(back) == len(items)
        for sample, (size, found) in zip(back, items, strict=True):
            assert sample.size == size
            same_instances(found, sample.instances)


def test_what_is_not_json_is_told_with_its_image(tmp_path):
    picture = np.zeros((2, 2, 3), np.uint8)
    odd = Instances([0], [[0, 0, 1, 1]], attributes={"tone": [{1, 2}]})
    for sample, field in [
        (Sample("a.png", picture, meta={"x": {1}}), "meta"),
        (Sample("a.png", picture, odd), "attribute"),
    ]:
        with pytest.raises(DataError, match=rf"^a\.png: .*{field} is not JSON"):
            write(Dataset([sample], []), tmp_path / field)


# --- manifest, digests, damage ---


def test_manifest(whole):
    lines = read_manifest(whole)
    assert [line["shard"] for line in lines] == list(range(6))
    assert [line["count"] for line in lines] == [4] * 5 + [2]
    for line in lines:
        path = whole / line["file"]
        assert line["sha256"] == sha256(path)
        assert line["bytes"] == path.stat().st_size
    assert len({line["config"] for line in lines}) == 1
    assert sorted(p.name for p in whole.iterdir()) == [HEADER, MANIFEST, *(f"shard-{k:05d}.parquet" for k in range(6))]
    assert verify(whole) == []


def test_the_same_bytes_in_any_order(whole, tmp_path):
    fill(tmp_path / "d", 22, shards=[3, 0, 5, 1, 4, 2])
    assert digests(tmp_path / "d") == digests(whole)
    assert read(tmp_path / "d").ids == read(whole).ids


def test_verify_finds_a_flipped_byte_and_a_missing_file(copy):
    path = copy / "shard-00002.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (copy / "shard-00004.parquet").unlink()
    problems = verify(copy)
    assert len(problems) == 2
    assert "shard-00002.parquet: changed" in problems[0]
    assert "shard-00004.parquet: missing" in problems[1]


def test_a_missing_shard_is_noted_and_made_again(copy, whole):
    (copy / "shard-00001.parquet").unlink()
    data = read(copy)
    assert data.notes == [f"{copy}: 1 of 6 shards are not made yet; the run can be resumed"]
    assert data.ids == [made(i).id for i in range(22) if i // 4 != 1]
    same(made(9), data[5])
    assert fill(copy, 22).missing == []
    assert digests(copy) == digests(whole)


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_shard_cut_short(copy, whole, keep):
    path = copy / "shard-00001.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    data = read(copy)
    same(made(0), data[0])
    for look in (lambda: data[5], lambda: data.ids, lambda: list(read_columns(copy, ["id"]))):
        with pytest.raises(DataError, match=r"shard-00001\.parquet: damaged .* delete it and run again"):
            look()
    fill(copy, 22)  # another size than in the manifest: made again
    assert digests(copy) == digests(whole)


def test_flipped_bytes_never_end_in_anything_but_a_data_error(copy):
    path = copy / "shard-00001.parquet"
    good = path.read_bytes()
    random = np.random.default_rng(2)
    told = 0
    for _ in range(60):
        data = np.frombuffer(good, np.uint8).copy()
        data[random.integers(0, len(data), 3)] ^= random.integers(1, 256, 3).astype(np.uint8)
        path.write_bytes(data.tobytes())
        try:
            for sample in read(copy)[4:8]:
                _ = sample.instances, sample.score_map, sample.image
        except DataError as error:
            told += 1
            assert "shard-00001.parquet" in str(error) or "line/" in str(error) or "memory" in str(error)
    assert told > 0


def test_a_manifest_line_that_was_cut_short_is_passed_over(copy, whole):
    path = copy / MANIFEST
    path.write_bytes(path.read_bytes()[:-30])
    assert [line["shard"] for line in read_manifest(copy)] == [0, 1, 2, 3, 4]
    assert len(read(copy)) == 20
    assert fill(copy, 22).missing == []
    assert digests(copy) == digests(whole)
    assert [line["shard"] for line in read_manifest(copy)] == list(range(6))


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b"[]", b"7", b"{}", b'{"shard": 9}', b'{"shard": "x", "file": 1}', b"null", b""]
)
def test_foreign_lines_in_the_manifest(copy, line):
    with open(copy / MANIFEST, "ab") as file:
        file.write(line + b"\n")
    assert len(read(copy)) == 22
    assert verify(copy) == []


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"[]", b"\xff", b"{}", b'{"format": "kizu-shards/1", "names": ["a"]}', b'{"format": "x", "names": []}',
     b'{"format": "kizu-shards/1", "names": ["a"], "count": 1, "shard_size": 0}'],
)  # fmt: skip
def test_a_damaged_header(tmp_path, header):
    (tmp_path / HEADER).write_bytes(header)
    for look in (read, read_header, lambda folder: ShardWriter(folder, [], 1)):
        with pytest.raises(KizuError, match="not the header of a Kizu data set"):
            look(tmp_path)


# --- resuming ---


def test_resuming_writes_only_what_is_missing(tmp_path):
    fill(tmp_path / "d", 22, shards=[0, 2])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").glob("shard-*")}
    writer = ShardWriter(tmp_path / "d", NAMES, 22, {"seed": 3}, 4)
    assert writer.missing == [1, 3, 4, 5]
    fill(tmp_path / "d", 22)
    assert writer.missing == []
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


CHANGED = {
    "configuration": ({"config": {"seed": 4}}, "another configuration"),
    "count": ({"count": 23}, "another configuration"),
    "shard size": ({"shard_size": 5}, "another configuration"),
    "names": ({"names": NAMES[::-1]}, "another configuration"),
}


@pytest.mark.parametrize(("change", "message"), CHANGED.values(), ids=list(CHANGED))
def test_another_configuration_is_refused(whole, change, message):
    before = digests(whole)
    asked = {"names": NAMES, "count": 22, "config": {"seed": 3}, "shard_size": 4} | change
    with pytest.raises(KizuError, match=message):
        ShardWriter(whole, **asked)
    assert digests(whole) == before


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "thesis.doc").write_text("x")
    with pytest.raises(KizuError, match="is not empty and holds no Kizu data set; name an empty folder"):
        ShardWriter(tmp_path, NAMES, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]
    with pytest.raises(KizuError, match="in the way"):
        ShardWriter(tmp_path / "thesis.doc", NAMES, 3)


def test_what_a_kill_left_is_cleared_away(copy):
    for name in (".shard-00001.0123abcd.tmp.parquet", ".dataset.0123abcd.tmp.json"):
        (copy / name).write_bytes(b"half")
    assert len(read(copy)) == 22
    fill(copy, 22)
    assert not [path.name for path in copy.iterdir() if path.name.startswith(".")]


def test_a_kill_before_the_header_does_not_block_the_folder(tmp_path):
    (tmp_path / ".dataset.0123abcd.tmp.json").write_bytes(b'{"for')
    fill(tmp_path, 3)
    assert len(read(tmp_path)) == 3


def test_a_writer_handed_to_another_process_leaves_the_others_files_alone(tmp_path):
    writer = ShardWriter(tmp_path / "d", NAMES, 22, {"seed": 3}, 4)
    other = tmp_path / "d" / ".shard-00003.0123abcd.tmp.parquet"
    other.write_bytes(b"being written by somebody else")
    handed = pickle.loads(pickle.dumps(writer))
    handed.write(0, map(made, handed.range(0)))
    assert other.exists()
    assert writer.missing == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("samples", [[], [0, 1, 2], [0, 1, 2, 3, 4]])
def test_a_wrong_number_of_samples_writes_nothing(tmp_path, samples):
    writer = ShardWriter(tmp_path / "d", NAMES, 22, {}, 4)
    with pytest.raises(KizuError, match=f"shard 0 got {len(samples)} samples of 4; nothing was written"):
        writer.write(0, map(made, samples))
    assert [path.name for path in (tmp_path / "d").iterdir()] == [HEADER]


def test_skipped_samples_are_left_out_and_listed(tmp_path):
    writer = ShardWriter(tmp_path / "d", NAMES, 6, {}, 4)
    skips = Skips()

    def usable(shard):
        for i in writer.range(shard):
            with skips.item(f"{i}"):
                if i in (1, 5):
                    raise DataError(f"{i}: broken")
                yield made(i)

    for shard in writer.missing:
        writer.write(shard, usable(shard), skips=skips)
    assert writer.missing == []
    data = read(tmp_path / "d")
    assert data.ids == [made(i).id for i in (0, 2, 3, 4)]
    same(made(4), data[3])
    listed = [item for line in read_manifest(tmp_path / "d") for item in line.get("skipped", [])]
    assert listed == skips.items == [{"item": "1", "reason": "1: broken"}, {"item": "5", "reason": "5: broken"}]


def test_an_error_while_samples_are_made_leaves_no_half_shard(tmp_path):
    def failing():
        yield made(0)
        raise RuntimeError("the generator broke")

    writer = ShardWriter(tmp_path / "d", NAMES, 4, {}, 4)
    with pytest.raises(RuntimeError, match="the generator broke"):
        writer.write(0, failing())
    assert [path.name for path in (tmp_path / "d").iterdir()] == [HEADER]


def test_shards_hold_at_least_one_image(tmp_path):
    with pytest.raises(KizuError, match="shard size 0"):
        ShardWriter(tmp_path / "d", NAMES, 4, {}, 0)


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from shard_samples import NAMES, made
from kizu.core.shards import ShardWriter

def told(index):
    print(index, flush=True)
    sys.stdin.readline()  # goes on when the test says so
    return made(index)

writer = ShardWriter(sys.argv[2], NAMES, 22, {"seed": 3}, 4)
for shard in writer.missing:
    writer.write(shard, map(told, writer.range(shard)))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_again_and_again_the_result_is_that_of_one_run(whole, tmp_path):
    folder = tmp_path / "d"
    random = np.random.default_rng(9)
    for _ in range(2):
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        for _ in range(random.integers(2, 6)):
            process.stdout.readline()
            process.stdin.write("\n")
        process.stdout.readline()
        process.stdin.write("\n" * random.integers(1, 3))  # somewhere in what follows, a shard's end perhaps
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert set(digests(folder).items()) <= set(digests(whole).items())
        assert verify(folder) == []
    assert len(read_manifest(folder)) < 6
    fill(folder, 22)
    assert digests(folder) == digests(whole)
    assert [line["sha256"] for line in read_manifest(folder)] == [line["sha256"] for line in read_manifest(whole)]
    for i, sample in enumerate(read(folder)):
        same(made(i), sample)


LIMITED = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from kizu.core.errors import KizuError
from kizu.core.shards import ShardWriter
from shard_samples import NAMES, made
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = ShardWriter(sys.argv[2], NAMES, 22, {"seed": 3}, 4)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    writer.write(1, map(made, writer.range(1)))
except KizuError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_file_system_that_takes_no_more(tmp_path):
    folder = tmp_path / "d"
    command = [sys.executable, "-c", LIMITED, str(Path(__file__).parent), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    path = folder / "shard-00001.parquet"
    assert done.stdout.startswith(f"cannot write {path}: the file would be larger than this system allows")
    assert done.stdout.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == [HEADER]


# --- whole data sets ---


def test_writing_a_data_set_again_goes_on_where_it_stopped(whole, tmp_path):
    data = read(whole)
    assert data.write(tmp_path / "d", "shards", shard_size=5) == []
    first = digests(tmp_path / "d")
    (tmp_path / "d" / "shard-00002.parquet").unlink()
    data.write(tmp_path / "d", "shards", shard_size=5)
    assert digests(tmp_path / "d") == first
    with pytest.raises(KizuError, match="another configuration"):
        data[::-1].write(tmp_path / "d", "shards", shard_size=5)
    assert digests(tmp_path / "d") == first
    record = json.loads((tmp_path / "d" / HEADER).read_text("utf-8"))
    assert (record["format"], record["names"], record["count"]) == ("kizu-shards/1", NAMES, 22)


def test_labels_that_changed_since_are_never_passed_over(tmp_path):
    def labelled(x):
        picture = np.zeros((4, 4, 3), np.uint8)
        return Dataset([Sample("a", picture, Instances([0], [[0, 0, x, 1]])), Sample("b", picture)], ["dent"])

    for _ in range(2):
        write(labelled(1), tmp_path / "d", shard_size=1)
    first = digests(tmp_path / "d")
    with pytest.raises(KizuError, match=r"shard-00000\.parquet holds an earlier state of this data set"):
        write(labelled(2), tmp_path / "d", shard_size=1)
    assert digests(tmp_path / "d") == first


def test_threads_that_read_at_once_get_their_own_rows(tmp_path):
    samples = [Sample(f"{i:03}", np.full((4, 5, 3), i, np.uint8), split=str(i)) for i in range(120)]
    Dataset(samples, ["dent"]).write(tmp_path / "out", "shards", shard_size=50)
    opened = Dataset.open(tmp_path / "out")
    order = np.random.default_rng(0).integers(0, 120, 600)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: (opened[int(i)].id, int(opened[int(i)].image[0, 0, 0])), order))
    assert found == [(f"{i:03}", i) for i in order]
    assert pickle.loads(pickle.dumps(opened))[7].id == "007"


def test_large_rows_are_grouped_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_GROUP_BYTES", 3000)
    noise = np.random.default_rng(1).integers(0, 256, (9, 30, 30, 3)).astype(np.uint8)
    Dataset([Sample(str(i), image) for i, image in enumerate(noise)], []).write(tmp_path / "out", "shards")
    assert pq.ParquetFile(tmp_path / "out" / "shard-00000.parquet").num_row_groups > 3
    opened = Dataset.open(tmp_path / "out")
    assert all(np.array_equal(opened[i].image, noise[i]) for i in (8, 0, 4, 5, 3))


def test_a_name_that_is_no_text_is_skipped_and_listed(tmp_path):
    samples = [Sample("good", np.zeros((4, 5, 3), np.uint8)), Sample("d\udce9faut", np.zeros((4, 5, 3), np.uint8))]
    writer = shards.ShardWriter(tmp_path / "out", [], 2)
    with pytest.raises(DataError, match="not valid UTF-8"):
        writer.write(0, samples)
    skips = Skips()
    writer.write(0, samples, skips=skips)
    assert [sample.id for sample in Dataset.open(tmp_path / "out")] == ["good"]
    skips.write(tmp_path)
    assert "rename the file" in (tmp_path / "skipped.jsonl").read_text()
