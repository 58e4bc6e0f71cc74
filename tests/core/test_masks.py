"""``Masks`` against pycocotools and against dense arrays, on named shapes and on random ones."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from kizu.core.errors import DataError
from kizu.core.masks import Masks


def shape(height, width, *boxes, holes=()):
    mask = np.zeros((height, width), bool)
    for y0, y1, x0, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    for y0, y1, x0, x1 in holes:
        mask[y0:y1, x0:x1] = False
    return mask


def disc(height, width, y, x, radius):
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def many(count, height, width):
    """Blobs, lines, dots and nothings of a fixed seed, some overlapping."""
    rng = np.random.default_rng(7)
    out = np.zeros((count, height, width), bool)
    for i in range(count):
        y, x = rng.integers(height), rng.integers(width)
        if i % 4 == 0:
            out[i] = disc(height, width, y, x, rng.integers(1, 9))
        elif i % 4 == 1:
            out[i, y, : x + 1] = True
        elif i % 4 == 2:
            out[i, y, x] = True
        elif i % 8 == 3:
            out[i] = rng.random((height, width)) < 0.05
    return out


SHAPES = {
    "none": np.zeros((0, 7, 9), bool),
    "empty": np.zeros((2, 7, 9), bool),
    "full": np.ones((1, 7, 9), bool),
    "one pixel frame": np.ones((1, 1, 1), bool),
    "one pixel": shape(5, 6, (2, 3, 4, 5))[None],
    "first pixel": shape(5, 6, (0, 1, 0, 1))[None],
    "last pixel": shape(5, 6, (4, 5, 5, 6))[None],
    "touches every border": shape(8, 9, (0, 8, 4, 5), (3, 4, 0, 9))[None],
    "whole columns": shape(6, 9, (0, 6, 2, 5))[None],
    "foot to head of the next column": shape(6, 9, (3, 6, 2, 3), (0, 2, 3, 4))[None],
    "whole rows": shape(6, 9, (2, 4, 0, 9))[None],
    "hole": shape(9, 9, (1, 8, 1, 8), holes=[(3, 5, 3, 6)])[None],
    "several components": shape(9, 12, (0, 2, 0, 2), (7, 9, 10, 12), (4, 5, 5, 6))[None],
    "chequered": (np.indices((9, 10)).sum(0) % 2 == 0)[None],
    "one row": shape(1, 40, (0, 1, 3, 30))[None],
    "one column": shape(40, 1, (3, 30, 0, 1))[None],
    "wide": np.stack([shape(12, 8192, (3, 9, 10, 8190)), shape(12, 8192, (0, 12, 8191, 8192))]),
    "tall": shape(8192, 12, (10, 8190, 3, 9))[None],
    "300 instances": many(300, 60, 70),
    "no rows": np.zeros((2, 0, 5), bool),
    "no columns": np.zeros((2, 5, 0), bool),
}


@pytest.fixture(params=SHAPES, ids=list(SHAPES))
def dense(request):
    return SHAPES[request.param]


@st.composite
def stacks(draw, most=5, side=20):
    """Dense masks (N, H, W): noise, and noise blown up to blocks, which has long runs."""
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    count = draw(st.integers(0, most))
    block = draw(st.sampled_from([1, 1, 3]))
    fine = (count, -(-height // block), -(-width // block))
    masks = draw(hnp.arrays(bool, fine))
    return np.repeat(np.repeat(masks, block, 1), block, 2)[:, :height, :width]


def encode(dense):
    return coco.encode(np.asfortranarray(dense.transpose(1, 2, 0).astype(np.uint8)))


def coco_area(codes):
    """pycocotools.mask.area in pieces: with more than 255 masks at a time it overflows under NumPy 2."""
    return [int(area) for k in range(0, len(codes), 200) for area in coco.area(codes[k : k + 200])]


def coco_iou(left, right, crowd):
    return np.array([[coco.iou([a], [b], [int(c)])[0, 0] for b, c in zip(right, crowd, strict=True)] for a in left])


def check_all(dense):
    """Everything that can be read off masks, against the dense stack and pycocotools."""
    count, height, width = dense.shape
    masks = Masks.from_dense(dense)
    codes = encode(dense) if count else []
    assert len(masks) == count
    assert masks.size == (height, width)
    assert masks.codes() == [code["counts"] for code in codes]
    assert [(c["size"], c["counts"].encode()) for c in masks.to_coco()] == [(c["size"], c["counts"]) for c in codes]
    assert masks.area.tolist() == dense.sum((1, 2)).tolist()
    assert masks.area.tolist() == coco_area(codes)
    assert masks.boxes.dtype == np.int32
    for i in range(count):
        assert np.array_equal(masks.dense(i), dense[i])
        ys, xs = np.nonzero(dense[i])
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else [0, 0, 0, 0]
        assert masks.boxes[i].tolist() == box
        if len(xs):
            x, y, w, h = coco.toBbox(codes[i])
            assert box == [x, y, x + w, y + h]
        crop, (x, y) = masks.crop(i)
        assert (x, y) == tuple(box[:2])
        assert np.array_equal(crop, dense[i, box[1] : box[3], box[0] : box[2]])
    assert np.array_equal(masks.union(), dense.any(0))
    back = [Masks.from_coco(masks.to_coco(compressed), masks.size) for compressed in (True, False)]
    back += [Masks.from_codes(masks.codes(), masks.size), Masks.from_coco(codes, masks.size)]
    back += [Masks.from_dense(list(dense), size=masks.size), Masks.from_dense(dense.astype(np.float32) * 0.25)]
    back += [Masks.from_dense(np.asfortranarray(dense)), Masks.from_dense(dense.astype(np.uint8) * 255)]
    assert all(other == masks for other in back)


def test_named_shapes(dense):
    check_all(dense)


@given(stacks())
def test_any_masks(dense):
    check_all(dense)


@given(stacks(), st.data())
def test_iou_equals_pycocotools(left, data):
    height, width = left.shape[1:]
    right = data.draw(hnp.arrays(bool, (data.draw(st.integers(0, 4)), height, width)))
    crowd = data.draw(hnp.arrays(bool, len(right)))
    a, b = Masks.from_dense(left), Masks.from_dense(right)
    shared = (left[:, None] & right[None]).sum((2, 3))
    assert a.intersection(b).tolist() == shared.tolist()
    if not len(left) or not len(right):
        assert a.iou(b).shape == (len(left), len(right))
        return
    for flags in (np.zeros(len(right), bool), crowd):
        expected = coco_iou(encode(left), encode(right), flags)
        assert np.allclose(a.iou(b, flags), expected, rtol=0, atol=1e-12)
    assert np.array_equal(a.iou(b), a.iou(b, np.zeros(len(right), bool)))


def test_iou_of_300_masks_equals_pycocotools():
    dense = many(300, 60, 70)
    masks, codes = Masks.from_dense(dense), encode(dense)
    crowd = np.arange(300) % 3 == 0
    expected = coco.iou(codes, codes, crowd.astype(np.uint8).tolist())
    assert np.allclose(masks.iou(masks, crowd), expected, rtol=0, atol=1e-12)


def test_frames_of_two_sizes_do_not_mix():
    a, b = Masks.empty((3, 4)), Masks.empty((4, 3))
    for call in (lambda: a.iou(b), lambda: Masks.concat([a, b])):
        with pytest.raises(DataError, match="use one"):
            call()


# --- label maps ---


def reference_map(raster, ids=None):
    ids = [v for v in np.unique(raster).tolist() if v != 0] if ids is None else ids
    return Masks.from_dense([np.array([[int(v) == i for v in row] for row in raster], bool) for i in ids], raster.shape)


WHOLE = ["u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", "bool"]


@pytest.mark.parametrize("dtype", WHOLE)
def test_label_map_of_any_whole_type(dtype):
    raster = np.array([[0, 1, 1, 2], [3, 3, 0, 2], [1, 0, 0, 5]]).astype(dtype)
    assert Masks.from_label_map(raster) == reference_map(raster)


IDS = {
    "dense": [0, 1, 2, 3],
    "sparse": [0, 7, 300, 65535],
    "negative": [-1, 0, 3, -(2**62)],
    "huge": [0, 5_000_000, 2**40, 2**62],
    "neighbours beyond 2**53": [0, 2**60 + 1, 2**60 + 2, 2**60 + 3],
}


@pytest.mark.parametrize("values", IDS.values(), ids=list(IDS))
def test_label_map_of_any_ids(values):
    rng = np.random.default_rng(3)
    raster = np.array(values)[rng.integers(0, len(values), (15, 40))]
    assert Masks.from_label_map(raster) == reference_map(raster)
    asked = [values[3], 12345, values[1], -77, 2**61 + 9]  # given order, three that are absent
    assert Masks.from_label_map(raster, asked) == reference_map(raster, asked)
    assert Masks.from_label_map(raster, []) == Masks.empty(raster.shape)
    assert Masks.from_label_map(raster, np.array([values[2]])) == reference_map(raster, [values[2]])
    assert Masks.from_label_map(np.asfortranarray(raster)) == reference_map(raster)
    assert Masks.from_label_map(raster[::2, ::-1]) == reference_map(raster[::2, ::-1])


def test_label_map_of_ids_beyond_int64():
    raster = np.array([[2**63 + 1, 2**63 + 2, 0]], np.uint64)
    asked = [2**63 + 2, 2**63 + 3, 2**63 + 1]
    assert Masks.from_label_map(raster, asked).area.tolist() == [1, 0, 1]
    assert Masks.from_label_map(raster).area.tolist() == [1, 1]


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(-1, 4)))
def test_any_label_map(raster):
    masks = Masks.from_label_map(raster)
    assert masks == reference_map(raster)
    ids = [v for v in np.unique(raster).tolist() if v != 0]
    assert np.array_equal(masks.to_label_map(ids), raster)


@pytest.mark.parametrize("ids", [None, [4, 5]])
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (4, 4)])
def test_label_map_without_anything(size, ids):
    masks = Masks.from_label_map(np.zeros(size, np.int32), ids)
    assert masks.size == size
    assert masks.area.tolist() == [0] * len(ids or [])


def test_later_masks_are_painted_over_earlier_ones():
    masks = Masks.from_dense(np.stack([shape(3, 4, (0, 3, 0, 3)), shape(3, 4, (1, 2, 1, 4)), np.zeros((3, 4), bool)]))
    assert masks.to_label_map().tolist() == [[1, 1, 1, 0], [1, 2, 2, 2], [1, 1, 1, 0]]
    assert masks.to_label_map([9, -4, 1]).tolist() == [[9, 9, 9, 0], [9, -4, -4, -4], [9, 9, 9, 0]]
    assert masks.to_label_map().dtype == np.int32
    for ids in ([1], [1, 2, 3, 4], [1, 2, 2**31]):
        with pytest.raises(DataError, match="ids"):
            masks.to_label_map(ids)


@pytest.mark.parametrize("raster", [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.array([["a"]])])
def test_not_a_label_map(raster):
    with pytest.raises(DataError, match="whole numbers"):
        Masks.from_label_map(raster)


def test_an_id_asked_for_twice_is_refused():
    with pytest.raises(DataError, match=r"\[1\] are asked for twice"):
        Masks.from_label_map(np.array([[1, 2]]), [1, 2, 1])


# --- container ---

KEYS = {
    "int": 2, "negative int": -1, "numpy int": np.int64(1), "slice": slice(1, 4), "backwards": slice(None, None, -1),
    "bools": np.array([True, False, True, False, True]), "list of bools": [False, True, False, True, False],
    "indices": np.array([3, 3, 0]), "list": [4, 1], "nothing": [], "no bools": np.zeros(5, bool),
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_indexing_is_that_of_arrays(key):
    dense = many(5, 20, 30)
    chosen = dense[key] if np.ndim(dense[key]) == 3 else dense[key][None]
    assert Masks.from_dense(dense)[key] == Masks.from_dense(chosen, size=(20, 30))


@pytest.mark.parametrize("key", [5, -6, [0, 5], np.zeros(4, bool)])
def test_indexing_out_of_range(key):
    with pytest.raises(IndexError):
        Masks.from_dense(many(5, 20, 30))[key]


@given(stacks(), st.integers(0, 5))
def test_parts_joined_are_the_whole(dense, cut):
    masks = Masks.from_dense(dense)
    joined = Masks.concat([masks[:cut], masks[cut:], Masks.empty(masks.size)])
    assert joined == masks
    assert joined.area.tolist() == masks.area.tolist()
    assert joined.boxes.tolist() == masks.boxes.tolist()


def test_concat_of_nothing():
    with pytest.raises(DataError, match="at least one"):
        Masks.concat([])


def test_equality():
    masks = Masks.from_dense(many(5, 20, 30))
    assert masks == Masks.from_dense(many(5, 20, 30))
    assert masks != masks[::-1]
    assert masks != masks[:4]
    assert Masks.empty((3, 4)) != Masks.empty((4, 3))
    assert Masks.empty((2, 2)) != "masks"
    with pytest.raises(TypeError):
        hash(masks)


@pytest.mark.parametrize(
    ("masks", "size", "message"),
    [
        (np.ones((4, 5), bool), None, r"\(5,\)"),
        (np.ones((2, 4, 5, 1), bool), None, r"\(4, 5, 1\)"),
        ([np.ones((4, 5)), np.ones((5, 4))], None, "one frame size"),
        (np.ones((2, 4, 5)), (5, 4), "one frame size"),
        ([], None, "no frame size"),
        (np.zeros((0, 70000, 70000), bool), None, "too large"),
    ],
)
def test_what_is_no_stack_of_masks(masks, size, message):
    with pytest.raises(DataError, match=message):
        Masks.from_dense(masks, size)


# --- COCO's codes ---

GOOD = encode(shape(7, 9, (2, 5, 3, 7))[None])[0]["counts"]


def rle(counts, size=(7, 9)):
    return {"size": list(size), "counts": counts}


BROKEN = {
    "another size": rle(GOOD, (9, 7)),
    "a size of three": rle(GOOD, (7, 9, 1)),
    "no size": {"counts": GOOD},
    "a size in words": {"size": "7x9", "counts": GOOD},
    "no counts": {"size": [7, 9]},
    "an empty string": rle(b""),
    "a string cut in a number": rle(encode(shape(7, 9, (2, 5, 3, 7))[None])[0]["counts"][:-1] + b"o"),
    "a string cut after a number": rle(GOOD[:-2]),
    "a foreign character": rle(b"5\x1f3"),
    "letters beyond the code": rle("ü" * 5),
    "a character outside Latin-1": rle("3傷4"),
    "one number without end": rle(b"o" * 40),
    "one number too great": rle(b"o" * 13 + b"0"),
    "negative": rle([70, -7]),
    "overflowing": rle([5, 2**62, 2**62, 3]),
    "beyond 64 bits": rle([2**70]),
    "too short": rle([5, 3]),
    "too long": rle([5, 3, 56]),
    "no run at all": rle([]),
    "halves": rle([5.5, 57.5]),
    "not a number": rle([float("nan"), 63]),
    "words": rle(["5", "58"]),
    "nested": rle([[1, 2], [3]]),
    "none": None,
    "a number": 17,
    "text": "polygon",
    "a flat polygon": [0, 0, 5, 0, 5, 5],
    "two points": [[0, 0, 5, 5]],
    "an odd number": [[0, 0, 5, 0, 5, 5, 1]],
    "no finite point": [[0, 0, 5, 0, float("inf"), 5]],
    "points in words": [["a", "b", "c", "d", "e", "f"]],
    "points without value": [[0, 0, None, 0, 5, 5]],
    "far outside": [[0, 0, 1e9, 0, 5, 5]],
}


@pytest.mark.parametrize("segmentation", BROKEN.values(), ids=list(BROKEN))
def test_broken_codes_are_told_with_their_number(segmentation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"^mask 2: "):
            Masks.from_coco([rle(GOOD), rle(GOOD.decode()), segmentation], (7, 9))


@given(st.binary(max_size=40), st.integers(1, 12), st.integers(1, 12))
def test_any_string_is_a_mask_or_an_error(data, height, width):
    try:
        masks = Masks.from_codes([data], (height, width))
    except DataError:
        return
    assert coco.area([{"size": [height, width], "counts": masks.codes()[0]}])[0] == masks.area[0]
    assert masks == Masks.from_dense(masks.dense(0)[None])


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 8), st.integers(1, 8))
def test_counts_with_runs_of_no_length(counts, height, width):
    flat = np.zeros(0, bool)
    kept = []
    for k, length in enumerate(counts):
        length = min(length, height * width - len(flat))
        flat = np.concatenate([flat, np.full(length, k % 2 == 1)])
        kept.append(length)
    kept += [height * width - len(flat)] if len(kept) % 2 == 0 else [0, height * width - len(flat)]
    dense = np.concatenate([flat, np.zeros(height * width - len(flat), bool)]).reshape(width, height).T
    masks = Masks.from_coco([rle(kept, (height, width))], (height, width))
    assert masks == Masks.from_dense(dense[None])
    assert masks.codes() == [encode(dense[None])[0]["counts"]]
    assert Masks.from_coco([rle([float(c) for c in kept], (height, width))], (height, width)) == masks


@given(hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_uncompressed_counts_are_read_by_pycocotools(dense):
    masks = Masks.from_dense(dense[None])
    assert coco.frPyObjects(masks.to_coco(compressed=False), *dense.shape)[0]["counts"] == masks.codes()[0]


points = st.lists(st.tuples(st.floats(-8, 40), st.floats(-8, 40)), min_size=3, max_size=7)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools under NumPy 2
@given(st.lists(points, min_size=1, max_size=3), st.integers(1, 30), st.integers(1, 30))
def test_polygons_are_drawn_as_pycocotools_draws_them(polygons, height, width):
    flat = [[number for point in polygon for number in point] for polygon in polygons]
    expected = coco.merge(coco.frPyObjects(flat, height, width))
    masks = Masks.from_coco([flat, polygons], (height, width))  # flat, and as pairs
    assert masks.codes() == [expected["counts"]] * 2
    assert np.array_equal(masks.dense(0), coco.decode(expected).astype(bool))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (6, 7)])
def test_polygons_of_nothing(size):
    assert Masks.from_coco([[]], size).area.tolist() == [0]
    if 0 in size:
        assert Masks.from_coco([[[0, 0, 3, 0, 3, 3]]], size).area.tolist() == [0]


@pytest.mark.parametrize("name", SHAPES)
def test_crops_there_and_back(name):
    masks = Masks.from_dense(SHAPES[name])
    assert Masks.from_crops([masks.crop(i) for i in range(len(masks))], masks.size) == masks
    # A window may be wider than what lies in it.
    assert Masks.from_crops([(mask, (0, 0)) for mask in SHAPES[name]], masks.size) == masks


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (7, 0), (0, 4)])
def test_crops_beyond_the_frame(corner):
    with pytest.raises(DataError, match="reaches beyond a frame"):
        Masks.from_crops([(np.ones((2, 3), bool), corner)], (5, 9))
