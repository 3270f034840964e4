"""What must hold whatever is done to agents, server and network; one sentence for each breach.

Effects are what the witness saw. The journal is only asked what it must show: how incidents ended, whose a lease was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.plans import SIGNAL_AGE_MAX_S, Plan
from tests.chaos.takeovers import TAKEOVER_SLACK_S, Fault, takeovers
from tests.chaos.watcher import LOOK_INTERVAL_S, Term, Watcher
from tests.chaos.witness import Seen

from homeostat.decide.projection import fold
from homeostat.model.incident import Incident
from homeostat.model.ports import Journal
from homeostat.model.reasons import Phase

BLIND_SLACK_S = 2.0
"""From the cut on, the newest sample is old after `SIGNAL_AGE_MAX_S`; a start decided then shows within this."""


@dataclass(slots=True)
class Findings:
    """Figures of one scenario, and the promises it broke."""

    effects: int = 0
    duplicates: list[str] = field(default_factory=list)
    incidents: int = 0
    results: Counter[str] = field(default_factory=Counter)
    takeovers_s: list[float] = field(default_factory=list)
    handovers_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def duplicates(seen: Iterable[Seen], plans: Mapping[str, Plan]) -> list[str]:
    """Attempts whose key took effect twice, and unsafe steps that took effect twice in one breakdown of their system.

    A breakdown is counted by the witness alone, so that agents that know nothing of each other cannot hide it behind
    two incidents.
    """
    keys: Counter[str] = Counter()
    since_fault: Counter[str] = Counter()
    found = []
    for one in seen:
        if one.kind == "fault":
            since_fault[one.policy] = 0
        elif one.kind == "begin":
            keys[one.key] += 1
            since_fault[one.policy] += 1
            if keys[one.key] > 1:
                found.append(f"{one.policy}: attempt {one.key} took effect {keys[one.key]} times")
            elif plans[one.policy].unsafe and since_fault[one.policy] > 1:
                found.append(f"{one.policy}: its unsafe step took effect {since_fault[one.policy]} times ({one.key})")
    return found


def judge(
    plans: Mapping[str, Plan],
    seen: Sequence[Seen],
    faults: Sequence[Fault],
    journal: Journal,
    watcher: Watcher,
    agent_of: Mapping[str, Sequence[int]],
    owner_of: Mapping[str, str],
    ttl_s: float,
) -> Findings:
    """Hold one scenario to every promise.

    Args:
        agent_of: machine -> its agent's processes over time.
        owner_of: folder of an effect -> machine.
    """
    begun = [one for one in seen if one.kind == "begin"]
    findings = Findings(effects=len(begun), duplicates=duplicates(seen, plans))
    findings.broken += findings.duplicates
    incidents = _incidents(journal)
    findings.incidents = len(incidents)
    findings.results.update(str(incident.result or incident.phase) for incident in incidents.values())
    findings.broken += _unfinished(incidents, seen)
    findings.broken += _without_intent(incidents, begun)
    findings.broken += _outside_a_lease(begun, watcher, agent_of, owner_of)
    findings.broken += _while_blind(begun, faults, owner_of)
    findings.broken += [f"journal: {fault}" for fault in journal.verify()]
    closed = {stream for stream, incident in incidents.items() if incident.phase is Phase.CLOSED}
    for takeover in takeovers(faults, watcher, closed, ttl_s):
        times = findings.handovers_s if takeover.is_policy else findings.takeovers_s
        times.append(takeover.seconds)
        if takeover.seconds > ttl_s + TAKEOVER_SLACK_S:
            findings.broken.append(str(takeover))
    return findings


def _incidents(journal: Journal) -> dict[str, Incident]:
    return {stream: fold(record.entry for record in journal.read(stream)) for stream in journal.incidents()}


def _unfinished(incidents: Mapping[str, Incident], seen: Iterable[Seen]) -> Iterable[str]:
    """Every breakdown has its incident, and every incident is closed, or with people."""
    by_policy = Counter(incident.policy for incident in incidents.values())
    for one in seen:
        if one.kind == "fault" and not by_policy[one.policy]:
            yield f"{one.policy}: broke down, and there is no incident"
    for stream, incident in incidents.items():
        if incident.phase not in (Phase.CLOSED, Phase.ESCALATED):
            yield f"{incident.policy}: incident {stream} is left in phase {incident.phase}"


def _without_intent(incidents: Mapping[str, Incident], begun: Iterable[Seen]) -> Iterable[str]:
    """Nothing takes effect without a durable intent."""
    intended = {attempt.key for incident in incidents.values() for attempt in incident.every_attempt()}
    for one in begun:
        if one.key not in intended:
            yield f"{one.policy}: {one.key} took effect and no intent is on record"


def _outside_a_lease(
    begun: Iterable[Seen], watcher: Watcher, agent_of: Mapping[str, Sequence[int]], owner_of: Mapping[str, str]
) -> Iterable[str]:
    """Every effect began while its agent's lease ran and nobody else had taken over."""
    for one in begun:
        agent = owner_of[one.folder]
        terms = watcher.terms(one.incident)
        own = [term for term in terms if term.pid in agent_of[agent]]
        valid = [term for term in own if _began(term) <= one.at <= term.expires_at]
        later = [term for term in terms if term.pid not in agent_of[agent] and term.seen_from <= one.at]
        newest = max((term.fence for term in valid), default=0)
        if not valid:
            ends = ", ".join(f"{one.at - term.expires_at:+.3f} s" for term in own) or "it never had one"
            yield f"{one.policy}: {agent} began {one.key} outside its lease (after its end: {ends})"
        elif any(term.fence > newest for term in later):
            yield f"{one.policy}: {agent} began {one.key} after another agent had taken over"


def _began(term: Term) -> float:
    return term.seen_from - 4 * LOOK_INTERVAL_S


def _while_blind(begun: Iterable[Seen], faults: Iterable[Fault], owner_of: Mapping[str, str]) -> Iterable[str]:
    blind = [fault for fault in faults if fault.blinds]
    for one in begun:
        for fault in blind:
            since = fault.at + SIGNAL_AGE_MAX_S + BLIND_SLACK_S
            if owner_of[one.folder] == fault.agent and since <= one.at <= (fault.ended_at or one.at):
                yield f"{one.policy}: {fault.agent} began {one.key} {one.at - fault.at:.1f} s into its blindness"
