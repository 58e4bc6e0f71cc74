"""What all tests share: a Hypothesis profile without deadlines (a first call may compile), the same on each run."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "kizu",
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("kizu")
