"""Detectors of the libraries: labels from 0, boxes in the picture's own pixels, and they learn what they are shown."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from tiny_net import TinyNet  # noqa: E402
from torchvision.ops import box_iou  # noqa: E402

from kizu.core.errors import KizuError  # noqa: E402
from kizu.models.nets.torchvision_detectors import anchors  # noqa: E402
from kizu.models.registry import build_detector, entry, names  # noqa: E402

# Small enough for a test: few proposals, few queries.
FEW = {"rpn_pre_nms_top_n_train": 60, "rpn_post_nms_top_n_train": 40, "rpn_post_nms_top_n_test": 8}
FEW |= {"box_batch_size_per_image": 8}
OPTIONS = {
    "mask-rcnn": {"width": 32} | FEW,
    "faster-rcnn": {"width": 32} | FEW,
    "fcos": {"width": 32},
    "retinanet": {"width": 32},
    "d-fine": {"width": 32, "queries": 10, "layers": 2},
    "rt-detrv2": {"width": 32, "queries": 10, "layers": 2},
    "mask2former": {"width": 32, "queries": 5, "layers": 2, "points": 100},
}
TORCHVISION = ("mask-rcnn", "faster-rcnn", "fcos", "retinanet")


def made(name, classes=2, size=128, **more):
    """A small detector in training mode, the same each time."""
    if entry(name).extra == "vfm":
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    return build_detector(name, classes, TinyNet(), size, **OPTIONS[name] | more).train()


def target(boxes, labels, size):
    """A target whose masks fill their boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.tensor(labels, dtype=torch.int64), "masks": masks}


def scene(height=128, width=128, box=(40, 30, 90, 70), label=1):
    """A grey picture, given as three channels, with one dark rectangle: image uint8 (1, 3, H, W) and target."""
    noise = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(1))
    image = 130 + 4 * noise
    x0, y0, x1, y1 = box
    image[..., y0:y1, x0:x1] -= 70
    return image.clamp(0, 255).to(torch.uint8).expand(1, 3, -1, -1), target([box], [label], (height, width))


def step(model, images, targets, optimiser):
    loss = sum(model.loss(images, targets).values())
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimiser.step()
    return loss.item()


def test_all_detectors_but_the_dense_one_are_here():
    assert set(OPTIONS) == set(names("detector")) - {"kizu-dense"}


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", OPTIONS)
def test_losses_at_odd_sizes_and_without_objects(name, classes):
    model = made(name, classes)
    size = (75, 101)
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    some = target([(10, 20, 40, 60), (90, 0, 101, 75)], [0, classes - 1], size)
    for targets in ([some, target([], [], size)], [target([], [], size)] * 2):
        model.zero_grad()
        losses = model.loss(images, targets)
        assert all(value.ndim == 0 and value.isfinite() for value in losses.values()), losses
        sum(losses.values()).backward()
        grads = [p.grad for p in model.backbone.parameters()]
        assert all(g is not None and g.isfinite().all() for g in grads)
        assert sum(g.abs().sum() for g in grads) > 0
    assert model.classes == classes
    assert model.masks == entry(name).masks


@pytest.mark.parametrize("size", [(61, 95), (128, 96)])
@pytest.mark.parametrize("name", OPTIONS)
def test_detections_are_within_the_picture(name, size):
    model = made(name, 3, min_score=0.0)
    found = model.detect(torch.randint(0, 256, (2, 3, *size)).float())
    assert model.training, "detect puts the mode back"
    assert len(found) == 2
    height, width = size
    for record in found:
        boxes, n = record["boxes"], len(record["scores"])
        assert (boxes.shape, boxes.dtype, record["labels"].dtype) == ((n, 4), np.float32, np.int64)
        assert 0 < n <= 100
        assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= width).all() and (boxes[:, [1, 3]] <= height).all()
        assert set(record["labels"]) <= {0, 1, 2}
        assert (np.diff(record["scores"]) <= 0).all() and (record["scores"] <= 1).all()
        if not model.masks:
            assert record["masks"] is None
            continue
        assert len(record["masks"]) == n
        for mask, (x, y) in record["masks"]:
            assert mask.dtype == bool and x + mask.shape[1] <= width and y + mask.shape[0] <= height
            assert not mask.size or (mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any())


@pytest.mark.parametrize("name", TORCHVISION)
def test_they_find_what_they_were_shown(name):
    model = made(name)
    images, truth = scene()
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-4)
    first = step(model, images, [truth], optimiser)
    for _ in range(5):  # rounds: how soon it is learned is a matter of the processor's rounding
        last = [step(model, images, [truth], optimiser) for _ in range(40)][-1]
        found = model.detect(images)[0]
        if len(found["scores"]) and found["scores"][0] > 0.5:
            break
    assert last < first / 2
    assert box_iou(torch.from_numpy(found["boxes"][:1]), truth["boxes"]).item() > 0.5
    assert found["labels"][0] == 1
    assert found["scores"][0] > 0.2
    if model.masks:
        whole = np.zeros((128, 128), bool)
        mask, (x, y) = found["masks"][0]
        whole[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        true = truth["masks"][0].numpy()
        assert (whole & true).sum() / (whole | true).sum() > 0.5


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in TORCHVISION])
def test_transformers_learn(name):
    # One loss is a draw (noise of denoising queries, sampled points), so means are compared.
    model = made(name)
    images, truth = scene(64, 64, (20, 14, 44, 36))
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = [step(model, images, [truth], optimiser) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])


def test_the_terms_of_a_detr_are_the_librarys_loss():
    model = made("rt-detrv2").eval()  # without the noise of denoising queries
    images, truth = scene(64, 64, (20, 14, 44, 36))
    x, size = model._input(images), (64, 64)
    terms = model.losses(x, size, [truth])
    boxes = torch.tensor([[32.0, 25, 24, 22]]) / x.shape[-1]
    whole = model.net(pixel_values=x, labels=[{"class_labels": truth["labels"], "boxes": boxes}]).loss
    torch.testing.assert_close(sum(terms.values()), whole)
    assert set(terms) == {"loss_vfl", "loss_bbox", "loss_giou"}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_backbone_is_listed_once(name):
    model = made(name)
    state = model.state_dict()
    own = {key for key in state if key.startswith("backbone.")}
    assert own == {f"backbone.{key}" for key in model.backbone.state_dict()}
    shared = {value.data_ptr() for value in model.backbone.state_dict().values() if value.numel()}
    assert not [key for key in state.keys() - own if state[key].numel() and state[key].data_ptr() in shared]


def test_anchors_go_from_small_defects_to_the_picture():
    sides = [side for level in anchors(512, 2).sizes for side in level]
    assert sides == sorted(sides)
    assert (sides[0], sides[-1]) == (8.0, pytest.approx(384))
    steps = np.diff(np.log(sides))
    np.testing.assert_allclose(steps, steps[0])


SIZE = (64, 64)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("mask-rcnn", lambda t: t.pop("masks"), "boxes only, and mask-rcnn learns masks"),
        ("mask-rcnn", lambda t: t.update(masks=t["masks"][:, :9]), "masks of the shape (1, 9, 64), not (1, 64, 64)"),
        ("fcos", lambda t: t.update(labels=torch.tensor([2])), "labels [2], but the detector has 2 classes"),
        ("fcos", lambda t: t.update(labels=torch.tensor([-1])), "labels [-1], but the detector has 2 classes"),
        ("fcos", lambda t: t.update(labels=torch.tensor([0, 1])), "1 boxes and 2 labels"),
        ("retinanet", lambda t: t.update(boxes=torch.tensor([[5.0, 5, 5, 9]])), "a box without height or width"),
    ],
    ids=["no masks", "masks of another size", "label too large", "label below 0", "counts", "no width"],
)
def test_targets_that_do_not_fit(name, change, said):
    model, wrong = made(name), target([(5, 5, 30, 30)], [1], SIZE)
    change(wrong)
    with pytest.raises(KizuError) as error:
        model.loss(torch.zeros(1, 3, *SIZE), [wrong])
    assert said in str(error.value)
    assert str(error.value).startswith("target 0: ")


def test_boxes_are_enough_for_detectors_of_boxes():
    only = target([(5, 5, 30, 30)], [1], SIZE)
    del only["masks"]
    assert sum(made("faster-rcnn").loss(torch.zeros(1, 3, *SIZE), [only]).values()).isfinite()


def test_mistakes_of_the_caller():
    model = made("fcos")
    with pytest.raises(ValueError, match="1 images and 2 targets"):
        model.loss(torch.zeros(1, 3, *SIZE), [target([], [], SIZE)] * 2)
    with pytest.raises(RuntimeError, match="call train"):
        model.eval().loss(torch.zeros(1, 3, *SIZE), [target([], [], SIZE)])
