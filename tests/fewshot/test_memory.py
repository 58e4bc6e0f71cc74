"""What a model file remembers of its examples: every byte and label of them, and nothing is decoded early."""

import cv2
import numpy as np
import pytest
from fewshot_scenes import supported, surface

from kizu.core import images
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.inspector import Inspector
from kizu.core.sample import Sample
from kizu.evaluation.support import digest
from kizu.fewshot import memory as memory_module
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.memory import Memory, memory_of, remember
from kizu.fewshot.options import KEPT
from kizu.fewshot.support import CLASSES, Support

SMALL = (24, 30)


def stored(folder, name, seed, spots=()):
    """A surface as an image file of a kind, not held in memory; the suffix ``.deep.png`` is of 16 bits."""
    sample = surface(seed, spots, SMALL)
    path = folder / name
    if ".deep" in name:
        cv2.imwrite(str(path), sample.image[:, :, 0].astype(np.uint16) * 257)
    else:
        path.write_bytes(images.encode_image(sample.image, path.suffix))
    return Sample(name, None, sample.instances, path=path, group=f"part {seed}", source="bench", split="train")


@pytest.fixture
def support(tmp_path):
    labelled = [stored(tmp_path, f"bad{end}", i, [(12, 14)]) for i, end in enumerate((".jpg", ".deep.png", ".bmp"))]
    good = [stored(tmp_path, f"good{end}", i) for i, end in enumerate((".png", ".jpg"), 5)]
    held = surface(9, [(12, 10)], SMALL, name="held.png")
    return supported(Dataset([*labelled, *good, held], ["disc"], {"title": "parts", "licence": "CC0"}))


def same(a: Sample, b: Sample) -> bool:
    fields = all(getattr(a, f) == getattr(b, f) for f in ("id", "group", "source", "split", "labelled", "size", "meta"))
    found = np.array_equal(a.instances.labels, b.instances.labels) and a.instances.masks == b.instances.masks
    return fields and found and np.array_equal(a.image, b.image) and digest(a) == digest(b)


def test_examples_come_back_as_they_were(support, tmp_path):
    memory = Memory.of(support, KEPT | {"adapt": None})
    for path in tmp_path.iterdir():
        path.unlink()  # nothing outside is needed
    again = memory.support()
    held = {sample.id: sample for sample in (*again.labelled, *again.clean)}
    assert sorted(held) == ["bad.bmp", "bad.deep.png", "bad.jpg", "good.jpg", "good.png", "held.png"]
    assert (again.names, again.info) == (("disc",), {"title": "parts", "licence": "CC0"})
    assert held["bad.jpg"].meta[CLASSES] == ["disc"]


@pytest.mark.parametrize("round", [1, 2])
def test_nothing_is_lost_on_the_way(support, round):
    again = support
    for _ in range(round):
        memory = Memory.of(again, {"seed": 3})
        arrays, settings = memory.state()
        back, rest = memory_of(arrays | {"other": np.zeros(2)}, settings)
        assert list(rest) == ["other"] and back.options == {"seed": 3}
        assert back.examples.dtype == np.uint8
        again = back.support()
    for a, b in zip((*support.labelled, *support.clean), (*again.labelled, *again.clean), strict=True):
        assert same(a, b), a.id
    assert np.array_equal(Memory.of(again, {}).examples, Memory.of(support, {}).examples)


def test_damaged_examples():
    with pytest.raises(KizuError, match=r"its examples are damaged.*fit it anew"):
        Memory(np.arange(200, dtype=np.uint8), 1, ("disc",), {}, {}).support()


@pytest.fixture(scope="module")
def fitted():
    """(inspector, support), without memory."""
    samples = [surface(i, [(12, 14 + i)], SMALL) for i in range(2)] + [surface(5, (), SMALL)]
    support = supported(Dataset(samples, ["disc"]))
    return fit_fewshot(support)[0], support


@pytest.fixture
def inspector(fitted):
    yield fitted[0]
    fitted[0].memory = None
    fitted[0].card.notes = [note for note in fitted[0].card.notes if "examples" not in note]


def test_loading_and_looking_decode_nothing(inspector, fitted, tmp_path, monkeypatch):
    inspector.save(tmp_path / "without.kizu")
    assert remember(inspector, fitted[1], dict(KEPT)) == ""
    inspector.save(tmp_path / "with.kizu")
    monkeypatch.setattr(memory_module.Memory, "support", lambda _: pytest.fail("decoded"))
    monkeypatch.setattr(images, "open_image", lambda _: pytest.fail("decoded"))
    loaded, plain = (Inspector.load(tmp_path / f"{name}.kizu") for name in ("with", "without"))
    assert plain.memory is None
    assert loaded.members.arrays.keys() == plain.members.arrays.keys(), "members hold none of it"
    image = surface(7, [(12, 12)], SMALL).image
    assert np.array_equal(loaded.inspect(image)[1], plain.inspect(image)[1])
    loaded.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == (tmp_path / "with.kizu").read_bytes()


@pytest.mark.parametrize(
    ("asked", "limit", "kept", "said"),
    [
        (None, 10**6, True, ""),
        (None, 100, False, ", without its examples (they take more than 0 MB; --memory keeps them)"),
        (True, 100, True, ""),
        (False, 10**6, False, ""),
    ],
)
@pytest.mark.parametrize("held", [0, 10**6])
def test_large_examples_are_left_out_unless_asked_for(inspector, fitted, monkeypatch, asked, limit, kept, said, held):
    monkeypatch.setattr(memory_module, "MOST_BYTES", limit)
    monkeypatch.setattr(memory_module, "_HELD", held)
    assert remember(inspector, fitted[1], KEPT | {"memory": asked}) == said
    assert (inspector.memory is not None) == kept
    assert not kept or len(inspector.memory.support().labelled) == 2
    told = [note for note in inspector.card.notes if "not in the file, so it takes no --update" in note]
    assert len(told) == bool(said)


def test_a_name_that_no_file_can_hold(inspector, fitted):
    """Such pictures were fitted to before models remembered anything, and still are."""
    names, labelled = fitted[1].names, fitted[1].labelled
    odd = Support(names, [labelled[0].replace(id="bad\udcff.png"), labelled[1]], [])
    assert "not valid UTF-8" in remember(inspector, odd, dict(KEPT))
    assert inspector.memory is None
    with pytest.raises(DataError, match="not valid UTF-8"):
        remember(inspector, odd, KEPT | {"memory": True})


def test_good_pictures_that_could_not_be_read_are_not_remembered(inspector, fitted):
    names, labelled, clean = fitted[1].names, fitted[1].labelled, fitted[1].clean
    gone = Sample("gone.png", path="nowhere/gone.png", size=SMALL)
    remember(inspector, Support(names, labelled, [*clean, gone]), dict(KEPT))
    assert [sample.id for sample in inspector.memory.support().clean] == [sample.id for sample in clean]
