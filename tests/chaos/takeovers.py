"""How long what an agent answered for is without an owner when the agent falls silent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from tests.chaos.watcher import LOOK_INTERVAL_S, Term

from homeostat.model.streams import AGENT_STREAM, POLICY_STREAMS

TAKEOVER_SLACK_S = 2.0
"""A takeover shows within a lease's length and this."""

ON_ITS_WAY_S = 1.0
"""An append that the server already has may open an incident for an agent that has just fallen silent."""


@dataclass(slots=True)
class Fault:
    """Something done to an agent or the server, by the harness's clock.

    Attributes:
        agent: the machine's name; "" for the server. pids: the agent's processes up to then.
        silences: whether the agent can no longer renew its leases, so that others must take over.
        blinds: whether it no longer sees the telemetry.
        ended_at: when it was undone; infinite: never.
    """

    kind: str
    at: float
    agent: str = ""
    pids: tuple[int, ...] = ()
    silences: bool = False
    blinds: bool = False
    ended_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Takeover:
    """One stream whose agent fell silent. `seconds` from the fault to its next owner; infinite: there was none."""

    stream: str
    fault: Fault
    seconds: float

    @property
    def is_policy(self) -> bool:
        """Whether somebody's watch over a policy was taken over, and no incident."""
        return self.stream.startswith(POLICY_STREAMS) or self.stream == AGENT_STREAM

    def __str__(self) -> str:
        when = "never" if math.isinf(self.seconds) else f"only after {self.seconds:.2f} s"
        return f"{self.stream}: {self.fault.agent} fell silent ({self.fault.kind}) and was taken over from {when}"


def takeovers(
    faults: Sequence[Fault],
    terms: Sequence[Term],
    acquired: Sequence[tuple[float, str]],
    closed: Set[str],
    ttl_s: float,
) -> Iterator[Takeover]:
    """Time every takeover that was due. None is due where the agent was back in time, or the server itself was away.

    Args:
        faults: all of the scenario.
        terms: who held which lease when.
        acquired: when `lease.acquired` showed in the journal, and in which stream.
        closed: incidents that are over, and so need no owner.
        ttl_s: how long a lease lasts.
    """
    outages = [fault for fault in faults if not fault.agent]
    for fault in faults:
        away = any(outage.at - ttl_s <= fault.at <= outage.ended_at + 2 * ttl_s for outage in outages)
        if not fault.silences or away:
            continue
        for term in terms:
            if term.pid in fault.pids and _held_at(term, fault.at) and not _kept(term, fault, ttl_s):
                takeover = Takeover(term.stream, fault, _next_owner_at(term, terms, acquired) - fault.at)
                if not (math.isinf(takeover.seconds) and term.stream in closed):
                    yield takeover


def _held_at(term: Term, at: float) -> bool:
    """Whether it was the agent's when the fault came, or became so by what was then on its way."""
    return term.seen_from - ON_ITS_WAY_S <= at <= term.seen_until + 2 * LOOK_INTERVAL_S


def _kept(term: Term, fault: Fault, ttl_s: float) -> bool:
    """Whether the agent renewed the lease after the fault was over. A request on its way may still have counted."""
    on_its_way_s = ttl_s / 3 + TAKEOVER_SLACK_S / 4
    return term.expires_at > max(fault.at + ttl_s + on_its_way_s, fault.ended_at)


def _next_owner_at(term: Term, terms: Sequence[Term], acquired: Sequence[tuple[float, str]]) -> float:
    """When another owner showed: of a policy in the leases, of an incident in the journal."""
    later = [other.seen_from for other in terms if other.stream == term.stream and other.fence > term.fence]
    if not later or term.stream.startswith(POLICY_STREAMS) or term.stream == AGENT_STREAM:
        return min(later, default=math.inf)
    shown = [at for at, stream in acquired if stream == term.stream and at >= min(later) - 1.0]
    return min(shown, default=math.inf)
