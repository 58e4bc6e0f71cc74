"""Nothing is ever half-written: runs killed at the worst moments, a full disk, a model written over another one."""

import json
import shutil
import subprocess
import sys

import pytest

import kizu
from kizu.core.dataset import Dataset
from kizu.core.inspector import Inspector
from kizu.core.shards import read_manifest, verify

# One process loads Kizu; its children, one a moment, each run the same command line and kill themselves (signal 9).
KILLER = """
import json, os, pathlib, signal, sys
import kizu.cli, kizu.core.files as files, kizu.core.shards as shards, kizu.verbs.predict, kizu.verbs.fit
import kizu.core.dataset, kizu.inspection.predict, kizu.fewshot.fit, kizu.fewshot.support
from kizu.core.inspector import Inspector
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
    "while a model is written": lambda: at_call(os, "fsync", 1),
    "before a model gets its name": lambda: at_call(os, "replace", 1),
    "after a model got its name": lambda: at_call(os, "replace", 1, after=True),
}
for moment, arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        MOMENTS[moment]()
        if arguments[0] == "copy":
            Inspector.load(arguments[1]).save(arguments[2])
        else:
            kizu.cli.main(arguments)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
"""


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


SAVE = {
    "while a model is written": False,
    "before a model gets its name": False,
    "after a model got its name": True,
}


@pytest.fixture(scope="module")
def interrupted(many, disc_line, disc_model, tmp_path_factory):
    """What was killed, by moment: folders of predictions, and model files that were to be written over another one."""
    root = tmp_path_factory.mktemp("killed")
    out = {moment: root / f"folder{k}" for k, moment in enumerate(PREDICT)}
    models = {moment: root / f"model{k}" / "m.kizu" for k, moment in enumerate(SAVE)}
    kizu.fit(disc_line, split="train", shots=1, out=root / "new.kizu")
    for path in models.values():
        path.parent.mkdir()
        shutil.copy(disc_model, path)
    runs = [(moment, ("predict", disc_model, many, folder)) for moment, folder in out.items()]
    runs += [(moment, ("copy", root / "new.kizu", path)) for moment, path in models.items()]
    lines = json.dumps([(moment, [str(argument) for argument in arguments]) for moment, arguments in runs])
    done = subprocess.run([sys.executable, "-c", KILLER, lines], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out | models


def state(folder):
    return [(line["shard"], line["file"], line["count"], line["sha256"]) for line in read_manifest(folder)]


@pytest.fixture(scope="module")
def uninterrupted(many, disc_model, tmp_path_factory):
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


@pytest.mark.parametrize(("moment", "renewed"), SAVE.items())
def test_a_model_is_the_old_one_or_the_new_one(interrupted, disc_model, moment, renewed):
    path = interrupted[moment]
    new = path.parents[1] / "new.kizu"
    assert path.read_bytes() == (new if renewed else disc_model).read_bytes()
    assert Inspector.load(path).card.data[0]["images"] == (1 if renewed else 4)


# What numba compiles is kept on disk too, so a first run without limit has to leave nothing to compile.
LIMITED = """
import contextlib, io, json, resource, sys
import kizu
from kizu.cli import main
from kizu.core.inspector import Inspector
from kizu.core.shards import ShardWriter

def limited(owner, name):
    real = getattr(owner, name)
    def wrapped(*arguments, **options):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
        try:
            return real(*arguments, **options)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    setattr(owner, name, wrapped)

first, *lines = json.loads(sys.argv[1])
kizu.predict(*first)
limited(ShardWriter, "write")
limited(Inspector, "save")
results = []
for line in lines:
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        try:
            main(line)
        except SystemExit as end:
            results.append((end.code, told.getvalue()))
print(json.dumps(results))
"""


def test_a_full_disk(disc_line, disc_model, tmp_path):
    """No file may grow beyond 2 kB, as on a disk that fills up while shards or a model are written."""
    path, out = tmp_path / "models" / "m.kizu", tmp_path / "out"
    path.parent.mkdir()
    shutil.copy(disc_model, path)
    lines = [
        (disc_model, disc_line / "images" / "000.png", tmp_path / "first"),
        ("predict", disc_model, disc_line, out, "--embed"),
        ("fit", disc_line, "--shots", 1, "--no-empty-is-clean", "--out", path),
    ]
    lines = json.dumps([[str(argument) for argument in line] for line in lines])
    done = subprocess.run([sys.executable, "-c", LIMITED, lines], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (predicted, predict_told), (fitted, fit_told) = json.loads(done.stdout.splitlines()[-1])
    assert (predicted, fitted) == (2, 2)
    (line,) = predict_told.splitlines()
    assert line.startswith("kizu: cannot write ") and "shard-00000" in line
    assert "the file would be larger than" in line
    assert not list(out.rglob("*.parquet"))
    assert read_manifest(out) == []
    assert fit_told.splitlines()[-1].startswith(f"kizu: cannot write {path}: the file would be larger than")
    assert path.read_bytes() == disc_model.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["m.kizu"]


def test_a_place_that_cannot_be_written(refused, disc_line, disc_model, tmp_path):
    (tmp_path / "file").write_text("x")
    line = refused("predict", disc_model, disc_line, tmp_path / "file" / "out")
    assert "cannot write" in line and "choose another name" in line
    assert "cannot write" in refused("predict", disc_model, disc_line, tmp_path / "file")
    assert "cannot write" in refused("demo", tmp_path / "file" / "demo")
    assert (tmp_path / "file").read_text() == "x"
