"""What a policy would have noticed in recorded telemetry, decided by the same `step` that runs live.

Nobody recorded what an action would have done. So an incident is followed up to its first decision, an action or a
question to people; from there on it is UNKNOWN. Its samples go on showing a world in which nothing was done: it is
taken for over when the trigger has been certainly false for as long as `resolved` must hold, so that the next incident
can be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homeostat.decide.identity import dormant_incident
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.model import entries as e
from homeostat.model.commands import StartAction, Step
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Policy
from homeostat.model.reasons import Phase
from homeostat.simulate.replay import Verdict
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.masks import look_gap_s_max, trigger_masks

SEED = 1
"""Origin of the ids of the incidents, and of what a policy would draw by lot."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One incident that was suspected. Times are Unix seconds.

    Attributes:
        confirmed_s: None: it was dismissed, people were called since it could not be confirmed, or the recording ends
            before.
        over_s: when it was dismissed, or the trigger had cleared; None: the recording ends before.
        verdict: None where it was not confirmed, or where the recording ends before anything was decided.
        decision: the action decided first, or the question asked first; None: none.
        decided_s: when, or when people were called.
        why: in words.
    """

    incident: str
    suspected_s: float
    confirmed_s: float | None
    over_s: float | None
    verdict: Verdict | None
    decision: str | None
    decided_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Detections:
    """All of one policy in one recording.

    Attributes:
        ticks: how many there were; `blind_ticks` of them with the trigger unknown.
        entries: everything that was decided, in order of time.
    """

    found: tuple[Detection, ...]
    ticks: int
    blind_ticks: int
    entries: tuple[e.Entry, ...]

    def confirmed(self) -> list[Detection]:
        """Those that were confirmed."""
        return [one for one in self.found if one.confirmed_s is not None]


def detect(policy: Policy, frame: Frame, *, every_tick: bool = False) -> Detections:
    """Step a policy through a frame.

    Args:
        policy: what watches.
        frame: with every signal the policy reads.
        every_tick: step also where the trigger is not certainly true while no incident is open. Nothing can open
            there, so that only the notes on blindness are passed over.
    """
    masks = trigger_masks(policy, frame)
    watching = _Watching(policy, frame, np.arange(len(frame)) if every_tick else np.flatnonzero(masks.true))
    found = tuple(watching.incidents())
    blind = int(np.count_nonzero(~(masks.true | masks.false)))
    return Detections(found, len(frame), blind, tuple(watching.entries))


class _Watching:
    def __init__(self, policy: Policy, frame: Frame, openings: NDArray[np.intp]) -> None:
        self.policy = policy
        self.frame = frame
        self.entries: list[e.Entry] = []
        self.tick = 0
        self.ledger = Ledger()
        self._clearing: tuple[float, float] | None = None  # since when the trigger is false, and when that was seen
        self._openings = openings  # the ticks at which a dormant policy is stepped, rising

    def incidents(self) -> Iterator[Detection]:
        while (tick := self._next_opening()) is not None:
            self.tick = tick
            opened = self._step(dormant_incident(self.policy, self.frame.at[tick], SEED))
            if opened.incident.phase is Phase.DORMANT:
                self.ledger = opened.ledger
                self.tick += 1
            else:
                self.ledger = replace(self.ledger, blind=opened.ledger.blind)  # and nothing that was not really done
                yield self._follow(opened)

    def _next_opening(self) -> int | None:
        place = int(np.searchsorted(self._openings, self.tick))
        return int(self._openings[place]) if place < len(self._openings) else None

    def _step(self, incident: Incident, ledger: Ledger | None = None) -> Step:
        snapshot = self.frame.snapshot(self.tick)
        moment = Moment(now=snapshot.at, snapshot=snapshot, ledger=self.ledger if ledger is None else ledger)
        decided = step(self.policy, incident, moment)
        self.entries += decided.policy_entries
        self.entries += decided.entries
        return decided

    def _follow(self, decided: Step) -> Detection:
        """Follow an incident from the step that opened it; leaves `tick` at the next one to look at."""
        found = Detection(
            decided.incident.id, self.frame.at[self.tick], None, None, None, None, None, "still suspected"
        )
        self._clearing = None
        while True:
            found = self._told(found, decided)
            now = self.frame.at[self.tick]
            if found.confirmed_s is None and decided.incident.phase is Phase.CLOSED:
                self.tick += 1
                return replace(found, over_s=now)
            ruled_s = found.decided_s if found.confirmed_s is None else found.confirmed_s
            if ruled_s is not None and now > ruled_s and self._has_cleared():
                self.tick += 1
                return replace(found, over_s=now)
            self.tick += 1
            if self.tick == len(self.frame):
                return found
            if found.verdict is None:
                decided = self._step(decided.incident, decided.ledger)

    def _told(self, found: Detection, decided: Step) -> Detection:
        """Take in what a step decided; an incident with a verdict is stepped no further."""
        if found.verdict is not None:
            return found
        now = self.frame.at[self.tick]
        for entry in decided.entries:
            match entry:
                case e.Confirmed():
                    found = replace(found, confirmed_s=now, why="the recording ends before anything was decided")
                case e.Dismissed():
                    found = replace(found, why=f"dismissed: {entry.reason}")
                case e.ApprovalRequested():
                    return _unknown(found, now, f"ask {', '.join(entry.approvers)} about {entry.action}")
                case e.Escalated():
                    return replace(found, verdict=Verdict.ESCALATED, decided_s=now, why=str(entry.reason))
        started = [command for command in decided.commands if isinstance(command, StartAction)]
        if started:
            return _unknown(found, now, f"start {', '.join(one.action.name for one in started)}")
        if found.confirmed_s is not None and decided.incident.phase is Phase.CLOSED:
            return replace(found, verdict=Verdict.RECOVERED, why=str(decided.incident.result))
        return found

    def _has_cleared(self) -> bool:
        """Whether the trigger has been certainly false for the window of `resolved`. To be asked at every tick."""
        now, values = self.frame.at[self.tick], self.frame.values(self.tick)
        if self.policy.trigger.condition.evaluate(values) is not False:
            self._clearing = None
            return False
        if self._clearing is None or now - self._clearing[1] > look_gap_s_max(self.policy):
            self._clearing = (now, now)
        self._clearing = (self._clearing[0], now)
        return now - self._clearing[0] >= self.policy.resolved.for_s


def _unknown(found: Detection, now: float, decision: str) -> Detection:
    why = f"would {decision}; nobody recorded what comes of that"
    return replace(found, verdict=Verdict.UNKNOWN, decision=decision, decided_s=now, why=why)
