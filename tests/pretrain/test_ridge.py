"""The closed-form learner of the episodes: against scikit-learn, and on cells that are chosen by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kizu.pretrain.nets.ridge import Regression, drawn_cells, even  # noqa: E402


def rows(episodes=2, count=60, width=5, seed=0):
    made = torch.Generator().manual_seed(seed)
    x = torch.randn(episodes, count, width, generator=made) * torch.tensor([1.0, 3.0, 0.2, 1.0, 5.0]) + 2
    labels = (x[..., 0] + 0.5 * x[..., 3] > 3).float()
    return x, labels


def test_it_is_the_ridge_regression_of_scikit_learn():
    from sklearn.linear_model import Ridge

    x, labels = rows()
    weights = even(labels, torch.ones_like(labels))
    head = Regression()
    with torch.no_grad():
        found = (head(x, labels, weights, x) - head.bias) / head.scale.exp()
    decay = torch.nn.functional.softplus(head.decay).item()
    for e in range(len(x)):
        share = weights[e].numpy() / weights[e].sum().item()
        values = x[e].numpy()
        mean = np.average(values, axis=0, weights=share)
        spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=share) + 1e-4)
        z = (values - mean) / spread
        reference = Ridge(alpha=decay).fit(z, 2 * labels[e].numpy() - 1, sample_weight=share)
        # Its intercept is free and ours is held back by a hundredth of the decay: nearly the same.
        assert np.allclose(found[e].numpy(), reference.predict(z), atol=0.02)


def test_a_channel_that_is_zero_on_the_support_gives_a_finite_gradient():
    x, labels = rows()
    x[..., 2] = 0
    x.requires_grad_()
    head = Regression()
    head(x, labels, even(labels, torch.ones_like(labels)), x).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert head.decay.grad.abs() > 0


@pytest.mark.parametrize(("positives", "unknown", "count"), [(3, 0, 40), (90, 0, 40), (0, 0, 40), (10, 60, 80)])
def test_drawn_cells(positives, unknown, count):
    wanted = torch.zeros(1, 2, 8, 8, dtype=torch.bool)
    wanted.view(-1)[:positives] = True
    known = torch.ones_like(wanted)
    known.view(-1)[128 - unknown :] = False
    features = torch.arange(128.0).view(1, 2, 1, 8, 8)  # each cell holds its own number
    torch.manual_seed(0)
    rows_, labels, weights = drawn_cells(features, wanted, known, count)
    numbers = rows_[0, :, 0].long()
    assert len(set(numbers.tolist())) == count
    assert torch.equal(labels[0].bool(), wanted.view(-1)[numbers])
    assert torch.equal(weights[0] > 0, known.view(-1)[numbers])
    assert abs(int(labels.sum()) - min(positives, count // 2)) <= (0 if positives <= count // 2 else 8)
    # The cells that were drawn stand for all that are known.
    assert (labels * weights).sum() == pytest.approx(positives)
    assert ((1 - labels) * weights).sum() == pytest.approx(128 - unknown - positives)


def test_even_weights():
    labels = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    weights = even(labels, torch.ones(2, 4))
    assert weights[0].tolist() == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])
    assert weights[1].sum() == pytest.approx(0.5)  # nothing is positive: its half is missing, and nothing is infinite
