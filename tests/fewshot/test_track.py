"""SAM2's memory as a few-shot inspector: the protocol on a tiny model, against transformers' own video propagation."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest
from fewshot_scenes import surface

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import sam2_tiny  # noqa: E402

from kizu.core.card import Card  # noqa: E402
from kizu.core.errors import KizuError  # noqa: E402
from kizu.core.inspector import Inspector  # noqa: E402
from kizu.fewshot.sam2_folder import weight_files, weights_digest  # noqa: E402
from kizu.fewshot.track import (  # noqa: E402
    NOWHERE,
    Example,
    TrackInspector,
    combine,
    memories_of,
    odds_of,
    open_tracker,
    squeeze,
    squeeze_mask,
    together,
)
from kizu.inspection.regions import Rule  # noqa: E402

SIDE = sam2_tiny.SIDE
pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that finds something everywhere."""
    folder = tmp_path_factory.mktemp("sam2") / "present"
    sam2_tiny.write(folder)
    return folder


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A model that finds nothing anywhere."""
    folder = tmp_path_factory.mktemp("sam2") / "absent"
    sam2_tiny.write(folder, presence=-4.0)
    return folder


@pytest.fixture(scope="module")
def tracker(folder):
    return open_tracker(folder)


def scene(seed, spots=((20, 30),)):
    """A picture as the model sees it, and the mask of its discs."""
    sample = surface(seed, spots, size=(SIDE, SIDE))
    return sample.image, sample.instances.masks.union()


@pytest.fixture(scope="module")
def memories(tracker):
    """Memories of five pictures, one each."""
    made = []
    for seed in range(5):
        image, mask = scene(seed, [(12 + 8 * seed, 40 - 5 * seed)])
        made += tracker.remember(image, mask[None])
    return made


def propagated(model, support, mask, query):
    """Mask and presence logits of the second frame, as transformers follows a mask through a video of two."""
    processor = sam2_tiny.processor()
    session = processor.init_video_session(video=[support, query])
    processor.add_inputs_to_inference_session(session, frame_idx=0, obj_ids=7, input_masks=mask)
    frames = list(model.propagate_in_video_iterator(session, start_frame_idx=0))
    return frames[1].pred_masks[0, 0].numpy(), float(frames[1].object_score_logits)


@pytest.mark.parametrize("presence", [4.0, -4.0])
@pytest.mark.parametrize("spots", [[(20, 30)], [(10, 50), (45, 12)], []], ids=["one", "two", "nothing"])
def test_equal_to_the_propagation_of_transformers(tmp_path, presence, spots):
    model = sam2_tiny.write(tmp_path / "m", presence, seed=3)
    (support, mask), (query, _) = scene(1, spots), scene(2)
    ours = open_tracker(tmp_path / "m")
    logits, scores = ours.ask(query, [ours.remember(support, mask[None])])
    expected, score = propagated(model, support, mask, query)
    np.testing.assert_allclose(logits[0], expected, atol=1e-3)
    assert scores[0] == pytest.approx(score, abs=1e-4)
    assert (expected == -1024).all() == (presence < 0)


def test_the_order_of_supports_does_not_matter(tracker, memories):
    query, _ = scene(9)
    logits, presence = tracker.ask(query, [memories])
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(5), (4, 1)), axis=1):
        again, score = tracker.ask(query, [[memories[i] for i in order]])
        np.testing.assert_allclose(again, logits, atol=1e-3)
        np.testing.assert_allclose(score, presence, atol=1e-4)


def test_every_support_counts(tracker, memories):
    query, _ = scene(9)
    logits, _ = tracker.ask(query, [memories])
    for i in range(5):
        fewer, _ = tracker.ask(query, [memories[:i] + memories[i + 1 :]])
        assert np.abs(fewer - logits).max() > 0.1


def test_what_was_asked_is_not_remembered(tracker, memories):
    before = [{name: value.clone() for name, value in memory.items()} for memory in memories]
    query, _ = scene(9)
    first = tracker.ask(query, [memories])
    other = tracker.ask(scene(10)[0], [memories])
    second = tracker.ask(query, [memories])
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert np.abs(other[0] - first[0]).max() > 0.1
    assert all((old[name] == new[name]).all() for old, new in zip(before, memories, strict=True) for name in old)


def test_several_objects_are_each_alone(tracker, memories):
    image, mask = scene(6, [(30, 30)])
    pair = np.stack([mask, np.zeros_like(mask)])
    alone = [tracker.remember(image, layer[None])[0] for layer in pair]
    for one, both in zip(alone, tracker.remember(image, pair), strict=True):
        assert all(torch.allclose(one[name].float(), both[name].float(), atol=1e-2) for name in one)
    query, _ = scene(9)
    asked = [memories[:2], memories[2:], [], alone]
    logits, presence = tracker.ask(query, asked)
    for k in (0, 1, 3):
        one, score = tracker.ask(query, [asked[k]])
        np.testing.assert_allclose(one[0], logits[k], atol=1e-3)
        assert score[0] == pytest.approx(presence[k], abs=1e-4)
    assert (logits[2] == -1024).all() and presence[2] == -1024


def test_nothing_to_remember_is_marked_as_that(tracker, folder):
    image, mask = scene(6)
    nothing, something = tracker.remember(image, np.stack([np.zeros_like(mask), mask]))
    expected = tracker._model.no_object_pointer.detach()
    assert (nothing["object_pointer"] == expected).all()
    assert not torch.allclose(something["object_pointer"], expected, atol=0.1)


def test_a_picture_is_squeezed_as_the_processor_does_it(tracker):
    image = surface(3, [(30, 30)], size=(150, 90)).image
    made = sam2_tiny.processor().video_processor(videos=[[image]], return_tensors="pt").pixel_values_videos[0, 0]
    grey = 1 / 255 / 0.224  # one level in the units of the model
    np.testing.assert_allclose(tracker._pixels(squeeze(image, SIDE)), made, atol=1.01 * grey)


@pytest.mark.parametrize("size", [(64, 64), (30, 50), (400, 300)])
def test_masks_are_squeezed(size):
    rows, columns = np.mgrid[: size[0], : size[1]]
    half = squeeze_mask(columns < size[1] / 2, SIDE)
    assert (half == (np.arange(SIDE) < SIDE / 2)).all()
    dot = squeeze_mask((rows == size[0] // 3) & (columns == size[1] // 3), SIDE)
    y, x = np.argwhere(dot).mean(0)
    assert y == pytest.approx((size[0] // 3 + 0.5) * SIDE / size[0] - 0.5, abs=1)
    assert x == pytest.approx((size[1] // 3 + 0.5) * SIDE / size[1] - 0.5, abs=1)
    assert not squeeze_mask(np.zeros(size, bool), SIDE).any()


@pytest.mark.parametrize("presence", [0.3, 2.0, 15.0])
def test_a_pixel_is_a_defect_where_one_is_there_and_covers_it(presence):
    masked = np.linspace(-15, 15, 31, dtype=np.float32)
    share = 1 / (1 + np.exp(-masked.astype(np.float64))) / (1 + np.exp(-presence))
    np.testing.assert_allclose(combine(masked, presence), np.log(share / (1 - share)), rtol=1e-4)
    assert (combine(np.float32([-1024, -40]), presence) == NOWHERE).all()


@pytest.mark.parametrize("presence", [0.0, -0.1, -1024, np.nan])
def test_without_presence_nothing_is_anywhere(presence):
    assert (combine(np.float32([-3, 50]), presence) == NOWHERE).all()


# --- the inspector ---


def example(seed, spots=((20, 30),), label=0):
    image, mask = scene(seed, spots)
    return Example(image, {label: mask})


def inspector_of(folder, turns=True, classes=("dark", "bright")):
    rules = [Rule(0.5, 1.0, 4, 4), Rule(0.0, 2.0, 4, 6)][: len(classes)]
    labelled = [example(k, [(20, 20 + 20 * k)], k) for k in range(len(classes))]
    good = Example(scene(8, ())[0], {k: np.zeros((SIDE, SIDE), bool) for k in range(len(classes))})
    card = Card(TrackInspector.kind, classes=list(classes))
    return TrackInspector(card, str(folder), weights_digest(folder), turns, [*labelled, good], rules)


def test_what_inspect_returns(folder):
    inspector = inspector_of(folder)
    image = surface(9, [(50, 40)], size=(100, 70)).image
    found, maps = inspector.inspect(image)
    tracker, memories = inspector.ready()
    assert inspector.ready()[0] is tracker  # made once
    assert [len(own) for own in memories] == [5, 5]  # four views of a labelled picture, one of a good one
    odds = odds_of(tracker, image, memories)
    assert odds.shape == maps.shape == (2, 100, 70) and maps.dtype == np.float32
    assert found.masks.size == (100, 70) and len(found)
    for i in range(len(found)):
        label = int(found.labels[i])
        assert (odds[label][found.masks.dense(i)] >= inspector.rules[label].pixel).all()


def test_where_nothing_is_present_nothing_is_found(blind):
    image, _ = scene(9)
    found, maps = inspector_of(blind).inspect(image, min_score=0.0)
    assert len(found) == 0
    assert (maps < 1e-6).all()


def test_saved_and_loaded(folder, tmp_path):
    inspector = inspector_of(folder)
    inspector.save(tmp_path / "m.kizu")
    loaded = Inspector.load(tmp_path / "m.kizu")
    assert type(loaded) is TrackInspector and loaded.turns
    assert (loaded.rules, loaded.card) == (inspector.rules, inspector.card)
    for one, same in zip(inspector.examples, loaded.examples, strict=True):
        assert (one.image == same.image).all()
        assert {k: m.tolist() for k, m in one.masks.items()} == {k: m.tolist() for k, m in same.masks.items()}
    image, _ = scene(9)
    before, after = inspector.inspect(image, 0.1), loaded.inspect(image, 0.1)
    assert (before[1] == after[1]).all()
    assert before[0].masks == after[0].masks
    loaded.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == (tmp_path / "m.kizu").read_bytes()


def test_mirrored_copies_count(tracker):
    one = example(4, [(12, 45)])
    views = list(one.views(True))
    assert len(views) == len({image.tobytes() for image, _ in views}) == 4
    places = [tuple(np.argwhere(masks[0]).mean(0).round(3)) for _, masks in views]
    assert places == [(12, 45), (12, SIDE - 1 - 45), (SIDE - 1 - 12, 45), (SIDE - 1 - 12, SIDE - 1 - 45)]
    for image, masks in views:  # the mask goes along with the picture: the disc is dark
        assert image[masks[0]].mean() < 100 < image[~masks[0]].mean()
    good = dataclasses.replace(one, masks={0: np.zeros((SIDE, SIDE), bool)})
    assert len(list(one.views(False))) == len(list(good.views(True))) == 1
    few, many = (memories_of(tracker, one, turns) for turns in (False, True))
    assert (len(few[0]), len(many[0])) == (1, 4)
    query, _ = scene(9)
    logits = [tracker.ask(query, together([own], 1))[0] for own in (few, many)]
    assert np.abs(logits[0] - logits[1]).max() > 0.1


# --- what is refused ---


def saved(folder, path):
    inspector_of(folder).save(path)
    return path


def test_a_model_file_whose_network_is_gone(folder, tmp_path):
    path = saved(folder, tmp_path / "m.kizu")
    gone = folder.rename(folder.with_name("elsewhere"))
    try:
        with pytest.raises(KizuError, match=r"m\.kizu: it needs the SAM2 model .*no such folder.*or fit again") as told:
            Inspector.load(path)
    finally:
        gone.rename(folder)
    assert "\n" not in str(told.value) and "damaged" not in str(told.value)


def test_a_model_file_with_another_network_in_its_folder(folder, blind, tmp_path):
    path = saved(folder, tmp_path / "m.kizu")
    kept = folder.rename(folder.with_name("elsewhere"))
    blind.rename(folder)
    try:
        with pytest.raises(
            KizuError, match=r"fitted with SAM2 weights of SHA-256 \w{12}, and those in .* have \w{12};"
        ):
            Inspector.load(path)
    finally:
        folder.rename(blind)
        kept.rename(folder)


def test_a_damaged_model_file(folder, tmp_path):
    inspector = inspector_of(folder)
    arrays, settings = inspector.state()
    inspector.state = lambda: (arrays, settings | {"rules": settings["rules"][:1]})
    inspector.save(tmp_path / "m.kizu")
    with pytest.raises(KizuError, match="do not fit together"):
        Inspector.load(tmp_path / "m.kizu")


def _wrong_type(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "dinov2"}))


def _no_object(folder):
    (folder / "config.json").write_text("[]")


def _no_square(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "sam2_video", "image_size": [64, 32]}))


def _no_weights(folder):
    (folder / "model.safetensors").unlink()


def _damaged(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _incomplete(folder):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(folder / "model.safetensors")
    del arrays["no_object_pointer"]
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_wrong_type, "a model of type 'dinov2', not 'sam2_video'"),
        (_no_object, "config.json: not a JSON object"),
        (_no_square, r"image_size \[64, 32\] is not the side of a square"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: cannot be read"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json is there; name the folder of a SAM2 video"),
        (_damaged, "cannot be loaded as a SAM2 video model"),
        (_incomplete, "1 weights of a SAM2 video model are missing .*no_object_pointer"),
        (_no_weights, "no model.safetensors is there; download the weights in that format"),
    ],
)
def test_a_folder_that_holds_no_such_model(folder, tmp_path, change, message):
    shutil.copytree(folder, tmp_path / "m")
    change(tmp_path / "m")
    with pytest.raises(KizuError, match=message) as told:
        open_tracker(tmp_path / "m")
    assert "\n" not in str(told.value) and "m" in str(told.value)


def test_no_folder(tmp_path):
    with pytest.raises(KizuError, match="no such folder; name the folder of a SAM2 video model"):
        open_tracker(tmp_path / "nowhere")


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_without_the_extra(folder, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(KizuError, match=rf"'{library}' is not installed.*kizu\[vfm\]"):
        open_tracker(folder)


def test_weights_in_parts(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    with pytest.raises(KizuError, match=r"no model\.safetensors is there"):
        weight_files(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"}}))
    (tmp_path / "1.safetensors").write_bytes(b"one")
    with pytest.raises(KizuError, match=r"2\.safetensors is missing"):
        weight_files(tmp_path)
    (tmp_path / "2.safetensors").write_bytes(b"two")
    assert [path.name for path in weight_files(tmp_path)] == ["1.safetensors", "2.safetensors"]
    # printf onetwo | sha256sum
    assert weights_digest(tmp_path) == "25b6746d5172ed6352966a013d93ac846e1110d5a25e8f183b5931f4688842a1"
    index.write_text("{}")
    with pytest.raises(KizuError, match="its list of parts is missing"):
        weight_files(tmp_path)


def test_the_scale_of_colours_is_that_of_the_processor(tmp_path):
    from kizu.fewshot.sam2_folder import colour_scale

    assert colour_scale(tmp_path) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    nested = {"image_processor": {"image_mean": [0.5, 0.5, 0.5]}, "video_processor": {"image_std": [0.25, 0.25, 0.25]}}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert colour_scale(tmp_path) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}))
    assert colour_scale(tmp_path)[0] == (0.1, 0.2, 0.3)
