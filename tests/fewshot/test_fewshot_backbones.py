"""Other networks than the shipped one: found by name, file or folder, exported, rid of places, kept in the model."""

import subprocess
import sys

import numpy as np
import pytest
from fewshot_scenes import supported, surface

from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.fewshot.backbones import check_backbone, network_from
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.network import NAME, Network, shipped
from kizu.models.store import save_weights, weights_path

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnx")

PATCH, WIDTH = 14, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A DINOv2 of three blocks of random weights, as save_pretrained writes it."""
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 2, "mlp_ratio": 2}
    config = transformers.Dinov2Config(patch_size=PATCH, image_size=56, layerscale_value=1.0, **sizes)
    model = transformers.Dinov2Model(config).eval()
    with torch.no_grad():
        model.embeddings.position_embeddings.normal_(0, 1)  # so that places count
    out = tmp_path_factory.mktemp("dino")
    model.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def network(folder):
    """It, exported."""
    return network_from(str(folder), [surface(0, [(20, 20)]).image])


@pytest.fixture(scope="module")
def model(network, tmp_path_factory):
    """The file of an inspector that looks with it."""
    path = tmp_path_factory.mktemp("model") / "m.kizu"
    samples = [surface(0, [(20, 20)]), surface(1), surface(2)]
    fit_fewshot(supported(Dataset(samples, ["disc"])), network=network)[0].save(path)
    return path


def blocks(folder, pixels):
    """Patches of the middle and of the last block of the DINOv2 model, (h, w, C) each, for normalised ``pixels``."""
    model = transformers.Dinov2Model.from_pretrained(folder)
    with torch.no_grad():
        states = model(pixels, output_hidden_states=True).hidden_states
        found = [model.layernorm(states[k])[0, 1:].numpy() for k in (2, 3)]
    return [layer.reshape(pixels.shape[2] // PATCH, -1, WIDTH) for layer in found]


def test_a_vit_is_its_two_blocks_without_what_says_the_place(folder, network):
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    def pixels(image):
        return torch.from_numpy((image / 255 - mean) / std).permute(2, 0, 1)[None].float()

    image = surface(0, [(30, 40)], size=(70, 98)).image
    ((tile, (found,)),) = network.look(image)
    assert (network.strides, network.width, found.shape) == ((PATCH,), 2 * WIDTH, (2 * WIDTH, 5, 7))
    assert tile.cells == (slice(0, 35), slice(0, 49))
    blank = [blocks(folder, pixels(np.full((32 * PATCH, 32 * PATCH, 3), grey))) for grey in (64, 128, 192)]
    for k, layer in enumerate(blocks(folder, pixels(image))):
        off = np.concatenate([(b[k] - b[k].mean((0, 1))).reshape(-1, WIDTH) for b in blank]).astype(np.float64)
        values, axes = np.linalg.svd(off, full_matrices=False)[1:]
        share = np.cumsum(values**2) / (values**2).sum()
        axes = axes[: min(int((share < 0.95).sum()) + 1, WIDTH // 4)]
        assert len(axes)
        expected = layer - layer @ axes.T @ axes
        own = found[k * WIDTH : (k + 1) * WIDTH].transpose(1, 2, 0)
        assert np.allclose(own, expected, atol=2e-3), np.abs(own - expected).max()
        assert np.abs(own @ axes.T).max() < 1e-3 < np.abs(layer @ axes.T).max()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_places_are_the_directions_along_which_blank_pictures_vary(count):
    from kizu.models.nets.patches import places

    random = np.random.default_rng(count)
    axes = np.linalg.qr(random.normal(size=(24, 24)))[0][:, :count]
    codes = random.normal(size=(count, 5, 6))
    layers = [torch.from_numpy(np.tensordot(axes, codes, 1) + random.normal(size=(24, 1, 1))).float() for _ in range(3)]
    found = places(layers).numpy()
    assert found.shape == (24, count)
    assert np.allclose(found @ found.T, axes @ axes.T, atol=1e-4)


def test_a_weight_file_of_the_shipped_network_sees_what_that_sees(tmp_path):
    path = tmp_path / "own.safetensors"
    path.write_bytes(weights_path(NAME).read_bytes())
    image = surface(0, [(30, 40)], size=(90, 70)).image
    network = network_from(str(path), [image])
    assert network.identity["name"] == "kizu-s in own.safetensors"
    assert network.graph and network.sha256 != shipped().sha256
    for ours, theirs in zip(next(network.look(image))[1], next(shipped().look(image))[1], strict=True):
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, atol=1e-3 * max(np.abs(theirs).max(), 1))


def test_the_shipped_name_is_the_shipped_network():
    assert network_from("kizu-s") is network_from("kizu_s") is shipped()


def test_a_vit_of_timm(monkeypatch):
    from kizu.models.nets import timm_backbone

    real = timm.create_model

    def small(name, pretrained=False, **options):
        return real(name, pretrained=False, embed_dim=WIDTH, depth=4, num_heads=2, **options)

    monkeypatch.setattr(timm_backbone.timm, "create_model", small)
    module = timm_backbone.any_timm_backbone("vit_tiny_patch16_224", True).eval()
    images = torch.full((1, 3, 48, 80), 90.0)
    with torch.no_grad():
        (found,) = module(images)
    assert (module.strides, module.channels, found.shape) == ((16,), (2 * WIDTH,), (1, 2 * WIDTH, 3, 5))
    # timm scales this one to -1 .. 1.
    assert torch.allclose(module.normalise(images), torch.full_like(images, 2 * 90 / 255 - 1), atol=1e-3)


@pytest.mark.parametrize("name", ["ConvNext", "ResNet"])
def test_a_network_of_stages_in_a_folder(tmp_path, name):
    from kizu.fewshot.nets.transformers_backbone import transformers_backbone

    sizes = {"hidden_sizes": [4, 8, 12, 16], "depths": [1, 1, 1, 1]}
    sizes |= {"embedding_size": 4, "layer_type": "basic"} if name == "ResNet" else {}
    getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**sizes)).save_pretrained(tmp_path)
    module = transformers_backbone(tmp_path)
    with torch.no_grad():
        found = module(torch.zeros(1, 3, 64, 96))
    assert module.strides == (4, 8, 16, 32)
    assert [tuple(layer.shape) for layer in found] == [
        (1, c, 64 // s, 96 // s) for c, s in zip((4, 8, 12, 16), module.strides, strict=True)
    ]


def test_a_plain_vit_in_a_folder(tmp_path):
    from kizu.fewshot.nets.transformers_backbone import transformers_backbone

    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.ViTModel(transformers.ViTConfig(image_size=64, **sizes)).save_pretrained(tmp_path)
    module = transformers_backbone(tmp_path)
    with torch.no_grad():
        (found,) = module(torch.zeros(1, 3, 32, 96))
    assert (module.strides, found.shape) == ((16,), (1, 16, 2, 6))


PREDICT = """
import sys
for name in ("torch", "torchvision", "timm", "transformers", "onnx"):
    sys.modules[name] = None
import numpy as np
from kizu.core.inspector import Inspector
image = np.load(sys.argv[2])
np.save(sys.argv[3], Inspector.load(sys.argv[1]).inspect(image)[1])
"""


def test_the_model_file_holds_its_network_and_runs_without_torch(model, network, tmp_path):
    inspector = Inspector.load(model)
    own = inspector.members.network
    assert (own.identity, own.strides, own.border) == (network.identity, network.strides, 0)
    assert f"{2 * WIDTH} channels of dinov2 of " in inspector.card.architecture
    assert network.sha256 in inspector.card.preprocessing["weights"]
    image = surface(5, [(30, 30)]).image
    np.save(tmp_path / "image.npy", image)
    words = [sys.executable, "-c", PREDICT, str(model), str(tmp_path / "image.npy"), str(tmp_path / "map.npy")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "map.npy"), inspector.inspect(image)[1])
    inspector.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == model.read_bytes()


def cut(arrays, _):
    arrays["network.graph"] = arrays["network.graph"][:200]


SPOILED = {
    "cut": (cut, "damaged"),
    "another one": (lambda _, s: s["network"].update(sha256="0" * 64), "not the one that it was fitted to"),
    "strides": (lambda _, s: s["network"].update(strides=[4, 8]), "strides"),
    "border": (lambda _, s: s["network"].update(border=5), "do not go together"),
    "gone": (lambda a, _: a.pop("network.graph"), "fit again|fit it anew"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILED.values(), ids=list(SPOILED))
def test_a_damaged_network_in_a_model_file(model, tmp_path, spoil, message):
    inspector = Inspector.load(model)
    arrays, settings = inspector.state()
    arrays, settings = dict(arrays), settings | {"network": dict(settings["network"])}
    spoil(arrays, settings)
    inspector.state = lambda: (arrays, settings)
    inspector.save(tmp_path / "m.kizu")
    with pytest.raises(KizuError, match=message) as error:
        Inspector.load(tmp_path / "m.kizu")
    assert "\n" not in str(error.value)


def of_another_kind(folder):
    save_weights(folder / "w.safetensors", {"head.a": np.zeros(3, np.float32)}, NAME, Card(kind="weights"))
    return folder / "w.safetensors"


def no_weights(folder):
    (folder / "w.safetensors").write_bytes(b"nothing")
    return folder / "w.safetensors"


def empty_folder(folder):
    return folder


def folder_of_text(folder):
    transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    return folder


def without_weights(folder):
    transformers.Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    return folder


REFUSED = {
    "unknown": (lambda _: "kizu-x", "no model is called 'kizu-x'; nearest: kizu-s"),
    "a detector": (lambda _: "kizu-dense", "kizu-dense is a detector, not a backbone"),
    "no such file": (lambda folder: folder / "w.safetensors", "no such file or folder; --backbone takes a name"),
    "damaged": (no_weights, "cannot be read as weights"),
    "no backbone in it": (of_another_kind, "no part 'backbone'"),
    "empty folder": (empty_folder, "no config.json is there"),
    "no weights": (without_weights, "cannot be used as a backbone"),
    "of text": (folder_of_text, "cannot be used as a backbone"),
    "unknown to timm": (lambda _: "timm/resnet_x", "timm has no model 'resnet_x'"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused(tmp_path, make, message):
    with pytest.raises(KizuError, match=message) as error:
        network_from(str(make(tmp_path)))
    assert "\n" not in str(error.value)


def test_a_missing_extra(monkeypatch, folder):
    for name, asked in (("timm", "timm/resnet18"), ("transformers", str(folder)), ("onnx", "resnet18")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(KizuError, match=rf"'{name}' is not installed.*kizu\["):
                check_backbone(asked)


def test_a_graph_that_is_no_network_of_maps():
    with pytest.raises(KizuError, match="not a network that runs here"):
        Network.of(b"nothing", "it", (4,), 4)
