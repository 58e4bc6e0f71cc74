"""Networks without torch: what is missing, damaged or of another kind is one clear line."""

import numpy as np
import pytest

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.models.session import DenseSession, Session, features, picture_stats
from kizu.models.store import save_weights


@pytest.mark.parametrize("shape", [(5, 7, 3), (64, 64, 3), (1, 1, 3)])
def test_statistics_are_those_of_all_values(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    stats = picture_stats(image)
    assert stats.dtype == np.float32
    assert stats == pytest.approx(np.array([[image.mean(), image.astype(float).std()]]), rel=1e-6)


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(KizuError, match="no such weight file"):
        features(tmp_path / "none.safetensors")


def test_weights_without_a_graph(tmp_path):
    path = tmp_path / "some.safetensors"
    save_weights(path, {"backbone.a": np.zeros(3, np.float32)}, "some", Card("weights"))
    with pytest.raises(KizuError, match=r"some\.onnx: the graph of these weights cannot be read"):
        features(path)


@pytest.mark.parametrize("graph", [b"", b"no graph", bytes(1000)])
def test_a_damaged_graph(tmp_path, graph):
    path = tmp_path / "some.safetensors"
    save_weights(path, {"backbone.a": np.zeros(3, np.float32)}, "some", Card("weights"))
    path.with_suffix(".onnx").write_bytes(graph)
    with pytest.raises(KizuError, match=r"some\.onnx: not a network that runs here"):
        features(path)
    with pytest.raises(KizuError, match="mine: not a network that runs here"):
        DenseSession(graph, "mine")


def weighted(channels, outside):
    """A graph of one convolution, its kernel inside or outside of it."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    kernel = onnx.numpy_helper.from_array(np.ones((channels, 3, 1, 1), np.float32), "backbone.k")
    if outside:
        kernel.ClearField("raw_data")
        kernel.data_location = onnx.TensorProto.EXTERNAL
        kernel.external_data.add(key="location", value="weights.safetensors")
    images = helper.make_tensor_value_info("images", kind, (1, 3, "h", "w"))
    out = helper.make_tensor_value_info("out", kind, (1, channels, "h", "w"))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "backbone.k"], ["out"])], "g", [images], [out], [kernel]
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"backbone.other": np.ones((4, 3, 1, 1), np.float32)},
        {"backbone.k": np.ones((5, 3, 1, 1), np.float32)},
    ],
)
def test_arrays_of_another_network(arrays):
    with pytest.raises(KizuError, match="not a network that runs here"):
        Session(weighted(4, True), "the graph", arrays)


def test_arrays_are_fed_and_half_precision_is_taken():
    session = Session(weighted(4, True), "the graph", {"backbone.k": np.full((4, 3, 1, 1), 2, np.float16)})
    image = np.random.default_rng(0).integers(0, 256, (33, 64, 3), np.uint8)
    (out,) = session.run(image)
    assert out.shape == (4, 64, 64) and session.widths == (4,)
    assert np.array_equal(out[0, :33], 2.0 * image.sum(2))
    assert (out[:, 33:] == out[:, 32:33]).all(), "padded by the last row"


def test_no_dense_detector():
    with pytest.raises(KizuError, match=r"outputs of \(4,\) channels, no dense detector"):
        DenseSession(weighted(4, False), "it")
