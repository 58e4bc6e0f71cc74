"""Fitting the inspector that remembers: what is left out with what, thresholds, the card; and the verbs around it."""

import shutil

import numpy as np
import pytest
from fewshot_scenes import supported, surface

import kizu
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot import track_fit
from kizu.fewshot.support import Support
from kizu.fewshot.track_fit import GOOD, fit_track, steps

SIDE = 64


class ByColour:
    """Stands for SAM2: remembers the grey value inside a mask, and finds what is nearer to it than to the ground.

    It keeps what it was asked about which memories, so that a test sees what is left out.
    """

    side = SIDE

    def __init__(self):
        self.asked = []

    def remember(self, image, masks):
        key = image[::-1, ::-1].tobytes()
        return [
            {"from": {image.tobytes(), key}, "grey": float(image[mask].mean()) if mask.any() else None}
            for mask in masks
        ]

    def ask(self, image, memories):
        self.asked.append((image.tobytes(), memories))
        logits = np.full((len(memories), SIDE // 4, SIDE // 4), -1024, np.float32)
        presence = np.full(len(memories), -1024, np.float32)
        small = image.reshape(SIDE // 4, 4, SIDE // 4, 4, 3).mean((1, 3, 4))
        for k, own in enumerate(memories):
            greys = [memory["grey"] for memory in own if memory["grey"] is not None]
            if greys:
                logits[k] = (30 - np.abs(small - np.mean(greys))) / 3
                presence[k] = logits[k].max()
        return logits, presence


@pytest.fixture
def stub(monkeypatch):
    stub = ByColour()
    monkeypatch.setattr(track_fit, "open_tracker", lambda folder: stub)
    monkeypatch.setattr(track_fit, "weights_digest", lambda folder: "0" * 64)
    return stub


def bright(sample):
    """The picture with its discs bright, as the second class."""
    image = sample.image.copy()
    image[sample.instances.masks.union()] = 250
    return sample.replace(image=image, instances=sample.instances.replace(labels=np.int32([1] * len(sample.instances))))


def disc(seed, spots=((30, 40),)):
    return surface(seed, spots, size=(96, 80))


def many(bad=3, good=8):
    return Dataset(
        [*(disc(i, [(30 + 5 * i, 40)]) for i in range(bad)), *(disc(20 + i, ()) for i in range(good))], ["disc"]
    )


def test_it_finds_what_it_remembers(stub):
    inspector, (expected,) = fit_track(supported(many()), "net", false_alarms=0.1)
    assert expected.escapes == 0 and expected.iou > 0.4 and expected.false_alarms == 0 and expected.clean == 8
    sample = disc(50, [(60, 20)])
    found, maps = inspector.inspect(sample.image)
    assert len(found) == 1 and maps.shape == (1, 96, 80)
    assert found.masks.iou(sample.instances.masks)[0, 0] > 0.4
    assert not len(inspector.inspect(disc(51, ()).image)[0])


def test_nothing_is_judged_by_what_was_made_of_it(stub):
    support = supported(many())
    fit_track(support, "net")
    asked = {image for image, _ in stub.asked}
    assert len(asked) == 3 + 8
    for image, memories in stub.asked:
        assert memories[0]
        assert not any(image in memory["from"] for own in memories for memory in own)


def test_near_duplicates_are_left_out_together(stub):
    samples = [disc(i, [(30, 20 + 9 * i)]) for i in range(6)]
    for sample, group in zip(samples, "aabbcc", strict=True):
        sample.group = group
    fit_track(supported(Dataset(samples, ["disc"])), "net", turns=False)
    assert [len(memories[0]) for _, memories in stub.asked] == [4] * 6


@pytest.mark.parametrize("turns", [True, False])
def test_what_is_remembered(stub, turns):
    support = supported(many(bad=2, good=7))
    inspector, _ = fit_track(support, "folder/of/net", turns=turns)
    assert len(inspector.examples) == 2 + GOOD
    _, memories = inspector.ready()
    assert len(memories[0]) == (8 if turns else 2) + GOOD
    assert sum(memory["grey"] is None for memory in memories[0]) == GOOD
    card = inspector.card
    assert card.kind == "fewshot-track" and f"{len(memories[0])} remembered frames" in card.architecture
    assert ("mirrored" in card.architecture) == turns
    assert card.preprocessing["weights"] == f"net, SHA-256 {'0' * 64}; not part of this file"
    assert "too few to promise 5.0% false alarms (19 would do)" in card.notes[0]
    assert {record["role"]: record["images"] for record in card.data} == {"support": 2, "clean": 7}


def test_the_only_picture_of_a_class_is_judged_on_a_copy(stub):
    dark = [disc(i) for i in range(2)]
    data = Dataset([*dark, bright(disc(2))], ["disc", "bright"])
    inspector, expected = fit_track(supported(data), "net")
    assert any(
        "No other labelled picture shows bright: judged on turned and rescaled copies" in n
        for n in inspector.card.notes
    )
    assert [item.escapes for item in expected] == [0, 0]
    assert "Uncalibrated" in inspector.card.notes[0]


def test_several_classes_are_told_apart(stub):
    samples = [disc(i) for i in range(3)] + [bright(disc(i)) for i in range(3, 6)]
    clean = [disc(30 + i, ()) for i in range(4)]
    inspector, expected = fit_track(supported(Dataset([*samples, *clean], ["disc", "bright"])), "net")
    assert [item.escapes for item in expected] == [0, 0]
    for sample, label in ((disc(60), 0), (bright(disc(61)), 1)):
        found, _ = inspector.inspect(sample.image)
        assert found.labels.tolist() == [label]
    _, memories = inspector.ready()
    assert [len(own) for own in memories] == [3 * 4 + GOOD] * 2  # a class remembers the pictures that show it


def test_a_network_that_sees_nothing_anywhere(stub):
    stub.ask = lambda image, memories: (
        np.full((len(memories), 16, 16), -1024, np.float32), np.full(len(memories), -3, np.float32)
    )  # fmt: skip
    inspector, (expected,) = fit_track(supported(many()), "net")
    assert (expected.escapes, expected.iou, expected.false_alarms) == (1, 0, 0)
    assert not len(inspector.inspect(disc(50).image, min_score=0)[0])


def test_empty_masks(stub):
    none = Instances([0], masks=Masks.from_dense(np.zeros((1, 96, 80), bool)))
    blank = [disc(i).replace(instances=none) for i in range(2)]
    with pytest.raises(KizuError, match="class 'disc': none of its labelled pictures has a pixel"):
        fit_track(Support(("disc",), blank, []), "net")
    inspector, _ = fit_track(Support(("disc",), [*blank, disc(3)], []), "net")
    assert len(inspector.examples) == 1


def test_one_pixel_the_whole_picture_and_other_sizes(stub):
    dot, full = np.zeros((1, 96, 80), bool), np.ones((1, 40, 50), bool)
    dot[0, 30, 41] = True
    samples = [
        disc(1).replace(instances=Instances([0], masks=Masks.from_dense(dot))),
        Sample("full", np.full((40, 50, 3), 60, np.uint8), Instances([0], masks=Masks.from_dense(full))),
        disc(2),
    ]
    inspector, (expected,) = fit_track(supported(Dataset(samples, ["disc"])), "net")
    assert 0 <= expected.iou <= 1
    assert [int(example.masks[0].sum()) > 0 for example in inspector.examples] == [True] * 3
    assert any(example.masks[0].all() for example in inspector.examples)


def test_good_pictures_that_cannot_be_read_are_passed_over(stub):
    clean = [disc(i, ()) for i in range(4)] + [Sample("gone.png", path="nowhere/gone.png", size=(96, 80))]
    support = Support(("disc",), [disc(9)], clean, 5)
    skips, done = Skips(), []
    _, (expected,) = fit_track(support, "net", skips=skips, step=lambda: done.append(1))
    assert [item["item"] for item in skips.items] == ["gone.png"]
    assert expected.clean == 4
    assert len(done) == steps(support) - 1


def test_the_same_seed_gives_the_same_model(stub, tmp_path):
    files = []
    for seed in (1, 1, 2):
        fit_track(supported(many()), "net", seed=seed)[0].save(tmp_path / "m.kizu")
        files.append((tmp_path / "m.kizu").read_bytes())
    assert files[0] == files[1] != files[2]  # another seed remembers other good pictures


# --- the verbs ---


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import sam2_tiny

    folder = tmp_path_factory.mktemp("sam2") / "tiny"
    sam2_tiny.write(folder)
    return folder


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    folder = tmp_path_factory.mktemp("line") / "line"
    many(bad=4, good=4).write(folder, "coco")
    return folder


def test_from_labels_to_a_report(line, network, tmp_path, one_torch_thread):
    model = tmp_path / "m.kizu"
    done = kizu.fit(line, matcher="sam2", network=network, turns=False, shots=2, out=model)
    assert "fitted disc from 2 labelled and 4 good pictures" in done.line
    inspector = Inspector.load(model)
    assert (inspector.card.kind, inspector.turns, len(inspector.examples)) == ("fewshot-track", False, 2 + GOOD)
    kizu.predict(model, line, tmp_path / "found")
    assert len(Dataset.open(tmp_path / "found")) == 8
    kizu.evaluate(tmp_path / "found", line)
    kizu.report(tmp_path / "found", truth=line)
    assert "SAM2 as a video tracker" in next((tmp_path / "found").rglob("*.html")).read_text("utf-8")
    shutil.rmtree(tmp_path / "found")
    moved = network.rename(network.with_name("moved"))
    with pytest.raises(KizuError, match="it needs the SAM2 model that it was fitted with"):
        kizu.predict(model, line, tmp_path / "found")
    moved.rename(network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matcher": "sam2"}, "--matcher sam2 needs --network FOLDER"),
        ({"matcher": "sam2", "network": "nowhere"}, "nowhere: no such folder"),
        ({"matcher": "sam2", "network": ".", "augment": "compose"}, "--augment belongs to --matcher kizu"),
        ({"network": "x"}, "--network belongs to --matcher sam2"),
        ({"matcher": "sam3"}, "no matcher is called 'sam3'; there are: kizu"),
        ({"matcher": "sam2", "network": ".", "mode": "detector"}, "--matcher belongs to --mode fewshot"),
        ({"network": ".", "mode": "detector"}, "--network belongs to --mode fewshot"),
        ({"turns": False}, "--no-turns belongs to --mode detector, --matcher sam2"),
        ({"matcher": "sam2", "epochs": 3}, "--epochs belongs to --mode detector"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(line, tmp_path, options, message):
    with pytest.raises(KizuError, match=message):
        kizu.fit(line, out=tmp_path / "m.kizu", **options)
    assert not list(tmp_path.iterdir())


def test_no_labelled_picture(network, tmp_path):
    many(bad=0).write(tmp_path / "good", "coco")
    with pytest.raises(KizuError, match="no labelled picture was found"):
        kizu.fit(tmp_path / "good", matcher="sam2", network=network, out=tmp_path / "m.kizu")
