"""The overlap rules against the same rules written once more with sets of pixels, and on cases made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizu.core.masks import Masks
from kizu.fewshot.regions.overlap import RING, disjoint, refine, ring_of


def box(top, left, bottom, right, size=(60, 60)):
    out = np.zeros(size, bool)
    out[top:bottom, left:right] = True
    return out


def masks_of(*layers, size=(60, 60)):
    return Masks.from_dense(np.array(layers, bool).reshape(-1, *size), size)


# --- the rules with sets ---


def pixels(mask):
    return {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}


def parts_of(found):
    """8-connected parts in raster order of their first pixels."""
    left, parts = sorted(found), []
    seen = set()
    for start in left:
        if start in seen:
            continue
        part, todo = {start}, [start]
        while todo:
            y, x = todo.pop()
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & found - part
            part |= near
            todo += near
        seen |= part
        parts.append(part)
    return parts


def disjoint_by_sets(regions):
    owned, out = set(), []
    for region in sorted(regions, key=len):
        out.append(region - owned)
        owned |= region
    return [region for region in out if region]


def refine_by_sets(found, regions, size, ring):
    radius, picture = ring // 2, size[0] * size[1]
    parts, refined, cut, explaining = parts_of(found), set(found), set(), set()
    for region in disjoint_by_sets(regions):
        share = len(region & found) / len(region)
        if not (share > 0.2 and (len(region) < 0.4 * picture or share > 0.6)):
            continue
        refined |= region
        grown = {
            (y + a, x + b) for y, x in region for a in range(-radius, radius + 1) for b in range(-radius, radius + 1)
        }
        grown &= {(y, x) for y in range(size[0]) for x in range(size[1])}
        best = max(parts, key=lambda part: len(part & grown))
        if len(best & grown) > 0.9 * len(best):
            explaining |= region
            cut |= grown - region
    return refined - (cut - explaining)


@st.composite
def scenes(draw):
    size = (draw(st.integers(4, 14)), draw(st.integers(4, 14)))

    def layer():
        out = np.zeros(size, bool)
        for _ in range(draw(st.integers(0, 3))):
            y, x = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
            out[y : y + draw(st.integers(1, 9)), x : x + draw(st.integers(1, 9))] = True
        return out

    return size, layer(), [layer() for _ in range(draw(st.integers(0, 5)))], draw(st.sampled_from((1, 3, 5)))


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_the_rules_are_those_of_the_paper(scene):
    size, found, layers, ring = scene
    regions = disjoint(masks_of(*layers, size=size))
    assert [pixels(regions.dense(i)) for i in range(len(regions))] == disjoint_by_sets([pixels(m) for m in layers])
    done = refine(found, regions, ring)
    assert pixels(done.mask) == refine_by_sets(pixels(found), [pixels(m) for m in layers], size, ring)
    # Each part that vanished was taken by a region that lies on what is left.
    left = set(np.unique(done.owner[done.mask]).tolist())
    for part in set(range(1, int(done.owner.max()) + 1)) - left:
        mine = [k for k, link in enumerate(done.links) if part in link]
        assert mine
        for k in mine:
            mask, (x, y) = done.reach[k]
            assert done.mask[y : y + mask.shape[0], x : x + mask.shape[1]][mask].all()


# --- by hand ---


def test_nothing_found_and_no_regions():
    nothing, some = np.zeros((60, 60), bool), box(10, 10, 20, 20)
    assert not refine(nothing, masks_of(some)).mask.any()
    done = refine(some, masks_of())
    assert np.array_equal(done.mask, some) and done.links == []


@pytest.mark.parametrize("covered, taken", [(2, False), (3, True)])
def test_a_region_is_taken_over_when_more_than_a_fifth_was_found(covered, taken):
    region = box(10, 10, 20, 20)
    found = box(10, 10, 10 + covered, 20) | box(40, 40, 60, 60)
    assert np.array_equal(refine(found, masks_of(region), 1).mask, found | region if taken else found)


@pytest.mark.parametrize("rows, taken", [(36, False), (37, True)])
def test_a_large_region_must_be_covered_well(rows, taken):
    region = np.ones((60, 60), bool)
    found = box(0, 0, rows, 60)
    assert refine(found, masks_of(region), 1).mask.all() == taken


def test_a_halo_is_cut_away():
    found, region = box(20, 20, 40, 40), box(23, 23, 37, 37)
    assert np.array_equal(refine(found, masks_of(region)).mask, region)


def test_what_reaches_beyond_the_ring_is_kept():
    region = box(20, 10, 30, 20)
    found = box(20, 10, 30, 50)  # the region, grown by 10, covers half of it
    assert np.array_equal(refine(found, masks_of(region)).mask, found)


def test_regions_that_explain_do_not_cut_each_other():
    found, left, right = box(20, 20, 30, 40), box(20, 20, 30, 29), box(20, 31, 30, 40)
    done = refine(found, masks_of(left, right))
    assert np.array_equal(done.mask, left | right)
    assert done.links == [{1}, {1}]


def test_a_region_joins_what_it_overlaps():
    first, second = box(20, 10, 30, 18), box(20, 22, 30, 30)
    done = refine(first | second, masks_of(box(20, 10, 30, 30)))
    assert np.array_equal(done.mask, box(20, 10, 30, 30))
    assert done.links == [{1, 2}]


def test_a_region_without_pixels_of_its_own_is_dropped():
    small, twin = box(10, 10, 20, 20), box(10, 10, 20, 20)
    regions = disjoint(masks_of(box(0, 0, 30, 30), small, twin, np.zeros((60, 60), bool)))
    assert regions.area.tolist() == [100, 800]


@pytest.mark.parametrize("size, side", [((256, 256), RING), ((512, 512), 41), ((64, 64), 11), ((5000, 4000), 63)])
def test_the_ring_grows_with_the_picture(size, side):
    assert ring_of(size) == side
