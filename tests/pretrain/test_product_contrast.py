"""Contrast between products: the loss against its formula written out, and the queue."""

import math

import pytest

torch = pytest.importorskip("torch")

from kizu.pretrain.nets.contrast import _TEMPERATURE, Contrast  # noqa: E402


def written_out(embedded, owner, picture, old, old_owner):
    """Khosla et al. 2020, equation 2, with the views of earlier steps as negatives alone."""
    terms = []
    for i in range(len(embedded)):
        positive = [k for k in range(len(embedded)) if owner[k] == owner[i] and picture[k] != picture[i]]
        if not positive:
            continue
        odds = {k: math.exp(float(embedded[i] @ embedded[k]) / _TEMPERATURE) for k in range(len(embedded))}
        others = [k for k in range(len(embedded)) if owner[k] != owner[i]]
        earlier = [
            math.exp(float(embedded[i] @ row) / _TEMPERATURE)
            for row, own in zip(old, old_owner, strict=True)
            if own not in (-1, owner[i])
        ]
        below = sum(odds[k] for k in positive + others) + sum(earlier)
        terms.append(-sum(math.log(odds[k] / below) for k in positive) / len(positive))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("products", [[0, 0, 1, 1], [3, 3, 3, 3], [0, 0, 0, 7], [0, 1, 0, 1]])
def test_it_is_the_formula(products):
    torch.manual_seed(1)
    head = Contrast(6, kept=40, size=4).eval()
    head.owner[:30] = torch.randint(0, 4, (30,))
    features = torch.rand(4, 6, 3, 5)
    free = torch.rand(4, 3, 5) > 0.3
    products = torch.tensor(products)
    with torch.no_grad():
        cells, picture = head._drawn(features, free)
        embedded = torch.nn.functional.normalize(head.embed(cells), dim=1)
        found = head(features, free, products)  # all cells are drawn, so that chance plays no part
    assert len(picture) == free.sum()
    wanted = written_out(embedded, products[picture].tolist(), picture.tolist(), head.queue, head.owner.tolist())
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_pictures_of_their_own_give_no_loss_but_a_number():
    head = Contrast(6, kept=10, size=4)
    features = torch.rand(3, 6, 4, 4, requires_grad=True)
    loss = head(features, torch.ones(3, 4, 4, dtype=torch.bool), torch.tensor([0, 1, 2]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.isfinite(features.grad).all()


def test_the_queue_holds_the_latest_cells():
    head = Contrast(6, kept=70, size=4)
    free = torch.ones(2, 4, 4, dtype=torch.bool)
    for step in range(5):
        head(torch.rand(2, 6, 4, 4), free, torch.tensor([step, step]))
    # 32 cells a step: two whole steps and six cells of the one before.
    assert sorted(head.owner.tolist()) == [2] * 6 + [3] * 32 + [4] * 32
    assert torch.allclose(head.queue.norm(dim=1), torch.ones(70), atol=1e-5)


def test_it_learns_to_tell_products_apart():
    torch.manual_seed(0)
    head = Contrast(8, kept=64, size=8)
    centres = torch.randn(3, 8)
    products = torch.arange(3).repeat_interleave(4)
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        features = centres[products][:, :, None, None] + 0.3 * torch.randn(12, 8, 4, 4)
        loss = head(features, torch.ones(12, 4, 4, dtype=torch.bool), products)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.5
