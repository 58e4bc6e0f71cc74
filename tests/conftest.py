"""What all tests share: a Hypothesis profile without deadlines (a first call may compile), the same on each run."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "kizu",
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("kizu")


@pytest.fixture(scope="module")
def one_torch_thread():
    """Torch on one thread while the tests of a module run: tiny networks are slower on more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
