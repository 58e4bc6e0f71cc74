"""The gates of relighting, each on cases made to pass and to fail it, and what becomes of a picture that fails."""

import json

import cv2
import numpy as np
import pytest

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.compose.linear import from_linear, to_linear
from kizu.synth.compose.relight import gates
from kizu.synth.compose.relight.area import reach
from kizu.synth.compose.relight.relight import Options, relight

SIZE = (128, 160)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
INSIDE = (ROWS - 64) ** 2 + (COLUMNS - 70) ** 2 < 40**2
SMALL = (ROWS - 20) ** 2 + (COLUMNS - 140) ** 2 < 8**2
FIELD = (1.0 + 0.35 * np.sin(COLUMNS / 60) * np.cos(ROWS / 70)).astype(np.float32)


def picture(seed=0):
    """Blobs in colour with grain, uint8."""
    random = np.random.default_rng(seed)
    blobs = cv2.resize(random.uniform(60, 160, (16, 20, 3)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(blobs + random.normal(0, 3, (*SIZE, 1)), 20, 200).astype(np.uint8)


def lit(image, field):
    return from_linear(to_linear(image) * np.broadcast_to(field, SIZE)[..., None].astype(np.float32))


def instances(*masks):
    masks = Masks.from_dense(np.stack(masks or (INSIDE, SMALL)))
    return Instances(np.arange(len(masks)), masks=masks, amodal=masks, attributes={"name": ["object"] * len(masks)})


class Given:
    """A model that gives a picture made by the test, whatever it is shown."""

    def __init__(self, made):
        self.made = made
        self.calls = []

    def relit(self, image, inside, seed, background=None):
        self.calls.append((inside.copy(), seed, background))
        made = self.made(image) if callable(self.made) else self.made
        return (made / np.float32(255) if made.dtype == np.uint8 else made), {"prompt": "of a test"}


MASKS = Masks.from_dense(np.stack([INSIDE, SMALL]))
MIRROR = picture()[:, ::-1]


@pytest.mark.parametrize("field", [FIELD, 0.7, 1.3])
def test_another_light_passes(field):
    image = picture()
    after = lit(image, field)
    assert gates.colour(image, after, MASKS) < 12
    assert gates.gradients(image, after, INSIDE) > 0.97
    assert gates.edges(image, after, INSIDE) > 0.97


@pytest.mark.parametrize("changed", [INSIDE, SMALL])
def test_the_colour_of_one_object_is_enough_to_fail(changed):
    image = picture()
    after = np.where(changed[..., None], np.roll(image, 1, axis=2), image)
    lab = [cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[changed] for i in (image, after)]
    expected = np.sqrt(((lab[0] - lab[1]) ** 2).sum(1)).mean()
    assert gates.colour(image, after, MASKS) == pytest.approx(expected, rel=1e-4)
    assert expected > 12
    assert gates.colour(image, np.where(INSIDE[..., None] | SMALL[..., None], image, 255 - image), MASKS) == 0


@pytest.mark.parametrize(
    "after",
    [MIRROR, cv2.GaussianBlur(picture(), (0, 0), 4), np.roll(picture(), 5, axis=(0, 1))],
    ids=["other", "blurred", "moved"],
)
def test_other_gradients_and_edges_fail(after):
    image = picture()
    assert gates.gradients(image, after, INSIDE) < 0.9
    # A blur leaves the large edges where they are: that is for the other gate.
    assert gates.edges(image, after, INSIDE) < 0.8 or np.array_equal(after, cv2.GaussianBlur(image, (0, 0), 4))


@pytest.mark.parametrize("moved, shared", [(0, True), (2, True), (4, False)])
def test_an_edge_may_be_two_pixels_off(moved, shared):
    image = np.where(COLUMNS < 70, 60, 140).astype(np.uint8)[..., None].repeat(3, 2)
    value = gates.edges(image, np.roll(image, moved, axis=1), INSIDE)
    assert value == (1 if shared else 0)


@pytest.mark.parametrize(
    "first, second, gradient, edge",
    [("flat", "flat", 1, 1), ("flat", "steps", 0, 0), ("steps", "flat", 0, 0), ("steps", "steps", 1, 1)],
)
def test_flat_pictures(first, second, gradient, edge):
    made = {"flat": np.full((*SIZE, 3), 90, np.uint8)}
    made["steps"] = np.where((COLUMNS // 12) % 2, 60, 140).astype(np.uint8)[..., None].repeat(3, 2)
    assert gates.gradients(made[first], made[second], INSIDE) == pytest.approx(gradient)
    assert gates.edges(made[first], made[second], INSIDE) == edge


def test_gradients_are_a_correlation():
    image, after = picture(), np.clip(picture() + np.random.default_rng(1).normal(0, 9, (*SIZE, 3)), 0, 255)
    after = after.astype(np.uint8)
    greys = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(float) for i in (image, after)]
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    both = [np.concatenate([cv2.filter2D(g, -1, k)[INSIDE] for k in (kernel, kernel.T)]) for g in greys]
    expected = (both[0] @ both[1]) / np.linalg.norm(both[0]) / np.linalg.norm(both[1])
    assert gates.gradients(image, after, INSIDE) == pytest.approx(expected, abs=1e-6)


def test_background():
    image = picture()
    after = image.copy()
    after[INSIDE] = 0
    assert gates.background(image, after, ~INSIDE) == 0
    after[5, 5, 1] += 7
    assert gates.background(image, after, ~INSIDE) == 7
    assert gates.background(image, after, np.zeros(SIZE, bool)) == 0


def test_finite_and_brightness():
    made = np.full((10, 10, 3), 0.5, np.float32)
    assert gates.finite(made) == 1 and gates.brightness(made) == 0.5
    made[0, 0, 0] = np.nan
    made[0, 0, 1] = np.inf
    assert gates.finite(made) == pytest.approx(298 / 300)
    assert gates.brightness(np.zeros((10, 10, 3))) == 0


@pytest.mark.parametrize("name", gates.GATES)
def test_limits(name):
    limit, least = gates.GATES[name]
    good, bad = (limit, limit - 0.01) if least else (limit, limit + 0.01)
    assert gates.judge({name: good})[name]["passed"] and not gates.reason(gates.judge({name: good}))
    judged = gates.judge({name: bad})
    assert not judged[name]["passed"] and name in gates.reason(judged)


# --- the whole ---


@pytest.mark.parametrize("rule", ["ratio", "lightness"])
@pytest.mark.parametrize("keep", [True, False])
def test_a_picture_in_another_light(rule, keep):
    image, things = picture(), instances()
    options = Options(rule=rule, keep_background=keep)
    model = Given(lambda shown: lit(shown, FIELD))
    given = image.copy()
    done = relight(image, things, model, 5, options, background=image[::-1].copy())
    assert done.log["used"] and done.log["reason"] == "" and done.log["relight"] == "iclight"
    assert done.log["model"] == {"prompt": "of a test"} and done.log["options"]["rule"] == rule
    assert set(done.log["gates"]) == set(gates.GATES) - (set() if keep else {"background"})
    assert set(done.log["drift"]) == {"colour", "gradients", "edges"}
    assert json.loads(json.dumps(done.log)) == done.log
    ((inside, seed, background),) = model.calls
    assert np.array_equal(inside, INSIDE | SMALL) and seed == 5 and np.array_equal(background, image[::-1])
    assert np.array_equal(image, given), "the picture that was given is not written to"
    far = ~reach(INSIDE | SMALL, options.margin)
    assert np.array_equal(done.image[far], image[far]) == keep
    # The large object takes 0.696 of the new light, the small one 0.104.
    if rule == "ratio":
        gain = to_linear(done.image).sum(2) / to_linear(image).sum(2)
        for mask, part in ((INSIDE, 0.696), (SMALL, 0.104)):
            np.testing.assert_allclose(gain[mask].mean(), (1 + part * (FIELD - 1))[mask].mean(), rtol=0.02)
    if not keep:
        gain = to_linear(done.image).sum(2) / to_linear(image).sum(2)
        np.testing.assert_allclose(gain[far].mean(), FIELD[far].mean(), rtol=0.03)


def test_masks_are_bit_equal():
    things, fresh = instances(), instances()
    relight(picture(), things, Given(lambda shown: lit(shown, FIELD)), 0)
    for field in ("masks", "amodal"):
        mine, other = getattr(things, field), getattr(fresh, field)
        assert mine.runs.tobytes() == other.runs.tobytes() and mine.codes() == other.codes()
    assert things.boxes.tobytes() == fresh.boxes.tobytes() and things.labels.tobytes() == fresh.labels.tobytes()


HOLED = np.full((*SIZE, 3), 0.5, np.float32)
HOLED[3, 3] = np.nan


@pytest.mark.parametrize(
    "made, options, gate",
    [
        (HOLED, {}, "finite"),
        (np.full((*SIZE, 3), np.nan, np.float32), {}, "finite"),
        (np.zeros((*SIZE, 3), np.float32), {}, "brightness"),
        (np.full((*SIZE, 3), 1, np.float32), {"rule": "lightness"}, "colour"),
        (lambda image: image[:, ::-1], {"rule": "lightness"}, "gradients"),
        (lambda image: image[:, ::-1], {"rule": "lightness"}, "edges"),
    ],
    ids=["hole", "nan", "black", "white", "texture", "edges"],
)
def test_what_does_not_pass_leaves_the_picture(made, options, gate):
    image, things = picture(), instances()
    done = relight(image, things, Given(made), 0, Options(**options))
    assert done.image is image
    assert not done.log["used"] and not done.log["gates"][gate]["passed"]
    assert gate in done.log["reason"]
    assert json.loads(json.dumps(done.log, allow_nan=False)) == done.log


def test_the_ratio_takes_no_texture_where_lightness_does():
    """The same bad picture of a generator: the ratio gets past it, and its drift is in the log."""
    done = relight(picture(), instances(INSIDE), Given(lambda image: image[:, ::-1]), 0)
    assert done.log["used"] and done.log["drift"]["gradients"] < 0.9
    assert done.log["gates"]["gradients"]["value"] > 0.97


@pytest.mark.parametrize(
    "things, model, reason",
    [
        (instances(), None, "no model"),
        (Instances.empty(SIZE), Given(HOLED), "no object"),
        (instances(np.zeros(SIZE, bool)), Given(HOLED), "no object"),
    ],
)
def test_nothing_to_do(things, model, reason):
    image = picture()
    done = relight(image, things, model, 0)
    assert done.image is image and done.log["reason"] == reason and done.log["gates"] == {} and not done.log["used"]
    assert model is None or not model.calls


def test_the_whole_frame_is_one_object():
    done = relight(picture(), instances(np.ones(SIZE, bool)), Given(lambda image: lit(image, FIELD)), 0)
    assert done.log["used"] and done.log["gates"]["background"]["value"] == 0


@pytest.mark.parametrize(
    "image, things, background, message",
    [
        (picture().astype(np.float32), instances(), None, "uint8"),
        (picture()[..., 0], instances(), None, "uint8"),
        (picture()[1:], instances(), None, "one size"),
        (picture(), instances(), picture()[1:], "one size"),
        (picture(), instances(), picture()[..., :1], "background"),
        (picture(), Instances([0], [[0, 0, 4, 4]]), None, "masks"),
    ],
)
def test_what_cannot_be_relit(image, things, background, message):
    with pytest.raises(DataError, match=message):
        relight(image, things, Given(HOLED), 0, background=background)


@pytest.mark.parametrize("wrong", [{"rule": "raw"}, {"sigma": 0}, {"sigma": 1.0}, {"margin": -1}])
def test_options_are_checked(wrong):
    with pytest.raises(KizuError, match=next(iter(wrong))):
        Options(**wrong)
