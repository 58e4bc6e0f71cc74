"""Ray: the same files as the pool, on a cluster of two machines (of one core each, both here) that the test starts."""

import os
import sys
from pathlib import Path

import pytest
from engine_source import Discs, shards

from kizu.core.errors import KizuError
from kizu.core.shards import verify
from kizu.synth import cluster
from kizu.synth.engine import write

COUNT, SIZE = 44, 8


@pytest.fixture(scope="module")
def two_machines():
    """The ids of two machines of a Ray cluster, of one core each; its processes end with the tests."""
    pytest.importorskip("ray", reason="Ray is not installed (extra: scale)")
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with pytest.MonkeyPatch.context() as patch:  # what runs there has the modules that are imported here
        patch.setenv("PYTHONPATH", paths)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        import ray
        from ray.cluster_utils import Cluster

        machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            machines.add_node(num_cpus=1)
            ray.init(address=machines.address, log_to_driver=False)
            yield {node["NodeID"] for node in ray.nodes()}
        finally:
            ray.shutdown()
            machines.shutdown()


def test_the_same_files_as_the_pool(two_machines, tmp_path):
    for name, options in {"pool": {"workers": 2}, "ray": {"workers": 4, "run": cluster.run}}.items():
        states = []
        done = write(Discs(COUNT), tmp_path / name, shard_size=SIZE, watch=states.append, **options)
        assert (done.made, done.skipped, states[-1].done) == (COUNT, [], COUNT)
    assert shards(tmp_path / "ray") == shards(tmp_path / "pool")
    assert verify(tmp_path / "ray") == []
    assert write(Discs(COUNT), tmp_path / "ray", shard_size=SIZE, run=cluster.run).made == 0


def test_tasks_run_on_both_machines(two_machines, tmp_path):
    """The first picture of a shard waits until two machines are at work; with one core each, they have to be both."""
    source = Discs(COUNT, moment="meet", at=range(0, COUNT, SIZE))
    source.place = str(tmp_path)
    write(source, tmp_path / "d", 4, SIZE, run=cluster.run)
    assert {path.name for path in tmp_path.glob("machine-*")} == {f"machine-{node}" for node in two_machines}


def test_skips_and_errors_come_back(two_machines, tmp_path):
    source = Discs(COUNT, moment="fail", at=(3,))
    reason = "picture 3 of discs, seed 0 cannot be made (ValueError: no room for a disc)"
    assert [item["reason"] for item in write(source, tmp_path / "d", 2, SIZE, run=cluster.run).skipped] == [reason]
    with pytest.raises(KizuError, match=r"^picture 3 of discs, seed 0 cannot be made"):
        write(source, tmp_path / "e", 2, SIZE, strict=True, run=cluster.run)


def test_a_task_that_dies_again_and_again(two_machines, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_RETRIES", 1)
    with pytest.raises(KizuError, match=r"Ray lost the task that was making shard 2 .*run the same again to go on"):
        write(Discs(COUNT, moment="die", at=(19,)), tmp_path / "d", 1, SIZE, run=cluster.run)
    write(Discs(COUNT), tmp_path / "d", 2, SIZE, run=cluster.run)
    assert len(shards(tmp_path / "d")) == 6
    assert verify(tmp_path / "d") == []


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KizuError, match=r"pip install 'kizu\[scale\]'"):
        write(Discs(COUNT), tmp_path / "d", 2, SIZE, run=cluster.run)
