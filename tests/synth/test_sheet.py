"""The contact sheet: what is drawn where, at any size of pictures."""

import numpy as np
import pytest
from PIL import Image
from synth_sets import NAMES, dataset

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.synth.sheet import colour, contact_sheet


def near(page, shade, slack=40):
    return (np.abs(page.astype(int) - shade).max(-1) < slack).sum()


def page_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def grey(shape=(100, 100), masks=None, **options):
    found = None if masks is None else Instances(masks=Masks.from_dense(masks), **options)
    return Sample("a", np.full((*shape, 3), 90, np.uint8), found)


def test_a_mask_is_tinted_in_its_place(tmp_path):
    mask = np.zeros((1, 100, 100), bool)
    mask[0, 40:80, 20:50] = True
    mask[0, 50:60, 30:40] = False  # a hole
    page = page_of(contact_sheet(Dataset([grey(masks=mask, labels=[1])], NAMES), tmp_path / "s.png", side=100))
    left, right = page[28:128, 28:128], page[28:128, 131:231]
    assert (left == 90).all()
    tinted = np.abs(right.astype(int) - np.round(0.8 * 90 + 26)).max(-1) > 20
    inner = np.zeros((100, 100), bool)
    inner[43:77, 23:47] = True
    inner[47:63, 27:43] = False
    outer = np.zeros((100, 100), bool)
    outer[37:83, 17:53] = True
    outer[53:57, 33:37] = False
    assert tinted[inner].all() and not tinted[~outer].any()
    assert near(right, colour(1), 75) > 60


def test_what_carries_others_is_drawn_thinly(tmp_path):
    masks = np.zeros((2, 100, 100), bool)
    masks[0, 10:90, 10:90] = True
    masks[1, 40:60, 40:60] = True
    masks[0] &= ~masks[1]

    def shaded(name, **options):
        page = page_of(
            contact_sheet(Dataset([grey(masks=masks, labels=[0, 1], **options)], NAMES, info), tmp_path / name)
        )
        return np.abs(page[200, 28 + 216 + 3 + 50].astype(int) - round(0.8 * 90 + 26)).max() > 10

    info = {}
    assert shaded("a.png") and not shaded("b.png", parents=[-1, 0])
    info = {"not_defects": ["disc"]}
    assert not shaded("c.png")
    info = {"not_defects": list(NAMES)}
    assert shaded("d.png")  # where nothing else is labelled, parts are the point


def test_nested_classes_are_filled(tmp_path):
    masks = np.zeros((3, 100, 100), bool)
    masks[0, 10:90, 10:90] = True
    masks[1, 40:60, 40:60] = True
    masks[2, 45:55, 45:55] = True
    masks[0] &= ~masks[1]
    masks[1] &= ~masks[2]
    nested = grey(masks=masks, labels=[0, 1, 0], parents=[-1, 0, 1])  # class 0 carries and is carried
    page = page_of(contact_sheet(Dataset([nested], NAMES), tmp_path / "s.png", side=100))
    assert near(page[28:128, 131:231][15:35, 20:80], colour(0), 75) > 600


def test_a_legend_of_many_classes_stays_short(tmp_path):
    masks = np.zeros((200, 40, 50), bool)
    masks.reshape(200, -1)[:, :2000].reshape(200, 200, 10)[np.arange(200), np.arange(200)] = True
    many = grey((40, 50), masks, labels=np.arange(200))
    names = [f"kind {k}" for k in range(200)]
    few = Dataset([grey((40, 50), masks[:30], labels=np.arange(30))], names)
    tall = [page_of(contact_sheet(d, tmp_path / "s.png", side=216)).shape[0] for d in (Dataset([many], names), few)]
    assert tall[0] < tall[1]  # twenty of two hundred against thirty


@pytest.mark.parametrize("shape", [(8, 8), (40, 300), (300, 40), (1500, 700)], ids=str)
@pytest.mark.parametrize("count, columns", [(1, 4), (5, 2)])
def test_any_size_of_picture(tmp_path, shape, count, columns):
    masks = np.zeros((1, *shape), bool)
    masks[0, : shape[0] // 2, : shape[1] // 3] = True
    samples = [grey(shape, masks, labels=[0]), grey((50, 60)), Sample("b", np.zeros((30, 20, 3), np.uint8))] * 3
    path = contact_sheet(
        Dataset(samples, NAMES, {"title": "A title that is long " * 20}), tmp_path / "s.png", count, columns
    )
    assert path.stat().st_size < 1_500_000
    page = page_of(path)
    assert page.shape[0] < 1500 and page.shape[1] < 2000
    assert near(page, colour(0)) > 20


def test_noisy_pictures_stay_small_and_their_colours_apart(tmp_path):
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 300, 300), bool)
    masks[0, 100:140, 100:140] = masks[1, 200:240, 200:240] = True
    found = Instances([0, 2], masks=Masks.from_dense(masks))
    samples = [Sample(f"{k}", rng.integers(0, 256, (300, 300, 1), np.uint8).repeat(3, 2), found) for k in range(24)]
    path = contact_sheet(Dataset(samples, ["a", "b", "c"]), tmp_path / "s.png")
    assert path.stat().st_size < 1_500_000
    page = page_of(path)
    assert near(page, colour(0), 16) > 50 and near(page, colour(2), 16) > 50


def test_the_same_bytes_again(tmp_path):
    data = dataset(6)
    one, two = (contact_sheet(data, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two


def test_boxes_and_many_classes(tmp_path):
    names = [f"class_{k}" for k in range(30)]
    boxes = np.array([[3 * k, 3 * k, 3 * k + 10, 3 * k + 10] for k in range(30)], np.float32)
    sample = Sample("a", np.full((100, 100, 3), 90, np.uint8), Instances(range(30), boxes))
    page = page_of(contact_sheet(Dataset([sample], names), tmp_path / "s.png"))
    assert near(page, colour(29), 12) > 30
    assert len({colour(k) for k in range(30)}) == 30


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda p: contact_sheet(Dataset([], NAMES), p), KizuError),
        (lambda p: contact_sheet(dataset(2), p, count=0), KizuError),
        (lambda p: contact_sheet(dataset(2), p, side=5), KizuError),
        (lambda p: contact_sheet(Dataset([Sample("x", b"junk")], NAMES), p), DataError),
    ],
    ids=["empty", "count", "side", "broken"],
)
def test_errors_leave_no_file(tmp_path, make, error):
    with pytest.raises(error):
        make(tmp_path / "s.png")
    assert not list(tmp_path.iterdir())
