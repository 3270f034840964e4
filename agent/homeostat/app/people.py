"""What waits for people, and how what they say gets to the agent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from homeostat.act.context import ActuatorContext
from homeostat.act.manual import ManualActuator, told
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read, put_answer, put_outcome
from homeostat.app.why_nothing import paused_now
from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.projection import fold
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done
from homeostat.model.errors import UsageError
from homeostat.model.incident import Attempt, Incident
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import MANUAL
from homeostat.model.ports import Clock, Journal
from homeostat.model.reasons import OutcomeStatus, Reason
from homeostat.model.streams import AGENT_STREAM, POLICY_STREAMS, policy_stream
from homeostat.policy.load import load_journalled, load_policies
from homeostat.record.inbox import check_name

LOOK_INTERVAL_S = 0.2

WHY_REFUSED: Mapping[str, str] = {
    "not_an_approver": "{by} is not among those who are asked; `homeostat pending` says who is, --as says who you are",
    "is_the_requester": "{by} asked for this start; somebody else must agree",
    "is_the_executor": "{by} carried this step out; somebody else must read it",
    "already_decided": "it was decided before; `homeostat explain INCIDENT` says by whom",
    "nothing_asked": "nothing is being asked there any more",
    "no_such_incident": "the incident is over",
    "other_plan": "the plan has changed since you looked at it",
    "too_late": "the question had expired, and silence is a no",
}
"""What a refusal of an answer means for who gets it, by its reason."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One thing that waits for people.

    Attributes:
        kind: `approval`, `request` (a suggested step), `manual`, or `pause` (a kill switch that somebody must lift).
        incident, node: what it is about; for a pause no incident, and the policy or "all".
        who: who may answer. until: Unix seconds, None where there is no end.
    """

    incident: str
    node: str
    kind: str
    who: str
    what: str
    until: float | None


def pending(settings: Settings) -> list[Pending]:
    """Everything that waits for people now, oldest incident first.

    Raises:
        UsageError: there is no journal. JournalError: it cannot be read.
    """
    with journal_to_read(settings) as journal:
        paused = paused_now(_entries(journal, AGENT_STREAM))
        found = [_pause(pause) for pause in paused]
        unreported = board(settings)
        for incident, entries in _open_incidents(journal):
            found += pending_in(journal, incident, entries, unreported)
        return found


def board(settings: Settings) -> Set[str] | None:
    """Keys of the manual steps that nobody has reported yet; None where many hosts share the store: only it knows."""
    if settings.store.url is not None:
        return None
    return frozenset(task["key"] for task in ManualActuator(ActuatorContext(settings.state, {})).waiting())


def pending_in(
    journal: Journal, incident: Incident, entries: Sequence[e.Entry], unreported: Set[str] | None
) -> list[Pending]:
    """What waits for people in one open incident; of manual steps those that the `board` has.

    Raises:
        JournalError: its policy cannot be read.
    """
    if unreported is None:
        unreported = {attempt.key for attempt in _manual_attempts(incident)}
    return list(_pending_in(journal, incident, entries, unreported))


def _pause(pause: e.Paused) -> Pending:
    note = f" ({pause.note})" if pause.note else ""
    return Pending(
        "", pause.policy or "all", "pause", pause.by, f"nothing is started until `homeostat resume`{note}", None
    )


def _open_incidents(journal: Journal) -> list[tuple[Incident, Sequence[e.Entry]]]:
    """Every open incident with its entries."""
    streams = [_entries(journal, stream) for stream in journal.open_incidents()]
    return [(fold(entries), entries) for entries in streams]


def _manual_attempts(incident: Incident) -> list[Attempt]:
    """The steps that people are at."""
    return [attempt for attempt in incident.open_attempts() if attempt.in_flight and attempt.action == MANUAL]


def _pending_in(
    journal: Journal, incident: Incident, entries: Sequence[e.Entry], board: Set[str] = frozenset()
) -> Iterator[Pending]:
    """What waits in one incident; of manual steps those that are still on the `board`."""
    asked = {entry.node: entry for entry in entries if isinstance(entry, e.ApprovalRequested)}
    is_decided = incident.phase in ACTIVE  # once people have it, no yes starts anything
    for node, question in incident.questions.items() if is_decided else ():
        if question.granted is None:
            notes = [entry.note for entry in entries if isinstance(entry, e.StepRequested) and entry.node == node]
            why = f": {notes[-1]}" if notes and notes[-1] else ""
            also = f"; {asked[node].detail}" if asked[node].detail else ""
            what = f"{asked[node].action} on {asked[node].target}, wanted by {question.requester}{why}{also}"
            yield Pending(incident.id, node, "approval", ", ".join(question.approvers), what, question.expires_at)
    for node, withheld in incident.withheld.items() if is_decided else ():
        if withheld.reason is Reason.MODE_SUGGEST and node not in incident.requests:
            told = [entry.detail for entry in entries if isinstance(entry, e.DecisionWithheld) and entry.node == node]
            yield Pending(incident.id, node, "request", "anybody", told[-1], None)
    for attempt in _manual_attempts(incident):
        if attempt.key in board:
            yield _manual(journal, incident, attempt)


def _manual(journal: Journal, incident: Incident, attempt: Attempt) -> Pending:
    history = [record.entry for record in journal.read(policy_stream(incident.policy))]
    parameters = load_journalled(history, incident.policy_hash).leaf(attempt.node).action.parameters
    check = f" (check: {parameters['check']})" if parameters["check"] else ""
    what = f"{parameters['instructions']}{check}"
    return Pending(incident.id, attempt.node, "manual", str(parameters["owner"]), what, attempt.deadline_at)


def _find_incident(journal: Journal, beginning: str) -> tuple[Incident, Sequence[e.Entry]]:
    """Find an open incident by the beginning of its id. Raises UsageError."""
    still_open = _open_incidents(journal)
    found = [one for one in still_open if beginning and one[0].id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(incident.id for incident, _ in still_open) or "none"
    many = f"'{beginning}' begins {len(found)} open incidents" if found else f"no open incident '{beginning}'"
    raise UsageError(f"{many}; open: {known}")


def say(
    settings: Settings,
    clock: Clock,
    kind: AnswerKind,
    by: str,
    beginning: str,
    node: str,
    note: str,
    answer_id: str | None = None,
) -> Answer:
    """Put an answer about a step into the inbox; it names the policy version that is being answered for.

    `answer_id`: where the same answer may come twice; None draws one.

    Raises:
        UsageError: there is no such incident, or nothing waits there.
    """
    wanted = "request" if kind is AnswerKind.REQUEST else "approval"
    with journal_to_read(settings) as journal:
        incident, entries = _find_incident(journal, beginning)
        waiting = [found.node for found in _pending_in(journal, incident, entries) if found.kind == wanted]
    if node not in waiting:
        hint = did_you_mean(node, waiting) or f"; waiting there: {', '.join(waiting) or 'nothing'}"
        raise UsageError(f"no {wanted} waits at '{node}' of incident {incident.id}{hint}")
    identity = answer_id or secrets.token_hex(8)
    answer = Answer(identity, kind, by, clock.now(), incident.id, node, note=note, plan=incident.policy_hash)
    put_answer(settings, answer)
    return answer


def say_of_incident(
    settings: Settings, clock: Clock, kind: AnswerKind, by: str, beginning: str, note: str, answer_id: str | None = None
) -> Answer:
    """Put into the inbox what somebody says of an open incident as a whole: that they are on it, or have taken it over.

    `answer_id`: as for `say`.

    Raises:
        UsageError: there is no such incident, or it says what no answer may. JournalError: it cannot be written.
    """
    with journal_to_read(settings) as journal:
        incident, _ = _find_incident(journal, beginning)
    answer = Answer(answer_id or secrets.token_hex(8), kind, by, clock.now(), incident.id, note=note)
    put_answer(settings, answer)
    return answer


def cross_check(
    settings: Settings, clock: Clock, by: str, incident: str, node: str, key: str, plan: str, note: str
) -> Answer:
    """Put into the inbox that somebody has read a step and found it done as written; the agent judges it.

    Args:
        settings: of the workspace.
        clock: tells when.
        by: who has read it.
        incident: its whole id.
        node: the step.
        note: what they looked at; it goes into the journal.
        key: of the attempt that they looked at.
        plan: the hash of the policy version that they looked at.

    Raises:
        UsageError: it says what no answer may. JournalError: it cannot be written.
    """
    kind = AnswerKind.CROSS_CHECK
    answer = Answer(secrets.token_hex(8), kind, by, clock.now(), incident, node, note=note, plan=plan, key=key)
    put_answer(settings, answer)
    return answer


def switch(settings: Settings, clock: Clock, kind: AnswerKind, by: str, policy: str | None, note: str) -> Answer:
    """Put a pause or its end into the inbox; it holds from the agent's next turn on, also one that starts later.

    Raises:
        UsageError: there is no such policy; a pause of nothing would look like one that holds.
    """
    if policy is not None:
        _known_policy(settings, policy)
    answer = Answer(secrets.token_hex(8), kind, by, clock.now(), policy=policy, note=note)
    put_answer(settings, answer)
    return answer


def _known_policy(settings: Settings, policy: str) -> None:
    policies, _ = load_policies(settings.policies, settings.agent.environment)
    known = set(policies)
    if has_journal(settings):
        with journal_to_read(settings) as journal:
            known |= {stream.removeprefix(POLICY_STREAMS) for stream in journal.streams(POLICY_STREAMS)}
    if policy not in known:
        hint = did_you_mean(policy, known) or f"; known: {', '.join(sorted(known)) or 'none'}"
        raise UsageError(f"no policy '{policy}'{hint}")


def report_manual(
    settings: Settings, clock: Clock, beginning: str, node: str, status: OutcomeStatus, by: str, note: str
) -> str:
    """Report a manual step as done or not done; give the attempt's key.

    Raises:
        UsageError: no such step waits, or `by` is no name. ActuatorError: the report cannot be written.
    """
    check_name(by)
    now = clock.now()
    with journal_to_read(settings) as journal:
        incident, _ = _find_incident(journal, beginning)
    waiting = {attempt.node: attempt for attempt in _manual_attempts(incident)}
    if node not in waiting:
        hint = did_you_mean(node, waiting) or f"; waiting there: {', '.join(waiting) or 'nothing'}"
        raise UsageError(f"no manual step '{node}' waits in incident {incident.id}{hint}")
    key = waiting[node].key
    done = Done(status, max(0.0, now - waiting[node].intended_at), detail=told(status, by, note), by=by)
    if put_outcome(settings, incident.id, key, done):
        return key
    board = ManualActuator(ActuatorContext(settings.state, {}))
    if not board.report(key, status, by, note):
        raise UsageError(f"'{node}' was reported or taken back already")
    return key


def outcome_of(settings: Settings, clock: Clock, answer: Answer, wait_s: float) -> e.Entry | None:
    """Wait until the journal says what became of an answer; None if it does not within `wait_s`."""
    until = clock.now() + wait_s
    while True:
        if has_journal(settings):
            with journal_to_read(settings) as journal:
                found = _about(answer, [*_entries(journal, AGENT_STREAM), *_entries(journal, answer.incident)])
            if found is not None:
                return found
        if not clock.now() < until or clock.wait(LOOK_INTERVAL_S):
            return None


def _entries(journal: Journal, stream: str | None) -> Sequence[e.Entry]:
    return [record.entry for record in journal.read(stream)] if stream else []


def _about(answer: Answer, entries: Sequence[e.Entry]) -> e.Entry | None:
    return next((entry for entry in reversed(entries) if getattr(entry, "answer", None) == answer.id), None)
