"""What the network sees on the filter bank's grid: places, sums, tiles, borders, and which weights these are."""

import hashlib
import shutil

import numpy as np
import pytest
from fewshot_scenes import supported, surface
from scipy.ndimage import map_coordinates

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.fewshot import network
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.network import NAME, at, shipped
from kizu.inspection import tiling
from kizu.models import store
from kizu.models.session import STRIDES


def noise(height, columns, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, columns, 3), np.uint8)


def made(size, channels=(2, 3, 1, 2), seed=0):
    """Maps of random values for a picture of a size."""
    random = np.random.default_rng(seed)
    shapes = [(c, *(-(-side // s) for side in size)) for c, s in zip(channels, STRIDES, strict=True)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def sampled(maps, size):
    """All channels (h, w, C) at the middles of cells of 2 x 2 pixels, by SciPy's interpolation."""
    y, x = np.mgrid[: -(-size[0] // 2), : -(-size[1] // 2)] * 2 + 0.5
    out = []
    for values, stride in zip(maps, STRIDES, strict=True):
        places = [(pixel - (stride - 1) / 2) / stride for pixel in (y, x)]
        out += [map_coordinates(layer.astype(np.float64), places, order=1, mode="nearest") for layer in values]
    return np.stack(out, axis=-1)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (64, 96), (61, 131)], ids=str)
def test_cells_take_the_maps_at_their_middle(size):
    maps = made(size)
    expected = sampled(maps, size)
    rows, columns = np.mgrid[: expected.shape[0], : expected.shape[1]].reshape(2, -1)
    assert np.allclose(at(maps, rows, columns), expected.reshape(len(rows), -1), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (31, 47), (70, 64)], ids=str)
def test_maps_of_pictures_of_any_size(size):
    for image in (noise(*size), np.full((*size, 3), 255, np.uint8), np.zeros((*size, 3), np.uint8)):
        ((tile, maps),) = shipped().look(image)
        assert [values.shape[1:] for values in maps] == [tuple(-(-side // s) for side in size) for s in STRIDES]
        assert sum(len(values) for values in maps) == shipped().width
        assert all(np.isfinite(values).all() and values.dtype == np.float32 for values in maps)
        assert tile.cells == (slice(0, -(-size[0] // 2)), slice(0, -(-size[1] // 2)))


def whole_picture(image):
    """At every cell all channels, put together from tiles."""
    out = np.full((-(-image.shape[0] // 2), -(-image.shape[1] // 2), shipped().width), np.nan, np.float32)
    for tile, maps in shipped().look(image):
        rows, columns = np.mgrid[tile.inner]
        out[tile.cells] = at(maps, rows.ravel(), columns.ravel()).reshape(*rows.shape, -1)
    return out


def test_tiles_have_no_seams(monkeypatch):
    image = np.kron(noise(44, 23), np.ones((16, 16, 1), np.uint8)) // 2 + noise(704, 368) // 2
    whole = whole_picture(image)
    monkeypatch.setattr(tiling, "SIZE", 576)
    assert len(tiling.plan(image.shape[:2], 2)) > 2
    cut = whole_picture(image)
    assert np.isfinite(cut).all()
    scale = whole.reshape(-1, whole.shape[-1]).std(0) + 1e-3
    assert np.quantile(np.abs(cut - whole) / scale, 0.99) < 0.01


def test_the_border_of_a_picture_is_no_edge():
    """On one even texture cells at the rim are about as usual as those in the middle."""
    seen = whole_picture(noise(256, 256) // 4 + 90)
    rim = np.ones(seen.shape[:2], bool)
    rim[8:-8, 8:-8] = False
    middle = seen[32:-32, 32:-32].reshape(-1, seen.shape[-1])
    off = np.abs(seen[rim].mean(0) - middle.mean(0)) / (middle.std(0) + 0.1)
    assert np.median(off) < 0.7, np.median(off)


def test_which_weights_these_are():
    path = store.weights_path(NAME)
    assert shipped().identity == {"name": NAME, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture
def own_copy(tmp_path, monkeypatch):
    """The folder of shipped weights, a copy that may be changed; it is named anew, so nothing is remembered of it."""
    for path in store.SHIPPED.glob(f"{NAME}.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of a fitted inspector."""
    path = tmp_path_factory.mktemp("model") / "m.kizu"
    samples = [surface(0, [(20, 20)]), surface(1), surface(2)]
    fit_fewshot(supported(Dataset(samples, ["disc"])))[0].save(path)
    return path


def damaged(folder):
    path = folder / f"{NAME}.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def other(folder):
    weights = store.load_weights(folder / f"{NAME}.safetensors")
    arrays = {name: values * 1.5 if values.ndim == 4 else values for name, values in weights.arrays.items()}
    store.save_weights(folder / f"{NAME}.safetensors", arrays, weights.architecture, weights.card)


WRONG = {
    "missing": (lambda folder: (folder / f"{NAME}.safetensors").unlink(), "are not there; install Kizu again"),
    "no graph": (lambda folder: (folder / f"{NAME}.onnx").unlink(), "the graph of these weights cannot be read"),
    "damaged": (damaged, "cannot be read as weights"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_files_of_the_network_that_are_missing_or_damaged(own_copy, model, change, message):
    change(own_copy)
    with pytest.raises(KizuError, match=message) as fitting:
        fit_fewshot(supported(Dataset([surface(0, [(20, 20)])], ["disc"])))
    with pytest.raises(KizuError, match=message) as loading:
        Inspector.load(model)
    assert all("\n" not in str(error.value) for error in (fitting, loading))


def test_a_model_fits_the_weights_that_it_was_fitted_to(own_copy, model):
    before = shipped().identity["sha256"]
    assert Inspector.load(model).card.classes == ["disc"], "a copy of the same weights does"
    other(own_copy)
    network._open.cache_clear()  # a file is opened once; a new process would see the new one
    after = shipped().identity["sha256"]
    assert before != after
    message = rf"fitted to {NAME} of {before[:12]}, and this Kizu ships {NAME} of {after[:12]}; fit again"
    with pytest.raises(KizuError, match=message):
        Inspector.load(model)
