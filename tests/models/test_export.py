"""Graphs for ONNX Runtime: the numbers of torch at any size, weights from a file, nothing on the terminal."""

import numpy as np
import pytest

pytest.importorskip("onnxscript")

import torch
from dense_nets import Tiny, as_tensor, squares, tiny
from torch import nn

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.inspection.tiling import plan
from kizu.models.dense_decode import decode
from kizu.models.nets.export import export_backbone, export_dense
from kizu.models.session import DenseSession, features
from kizu.models.store import arrays_of, save_weights


@pytest.fixture(scope="module")
def dense():
    net = tiny()
    return net, export_dense(net)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A backbone, and its weight file beside its graph."""
    net = tiny().backbone
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    arrays = arrays_of(net, "backbone", half=False) | {"pyramid.more": np.zeros(3, np.float32)}
    save_weights(path, arrays, "tiny", Card("weights"))
    export_backbone(net, path.with_suffix(".onnx"))
    return net, path


@pytest.mark.parametrize("size", [(64, 64), (203, 254), (31, 500), (7, 9)])
def test_dense_maps_are_those_of_torch(dense, size):
    net, graph = dense
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    maps = DenseSession(graph).maps(image)
    with torch.no_grad():
        classes, boundary, offset = (values[0].numpy() for values in net.maps(as_tensor([image])))
    assert classes.std() > 0.05, "or nothing is compared below"
    for mine, wanted in ((maps.classes, classes), (maps.boundary, boundary[0]), (maps.offset, offset)):
        assert mine.shape == wanted.shape and np.abs(mine - wanted).max() < 1e-3
    found = decode(maps, size, 0.01)
    wanted = net.detect(as_tensor([image]), 0.01)[0]
    assert len(found.labels) == len(wanted["labels"])
    assert np.allclose(found.scores, wanted["scores"], atol=1e-3)


def test_tiles_make_the_maps_of_the_whole(dense):
    session = DenseSession(dense[1])
    assert session.classes == 2
    image = np.tile(squares(1, size=(128, 128))[0][0], (9, 9, 1))  # 1152 pixels: four tiles
    image[:, 600:] //= 2
    tiles = plan(image.shape[:2], 4)
    assert len(tiles) > 1
    whole, parts = session.maps(image), session.whole(image, tiles)
    for name, values in vars(whole).items():
        assert np.abs(getattr(parts, name) - values).max() < 0.01 * np.abs(values).max(), name


@pytest.mark.parametrize("size", [(64, 96), (61, 130)])
def test_features_are_those_of_torch(shipped, size):
    net, path = shipped
    image = np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8)
    found = features(path)
    assert found.channels == net.channels and found.strides == (4, 8, 16, 32)
    maps = found(image)
    padded = np.pad(image, ((0, -size[0] % 32), (0, -size[1] % 32), (0, 0)), "edge")
    stats = torch.tensor([[image.mean(), image.astype(float).std()]], dtype=torch.float32)
    with torch.no_grad():
        wanted = net(as_tensor([padded]), stats)
    for m, w, stride in zip(maps, wanted, (4, 8, 16, 32), strict=True):
        assert m.dtype == np.float32 and m.shape[1:] == (-(-size[0] // stride), -(-size[1] // stride))
        assert np.abs(m - w[0, :, : m.shape[1], : m.shape[2]].numpy()).max() < 1e-3


def test_the_graph_holds_no_weights(shipped):
    import onnx

    _, path = shipped
    model = onnx.load(path.with_suffix(".onnx"), load_external_data=False)
    outside = {item.name for item in model.graph.initializer if item.data_location == onnx.TensorProto.EXTERNAL}
    assert outside == set(arrays_of(shipped[0], "backbone"))
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Expand", "CastLike"})


def test_fixed_normalisation_needs_no_statistics_and_the_terminal_stays_clean(capfd):
    net = tiny(1, "fixed").train()
    session = DenseSession(export_dense(net))
    assert capfd.readouterr() == ("", "")
    assert net.training, "the network is left as it was"
    image = squares(1)[0][0]
    assert np.abs(session.maps(image).classes - net.eval().maps(as_tensor([image]))[0][0].detach().numpy()).max() < 1e-3


class Fickle(Tiny):
    """Gives something else each time."""

    def forward(self, images, stats=None):
        self.calls = getattr(self, "calls", 0) + 1
        return [m * self.calls for m in super().forward(images, stats)]


class Stubborn(Tiny):
    """Looks at its input while it computes, which no graph can."""

    def maps(self, normalised):
        out = super().maps(normalised)
        return out if float(normalised.mean()) > 0 else out[::-1]


class Idle(Tiny):
    """Has weights that it does not use."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Fickle, r"differs from the trained one \(output \d by"),
        (Stubborn, "Stubborn cannot be exported to ONNX"),
        (Idle, "does not use backbone.idle"),
    ],
)
def test_what_cannot_be_exported(backbone, message, tmp_path):
    with pytest.raises(KizuError, match=message):
        export_backbone(backbone(), tmp_path / "some.onnx")
    assert not list(tmp_path.iterdir())
