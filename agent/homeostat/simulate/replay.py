"""A recorded incident through the same `step` that runs live.

The recording's snapshots are the ticks. As long as the policy does what was done then, the recorded outcomes and
signals are facts. Once it would do anything else, or omit what was done, the rest of the recording shows another
world: the answer is UNKNOWN from there on, and says what the policy would have done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from msgspec import structs

from homeostat.decide.identity import dormant_incident
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done, InDoubt, Report, Running, StartAction, Step
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Policy
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Phase, Reason, Result
from homeostat.model.signals import Snapshot
from homeostat.model.track_record import TrackRecord
from homeostat.parallel import IN_PROCESS, Workers
from homeostat.record.recording import Recording

SHIFT_MAX_S = 120.0
"""An action may start this much earlier than it was recorded and still be believed to end as recorded."""


class Verdict(StrEnum):
    """What a replay can say."""

    RECOVERED = "RECOVERED"
    ESCALATED = "ESCALATED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Start:
    """An action the policy would start, `after_s` seconds after the incident's first entry."""

    after_s: float
    action: str
    target: str
    recorded: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy would have done in one recorded incident.

    Attributes:
        duration_s: until it was over or handed to people; None when unknown.
        shift_s: how much earlier than recorded actions were believed to start; 0: exactly as recorded.
        why: in words, for ESCALATED and UNKNOWN.
    """

    incident: str
    verdict: Verdict
    starts: tuple[Start, ...]
    duration_s: float | None
    shift_s: float
    why: str
    entries: tuple[e.Entry, ...]


class _Recorded:
    """One recorded attempt: what was started when, and how it went."""

    def __init__(self, intent: e.ActionIntended, entries: Sequence[e.Entry]) -> None:
        self.intent = intent
        self.reports: list[tuple[float, Report]] = []
        for entry in entries:
            match entry:
                case e.ActionStarted(key=intent.key):
                    self.reports.append((entry.at, Running(entry.handle)))
                case e.ActionEnded(key=intent.key):
                    self.reports.append((entry.at, _done(entry)))
                case e.ActionInDoubt(key=intent.key):
                    self.reports.append((entry.at, InDoubt(entry.detail)))

    def report(self, recorded_at: float) -> Report | None:
        """What the actuator said at that time of the recording."""
        said = [report for at, report in self.reports if at <= recorded_at]
        return said[-1] if said else None

    def is_same(self, command: StartAction) -> bool:
        """Whether a command would do exactly this."""
        intent = self.intent
        same_arguments = dict(command.arguments) == dict(intent.arguments)
        return command.action.name == intent.action and command.target == intent.target and same_arguments


def _said(recorded: Sequence[e.Entry]) -> tuple[list[Answer], dict[str, frozenset[str]]]:
    """The answers that counted then, and who was heard as whom."""
    asked: dict[str, tuple[str, ...]] = {}
    answers: list[Answer] = []
    people: dict[str, set[str]] = {}
    for entry in recorded:
        match entry:
            case e.ApprovalRequested():
                asked[entry.node] = entry.approvers
            case e.ApprovalGranted() | e.ApprovalDenied():
                kind = AnswerKind.APPROVE if isinstance(entry, e.ApprovalGranted) else AnswerKind.DENY
                answers.append(Answer(entry.answer, kind, entry.by, entry.at, node=entry.node))
                for approver in asked.get(entry.node, ()):
                    people.setdefault(approver, set()).add(entry.by)
            case e.StepRequested():
                answers.append(Answer(entry.answer, AnswerKind.REQUEST, entry.by, entry.at, node=entry.node))
            case e.TakenOver():  # from then on the signals tell of a person's work
                answers.append(Answer(entry.answer, AnswerKind.TAKE_OVER, entry.by, entry.at))
    return answers, {approver: frozenset(names) for approver, names in people.items()}


def _earned(policy: Policy, original: e.Suspected | None) -> dict[tuple[str, str], TrackRecord]:
    """How far the steps had come by then; one that does something else now begins anew."""
    levels = {} if original is None else original.earned
    steps = {leaf.earning.step: leaf.id for leaf in policy.leaves.values() if leaf.earning is not None}
    return {
        (policy.name, step): TrackRecord(policy.name, steps[step], n) for step, n in levels.items() if step in steps
    }


def _done(entry: e.ActionEnded) -> Done:
    return Done(entry.status, entry.duration_s, entry.exit_code, detail=entry.detail)


def replay(policy: Policy, recorded: Sequence[e.Entry], ranking: Ranking | None = None) -> Replay:
    """Replay one incident's entries against a policy.

    Args:
        policy: any version of any policy; signals it reads that were not recorded are unknown to it.
        recorded: the incident's whole stream, from `incident.suspected` on.
        ranking: the ranking to decide with; None for the written order.
    """
    return _Replayer(policy, recorded, ranking).run()


def replay_all(
    policy: Policy, recordings: Sequence[Recording], *, with_rankings: bool, workers: Workers = IN_PROCESS
) -> Iterator[Replay]:
    """Replay recordings in order, each with the ranking of its day or all with the written order."""
    tasks = [(f"{policy.name}: {recording.file or recording.incident}", recording) for recording in recordings]
    return workers.run(partial(_replay_one, policy, with_rankings), tasks)


def _replay_one(policy: Policy, with_rankings: bool, recording: Recording) -> Replay:  # noqa: FBT001 - bound by `partial`
    return replay(policy, recording.entries, recording.ranking if with_rankings else None)


class _Replayer:
    def __init__(self, policy: Policy, recorded: Sequence[e.Entry], ranking: Ranking | None) -> None:
        self.policy = policy
        self.ranking = ranking
        self.original = next((entry for entry in recorded if isinstance(entry, e.Suspected)), None)
        self.ticks = [entry for entry in recorded if isinstance(entry, e.Observed)]
        self.attempts = [_Recorded(entry, recorded) for entry in recorded if isinstance(entry, e.ActionIntended)]
        self.answers, self.people = _said(recorded)
        self.matched: dict[str, _Recorded] = {}
        self.starts: list[Start] = []
        self.entries: list[e.Entry] = []
        self.ledger = Ledger(track_records=_earned(policy, self.original))
        self.shift_s = 0.0

    def run(self) -> Replay:
        if self.original is None or not self.ticks:
            return self._unknown("the recording holds no snapshots")
        dormant = dormant_incident(self.policy, self.ticks[0].at, self.original.seed)
        incident = replace(dormant, seed=self.original.seed)  # so that what was drawn then is drawn again
        cursor = 0
        while cursor < len(self.ticks):
            tick = self.ticks[cursor]
            omitted = self._next_recorded()
            if omitted is not None and omitted.intent.at < tick.at:
                return self._unknown(f"would not have started {self._say(omitted)}, and the recording goes on with it")
            decided = self._step(incident, tick)
            incident, self.ledger = decided.incident, decided.ledger
            self.entries += decided.entries
            for command in decided.commands:
                if isinstance(command, StartAction) and command.key not in self.matched:
                    if not self._match(command, tick.at):
                        return self._unknown(
                            f"would start {command.action.name}, of which this recording says nothing here"
                        )
                    cursor = self._tick_of(self.matched[command.key], cursor)
            if incident.phase in (Phase.CLOSED, Phase.ESCALATED):
                return self._ended(incident, tick.at)
            cursor += 1
        if incident.phase is Phase.DORMANT:
            return self._unknown("its trigger is never true in this recording")
        return self._unknown(f"the recording ends while the incident is {incident.phase}")

    def _step(self, incident: Incident, tick: e.Observed) -> Step:
        reports = {key: recorded.report(tick.at) for key, recorded in self.matched.items()}
        moment = Moment(
            now=tick.at - self.shift_s,
            snapshot=_shifted(tick.snapshot, self.shift_s),
            ledger=self.ledger,
            ranking=self.ranking,
            reports={key: report for key, report in reports.items() if report is not None},
            answers=self._answers(incident, tick.at),
            people=self.people,
        )
        return step(self.policy, incident, moment)

    def _answers(self, incident: Incident, recorded_at: float) -> list[Answer]:
        """What people had said by that time of the recording, and is not taken in yet."""
        due = [answer for answer in self.answers if answer.at <= recorded_at]
        self.answers = [answer for answer in self.answers if answer.at > recorded_at]
        return [replace(answer, incident=incident.id, at=answer.at - self.shift_s) for answer in due]

    def _next_recorded(self) -> _Recorded | None:
        return self.attempts[len(self.matched)] if len(self.matched) < len(self.attempts) else None

    def _match(self, command: StartAction, at: float) -> bool:
        """Match a start with the next recorded one, if it is the same action at about the same time."""
        recorded = self._next_recorded()
        early_s = recorded.intent.at - at if recorded else 0.0
        matches = recorded is not None and recorded.is_same(command) and early_s <= SHIFT_MAX_S
        after_s = at - self.shift_s - self.ticks[0].at
        self.starts.append(Start(after_s, command.action.name, command.target, matches))
        if recorded is None or not matches:
            return False
        self.matched[command.key] = recorded
        self.shift_s += early_s
        return True

    def _tick_of(self, recorded: _Recorded, cursor: int) -> int:
        """The tick at which a matched action was started; the ones before it belong to a wait that did not happen."""
        while cursor + 1 < len(self.ticks) and self.ticks[cursor + 1].at <= recorded.intent.at:
            cursor += 1
        return cursor

    def _say(self, recorded: _Recorded) -> str:
        return f"{recorded.intent.action} at +{recorded.intent.at - self.ticks[0].at:g} s"

    def _ended(self, incident: Incident, recorded_at: float) -> Replay:
        duration_s = recorded_at - self.shift_s - self.ticks[0].at
        if incident.phase is Phase.ESCALATED or incident.result is Result.ESCALATED:
            return self._answer(Verdict.ESCALATED, duration_s, str(incident.escalation))
        if any(isinstance(entry, e.Dismissed) and entry.reason is Reason.TELEMETRY_BLIND for entry in self.entries):
            return self._unknown("the trigger's data were missing, so nobody can say how it went on")
        if incident.result is Result.DISMISSED and self.attempts:
            return self._unknown("would not have confirmed the incident, and the recording goes on with actions")
        return self._answer(Verdict.RECOVERED, duration_s, str(incident.result))

    def _unknown(self, why: str) -> Replay:
        return self._answer(Verdict.UNKNOWN, None, why)

    def _answer(self, verdict: Verdict, duration_s: float | None, why: str) -> Replay:
        name = self.original.incident if self.original else ""
        return Replay(name, verdict, tuple(self.starts), duration_s, self.shift_s, why, tuple(self.entries))


def _shifted(snapshot: Snapshot, shift_s: float) -> Snapshot:
    """The same readings, taken `shift_s` earlier."""
    if not shift_s:
        return snapshot
    readings = {
        name: reading
        if reading.sampled_at is None
        else structs.replace(reading, sampled_at=reading.sampled_at - shift_s)
        for name, reading in snapshot.readings.items()
    }
    return structs.replace(snapshot, at=snapshot.at - shift_s, readings=readings)
