"""Write incident streams by hand, as the agent would have journalled them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from homeostat.model import entries as e
from homeostat.model.policy import ActionSpec, Choose, Do, Effect, Escalate, Node, Policy, Retry, Steps, Verify, Window
from homeostat.model.ports import Batch, Record
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result
from homeostat.model.signals import Condition, SignalSpec, SignalType, Truth, Value
from homeostat.record.memory import MemoryJournal

START = 1_700_000_000.0


def _errors(text: str, holds: Callable[[float], bool]) -> Condition:
    def evaluate(values: Mapping[str, Value]) -> Truth:
        value = values["errors"]
        return None if value is None else holds(float(value))

    return Condition(text, ("errors",), evaluate)


HIGH = _errors("errors > 5", lambda value: value > 5)
LOW = _errors("errors < 1", lambda value: value < 1)

EFFECTIVE, INEFFECTIVE = AttemptVerdict.EFFECTIVE, AttemptVerdict.INEFFECTIVE
NO_RETRY = Retry()


def do(
    name: str, *, takes_s: float = 30.0, retry: Retry = NO_RETRY, action: str | None = None, verify: bool = True
) -> Do:
    spec = ActionSpec(action or name, "fake", {}, takes_s=takes_s)
    window = Verify(LOW, for_s=30.0, within_s=90.0) if verify else None
    return Do(name, spec, f"svc/{name}", {}, Effect.SAFE, 300.0, window, retry)


def policy_of(*children: Node, signals: Sequence[str] = ("errors",), texts: Sequence[str] = ()) -> Policy:
    specs = {name: SignalSpec(name, name, max_age_s=30.0) for name in signals}
    specs |= {name: SignalSpec(name, name, 30.0, SignalType.TEXT, "label") for name in texts}
    return Policy(
        name="p",
        owner="team",
        hash="hash",
        signals=specs,
        trigger=Window(HIGH, for_s=10.0),
        resolved=Window(LOW, for_s=20.0),
        escalate=Escalate("people", "oncall"),
        root=Steps("plan", children),
        timeout_s=10_000.0,
        attempts_max=50,
    )


def remedy(*names: str) -> Choose:
    return Choose("remedy", tuple(do(name) for name in names))


@dataclass
class Stream:
    """One incident's entries, with a clock of its own."""

    id: str
    at: float = START
    policy: str = "p"
    entries: list[e.Entry] = field(default_factory=list)
    failed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        suspected = e.Suspected(
            at=self.at, incident=self.id, policy=self.policy, policy_hash="hash", dedup_key=self.policy, seed=1
        )
        self.entries.append(suspected)

    def confirm(self, after_s: float = 10.0) -> Stream:
        self.at += after_s
        self.entries.append(e.Confirmed(at=self.at))
        return self

    def choose(
        self,
        chosen: str | None,
        context: Mapping[str, Value] | None = None,
        *,
        node: str = "remedy",
        kind: str = "choose",
        eligible: Sequence[str] | None = None,
    ) -> Stream:
        names = eligible if eligible is not None else [chosen] if chosen else []
        options = tuple(e.Option(id=name, eligible=True, propensity=float(name == chosen)) for name in names)
        failed = self.failed.get(node, ())
        decided = e.Decided(
            at=self.at, node=node, kind=kind, chosen=chosen, options=options, context=context or {}, failed=failed
        )
        self.entries.append(decided)
        if chosen is not None:
            self.failed[node] = (*failed, chosen)
        return self

    def attempt(
        self,
        leaf: str,
        verdict: AttemptVerdict | None = EFFECTIVE,
        *,
        number: int = 1,
        runs_s: float = 5.0,
        verifies_s: float = 30.0,
        action: str | None = None,
    ) -> Stream:
        key = f"{self.id}/{leaf}/{number}"
        self.entries.append(
            e.ActionIntended(
                at=self.at,
                incident=self.id,
                key=key,
                node=leaf,
                action=action or leaf,
                target=f"svc/{leaf}",
                arguments={},
                effect=Effect.SAFE,
                number=number,
                deadline_at=self.at + 300.0,
            )
        )
        if verdict is None:
            return self
        self.at += runs_s
        self.entries.append(e.ActionEnded(at=self.at, key=key, status=OutcomeStatus.OK, duration_s=runs_s))
        self.at += verifies_s
        succeeded = verdict in (EFFECTIVE, AttemptVerdict.PRE_SATISFIED)
        self.entries.append(e.AttemptEnded(at=self.at, key=key, verdict=verdict, succeeded=succeeded))
        return self

    def escalate(self, reason: EscalationReason = EscalationReason.PLAN_FAILED) -> Stream:
        self.entries.append(e.Escalated(at=self.at, reason=reason, to="oncall", severity="critical"))
        return self

    def close(self, result: Result = Result.RECOVERED, after_s: float = 20.0) -> Stream:
        self.at += after_s
        if result in (Result.RECOVERED, Result.SELF_HEALED):
            self.entries.append(e.Recovered(at=self.at))
        self.entries.append(e.Closed(at=self.at, result=result))
        return self

    def records(self) -> list[Record]:
        return [Record(self.id, seq, entry, "", "") for seq, entry in enumerate(self.entries, start=1)]


def records_of(streams: Iterable[Stream]) -> list[Record]:
    return [record for stream in streams for record in stream.records()]


def journal_of(streams: Iterable[Stream]) -> MemoryJournal:
    journal = MemoryJournal()
    for stream in streams:
        journal.append([Batch(stream.id, 0, stream.entries)])
    return journal
