"""What is read from each map alone: against plain sums, and what it asks nothing of."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.models.registry import build_backbone
from kizu.pretrain.nets.readout import GROUNDS, ReadNet, ground_of, readout_loss
from kizu.synth.formula.surfaces.bank import MATERIALS

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def given(seed=0, kinds=3, side=4):
    random = np.random.default_rng(seed)
    classes = torch.from_numpy(random.choice([0, 0, 0, 128, 255], (2, kinds, side, side)).astype(np.uint8))
    known = torch.from_numpy((random.random((2, side, side)) < 0.8).astype(np.uint8))
    reads = [torch.from_numpy(random.normal(0, 2, (2, kinds + GROUNDS, side >> k, side >> k))) for k in range(2)]
    return reads, classes, known


def test_the_loss_is_the_plain_sum():
    reads, classes, known = given()
    ground = torch.tensor([5, -1])
    focal = entropy = 0.0
    for k, values in enumerate(reads):
        step, total, count, error, free = 2**k, 0.0, 0.0, 0.0, 0
        for b, y, x in np.ndindex(2, 4 >> k, 4 >> k):
            cells = (b, slice(None), slice(y * step, (y + 1) * step), slice(x * step, (x + 1) * step))
            sure = known[cells[0], cells[2], cells[3]].double()
            share = (classes[cells].double() / 255 * sure).mean((1, 2))
            odds = values[b, :, y, x]
            if sure.min() == 1:
                p = odds[:3].sigmoid()
                cross = -(share * p.log() + (1 - share) * (1 - p).log())
                total += float(((share - p) ** 2 * cross).sum())
                count += float(share.sum())
            if share.max() == 0 and b == 0:
                error -= float(odds[3:].log_softmax(0)[5])
                free += 1
        focal += 0.25 * total / max(count, 16)
        entropy += 0.1 * error / max(free, 1)
    found = readout_loss(reads, classes, known, ground)
    assert found["readout"].item() == pytest.approx(focal, rel=1e-5)
    assert found["ground"].item() == pytest.approx(entropy, rel=1e-5)


def test_nothing_is_asked_where_nothing_is_known():
    reads, classes, known = given()
    found = readout_loss(reads, classes, torch.zeros_like(known), torch.tensor([-1, -1]))
    assert found["readout"].item() == 0 and found["ground"].item() == 0


def test_maps_and_detector_answer_as_one():
    net = ReadNet(build_backbone("kizu-s"), 3, 16).eval()
    images = torch.randint(0, 256, (1, 3, 64, 96))
    with torch.no_grad():
        *out, reads = net(images, read=True)
        plain = net(images)
    assert all(torch.equal(a, b) for a, b in zip(out, plain, strict=True))
    assert [tuple(v.shape) for v in reads] == [(1, 3 + GROUNDS, 64 // s, 96 // s) for s in (4, 8, 16, 32)]


def test_grounds_are_numbered_as_the_materials():
    def sample(meta):
        return Sample("a", np.zeros((4, 4, 3), np.uint8), Instances.empty((4, 4)), meta=meta)

    numbers = [ground_of(sample({"ground": name})) for name in sorted(MATERIALS)]
    assert numbers == list(range(GROUNDS))
    assert ground_of(sample({})) == ground_of(sample({"ground": "cheese"})) == -1
