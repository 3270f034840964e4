"""What must hold whatever is done to agents, server and network; one sentence for each breach.

Effects are what the witness saw. The journal is only asked what it must show: how incidents ended, whose a lease was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.plans import SIGNAL_AGE_MAX_S, Plan
from tests.chaos.takeovers import TAKEOVER_SLACK_S, Fault, takeovers
from tests.chaos.watcher import LOOK_INTERVAL_S, Term
from tests.chaos.witness import Seen

from homeostat.decide.projection import fold
from homeostat.model.incident import Incident
from homeostat.model.ports import Journal
from homeostat.model.reasons import Phase

BLIND_SLACK_S = 2.0
"""From the cut on, the newest sample is old after `SIGNAL_AGE_MAX_S`; a start decided then shows within this."""

SIGHT_SLACK_S = 4 * LOOK_INTERVAL_S
"""By so much at most a lease was there before it was seen."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that was seen of a scenario.

    Attributes:
        seen: by the witness, in order. faults: done by the harness.
        terms: who held which lease when. acquired: when `lease.acquired` showed, and in which stream.
        processes: machine -> ids of its agent's processes. machine_of: folder of an effect -> machine.
    """

    plans: Mapping[str, Plan]
    seen: Sequence[Seen]
    faults: Sequence[Fault] = ()
    terms: Sequence[Term] = ()
    acquired: Sequence[tuple[float, str]] = ()
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    machine_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def begun(self) -> list[Seen]:
        """Every effect, as it began."""
        return [one for one in self.seen if one.kind == "begin"]


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


def judge(sight: Sight, journal: Journal, ttl_s: float) -> Findings:
    """Hold one scenario to every promise. `ttl_s`: how long a lease lasts."""
    incidents = {stream: fold(record.entry for record in journal.read(stream)) for stream in journal.incidents()}
    findings = Findings(len(sight.begun), duplicates(sight.seen, sight.plans), len(incidents))
    findings.results.update(str(incident.result or incident.phase) for incident in incidents.values())
    findings.broken += findings.duplicates
    findings.broken += unfinished(incidents, sight.seen)
    findings.broken += without_intent(incidents, sight.begun)
    findings.broken += outside_a_lease(sight)
    findings.broken += while_blind(sight)
    closed = {stream for stream, incident in incidents.items() if incident.phase is Phase.CLOSED}
    for takeover in takeovers(sight.faults, sight.terms, sight.acquired, closed, ttl_s):
        times = findings.handovers_s if takeover.is_policy else findings.takeovers_s
        times.append(takeover.seconds)
        if takeover.seconds > ttl_s + TAKEOVER_SLACK_S:
            findings.broken.append(str(takeover))
    return findings


def duplicates(seen: Iterable[Seen], plans: Mapping[str, Plan]) -> list[str]:
    """Name each attempt whose key took effect twice, and each unsafe step that did so in one breakdown of its system.

    A breakdown is counted by the witness alone, so that agents that know nothing of each other cannot hide it behind
    two incidents. Two actions at work on one target at once count too, whatever they are.
    """
    keys: Counter[str] = Counter()
    in_breakdown: Counter[str] = Counter()
    at_work: dict[str, Seen] = {}
    found = []
    for one in seen:
        if one.kind == "fault":
            in_breakdown[one.policy] = 0
        elif one.kind == "end":
            at_work.pop(one.policy, None)
        else:
            keys[one.key] += 1
            in_breakdown[one.policy] += 1
            if keys[one.key] > 1:
                found.append(f"{one.policy}: attempt {one.key} took effect {keys[one.key]} times")
            elif plans[one.policy].unsafe and in_breakdown[one.policy] > 1:
                found.append(f"{one.policy}: its unsafe step took effect {in_breakdown[one.policy]} times ({one.key})")
            elif one.policy in at_work and one.at - at_work[one.policy].at < plans[one.policy].takes_s:
                found.append(f"{one.policy}: {one.key} began while {at_work[one.policy].key} was at work")
            at_work[one.policy] = one
    return found


def unfinished(incidents: Mapping[str, Incident], seen: Iterable[Seen]) -> Iterator[str]:
    """Every breakdown has its incident, and every incident is closed, or with people."""
    policies = {incident.policy for incident in incidents.values()}
    for one in seen:
        if one.kind == "fault" and one.policy not in policies:
            yield f"{one.policy}: broke down, and there is no incident"
    for stream, incident in incidents.items():
        if incident.phase not in (Phase.CLOSED, Phase.ESCALATED):
            yield f"{incident.policy}: incident {stream} is left in phase {incident.phase}"


def without_intent(incidents: Mapping[str, Incident], begun: Iterable[Seen]) -> Iterator[str]:
    """Nothing takes effect without a durable intent, written before."""
    intended = {a.key: a.intended_at for incident in incidents.values() for a in incident.every_attempt()}
    for one in begun:
        if one.key not in intended:
            yield f"{one.policy}: {one.key} took effect and no intent is on record"
        elif intended[one.key] > one.at:
            yield f"{one.policy}: {one.key} took effect before its intent"


def outside_a_lease(sight: Sight) -> Iterator[str]:
    """The process of every effect began while its agent's lease ran and nobody else had taken over.

    A machine that freezes whole after that has the effect when it thaws: then it counts that there is only one.
    """
    for one in sight.begun:
        began_at = one.alive_since or one.at
        agent = sight.machine_of[one.folder]
        terms = [term for term in sight.terms if term.stream == one.incident]
        own = [term for term in terms if term.pid in sight.processes[agent]]
        valid = [term for term in own if term.seen_from - SIGHT_SLACK_S <= began_at <= term.expires_at]
        newest = max((term.fence for term in valid), default=0)
        if not valid:
            late = ", ".join(f"{began_at - term.expires_at:+.3f} s" for term in own) or "it had none"
            yield f"{one.policy}: {agent} began {one.key} outside its lease (after its end: {late})"
        elif any(term.fence > newest and term not in own and term.seen_from <= began_at for term in terms):
            yield f"{one.policy}: {agent} began {one.key} after another agent had taken over"


def while_blind(sight: Sight) -> Iterator[str]:
    """Nothing begins on an agent that has not seen the telemetry for as long as a sample is good."""
    for one in sight.begun:
        for fault in sight.faults:
            since = fault.at + SIGNAL_AGE_MAX_S + BLIND_SLACK_S
            if fault.blinds and sight.machine_of[one.folder] == fault.agent and since <= one.at <= fault.ended_at:
                yield f"{one.policy}: {fault.agent} began {one.key} {one.at - fault.at:.1f} s into its blindness"
