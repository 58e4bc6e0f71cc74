"""What hides what, against painting one mask after the other on whole frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import DataError
from kizu.synth.compose.visibility import Piece, areas, labels, settle

SIZE = (40, 52)


def block(x, y, width, height, size=SIZE):
    return Piece.cut(np.ones((height, width), bool), x, y, size)


def dense(piece, size=SIZE):
    out = np.zeros(size, bool)
    out[piece.y : piece.y + piece.mask.shape[0], piece.x : piece.x + piece.mask.shape[1]] = piece.mask
    return out


def painted(pieces, size=SIZE):
    """Index + 1 of the topmost of each pixel."""
    out = np.zeros(size, int)
    for k, piece in enumerate(pieces):
        out[dense(piece, size)] = k + 1
    return out


@st.composite
def scenes(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 14))
    most = draw(st.sampled_from([1, 6, 30]))
    out = []
    for _ in range(count):
        mask = random.random((random.integers(1, most + 1), random.integers(1, most + 1))) < random.choice([0.3, 1.0])
        out.append(Piece.cut(mask, int(random.integers(-20, 52)), int(random.integers(-20, 40)), SIZE))
    return out


@given(scenes(), st.sampled_from([(1, 0.0), (1, 0.5), (9, 0.15), (64, 0.15)]))
def test_what_stays_is_visible_enough_and_labelled_exactly(pieces, limit):
    kept, dropped = settle(pieces, SIZE, *limit)
    assert sorted([*kept.tolist(), *(item["index"] for item in dropped)]) == list(range(len(pieces)))
    assert all(item["visible"] < max(limit[0], limit[1] * item["amodal"]) for item in dropped)
    stay = [pieces[k] for k in kept]
    owner = painted(stay)
    found = labels(stay, np.zeros(len(stay)), SIZE)
    assert len(found) == len(stay)
    assert found.masks.area.sum() == np.count_nonzero(owner)
    for k, piece in enumerate(stay):
        whole, seen = dense(piece), owner == k + 1
        assert seen.sum() >= max(limit[0], limit[1] * whole.sum())
        np.testing.assert_array_equal(found.masks.dense(k), seen)
        np.testing.assert_array_equal(found.amodal.dense(k), whole)
        rows, columns = np.nonzero(seen)
        assert found.boxes[k].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found.attributes["visible_ratio"][k] == pytest.approx(seen.sum() / whole.sum(), abs=1e-4)
        above = [m for m in range(k + 1, len(stay)) if (whole & dense(stay[m])).any()]
        assert found.attributes["occluders"][k] == above
        assert found.attributes["truncated"][k] == (piece.pixels > whole.sum())
        assert found.attributes["truncation"][k] == pytest.approx(1 - whole.sum() / piece.pixels, abs=1e-4)
    again, more = settle(stay, SIZE, *limit)
    assert len(again) == len(stay) and not more


@given(scenes())
def test_areas_are_those_of_the_painting(pieces):
    visible, amodal = areas(pieces, SIZE)
    owner = painted(pieces)
    assert visible.tolist() == [np.count_nonzero(owner == k + 1) for k in range(len(pieces))]
    assert amodal.tolist() == [np.count_nonzero(p.mask) for p in pieces]


def test_the_worst_goes_first_and_the_others_are_seen_again():
    # 20 x 20, hidden by two plates; the upper plate is itself hidden but for a sliver. Without it, all is well.
    pieces = [block(0, 0, 20, 20), block(0, 0, 20, 18), block(0, 0, 20, 17)]
    kept, dropped = settle(pieces, SIZE, 1, 0.06)
    assert [(item["index"], item["visible"]) for item in dropped] == [(1, 20)]
    assert kept.tolist() == [0, 2]
    kept, dropped = settle(pieces, SIZE, 1, 0.2)  # 40 of 400 visible; after the sliver went: 60 of 400
    assert [item["index"] for item in dropped] == [1, 0]


@pytest.mark.parametrize(
    "piece, word",
    [
        (block(60, 0, 5, 5), "outside"),
        (block(0, 0, 5, 5), "25 pixels"),
        (Piece.cut(np.zeros((3, 3), bool), 0, 0, SIZE), "no pixel"),
    ],
)
def test_the_reason_is_told(piece, word):
    kept, dropped = settle([block(20, 20, 10, 10), piece], SIZE)
    assert kept.tolist() == [0] and len(dropped) == 1
    assert word in dropped[0]["reason"]


def test_nothing_is_a_scene_too():
    kept, dropped = settle([], SIZE)
    assert len(kept) == len(dropped) == len(labels([], [], SIZE)) == 0
    assert labels([], [], SIZE).masks.size == SIZE


def test_three_hundred_things_and_limits_of_their_own():
    pieces = [block(k % 50, k // 8, 3, 3) for k in range(300)]
    kept, _ = settle(pieces, SIZE, np.where(np.arange(300) % 2, 9, 1), 0.0)
    visible, _ = areas([pieces[k] for k in kept], SIZE)
    assert (visible >= np.where(kept % 2, 9, 1)).all()
    assert 0 < len(kept) < 300
    found = labels([pieces[k] for k in kept], np.zeros(len(kept)), SIZE)
    assert found.masks.area.tolist() == visible.tolist()


def test_what_goes_on_outside_is_told():
    found = labels([block(-6, 30, 10, 20)], [2], SIZE, {"grade": ["x"]})
    assert found.boxes.tolist() == [[0, 30, 4, 40]]
    assert found.attributes["whole"][0] == [-6, 30, 4, 50]
    assert found.attributes["truncation"][0] == 0.8
    assert found.attributes["grade"].tolist() == ["x"] and found.labels.tolist() == [2]


def test_a_piece_beyond_the_frame_is_refused():
    with pytest.raises(DataError, match="piece 1"):
        areas([block(0, 0, 3, 3), Piece(np.ones((5, 5), bool), 50, 0, (50, 0, 55, 5), 25)], SIZE)
