"""The loop: killed and resumed to the same result, its budget, its folder, and what can go wrong."""

import csv
import itertools
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from pretrain_task import Discs

from kizu.core.errors import DataError, KizuError
from kizu.core.images import read_image
from kizu.models.store import load_weights
from kizu.pretrain.log import read_log
from kizu.pretrain.nets import loop
from kizu.pretrain.nets.checkpoint import read_checkpoint
from kizu.pretrain.nets.loop import train
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.schedule import rate

pytestmark = pytest.mark.usefixtures("one_torch_thread")
HERE = Path(__file__).parent
TIMES = {"seconds", "samples a second", "waiting"}
QUICK = {"batch": 4, "lr": 1e-2, "log_every": 5, "validations": 3, "workers": 0, "precision": "float32"}


def losses(folder):
    """The log without what the clock says."""
    return [{k: v for k, v in row.items() if k not in TIMES} for row in read_log(folder / "log.csv")]


# One process loads torch; its children train, one of them whole, others until they kill themselves (signal 9).
KILLER = """
import itertools, json, multiprocessing, os, signal, sys
import torch
import torch._dynamo  # the optimiser loads it at its first step: once here, not once a child
from kizu.pretrain.nets import batches, loop
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.nets.step import Trainer
from pretrain_task import Discs

def die_at(owner, name, count):
    real, calls = getattr(owner, name), itertools.count(1)
    def wrapped(*arguments, **options):
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(owner, name, wrapped)

MOMENTS = {
    "whole": lambda: None,
    "before the first checkpoint": lambda: die_at(Trainer, "step", 3),
    "within a step": lambda: die_at(Trainer, "step", 14),
    "after weights, before the checkpoint": lambda: die_at(loop, "write_checkpoint", 4),
    "while a checkpoint gets its name": lambda: die_at(os, "replace", 12),
}
torch.set_num_threads(1)
batches.context = lambda: multiprocessing.get_context("fork")  # nothing here has threads yet, and torch is loaded
plan = Plan(steps=30, checkpoint_seconds=0, **json.loads(sys.argv[2]) | {"workers": 1})
for number, moment in enumerate(MOMENTS):
    for resume in (False, True)[: 1 + (moment != "whole")]:
        child = os.fork()
        if not child:
            MOMENTS[moment]() if not resume else None
            loop.train(Discs(broken=(7,)), f"{sys.argv[1]}/{number}", plan, {"seed": 0}, resume)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed if not resume and moment != "whole" else status == 0, (moment, resume, status)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of runs: the first whole, the others killed at some moment and resumed."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-c", KILLER, str(folder), json.dumps(QUICK)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [folder / str(number) for number in range(5)]


@pytest.mark.parametrize("number", range(1, 5))
def test_a_killed_run_goes_on_to_the_same_result(runs, number):
    whole, resumed = runs[0], runs[number]
    assert len(losses(whole)) == 6
    assert losses(resumed) == losses(whole)
    for name in ("validation.csv", "weights.safetensors", "samples.png", "skipped.jsonl", "config.json"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    assert {path.name for path in resumed.iterdir()} == {path.name for path in whole.iterdir()}, "no stray files"


def test_what_a_run_leaves(runs):
    folder = runs[0]
    rows = losses(folder)
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30]
    for row in rows:
        assert row["loss"] == pytest.approx(row["loss cross"] + row["loss dice"])
        # The rate of the line's last step, whose middle counts.
        assert row["learning rate"] == pytest.approx(1e-2 * rate((row["step"] - 0.5) / 30, 0.05))
    assert [row["step"] for row in read_log(folder / "validation.csv")] == [10, 20, 30]
    weights = load_weights(folder / "weights.safetensors")
    assert weights.architecture == "test-net"
    assert {name.partition(".")[0] for name in weights.arrays} == {"backbone", "head"}
    assert weights.card.figures["validation"]["score"] == max(
        row["score"] for row in read_log(folder / "validation.csv")
    )
    assert (weights.card.figures["steps"], weights.card.figures["samples"]) == (30, 120)
    assert json.loads((folder / "skipped.jsonl").read_text())["item"] == "disc 7"
    for name in ("loss.png", "samples.png"):
        assert read_image(folder / name).std() > 1


def test_the_saved_weights_are_the_average_that_was_validated(tmp_path):
    task = Discs()
    done = train(task, tmp_path / "run", Plan(steps=20, **QUICK))
    model = Discs().model
    weights = load_weights(done.weights)
    for part in ("backbone", "head"):
        weights.into(getattr(model, part), part)
    # The file holds kernels in half precision, which moves a few pixels at most.
    assert task.validate(model.eval())["score"] == pytest.approx(done.figures["score"], abs=0.02)
    assert done.samples == 80


TWO = """
import json, sys
import torch
from kizu.pretrain.nets.loop import train
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.nets.step import leave
from pretrain_task import Discs
task = Discs(broken=(3, 4))
done = train(task, sys.argv[1], Plan(steps=6, **json.loads(sys.argv[2])))
sums = [None, None]
torch.distributed.all_gather_object(sums, [float(p.sum()) for p in task.model.parameters()])
record = {"seen": task.seen, "samples": done.samples, "same": sums[0] == sums[1], "skipped": done.skipped}
open(f"{sys.argv[1]}.{task.rank}.json", "w").write(json.dumps(record))
leave()
"""


def test_two_processes_share_the_line_of_samples(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    done = subprocess.run(
        [*command, str(script), str(tmp_path / "run"), json.dumps(QUICK)],
        cwd=HERE, capture_output=True, text=True, timeout=300,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"run.{rank}.json").read_text()) for rank in (0, 1))
    for step in range(6):
        both = first["seen"][4 * step : 4 * step + 4] + second["seen"][4 * step : 4 * step + 4]
        assert both == list(range(8 * step, 8 * step + 8))
    assert first["samples"] == 48
    assert first["same"], "all processes hold the same weights"
    assert {item["item"] for item in first["skipped"]} == {"disc 3", "disc 4"}
    assert len((tmp_path / "run" / "skipped.jsonl").read_text().splitlines()) == 2
    assert json.loads((tmp_path / "run" / "config.json").read_text())["processes"] == 2


def test_minutes_go_on_where_they_were(tmp_path, monkeypatch):
    ticking = itertools.count(0, 0.125)
    monkeypatch.setattr(loop, "monotonic", lambda: next(ticking))  # an eighth of a second a look at the clock
    plan = Plan(minutes=0.5, checkpoint_seconds=0, **QUICK)
    real, stopped = Discs.batch, 25

    def batch(task, step):
        if step == stopped:
            raise KizuError("no more")
        return real(task, step)

    monkeypatch.setattr(Discs, "batch", batch)
    with pytest.raises(KizuError, match="no more"):
        train(Discs(), tmp_path / "run", plan)
    before = read_checkpoint(tmp_path / "run")
    assert 0 < before["seconds"] < 30 and before["step"] == 25
    monkeypatch.setattr(Discs, "batch", real)
    done = train(Discs(), tmp_path / "run", plan, resume=True)
    assert 30 <= done.seconds < 32
    rows = read_log(tmp_path / "run" / "log.csv")
    assert all(a["seconds"] < b["seconds"] for a, b in itertools.pairwise(rows))
    assert all(row["share"] == pytest.approx(row["seconds"] / 30, abs=1e-5) for row in rows)
    rates = [row["learning rate"] for row in rows if row["share"] > 0.1]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.02 * 1e-2
    assert read_checkpoint(tmp_path / "run")["seconds"] >= 30
    again = train(Discs(), tmp_path / "run", plan, resume=True)
    assert (again.steps, again.figures, again.rate) == (done.steps, done.figures, 0.0), "there is nothing left to do"


def test_patience_ends_a_run(tmp_path):
    class Tired(Discs):
        def validate(self, model):
            return {"score": 0.5}

    done = train(Tired(), tmp_path / "run", Plan(steps=100, patience=2, **QUICK | {"validations": 10}))
    assert done.steps == 30  # the first validation is the best, and two more are not better
    assert done.figures["step"] == 10


def test_a_finished_run_is_told_from_a_new_one(tmp_path):
    folder, plan = tmp_path / "run", Plan(steps=5, **QUICK)
    train(Discs(), folder, plan, {"seed": 0, "recipe": {"lr": 0.1}})
    with pytest.raises(KizuError, match="holds a run; give --resume"):
        train(Discs(), folder, plan, {"seed": 0, "recipe": {"lr": 0.1}})
    with pytest.raises(KizuError, match=r"recipe\.lr 0\.1 \(now 0\.2\)") as told:
        train(Discs(), folder, plan, {"seed": 0, "recipe": {"lr": 0.2}}, resume=True)
    assert "seed" not in str(told.value)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    with pytest.raises(KizuError, match="not an empty folder and holds no run"):
        train(Discs(), tmp_path / "other", plan, resume=True)


@pytest.mark.parametrize("harm", ["cut", "text", "other", "of another model"])
def test_a_damaged_checkpoint(tmp_path, harm):
    folder, plan = tmp_path / "run", Plan(steps=5, **QUICK)
    train(Discs(), folder, plan)
    path = folder / "checkpoint.pt"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
    elif harm == "text":
        path.write_text("not a checkpoint")
    elif harm == "other":
        torch.save({"weights": torch.zeros(3)}, path)
    else:
        state = read_checkpoint(folder)
        state["step"], state["model"] = 3, {"layer.weight": torch.zeros(3)}
        torch.save(state, path)
    told = {"other": "not a checkpoint of this version", "of another model": "is of another model"}
    with pytest.raises(KizuError, match=told.get(harm, "the checkpoint is damaged; delete it")) as error:
        train(Discs(), folder, plan, resume=True)
    assert "\n" not in str(error.value)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    """No file may grow beyond 2 kB when the second checkpoint is written."""
    real, calls, soft = loop.write_checkpoint, itertools.count(1), resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(folder, state):
        if next(calls) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, soft[1]))
        try:
            real(folder, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft)

    monkeypatch.setattr(loop, "write_checkpoint", limited)
    folder, plan = tmp_path / "run", Plan(steps=15, checkpoint_seconds=0, **QUICK)
    with pytest.raises(KizuError, match=r"cannot write .*checkpoint\.pt: the file would be larger"):
        train(Discs(), folder, plan)
    assert read_checkpoint(folder)["step"] == 5
    assert not list(folder.glob(".*"))
    assert train(Discs(), folder, plan, resume=True).steps == 15


class Broken(Discs):
    def batch(self, step):
        raise KizuError("the data set is gone; bring it back")


@pytest.mark.parametrize("workers", [0, 1])
def test_one_clear_line_from_a_worker(tmp_path, workers):
    with pytest.raises(KizuError) as error:
        train(Broken(), tmp_path / "run", Plan(steps=5, **QUICK | {"workers": workers}))
    assert str(error.value) == "the data set is gone; bring it back"


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    with pytest.raises(KizuError, match="at step 15: training has come apart"):
        train(Discs(worst=45), tmp_path / "run", Plan(steps=20, checkpoint_seconds=0, **QUICK))
    state = read_checkpoint(tmp_path / "run")
    assert state["step"] == 10
    assert all(torch.isfinite(value).all() for value in state["average"].values())


def test_strict_stops_at_the_first_broken_item(tmp_path):
    with pytest.raises(DataError, match="disc 9 is broken"):
        train(Discs(broken=(9,)), tmp_path / "run", Plan(steps=5, **QUICK), strict=True)


def test_the_choice_of_workers_changes_nothing(tmp_path):
    for workers in (0, 2):
        train(Discs(), tmp_path / str(workers), Plan(steps=10, **QUICK | {"workers": workers}))
    assert losses(tmp_path / "0") == losses(tmp_path / "2")
    assert len({(tmp_path / name / "weights.safetensors").read_bytes() for name in ("0", "2")}) == 1


def test_bfloat16_learns_too(tmp_path):
    done = train(Discs(), tmp_path / "run", Plan(steps=40, **QUICK | {"precision": "bfloat16"}))
    assert done.precision == "bfloat16"
    assert done.figures["score"] > 0.3
    assert all(np.isfinite(row["loss"]) for row in losses(tmp_path / "run"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"steps": 0}, "1 or more steps"),
        ({"minutes": 0.0}, "more than 0 minutes"),
        ({}, "a run without end"),
        ({"steps": 5, "lr": 0.0}, "lr 0.0: too small"),
        ({"steps": 5, "warm_up": 1.0}, "warm-up 1.0"),
        ({"steps": 5, "precision": "half"}, "it is auto, float32 or bfloat16"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, settings, told):
    with pytest.raises(KizuError, match=told):
        train(Discs(), tmp_path / "run", Plan(**settings))


def test_the_log_is_a_plain_table(runs):
    with open(runs[0] / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["step", "samples", "learning rate", "loss"]
    assert all(None not in row.values() and None not in row for row in rows)
