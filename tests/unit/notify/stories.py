"""Journals with incidents that people must be told of."""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.model import entries as e
from homeostat.model.ports import Batch
from homeostat.model.reasons import EscalationReason
from homeostat.notify.due import Due, due
from homeostat.notify.facts import TYPES, Facts, Task
from homeostat.notify.routing import Chain, ChainStep, Routing
from homeostat.record.memory import MemoryJournal

CHAIN = Chain("oncall", (ChainStep(("pager",), 300.0), ChainStep(("chat", "mail"), 600.0)), repeat_max=1)
ROUTING = Routing(frozenset({"pager", "chat", "mail"}), {"oncall": CHAIN}, gather_s=5.0, per_minute_max=6)


def suspected(incident: str, at: float) -> list[e.Entry]:
    return [
        e.Suspected(at=at, incident=incident, policy="shop", policy_hash="h", dedup_key=incident, seed=1),
        e.Confirmed(at=at),
    ]


def escalated(at: float, to: str = "oncall", severity: str = "critical") -> e.Escalated:
    return e.Escalated(at=at, reason=EscalationReason.PLAN_FAILED, to=to, severity=severity)


def asked(at: float, node: str = "restore", expires_at: float = 10_000.0) -> e.ApprovalRequested:
    return e.ApprovalRequested(
        at=at,
        node=node,
        approvers=("oncall", "dba"),
        requester="agent",
        expires_at=expires_at,
        action="restore",
        target="db",
    )


def sent(ids: Sequence[str], channel: str, at: float, topic: str = "escalated", conversation: str = "") -> e.Entry:
    return e.NotificationSent(
        at=at, messages=tuple(ids), channel=channel, topic=topic, sent_at=at, conversation=conversation
    )


def failed(ids: Sequence[str], channel: str, at: float) -> e.Entry:
    return e.NotificationFailed(
        at=at, messages=tuple(ids), channel=channel, topic="escalated", failed_at=at, attempts=5, error="gone"
    )


def write(journal: MemoryJournal, stream: str, *entries: e.Entry) -> None:
    journal.append([Batch(stream, None, list(entries))])


def facts_of(journal: MemoryJournal) -> Facts:
    facts = Facts()
    for record in journal.after(0, TYPES):
        facts.take(record, lambda _policy, _hash, node: Task("oncall", f"do {node}"))
    return facts


def due_now(journal: MemoryJournal, now: float, routing: Routing = ROUTING) -> list[Due]:
    return due(facts_of(journal), routing, now)


def told(journal: MemoryJournal, now: float, routing: Routing = ROUTING) -> list[tuple[str, str]]:
    return [(one.id, one.channel) for one in due_now(journal, now, routing)]
