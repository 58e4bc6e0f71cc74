"""The engine: the same bytes from any number of workers, in any order, after any death; what it says when it fails."""

import json
import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import cv2
import pytest
from engine_source import Discs, shards
from threadpoolctl import threadpool_limits

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.shards import read_manifest, verify
from kizu.synth import engine, pool
from kizu.synth.engine import State, write

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")
COUNT, SIZE = 44, 8  # six shards, the last of four


@pytest.fixture(scope="module", autouse=True)
def two_threads():
    """In this process: libraries have the threads that they have by themselves on a machine of two cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    with threadpool_limits(2):
        yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set made in this process, without interruption. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("whole") / "d"
    write(Discs(COUNT), folder, 1, SIZE, info={"title": "discs"})
    return folder


def only_shards(folder):
    """Nothing but finished shards, header and manifest is there."""
    return {path.name for path in folder.iterdir()} == {"dataset.json", "manifest.jsonl", *shards(folder)}


# --- the same bytes ---


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(whole, tmp_path, workers, monkeypatch):
    monkeypatch.setattr(pool, "LIFE", 2)  # workers are replaced on the way
    made = write(Discs(COUNT), tmp_path / "d", workers, SIZE)
    assert (made.made, made.skipped) == (COUNT, [])
    assert shards(tmp_path / "d") == shards(whole)
    assert [line["sha256"] for line in read_manifest(tmp_path / "d")] == [
        each["sha256"] for each in read_manifest(whole)
    ]
    assert verify(tmp_path / "d") == []
    assert only_shards(tmp_path / "d")


def test_what_is_written_is_what_the_source_gives(whole):
    data, source = Dataset.open(whole), Discs(COUNT)
    assert (len(data), data.names, data.info) == (COUNT, source.names, {"title": "discs"})
    for i in (0, 7, 8, 43):
        mine, there = source[i], data[i]
        assert (there.id, there.meta, there.image_bytes()) == (mine.id, mine.meta, mine.image_bytes())
        assert (there.instances.masks, there.instances.amodal) == (mine.instances.masks, mine.instances.amodal)
        assert there.instances.labels.tolist() == mine.instances.labels.tolist()


def test_a_number_of_samples_may_grow(whole, tmp_path):
    write(Discs(20), tmp_path / "d", 1, SIZE)
    first = shards(tmp_path / "d")
    full = ["shard-00000.parquet", "shard-00001.parquet"]
    assert {name: first[name] for name in full} == {name: shards(whole)[name] for name in full}
    times = {name: (tmp_path / "d" / name).stat().st_mtime_ns for name in full}
    assert write(Discs(COUNT), tmp_path / "d", 1, SIZE).made == COUNT - 16
    assert shards(tmp_path / "d") == shards(whole)
    assert len(Dataset.open(tmp_path / "d")) == COUNT
    assert {name: (tmp_path / "d" / name).stat().st_mtime_ns for name in full} == times
    with pytest.raises(KizuError, match="is a data set of 44 images already; name another folder for 20"):
        write(Discs(20), tmp_path / "d", 1, SIZE)


def test_a_finished_run_makes_nothing(whole, monkeypatch):
    monkeypatch.setattr(Discs, "__getitem__", lambda self, i: pytest.fail("nothing is to be made"))
    assert write(Discs(COUNT), whole, 0, SIZE).made == 0


@pytest.mark.parametrize("change", [{"seed": 1}, {"size": SIZE + 1}])
def test_another_configuration_is_refused(whole, change):
    with pytest.raises(KizuError, match="another configuration"):
        write(Discs(COUNT, change.get("seed", 0)), whole, 2, change.get("size", SIZE))


@pytest.mark.parametrize("workers", [1, 2])
def test_libraries_run_on_one_thread(tmp_path, workers):
    made = write(Discs(12, moment="threads", at=range(12)), tmp_path / "d", workers, 4)
    assert made.skipped == []


# --- samples that cannot be made ---


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sample_that_fails_is_left_out_and_listed(whole, tmp_path, workers):
    source = Discs(COUNT, moment="fail", at=(3, 20))
    reasons = [f"picture {i} of discs, seed 0 cannot be made (ValueError: no room for a disc)" for i in (3, 20)]
    for made in (COUNT, 0):  # a finished run still knows what it skipped
        done = write(source, tmp_path / "d", workers, SIZE)
        assert (done.made, [item["reason"] for item in done.skipped]) == (made, reasons)
    listed = (tmp_path / "d" / "skipped.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in listed] == reasons
    data = Dataset.open(tmp_path / "d")
    assert data.ids == [name for i, name in enumerate(Dataset.open(whole).ids) if i not in (3, 20)]
    assert shards(tmp_path / "d")["shard-00001.parquet"] == shards(whole)["shard-00001.parquet"]


@pytest.mark.parametrize("workers", [1, 2])
def test_strict_ends_at_the_first(whole, tmp_path, workers):
    with pytest.raises(KizuError, match=r"^picture 3 of discs, seed 0 cannot be made \(ValueError: no room"):
        write(Discs(COUNT, moment="fail", at=(3,)), tmp_path / "d", workers, SIZE, strict=True)
    assert write(Discs(COUNT), tmp_path / "d", 1, SIZE).skipped == []
    assert shards(tmp_path / "d") == shards(whole)


def test_where_nothing_can_be_made(tmp_path):
    with pytest.raises(KizuError, match="none of the 8 pictures of shard 0 can be made: picture 0 of discs"):
        write(Discs(COUNT, moment="fail", at=range(COUNT)), tmp_path / "d", 1, SIZE)
    assert read_manifest(tmp_path / "d") == []


def test_the_first_error_stays_at_hand(tmp_path):
    with pytest.raises(DataError) as caught:
        write(Discs(COUNT, moment="fail", at=(3,)), tmp_path / "d", 1, SIZE, strict=True)
    assert isinstance(caught.value.__cause__, ValueError)


# --- deaths ---

DEATHS = {"die": r"was killed \(signal 9\)", "leave": r"ended by itself \(exit code 3\)"}


@posix
@pytest.mark.parametrize(("moment", "how"), DEATHS.items())
def test_a_worker_that_dies_is_an_error_and_no_hang(whole, tmp_path, moment, how):
    with pytest.raises(KizuError, match=rf"^the worker that was making shard 2 {how}; what is finished is kept"):
        write(Discs(COUNT, moment=moment, at=(19,)), tmp_path / "d", 2, SIZE)
    assert only_shards(tmp_path / "d")
    assert shards(tmp_path / "d").items() < shards(whole).items()
    write(Discs(COUNT), tmp_path / "d", 2, SIZE)
    assert shards(tmp_path / "d") == shards(whole)


# A run whose workers hang at picture 30, so that it can be caught in the middle; it tells when three shards are there.
CHILD = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background it may be ignored
sys.path.insert(0, sys.argv[1])
from engine_source import Discs
from kizu.synth.engine import write

def watch(state):
    if state.sized == 24:
        print("in the middle", flush=True)

if __name__ == "__main__":
    try:
        write(Discs(44, moment="hang", at=range(24, 44)), sys.argv[2], 2, 8, watch=watch)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""
Kill = namedtuple("Kill", "sent group code told")
KILLS = {
    "kill -9 of all of its processes": Kill(signal.SIGKILL, True, -9, ""),
    "kill -9 of the first process alone": Kill(signal.SIGKILL, False, -9, ""),
    "Ctrl-C": Kill(signal.SIGINT, True, 0, "stopped\n"),
}


@posix
@pytest.mark.parametrize("kill", KILLS.values(), ids=list(KILLS))
def test_stopped_in_the_middle_and_gone_on_with(whole, tmp_path, kill):
    folder = tmp_path / "d"
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        assert process.stdout.readline() == "in the middle\n"
        (os.killpg if kill.group else os.kill)(process.pid, kill.sent)
        # The pipes end when the last process that holds them has ended: no worker is left behind.
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (kill.code, kill.told, "")
    assert sorted(shards(folder)) == [f"shard-0000{k}.parquet" for k in range(3)]
    if kill.sent == signal.SIGINT:
        assert only_shards(folder)
    write(Discs(COUNT), folder, 2, SIZE)
    assert only_shards(folder)
    assert shards(folder) == shards(whole)
    assert verify(folder) == []


UNGUARDED = """
import sys
sys.path.insert(0, sys.argv[1])
from engine_source import Discs
from kizu.synth.engine import write
write(Discs(44), sys.argv[2], 2, 8)
"""


def test_a_script_without_a_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    command = [sys.executable, script, str(Path(__file__).parent), str(tmp_path / "d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert 'put what starts workers below: if __name__ == "__main__":' in done.stderr


# --- the disk ---


@posix
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_takes_no_more(whole, tmp_path, workers):
    """No file of a worker may grow beyond 2 kB from picture 18 on."""
    folder = tmp_path / "d"
    before = None
    if workers == 1:
        resource = pytest.importorskip("resource")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(KizuError, match=r"shard-00002\.parquet: the file would be larger than this system allows"):
            write(Discs(COUNT, moment="full", at=(18,)), folder, workers, SIZE)
    finally:
        if before:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert only_shards(folder)
    write(Discs(COUNT), folder, workers, SIZE)
    assert shards(folder) == shards(whole)


@pytest.mark.parametrize(
    ("free", "begun", "message", "finished"),
    [
        (engine.RESERVE - 1, 0, r"0\.0 MB are needed for a start", 0),
        (engine.RESERVE + 50_000, 0, r"0\.1 MB are needed for 36 more images", 1),
        (engine.RESERVE + 50_000, 16, r"0\.1 MB are needed for 28 more images", 2),
        (engine.RESERVE + 200_000, 0, None, 6),
    ],
)
def test_room_is_looked_for_before_it_is_used_up(tmp_path, monkeypatch, free, begun, message, finished):
    if begun:
        write(Discs(begun), tmp_path / "d", 1, SIZE)
    usage = namedtuple("Usage", "free")(free)
    monkeypatch.setattr(engine.shutil, "disk_usage", lambda folder: usage)
    if message is None:
        write(Discs(COUNT), tmp_path / "d", 1, SIZE)
    else:
        with pytest.raises(KizuError, match=message):
            write(Discs(COUNT), tmp_path / "d", 1, SIZE)
    assert len(shards(tmp_path / "d")) == finished


# --- what can be watched, and what cannot be asked for ---


@pytest.mark.parametrize("workers", [1, 2])
def test_who_watches_sees_counts_rate_and_forecast(tmp_path, workers):
    write(Discs(16), tmp_path / "d", 1, SIZE)
    states = []
    write(Discs(COUNT), tmp_path / "d", workers, SIZE, watch=states.append)
    first, last = states[0], states[-1]
    assert (first.done, first.made, first.total, first.rate, first.left) == (16, 0, COUNT, 0, None)
    assert first.forecast == round(first.bytes / 16 * COUNT)
    assert (last.done, last.made, last.sized, last.left) == (COUNT, COUNT - 16, COUNT, 0)
    assert last.bytes == last.forecast == sum(map(len, shards(tmp_path / "d").values()))
    assert [state.done for state in states] == sorted(state.done for state in states)


def test_a_state():
    state = State(done=30, total=100, made=20, seconds=4, bytes=500, sized=25)
    assert (state.rate, state.left, state.forecast) == (5, 14, 2000)
    assert State(0, 100, 0, 0.0, 0, 0).forecast is None


def test_a_source_that_cannot_be_handed_over(tmp_path):
    source = Discs(COUNT)
    source.extra = lambda: None
    with pytest.raises(KizuError, match=r"cannot be handed to other processes .*; take workers=1"):
        write(source, tmp_path / "d", 2, SIZE)
    assert write(source, tmp_path / "d", 1, SIZE).made == COUNT


def test_a_number_of_workers(tmp_path):
    with pytest.raises(KizuError, match="-1 workers: take 1 or more"):
        write(Discs(COUNT), tmp_path / "d", -1)
    assert not (tmp_path / "d").exists()
