"""Backbones: maps of every stride at any size, their own normalisation, and layers that are those of the libraries."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from torch.nn import functional  # noqa: E402

from kizu.core.errors import KizuError  # noqa: E402
from kizu.models.nets.backbone import IMAGENET_MEAN, IMAGENET_STD, Normalise, picture_stats  # noqa: E402
from kizu.models.nets.squeezenet import SqueezeNet  # noqa: E402
from kizu.models.nets.timm_backbone import TimmBackbone  # noqa: E402
from kizu.models.registry import build_backbone  # noqa: E402

IMAGENET = Path(__file__).resolve().parents[3] / "shared" / "weights" / "squeezenet1_1_imagenet.safetensors"
STRIDES = (4, 8, 16, 32)
NETS = {  # and their channels
    "squeezenet1-1": (128, 256, 512, 512),
    "resnet18": (64, 128, 256, 512),
    "mobilenetv3-large-100": (24, 40, 112, 960),
    "timm:convnext_atto": (40, 80, 160, 320),  # patches: needs padding
}


def picture(height, width, seed=0, batch=1):
    """Noise in 0..255."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.fixture(scope="module")
def nets():
    """Made when they are first asked for."""
    made = {}

    def get(name):
        if name not in made:
            torch.manual_seed(0)
            made[name] = build_backbone(name).eval()
        return made[name]

    return get


@pytest.mark.parametrize("size", [(64, 96), (97, 70), (1, 1), (32, 33)])
@pytest.mark.parametrize("name", ["kizu-s", *NETS])
def test_maps_of_all_strides_at_any_size(nets, name, size):
    net = nets(name)
    assert (net.channels, net.strides, net.architecture) == (NETS.get(name, net.channels), STRIDES, name)
    with torch.no_grad():
        maps = net(picture(*size, batch=2))
    expected = [(2, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(net.channels, STRIDES, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected
    assert all(m.isfinite().all() for m in maps)


def test_bytes_and_numbers_are_alike(nets):
    image = picture(64, 64).to(torch.uint8)
    with torch.no_grad():
        for a, b in zip(nets("squeezenet1-1")(image), nets("squeezenet1-1")(image.float()), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["kizu-s", *NETS])
def test_weights_are_random_and_trained(name):
    net = build_backbone(name)
    sum(m.square().mean() for m in net(picture(64, 64, batch=2))).backward()
    without = [key for key, p in net.named_parameters() if p.grad is None]
    # What a library's network has beyond its last map.
    assert len(without) <= 2, without
    # Constants of the input are no weights.
    assert not [key for key in net.state_dict() if key.startswith("normalise")]


# --- the input ---


def test_a_picture_is_normalised_by_itself():
    images = torch.cat([picture(20, 30), picture(20, 30, 1) * 0.2 + 30])
    out = Normalise("picture")(images).numpy()
    for image, got in zip(images.numpy().astype(np.float64), out, strict=True):
        np.testing.assert_allclose(got, (image - image.mean()) / (image.std() + 8), atol=1e-4)


def test_a_tile_is_normalised_by_its_picture():
    images = picture(40, 60, batch=2)
    normalise = Normalise("picture")
    tile = normalise(images[..., 8:24, 16:48], picture_stats(images))
    torch.testing.assert_close(tile, normalise(images)[..., 8:24, 16:48])


def test_fixed_values_are_those_of_torchvision():
    from torchvision.transforms.functional import normalize

    images = picture(8, 9, batch=2)
    expected = normalize(images / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(Normalise("fixed", IMAGENET_MEAN, IMAGENET_STD)(images), expected, atol=1e-5, rtol=1e-5)


def test_a_plain_picture_is_no_noise():
    image = torch.full((1, 3, 16, 16), 128.0)
    image[..., 3, 3] += 1
    assert Normalise("picture")(image).abs().max() < 0.2


def test_an_unknown_mode():
    with pytest.raises(ValueError, match="fixed or picture"):
        Normalise("pictures")


# --- the layers ---


def test_a_network_of_timm_is_timms():
    net = TimmBackbone("resnet10t").eval()
    other = timm.create_model("resnet10t", features_only=True).eval()
    other.load_state_dict(net.net.state_dict())
    image = picture(64, 96)
    with torch.no_grad():
        expected = other(Normalise("fixed")(image))
        for got, want in zip(net(image), expected[1:], strict=True):
            torch.testing.assert_close(got, want)


def same_places(net, published, size):
    """Largest difference from torchvision's layers, away from the edges, of the maps of the strides 4, 8 and 16."""
    image = picture(*size)
    with torch.no_grad():
        maps, x = net(image), net.normalise(image)
        # Torchvision's unit i of stride s looks at pixel s*i + s - 1; the backbone's at 4i + 1, 8i + 5, 16i + 5.
        for m, layers, shift, rim in zip(maps, (5, 8, 13), (2, 2, 10), (4, 5, 9), strict=False):
            want = published[:layers](functional.pad(x, (shift, 0, shift, 0)))
            got = m[..., : want.shape[-2], : want.shape[-1]]
            want = want[..., : got.shape[-2], : got.shape[-1]]
            inner = (..., slice(rim, -rim), slice(rim, -rim))
            assert got[inner].numel() > 1000
            yield float((got[inner] - want[inner]).abs().max() / want[inner].abs().max())


def test_squeezenet_is_torchvisions_at_the_same_places():
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    published = squeezenet1_1(weights=None).eval()
    net = SqueezeNet("fixed").eval()
    net.load_torchvision(published.state_dict())
    assert max(same_places(net, published.features, (384, 352))) < 1e-5


@pytest.mark.skipif(not IMAGENET.exists(), reason="the weights of ImageNet are not beside the checkout")
def test_the_file_of_imagenet_weights():
    from safetensors.torch import load_file

    state = load_file(IMAGENET)
    net = SqueezeNet("fixed").eval()
    net.load_torchvision(state)
    assert torch.equal(net.state_dict()["features.3.squeeze.weight"], state["features.3.squeeze.weight"].float())
    with torch.no_grad():
        assert all(m.isfinite().all() and m.std() > 0.1 for m in net(picture(64, 64)))


def test_weights_of_another_network_are_refused():
    with pytest.raises(KizuError, match=r"not the weights of SqueezeNet 1\.1"):
        SqueezeNet().load_torchvision({"features.0.weight": torch.zeros(64, 3, 7, 7)})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19000", "timm has no model 'resnet19000'"),
        ("vit_tiny_patch16_224", "a backbone needs 4, 8, 16 and 32"),
        ("swin_tiny_patch4_window7_224", "takes pictures of its own size only"),
    ],
    ids=["unknown", "one stride", "one size"],
)
def test_networks_that_cannot_be_backbones(name, said):
    with pytest.raises(KizuError) as error:
        build_backbone(f"timm:{name}")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(KizuError, match="its weights cannot be had") as error:
        build_backbone("timm:resnet10t", pretrained=True)
    assert "\n" not in str(error.value)
