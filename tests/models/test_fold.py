import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from kizu.models.nets.fold import add_norms, folded, has_norms
from kizu.models.registry import build_backbone


@pytest.mark.parametrize(("name", "has"), [("squeezenet1-1", False), ("kizu-s", True), ("resnet18", True)])
def test_has_norms(name, has):
    assert has_norms(build_backbone(name)) is has


def test_folded_says_the_same_under_the_names_of_the_published_network():
    torch.manual_seed(0)
    plain = build_backbone("squeezenet1-1")
    names = set(plain.state_dict())
    net = build_backbone("squeezenet1-1")
    add_norms(net)
    images = 255 * torch.rand(4, 3, 64, 64)
    for _ in range(3):  # running means and deviations that are not 0 and 1
        net(images)
    with torch.no_grad():
        for child in net.modules():
            if isinstance(child, nn.BatchNorm2d):
                child.weight.uniform_(0.5, 2)
                child.bias.uniform_(-1, 1)
    net.eval()
    out = folded(net)
    assert set(out.state_dict()) == names
    assert has_norms(net)
    plain.load_state_dict(out.state_dict())
    plain.eval()
    with torch.no_grad():
        for a, b in zip(net(images), plain(images), strict=True):
            assert float((a - b).abs().max()) < 1e-4 * float(a.abs().max())


def test_what_has_no_folded_norms_is_left_as_it_is():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert folded(net) is net
