"""The dense detector in torch: shapes, padding, the loss against plain sums, and that it learns."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from dense_nets import as_tensor, squares, tiny
from torch.nn import functional

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.models.dense_targets import dense_targets
from kizu.models.nets.backbone import picture_stats
from kizu.models.nets.dense_loss import LEAST, dense_loss


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 33), (5, 3), (1, 100)])
def test_maps_of_any_size(height, width):
    net, images = tiny(3), torch.rand(2, 3, height, width) * 255
    classes, boundary, offset = net.maps(images)
    cells = (-(-height // 4), -(-width // 4))
    assert classes.shape == (2, 3, *cells) and boundary.shape == (2, 1, *cells) and offset.shape == (2, 2, *cells)
    assert classes.min() >= 0 and classes.max() <= 1
    # One picture is not changed by its neighbour in the batch, and uint8 is as good as float.
    alone = net.maps(images[1:].byte())[0]
    assert torch.allclose(alone, net.maps(images[1:].byte().float())[0])
    assert torch.allclose(net.maps(images[1:])[0][0], classes[1], atol=1e-5)


def test_a_tile_with_the_statistics_of_its_picture():
    net, image = tiny(), torch.rand(1, 3, 256, 256) * torch.linspace(50, 255, 256)
    whole, stats = net.maps(image)[0], picture_stats(image)
    assert whole.std() > 0.05, "or nothing is compared below"
    tile = net.maps(image[..., :192], stats)[0]
    blind = net.maps(image[..., :192])[0]
    middle = (..., slice(0, 8))  # 160 pixels from the cut
    assert (whole[middle] - tile[middle]).abs().max() < 1e-3
    assert (whole[middle] - blind[middle]).abs().max() > 1e-2


def random_case(seed, empty=False):
    random = np.random.default_rng(seed)
    targets = []
    for _ in range(2):
        raster = random.integers(0, 4, (24, 32)) * (random.random((24, 32)) < 0.3) * (not empty)
        masks = Masks.from_dense(np.stack([raster == i for i in (1, 2, 3)]))
        crowd = {"iscrowd": np.array([False, False, True])}
        targets.append(dense_targets(Instances([0, 1, 0], masks=masks, attributes=crowd), 2).arrays())
    maps = {name: torch.from_numpy(np.stack([t[name] for t in targets])) for name in targets[0]}
    generator = torch.Generator().manual_seed(seed)
    out = tuple(torch.randn(2, k, 6, 8, generator=generator, requires_grad=True) for k in (2, 1, 2))
    return out, maps


@pytest.mark.parametrize("empty", [False, True])
def test_the_loss_is_the_plain_sum(empty):
    out, maps = random_case(3, empty)
    losses = dense_loss(out, maps)
    focal = positives = 0.0
    dices = []
    for b in range(2):
        known = maps["known"][b].bool()
        for k in range(2):
            y, z = maps["classes"][b, k][known] / 255, out[0][b, k][known]
            p = torch.sigmoid(z)
            focal += float(((y - p) ** 2 * -(y * torch.log(p) + (1 - y) * torch.log(1 - p))).sum())
            positives += float(y.sum())
            if y.sum() > 0:
                dices.append(1 - float((2 * (p * y).sum() + 1) / ((p**2).sum() + (y**2).sum() + 1)))
    assert float(losses["classes"]) == pytest.approx(focal / max(positives, LEAST), rel=1e-4)
    assert float(losses["dice"]) == pytest.approx(np.mean(dices) if dices else 0, abs=1e-5)
    inside = (maps["weight"] > 0) & maps["known"].bool()
    cells = max(int(inside.sum()), LEAST)
    edge = functional.binary_cross_entropy(
        torch.sigmoid(out[1][:, 0][inside]), maps["boundary"][inside].float(), reduction="sum"
    )
    assert float(losses["boundary"]) == pytest.approx(0.5 * float(edge) / cells, rel=1e-4)
    error = 0.0
    for axis in range(2):
        gap = (out[2][:, axis] - maps["offset"][:, axis])[inside].abs()
        error += float((torch.where(gap < 0.1, gap**2 / 0.2, gap - 0.05) * maps["weight"][inside]).sum())
    assert float(losses["offset"]) == pytest.approx(0.5 * error / cells, rel=1e-4, abs=1e-7)
    sum(losses.values()).backward()
    assert all(torch.isfinite(values.grad).all() for values in out)
    unknown = maps["known"] == 0
    assert not out[0].grad.permute(0, 2, 3, 1)[unknown].any() and not out[2].grad.permute(0, 2, 3, 1)[unknown].any()


def test_no_instance_still_teaches():
    net = tiny().train()
    nothing = [{"labels": torch.zeros(0, dtype=torch.int64), "masks": torch.zeros(0, 50, 70, dtype=torch.bool)}] * 2
    losses = net.loss(torch.rand(2, 3, 50, 70) * 255, nothing)
    assert float(losses["classes"].detach()) > 0
    assert [float(losses[name].detach()) for name in ("dice", "boundary", "offset")] == [0, 0, 0]
    sum(losses.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters()), "no parameter is idle"


def test_targets_without_masks():
    with pytest.raises(KizuError, match="without masks"):
        tiny().loss(torch.zeros(1, 3, 32, 32), [{"labels": torch.tensor([0]), "boxes": torch.zeros(1, 4)}])


def test_it_learns_squares_and_bars():
    images, targets = squares(16)
    net = tiny(sharp=False).train()
    optimiser = torch.optim.AdamW(net.parameters(), 0.01)
    for step in range(120):
        torch.manual_seed(step)
        some = torch.randperm(16)[:8]
        losses = net.loss(as_tensor(images)[some], [targets[i] for i in some])
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    fresh, truth = squares(6, seed=9)
    for found, target in zip(net.eval().detect(as_tensor(fresh)), truth, strict=True):
        masks = Masks.from_crops(found["masks"], (64, 64))
        overlap = masks.iou(Masks.from_dense(target["masks"].numpy()))
        overlap[found["labels"][:, None] != target["labels"].numpy()] = 0
        assert (overlap.max(0) > 0.4).all() and len(found["labels"]) == len(target["labels"])
        assert found["boxes"].dtype == np.float32 and found["boxes"].shape == (len(masks), 4)
        assert np.array_equal(found["boxes"], masks.boxes)
