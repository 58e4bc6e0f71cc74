"""How far a run is, as a share of its steps or of its minutes, and the learning rate that follows from it."""

from __future__ import annotations

import math

from kizu.core.errors import KizuError


class Budget:
    """What a run may use: steps, minutes, or both, of which the first to end counts.

    The share of a step is that of its middle, so that the first has a learning rate above 0 and the last one too.
    """

    def __init__(self, steps: int | None = None, minutes: float | None = None):
        """
        Args:
            steps: of the optimiser.
            minutes: of wall time, those of earlier parts of a resumed run included.

        Raises:
            KizuError: neither is given, or one is not above 0.
        """
        if steps is None and minutes is None:
            raise KizuError("a run without end: give a number of samples or minutes")
        if (steps is not None and steps < 1) or (minutes is not None and not minutes > 0):
            raise KizuError(f"{steps} steps, {minutes} minutes: take 1 or more steps, and more than 0 minutes")
        self.steps, self.minutes = steps, minutes

    def share(self, step: int, seconds: float) -> float:
        """How much is used in the middle of step ``step`` (from 0), ``seconds`` after the start; 1 or more = all."""
        by_steps = (step + 0.5) / self.steps if self.steps is not None and step < self.steps else 0.0
        return max(by_steps, self.spent(step, seconds) if self.minutes is not None else 0.0)

    def spent(self, step: int, seconds: float) -> float:
        """How much is used when ``step`` steps are done; 1 or more = the run is over."""
        by_steps = step / self.steps if self.steps is not None else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes is not None else 0.0
        return max(by_steps, by_time)


def rate(share: float, warm_up: float) -> float:
    """Factor of the learning rate: up in a line over the share ``warm_up``, then down as a cosine to 0 at 1.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5, without restarts.
    """
    if share < warm_up:
        return share / warm_up
    return 0.5 * (1 + math.cos(math.pi * min((share - warm_up) / (1 - warm_up), 1.0)))
