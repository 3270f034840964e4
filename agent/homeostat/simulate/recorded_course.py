"""What was done in a recorded incident, and where a replay differs from it."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.model.reasons import Result
from homeostat.policy.units import format_seconds
from homeostat.record.recording import Recording
from homeostat.simulate.replay import Replay, Verdict


@dataclass(frozen=True, slots=True)
class RecordedCourse:
    """How a recorded incident went.

    Attributes:
        duration_s: from its first snapshot to its end, or to the moment people were called.
        starts: (seconds after the first snapshot, action) in order.
    """

    result: Result
    duration_s: float
    starts: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recording, how it went, and how it goes under a policy."""

    recording: Recording
    course: RecordedCourse
    replay: Replay

    @property
    def difference(self) -> str | None:
        """Where the policy parts from what was done, in words; None: nowhere."""
        return difference(self.course, self.replay)


def recorded_course(recording: Recording) -> RecordedCourse:
    """What a recording says was done."""
    begun_at = recording.entries[0].at
    snapshots = recording.snapshots()
    if snapshots:
        begun_at = snapshots[0].at
    starts = tuple((one.intent.at - begun_at, one.intent.action) for one in recording.attempts())
    return RecordedCourse(recording.result, recording.entries[-1].at - begun_at, starts)


def difference(course: RecordedCourse, replay: Replay) -> str | None:
    """Say the first thing that a replay does otherwise than was done, or None.

    What follows the first difference is of another world, so only the first is told.
    """
    for (at_s, action), start in zip(course.starts, replay.starts, strict=False):
        if not start.recorded:
            return f"{_start(start.action, start.after_s)} instead of {_start(action, at_s)}"
    if len(replay.starts) > len(course.starts):
        extra = replay.starts[len(course.starts)]
        return f"{_start(extra.action, extra.after_s)} where nothing was started"
    if len(replay.starts) < len(course.starts):
        at_s, action = course.starts[len(replay.starts)]
        return f"no {_start(action, at_s)}"
    if replay.verdict is not Verdict.UNKNOWN and replay.shift_s >= 1.0:
        return f"the same, {format_seconds(round(replay.shift_s))} sooner"
    return None


def _start(action: str, after_s: float) -> str:
    return f"{action} at {format_seconds(round(after_s))}"
