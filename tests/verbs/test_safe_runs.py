"""Nothing is ever half-written: a run killed at the worst moments, a disk that is full, a model written over another."""

import json
import shutil
import subprocess
import sys

import pytest

from kizu.core.dataset import Dataset
from kizu.core.inspector import Inspector
from kizu.core.shards import read_manifest, verify

# One process loads Kizu; its children, one a moment, each run the same command line and kill themselves (signal 9).
KILLER = """
import json, os, pathlib, signal, sys
import kizu.cli, kizu.core.files as files, kizu.core.shards as shards, kizu.verbs.predict, kizu.verbs.fit
import kizu.core.dataset, kizu.inspection.predict, kizu.fewshot.fit, kizu.fewshot.support
from kizu.fewshot import FewShotInspector

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def at_call(owner, name, count, after=False):
    real, calls = getattr(owner, name), []
    def wrapped(*arguments, **options):
        calls.append(0)
        if len(calls) < count:
            return real(*arguments, **options)
        if after:
            real(*arguments, **options)
        die()
    setattr(owner, name, wrapped)

def half_a_line(path, line):
    with open(path, "a") as file:
        file.write(line[: len(line) // 2])
    die()

MOMENTS = {
    "in the middle of a shard": lambda: at_call(FewShotInspector, "inspect", 40),
    "before a shard gets its name": lambda: at_call(os, "replace", 3),
    "after a shard got its name": lambda: at_call(os, "replace", 3, after=True),
    "within a line of the manifest": lambda: setattr(shards, "append_line", half_a_line),
    "at the very end": lambda: at_call(files.os, "fsync", 8),
    "before a model gets its name": lambda: at_call(os, "replace", 1),
    "after a model got its name": lambda: at_call(os, "replace", 1, after=True),
    "while a model is written": lambda: at_call(os, "fsync", 1),
}
for moment, arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        MOMENTS[moment]()
        kizu.cli.main(arguments)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
"""


def killed(runs):
    """Run each (moment, command line) in a process that is killed at that moment."""
    lines = json.dumps([(moment, [str(argument) for argument in arguments]) for moment, arguments in runs])
    done = subprocess.run([sys.executable, "-c", KILLER, lines], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


PREDICT = [
    "in the middle of a shard",
    "before a shard gets its name",
    "after a shard got its name",
    "within a line of the manifest",
    "at the very end",
]


@pytest.fixture(scope="module")
def many(disc_line, tmp_path_factory):
    """72 pictures, three shards; two of them broken."""
    folder = tmp_path_factory.mktemp("many") / "in"
    folder.mkdir()
    for i in range(72):
        shutil.copy(disc_line / "images" / f"{i % 32:03d}.png", folder / f"{i:02d}.png")
    for name in ("11.png", "50.png"):
        (folder / name).write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def interrupted(many, disc_model, tmp_path_factory):
    """The folders of runs that were killed, by moment."""
    root = tmp_path_factory.mktemp("killed")
    out = {moment: root / str(k) for k, moment in enumerate(PREDICT)}
    killed([(moment, ("predict", disc_model, many, folder)) for moment, folder in out.items()])
    return out


def state(folder):
    return [(line["shard"], line["file"], line["count"], line["sha256"]) for line in read_manifest(folder)]


@pytest.fixture(scope="module")
def uninterrupted(many, disc_model, tmp_path_factory):
    import kizu

    folder = tmp_path_factory.mktemp("whole") / "out"
    kizu.predict(disc_model, many, folder)
    return folder


@pytest.mark.parametrize("moment", PREDICT)
def test_a_killed_run_goes_on_to_the_same_result(run, interrupted, uninterrupted, many, disc_model, moment):
    folder = interrupted[moment]
    assert state(folder) != state(uninterrupted) or not (folder / "card.json").exists()
    finished = Dataset.open(folder)
    assert len(finished) == sum(count for _, _, count, _ in state(folder)), "what is there can be looked at"
    code, out, err = run("predict", disc_model, many, folder, "--resume")
    assert (code, err) == (1, "")
    assert "2 item(s) skipped" in out
    assert state(folder) == state(uninterrupted)
    assert verify(folder) == []
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in uninterrupted.iterdir()}, "no stray files are left"
    for name in names - {"manifest.jsonl"}:
        assert (folder / name).read_bytes() == (uninterrupted / name).read_bytes(), name


@pytest.mark.parametrize(
    ("moment", "renewed"),
    [
        ("while a model is written", False),
        ("before a model gets its name", False),
        ("after a model got its name", True),
    ],
)
def test_a_model_is_the_old_one_or_the_new_one(disc_line, disc_model, tmp_path, moment, renewed):
    path = tmp_path / "m.kizu"
    shutil.copy(disc_model, path)
    killed([(moment, ("fit", disc_line, "--split", "train", "--shots", 1, "--out", path))])
    support = Inspector.load(path).card.data[0]["images"]
    assert support == (1 if renewed else 4)
    assert (path.read_bytes() == disc_model.read_bytes()) == (not renewed)


LIMITED = """
import json, resource, sys
import kizu.cli
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
kizu.cli.main(json.loads(sys.argv[2]))
"""


def on_a_small_disk(size, *arguments):
    """Run a command line where no file may grow beyond ``size`` bytes, as on a disk that fills up."""
    line = json.dumps([str(argument) for argument in arguments])
    done = subprocess.run([sys.executable, "-c", LIMITED, str(size), line], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def test_predicting_to_a_full_disk(disc_line, disc_model, tmp_path):
    out = tmp_path / "out"
    code, err = on_a_small_disk(30_000, "predict", disc_model, disc_line, out, "--embed")
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("kizu: cannot write ") and "shard-00000" in line
    assert "the file would be larger than" in line
    assert not list(out.rglob("*.parquet"))
    assert read_manifest(out) == []


def test_fitting_to_a_full_disk(disc_line, disc_model, tmp_path):
    path = tmp_path / "m.kizu"
    shutil.copy(disc_model, path)
    code, err = on_a_small_disk(2_000, "fit", disc_line, "--shots", 1, "--out", path)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"kizu: cannot write {path}: the file would be larger than")
    assert "Traceback" not in err
    assert path.read_bytes() == disc_model.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["m.kizu"]


def test_a_place_that_cannot_be_written(refused, disc_line, disc_model, tmp_path):
    (tmp_path / "file").write_text("x")
    line = refused("predict", disc_model, disc_line, tmp_path / "file" / "out")
    assert "cannot write" in line and "choose another name" in line
    assert "cannot write" in refused("predict", disc_model, disc_line, tmp_path / "file")
    assert "cannot write" in refused("demo", tmp_path / "file" / "demo")
    assert (tmp_path / "file").read_text() == "x"
