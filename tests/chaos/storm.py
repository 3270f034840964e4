"""Four agents, a hundred incidents, and faults of every kind at random: what, to whom and when comes from the seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.chaos.agents import AgentProcess
from tests.chaos.hosts import Cut, Link
from tests.chaos.stage import TTL_S, Stage
from tests.chaos.takeovers import Fault

STORM_S = 100.0
"""The breakdowns are spread over this."""

HURT_MAX = 2
"""Agents that are hurt at the same time at most: somebody must be left to take over."""

_GAP_S = (1.0, 3.0)
_LASTS_S = (1.0, TTL_S + 2.5, TTL_S + 6.0)
_SERVER_SHARE = 0.06
_SERVER_AWAY_S = (0.5, TTL_S + 1.0)


@dataclass(frozen=True, slots=True)
class Deed:
    """One fault: from `at_s` for `lasts_s`, counted from the storm's beginning.

    Attributes:
        kind: of `kill`, `suspend`, `telemetry`, `server` (stop), `server kill`, or a way to cut the store's link.
        agent: its index; None for the server.
    """

    at_s: float
    lasts_s: float
    kind: str
    agent: int | None = None


def draw(chance: random.Random, agents: int, *, isolated: bool) -> Iterator[Deed]:
    """Draw the faults of one storm. The server is only taken away while no agent is hurt."""
    kinds = ["kill", "suspend"] + ([*Cut, "telemetry"] if isolated else [])
    free_at_s = [0.0] * agents
    at_s = 2.0
    while at_s < STORM_S:
        hurt = [index for index in range(agents) if free_at_s[index] > at_s]
        if chance.random() < _SERVER_SHARE:
            at_s = max(at_s, *free_at_s)
            away_s = chance.choice(_SERVER_AWAY_S)
            yield Deed(at_s, away_s, chance.choice(["server", "server kill"]))
            at_s += away_s + TTL_S
        elif len(hurt) < HURT_MAX:
            index = chance.choice([index for index in range(agents) if index not in hurt])
            deed = Deed(at_s, chance.choice(_LASTS_S), chance.choice(kinds), index)
            free_at_s[index] = at_s + deed.lasts_s + TTL_S
            yield deed
        at_s += chance.uniform(*_GAP_S)


def storm(stage: Stage) -> None:
    """Break every system once, and carry out what was drawn meanwhile; then let it settle."""
    stage.await_shared()
    plans = list(stage.field.plans.values())
    stage.random.shuffle(plans)
    events: list[tuple[float, Callable[[], None]]] = [
        (STORM_S * index / len(plans), partial(stage.break_down, plan)) for index, plan in enumerate(plans)
    ]
    for deed in draw(stage.random, len(stage.agents), isolated=stage.agents[0].host.isolated):
        events += _events(stage, deed)
    began = time.monotonic()
    for at_s, happen in sorted(events, key=lambda event: event[0]):
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        happen()
    stage.settle(240.0)


def _events(stage: Stage, deed: Deed) -> list[tuple[float, Callable[[], None]]]:
    """The beginning and the end of a deed."""
    done: list[Fault] = []
    begin, end = _ways(stage, deed)
    return [
        (deed.at_s, lambda: done.append(begin())),
        (deed.at_s + deed.lasts_s, lambda: end(done[0])),
    ]


def _ways(stage: Stage, deed: Deed) -> tuple[Callable[[], Fault], Callable[[Fault], None]]:
    if deed.agent is None:
        stop = stage.store.kill if deed.kind == "server kill" else stage.store.stop
        return partial(stage.stop_server, deed.kind, stop), stage.start_server
    agent: AgentProcess = stage.agents[deed.agent]
    if deed.kind == "kill":
        return partial(stage.kill, agent), partial(stage.restart, agent)
    if deed.kind == "suspend":
        return partial(stage.suspend, agent, "at random"), partial(stage.resume, agent)
    link, how = (Link.TELEMETRY, Cut.SILENT) if deed.kind == "telemetry" else (Link.STORE, Cut(deed.kind))
    return partial(stage.cut, agent, link, how), partial(stage.heal, agent, link)
