"""The weather: how many payments are asked for, and how much room the standby site has."""

from __future__ import annotations

import math
from random import Random

from homeostat.simulate.sandbox.chance import stream

RATE_MEAN = 50.0
DAILY_WOBBLE = 0.2
NOISE_SHARE = 0.03
NOISE_S = 120.0
STANDBY_RATE_MAX = 180.0
"""Requests a second the standby site can serve when it has nothing else to do."""
ROOM_MEAN = 0.52
ROOM_SIGMA = 0.2
ROOM_S = 3_600.0
ROOM_BOUNDS = (0.03, 0.97)
DAY_S = 86_400.0


class Weather:
    """Two first-order autoregressive processes, one of them around the daily curve.

    It draws the same numbers whatever happens in the plant, so that two runs with one seed meet the same weather.

    Attributes:
        rate: requests a second.
        room: share of the standby site's capacity that is free of its own traffic.
    """

    def __init__(self, seed: int) -> None:
        self._rng: Random = stream(seed, "weather")
        self._peak_at = self._rng.uniform(0.0, DAY_S)
        self._noise = 0.0
        self._room = self._rng.gauss(0.0, ROOM_SIGMA)
        self.rate = RATE_MEAN
        self.room = ROOM_MEAN
        self._steps: tuple[float, tuple[float, float, float, float]] | None = None

    def advance(self, seconds: float, at: float) -> None:
        """Move on by `seconds` to `at` (Unix seconds)."""
        noise_kept, noise_new, room_kept, room_new = self._coefficients(seconds)
        self._noise = noise_kept * self._noise + noise_new * self._rng.gauss(0.0, 1.0)
        self._room = room_kept * self._room + room_new * self._rng.gauss(0.0, 1.0)
        daily = DAILY_WOBBLE * math.cos(2.0 * math.pi * (at - self._peak_at) / DAY_S)
        self.rate = RATE_MEAN * (1.0 + daily) * max(0.5, 1.0 + self._noise)
        low, high = ROOM_BOUNDS
        self.room = min(high, max(low, ROOM_MEAN + self._room))

    def _coefficients(self, seconds: float) -> tuple[float, float, float, float]:
        """Share kept and standard deviation added in a step, for the noise and the room."""
        if self._steps is None or self._steps[0] != seconds:
            noise_kept = math.exp(-seconds / NOISE_S)
            room_kept = math.exp(-seconds / ROOM_S)
            self._steps = (
                seconds,
                (
                    noise_kept,
                    NOISE_SHARE * math.sqrt(1.0 - noise_kept**2),
                    room_kept,
                    ROOM_SIGMA * math.sqrt(1.0 - room_kept**2),
                ),
            )
        return self._steps[1]


def standby_served_share(rate: float, room: float) -> float:
    """Share of `rate` shifted requests a second that the standby site serves well.

    Beyond its room it collapses rather than saturates: time-outs and retries eat what is left.
    """
    if rate <= 0.0:
        return 1.0
    load = rate / (room * STANDBY_RATE_MAX)
    return 1.0 if load <= 1.0 else load**-1.5
