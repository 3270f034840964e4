"""Two versions of a policy over the same recordings: what got better, what got worse, and what nobody can say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from homeostat.policy.units import format_seconds
from homeostat.simulate.replay import Replay, Verdict

SLOWER_S = 30.0
SLOWER_SHARE = 0.05
"""Later by both of these is slower; less is one tick more or less."""


class Kind(StrEnum):
    """How a recorded incident goes under the new version beside the old one."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNTOLD = "nobody can say"


@dataclass(frozen=True, slots=True)
class Change:
    """One incident under both versions.

    Attributes:
        told: what changed, in words; empty where nothing did.
    """

    incident: str
    kind: Kind
    told: str


def changes_of(before: Sequence[Replay], after: Sequence[Replay]) -> Iterator[Change]:
    """Compare two replays of each recording.

    Worse is what the recording proves: people are called where it recovered by itself, it takes longer, or an action
    is started in an incident that needed none. Where the new version does what nobody recorded, nobody can say.

    Raises:
        ValueError: they are not of the same recordings in the same order.
    """
    for old, new in zip(before, after, strict=True):
        if old.incident != new.incident:
            raise ValueError(f"'{old.incident}' and '{new.incident}' are not the same recording")
        kind, told = _change(old, new)
        yield Change(new.incident, kind, told)


def _change(old: Replay, new: Replay) -> tuple[Kind, str]:
    if new.starts and not old.starts and old.verdict is Verdict.RECOVERED:
        return Kind.WORSE, f"would start {new.starts[0].action}, where nothing needed to be done"
    if old.verdict is Verdict.UNKNOWN and new.verdict is Verdict.UNKNOWN:
        same = _actions(old) == _actions(new)
        return (Kind.SAME, "") if same else (Kind.UNTOLD, new.why)
    if new.verdict is Verdict.UNKNOWN:
        return Kind.UNTOLD, new.why
    if old.verdict is Verdict.UNKNOWN:
        return Kind.UNTOLD, f"it is {new.verdict} now; of the old version nobody can say: {old.why}"
    if old.verdict is not new.verdict:
        kind = Kind.BETTER if new.verdict is Verdict.RECOVERED else Kind.WORSE
        return kind, f"{new.verdict} instead of {old.verdict}"
    return _in_time(old.duration_s or 0.0, new.duration_s or 0.0)


def _in_time(old_s: float, new_s: float) -> tuple[Kind, str]:
    apart_s = abs(new_s - old_s)
    if apart_s <= max(SLOWER_S, SLOWER_SHARE * old_s):
        return Kind.SAME, ""
    times = f"{format_seconds(round(new_s))} instead of {format_seconds(round(old_s))}"
    return (Kind.WORSE if new_s > old_s else Kind.BETTER), times


def _actions(replay: Replay) -> list[str]:
    return [start.action for start in replay.starts]
