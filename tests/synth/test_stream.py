"""On-the-fly training data: every process and worker its own share, together each sample exactly once."""

import itertools
import pickle
import sys

import numpy as np
import pytest
from engine_source import SIDE, Discs

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.synth.stream import Stream, collate, stream, tensors

COUNT = 23


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (extra: train)")


def bare(**fields):
    """The line of samples alone, without torch."""
    out = Stream()
    out.__dict__ |= {"source": Discs(COUNT), "start": 0, "endless": False, "rank": 0, "world": 1} | fields
    return out


# --- who sees what ---


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("start", [0, 5, COUNT])
def test_together_each_sample_once(world, workers, start):
    shares = [
        list(bare(rank=rank, world=world, start=start).order(worker, workers))
        for rank, worker in itertools.product(range(world), range(workers))
    ]
    assert sorted(itertools.chain(*shares)) == list(range(start, COUNT))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("world", "workers"), [(1, 1), (2, 2)])
def test_endless_goes_around(world, workers):
    """As many as three epochs and a bit: each sample three times or four."""
    parts = world * workers
    seen = []
    for rank, worker in itertools.product(range(world), range(workers)):
        line = bare(rank=rank, world=world, endless=True).order(worker, workers)
        seen += itertools.islice(line, 3 * COUNT // parts + 1)
    counts = np.bincount(seen, minlength=COUNT)
    assert set(counts.tolist()) <= {3, 4}


def test_a_resumed_line_is_the_rest_of_the_line():
    whole = list(itertools.islice(bare(endless=True).order(0, 1), 60))
    assert list(itertools.islice(bare(endless=True, start=40).order(0, 1), 20)) == whole[40:]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_each_sample_once_and_as_it_is(torch, workers):
    source = Discs(COUNT)
    seen = {}
    for rank in range(2):
        data = stream(source, rank=rank, world=2, amodal=True)
        loader = torch.utils.data.DataLoader(data, 4, num_workers=workers, collate_fn=collate)
        for batch in loader:
            assert batch["image"].shape[1:] == (3, SIDE, SIDE) and batch["image"].dtype == torch.uint8
            for k, i in enumerate(batch["image_id"]):
                assert i not in seen
                seen[i] = {name: values[k] for name, values in batch.items()}
    assert sorted(seen) == list(range(COUNT))
    for i, item in seen.items():
        sample, found = source[i], source[i].instances
        assert np.array_equal(item["image"].numpy().transpose(1, 2, 0), sample.image)
        assert item["boxes"].dtype == torch.float32 and item["labels"].dtype == torch.int64
        assert np.array_equal(item["boxes"].numpy(), found.boxes)
        assert item["labels"].tolist() == found.labels.tolist()
        for name, masks in (("masks", found.masks), ("amodal", found.amodal)):
            assert item[name].dtype == torch.bool and item[name].shape == (len(found), SIDE, SIDE)
            assert all(np.array_equal(item[name][k].numpy(), masks.dense(k)) for k in range(len(found)))


def test_rank_and_world_come_from_the_launcher(torch, monkeypatch):
    assert (stream(Discs(4)).rank, stream(Discs(4)).world) == (0, 1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert (stream(Discs(4)).rank, stream(Discs(4)).world) == (3, 8)
    monkeypatch.setenv("RANK", "many")
    with pytest.raises(KizuError, match="RANK and WORLD_SIZE are whole numbers"):
        stream(Discs(4))


def test_rank_and_world_come_from_the_process_group(torch, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    place = {"init_method": f"file://{tmp_path / 'meet'}", "rank": 0, "world_size": 1}
    torch.distributed.init_process_group("gloo", **place)
    try:
        assert (stream(Discs(4)).rank, stream(Discs(4)).world) == (0, 1)
    finally:
        torch.distributed.destroy_process_group()


def test_it_can_be_handed_to_another_process(torch):
    back = pickle.loads(pickle.dumps(stream(Discs(COUNT), start=3, rank=1, world=2)))
    assert isinstance(back, torch.utils.data.IterableDataset)
    assert list(back.order(0, 1)) == list(range(4, COUNT, 2))


# --- what is refused ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "world": 2}, "rank 2 of world 2"),
        ({"rank": 0}, "rank 0 of world None: give both"),
        ({"start": -1}, "start -1 of 23 samples"),
        ({"source": Discs(0)}, "not empty"),
    ],
)
def test_numbers_that_make_no_sense(torch, options, message):
    with pytest.raises(KizuError, match=message):
        stream(options.pop("source", Discs(COUNT)), **options)


def test_a_sample_that_fails_is_named(torch):
    with pytest.raises(DataError, match="picture 2 of discs, seed 0 cannot be made"):
        list(stream(Discs(COUNT, moment="fail", at=(2,))))


def test_masks_that_are_not_there(torch):
    picture = np.zeros((4, 4, 3), np.uint8)
    boxes = Sample("a", picture, Instances([0], [[0, 0, 1, 1]]))
    with pytest.raises(DataError, match=r"^a: its instances have no masks"):
        tensors(boxes, 0)
    assert tensors(Sample("a", picture, Instances.empty()), 0, True)["amodal"].shape == (0, 4, 4)


def test_pictures_of_different_sizes(torch):
    batch = [tensors(Sample("a", np.zeros((4, side, 3), np.uint8)), 0) for side in (4, 5)]
    with pytest.raises(DataError, match="cannot be one batch; make them of one size"):
        collate(batch)


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(KizuError, match=r"pip install 'kizu\[train\]'"):
        stream(Discs(COUNT))
