"""Augmentation: picture, masks and boxes change together, and all chance comes from the seed."""

import numpy as np
import pytest
from detector_scenes import picture

pytest.importorskip("torchvision")
import torch

from kizu.core.instances import Instances
from kizu.detector.nets.augment import Augment
from kizu.detector.windows import boxes_of


def run(seed, sample, side=64, **options):
    return Augment(side, **options)(sample.image, sample.instances, np.random.default_rng(seed))


def test_the_same_seed_gives_the_same_picture_and_leaves_torch_alone():
    sample = picture(0, (0, 1))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second, third = run(5, sample), run(5, sample), run(6, sample)
    assert (torch.random.get_rng_state() == before).all()
    assert (first[0] == second[0]).all()
    assert all((first[1][name] == second[1][name]).all() for name in first[1])
    assert first[0].shape == third[0].shape and not torch.equal(first[0], third[0])


@pytest.mark.parametrize("turns", [True, False])
def test_masks_lie_where_the_defects_are(turns):
    seen = 0
    for seed in range(40):
        image, target, _ = run(seed, picture(seed, (0, 1)), turns=turns)
        assert image.dtype == torch.uint8 and image.shape == (3, 64, 64)
        assert len(target["boxes"]) == len(target["labels"]) == len(target["masks"])
        assert (target["boxes"].numpy() == boxes_of(target["masks"].numpy())).all()
        grey = image.float().mean(0)
        inside = [grey[mask].mean() for mask in target["masks"]]
        every = target["masks"].any(0) if len(inside) else torch.zeros(64, 64, dtype=bool)
        for mask, label, value in zip(target["masks"], target["labels"], inside, strict=True):
            if mask.sum() < 40 or sum(bool((mask & other).any()) for other in target["masks"]) > 1:
                continue
            seen += 1
            assert (value < grey[~every].mean() - 15) if label == 0 else (value > grey[~every].mean() + 15)
    assert seen > 25


def test_without_turns_directions_stay():
    sample = picture(3, (1,))
    for seed in range(15):
        for box in run(seed, sample, turns=False)[1]["boxes"]:
            assert box[3] - box[1] <= 10  # a bar of 5 pixels that lies
    stood = [b for seed in range(30) for b in run(seed, sample)[1]["boxes"] if b[3] - b[1] > 12]
    assert stood


def test_boxes_alone():
    sample = picture(1, (0, 1), masks=False)
    drawn = [run(seed, sample)[1] for seed in range(20)]
    assert all("masks" not in target for target in drawn)
    assert sum(len(target["boxes"]) for target in drawn) > 20
    for target in drawn:
        boxes = target["boxes"]
        assert (boxes >= 0).all() and (boxes <= 64).all() and (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize("masks", [True, False])
def test_a_good_picture(masks):
    _, target, _ = run(0, picture(0, (), masks=masks))
    assert target["boxes"].shape == (0, 4) and target["labels"].shape == (0,)


def test_statistics_are_those_of_the_whole_picture_in_the_light_of_the_window():
    # Half dark, half bright: a window sees one half, and the network is told of both.
    image = np.zeros((64, 256, 3), np.uint8)
    image[:, 128:] = 200
    image += np.random.default_rng(0).integers(0, 20, image.shape, dtype=np.uint8)
    stats = torch.stack(
        [Augment(32)(image, Instances.empty((64, 256)), np.random.default_rng(seed))[2] for seed in range(60)]
    )
    assert stats[:, 0].median() == pytest.approx(image.mean(), rel=0.15)
    assert stats[:, 1].median() == pytest.approx(image.std(), rel=0.15)
