"""``Inspector``: the file there and back with a tiny real inspector, and every way in which a file is not one."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector, inspector_class
from kizu.core.instances import Instances
from kizu.core.masks import Masks


class DarkSpots(Inspector):
    """Finds pixels darker than a level: small, but it really inspects."""

    kind = "test_dark_spots"

    def __init__(self, level, card):
        self.level = level
        self.card = card

    def inspect(self, image, min_score=0.5):
        grey = image.mean(2, dtype=np.float32)
        scores = np.clip(0.5 + (float(self.level) - grey) / 510, 0, 1).astype(np.float32)
        masks = Masks.from_dense((scores > min_score)[None])
        masks = masks[masks.area > 0]
        return Instances(np.zeros(len(masks)), masks=masks, scores=np.full(len(masks), scores.max())), scores[None]

    def state(self):
        arrays = {"level": np.float32(self.level), "table": np.arange(12).reshape(3, 4).T, "none": np.zeros((0, 3))}
        return arrays, {"unit": "grey", "steps": [1, 2]}

    @classmethod
    def from_state(cls, arrays, settings, card):
        assert arrays["level"].shape == ()
        assert arrays["table"].tolist() == np.arange(12).reshape(3, 4).T.tolist()
        assert arrays["none"].shape == (0, 3)
        assert settings == {"unit": "grey", "steps": [1, 2]}
        return cls(arrays["level"], card)


@pytest.fixture
def inspector():
    return DarkSpots(60, Card(DarkSpots.kind, classes=["spot"], thresholds={"spot": 0.5}))


@pytest.fixture
def images():
    clean = np.full((8, 10, 3), 200, np.uint8)
    spot = clean.copy()
    spot[2:4, 3:7] = 10
    return [clean, spot]


def test_predict_and_score_maps(inspector, images):
    found = inspector.predict(iter(images))
    assert [len(f) for f in found] == [0, 1]
    assert found[1].boxes.tolist() == [[3, 2, 7, 4]]
    assert [len(f) for f in inspector.predict(images, min_score=0.1)] == [1, 1]
    assert [m.shape for m in inspector.score_maps(images)] == [(1, 8, 10)] * 2
    assert inspector.names == ("spot",)


def test_the_file_gives_the_same_inspector(inspector, images, tmp_path):
    path = tmp_path / "deep" / "spots.kizu"
    inspector.save(path)
    loaded = Inspector.load(path)
    assert type(loaded) is DarkSpots
    assert loaded.card == inspector.card
    assert np.array_equal(loaded.score_maps(images), inspector.score_maps(images))
    assert [p.name for p in path.parent.iterdir()] == ["spots.kizu"]


def test_the_file_is_never_a_pickle(inspector, tmp_path):
    inspector.save(tmp_path / "m.kizu")
    data = (tmp_path / "m.kizu").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert set(header) == {"__metadata__", "level", "table", "none"}


def test_the_same_model_is_the_same_bytes(inspector, tmp_path):
    for name in "abcdefgh":
        inspector.save(tmp_path / name)
    assert len({(tmp_path / name).read_bytes() for name in "abcdefgh"}) == 1


def metadata(**changes):
    good = {
        "kizu": json.dumps({"kind": DarkSpots.kind, "format": 1}),
        "card": Card(DarkSpots.kind).to_json(),
        "settings": json.dumps({"unit": "grey", "steps": [1, 2]}),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


DAMAGED = {
    "no card": (metadata(card=None), "not an inspector made by Kizu"),
    "a broken card": (metadata(card="{"), "not a model card"),
    "no kind": (metadata(kizu="{}"), "not an inspector made by Kizu"),
    "no record": (metadata(kizu="[]"), "not an inspector made by Kizu"),
    "no JSON": (metadata(settings="{"), "not an inspector made by Kizu"),
    "nothing": (None, "not an inspector made by Kizu"),
    "a later format": (metadata(kizu=json.dumps({"kind": DarkSpots.kind, "format": 2})), "later Kizu"),
    "an unknown kind": (metadata(kizu=json.dumps({"kind": "psychic", "format": 1})), "kind 'psychic'"),
    "a kind that is no name": (metadata(kizu=json.dumps({"kind": "../x", "format": 1})), "kind '../x'"),
    "a number as kind": (metadata(kizu=json.dumps({"kind": 5, "format": 1})), "kind '5'"),
    "a package that is no inspector": (metadata(kizu=json.dumps({"kind": "core", "format": 1})), "kind 'core'"),
}


@pytest.mark.parametrize(("record", "message"), DAMAGED.values(), ids=list(DAMAGED))
def test_safetensors_that_are_no_inspector(record, message, tmp_path):
    path = tmp_path / "m.kizu"
    save_file({"a": np.zeros(3)}, path, record)
    with pytest.raises(KizuError, match=message):
        Inspector.load(path)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_file_cut_short(inspector, tmp_path, keep):
    path = tmp_path / "m.kizu"
    inspector.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(KizuError, match=r"m\.kizu: cannot be read as a model"):
        Inspector.load(path)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "gone.kizu", tmp_path):
        with pytest.raises(KizuError, match="no such model file"):
            Inspector.load(path)
    (tmp_path / "text.kizu").write_text("hello, I am not a model at all")
    with pytest.raises(KizuError, match="cannot be read as a model"):
        Inspector.load(tmp_path / "text.kizu")


def test_saving_where_one_cannot(inspector, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KizuError, match="cannot write"):
        inspector.save(tmp_path / "file" / "m.kizu")


def test_kinds_are_found_by_name():
    assert inspector_class(DarkSpots.kind) is DarkSpots
    with pytest.raises(KizuError, match="fit the model anew"):
        inspector_class("no_such_kind")
