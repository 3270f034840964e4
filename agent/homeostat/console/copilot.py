"""An incident's plan as a checklist for two: one carries a step out, another reads it and finds it done as written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from homeostat.app.access import Role
from homeostat.app.clock import SystemClock
from homeostat.app.explain import explain
from homeostat.app.people import Pending, cross_check
from homeostat.app.settings import Settings
from homeostat.console.acts import Refused, Said, became, require
from homeostat.console.identity import Caller
from homeostat.console.views import IncidentRow, entries_of, incident_read, incident_row, waiting
from homeostat.decide.cross_checks import executor_of, to_cross_check
from homeostat.drawing.labels import details_of, kind_of
from homeostat.drawing.states import NodeState, node_states, refusals
from homeostat.model.answers import same_person
from homeostat.model.errors import UsageError
from homeostat.model.incident import Incident
from homeostat.model.policy import Do, Node, Policy, children_of
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_journalled
from homeostat.record.inbox import TEXT_MAX


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One node of the plan.

    Attributes:
        depth: how deep it stands in the plan, 0 for its steps.
        kind: of node, in words. does: what is to be done, line by line.
        is_step: whether it is carried out; the others only say in which order.
        status: see `drawing.states.NodeStatus`. why: what has come of it.
        executor: who carried it out, None where nobody has.
        checked_by: who has read it and found it done as written; None where nobody has.
        to_check: key of the attempt that can be read now; None where there is none.
        asked: what waits for people there.
    """

    id: str
    depth: int
    kind: str
    does: tuple[str, ...]
    is_step: bool
    status: str
    why: str
    executor: str | None
    checked_by: str | None
    to_check: str | None
    asked: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class Checklist:
    """The checklist of one incident. `plan` is the hash of the policy version it is decided by."""

    position: int
    row: IncidentRow
    plan: str
    items: list[ChecklistItem]


def checklist(settings: Settings, incident: str) -> Checklist:
    """See `Checklist`. Raises UsageError: there is no such incident. JournalError."""
    with incident_read(settings, incident) as (journal, position, entries, state):
        history = entries_of(journal, policy_stream(state.policy))
    policy = load_journalled(history, state.policy_hash)
    states = node_states(policy, state, refusals(entries))
    asked: dict[str, list[Pending]] = {}
    for found in waiting(settings):
        if found.incident == incident:
            asked.setdefault(found.node, []).append(found)
    items = list(_items(policy, state, states, asked, is_open=state.closed_at is None))
    return Checklist(position, incident_row(state, explain(entries)), state.policy_hash, items)


def _items(
    policy: Policy,
    incident: Incident,
    states: Mapping[str, NodeState],
    asked: Mapping[str, list[Pending]],
    *,
    is_open: bool,
) -> Iterator[ChecklistItem]:
    pending: list[tuple[int, Node]] = [(0, child) for child in reversed(children_of(policy.root))]
    while pending:
        depth, node = pending.pop()
        pending += [(depth + 1, child) for child in reversed(children_of(node))]
        attempts = incident.attempts.get(node.id, ())
        last = attempts[-1] if attempts else None
        carried_out = last is not None and last.ended_at is not None
        open_attempt = to_cross_check(incident, node.id) if is_open else None
        yield ChecklistItem(
            node.id,
            depth,
            kind_of(node),
            tuple(details_of(node)),
            isinstance(node, Do),
            states[node.id].status.value,
            states[node.id].why,
            executor_of(incident, last) if last is not None and carried_out else None,
            incident.cross_checks.get(last.key) if last is not None else None,
            open_attempt.key if open_attempt is not None and executor_of(incident, open_attempt) is not None else None,
            tuple(asked.get(node.id, ())),
        )


def check(settings: Settings, caller: Caller, incident: str, step: str, key: str, plan: str, note: str) -> Said:
    """Say that a step was read and found done as written, by somebody else than who carried it out.

    Args:
        settings: of the workspace.
        caller: who says it.
        incident: its id.
        step: the step's id.
        key: of the attempt that they have seen.
        plan: the hash of the policy version that they have seen.
        note: why; it goes into the journal.

    Raises:
        Refused: it does not count, and why. JournalError, UsageError: it could not be said.
    """
    require(caller, Role.OPERATOR)
    if len(note) > TEXT_MAX:
        raise Refused(422, f"a note has at most {TEXT_MAX} characters")
    try:
        page = checklist(settings, incident)
    except UsageError as error:
        raise Refused(404, str(error)) from error
    item = next((one for one in page.items if one.id == step and one.is_step), None)
    if item is None:
        raise Refused(404, f"the plan has no step '{step}'")
    if page.plan != plan:
        raise Refused(409, "the plan has changed since you looked at it")
    if item.executor is not None and same_person(caller.name, item.executor):
        raise Refused(409, "you carried this step out; somebody else must read it")
    if item.to_check is None or item.to_check != key:
        raise Refused(409, f"'{step}' is not to be read now, or not as you have seen it; look again")
    clock = SystemClock()
    try:
        said = cross_check(settings, clock, caller.name, incident, step, key, plan, note)
    except UsageError as error:
        raise Refused(422, str(error)) from error
    return became(settings, clock, said)
