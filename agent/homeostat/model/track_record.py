"""What attempts have shown, over incidents and restarts: parts of the ledger."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExploredAttempt:
    """An attempt of an explored pick. `harmful` is None until its verdict."""

    at: float
    policy: str
    node: str
    harmful: bool | None = None


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What speaks for letting the agent go further by itself with one step, since its level last changed.

    Attributes:
        level: how many modes above its `start` the step has earned.
        attempts, successes: judged attempts, and those that worked without harm and without a relapse.
        relapses: incidents that came back soon after a success.
        succeeded_at, succeeded_in: the last success and its incident, until it has relapsed.
        fell_for: why the level was last lowered; "" where it never was.
    """

    policy: str
    node: str
    level: int = 0
    attempts: int = 0
    successes: int = 0
    relapses: int = 0
    succeeded_at: float | None = None
    succeeded_in: str = ""
    fell_for: str = ""
