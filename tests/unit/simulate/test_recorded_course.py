"""Where a replay parts from what was done, and what two versions of a policy come to over the same recordings."""

from __future__ import annotations

import pytest

from homeostat.model.reasons import Result
from homeostat.record.recording import Recording
from homeostat.simulate.page import table
from homeostat.simulate.recorded_course import RecordedCourse, Replayed, difference
from homeostat.simulate.regressions import Kind, changes_of
from homeostat.simulate.replay import Replay, Start, Verdict
from homeostat.simulate.replay_html import Figure, PolicyReport, replay_html

DONE = RecordedCourse(Result.RECOVERED, 700.0, ((120.0, "a"), (300.0, "b")))


def start(action: str, after_s: float, recorded: bool = True) -> Start:
    return Start(after_s, action, "x", recorded)


def replay(
    *starts: Start, verdict: Verdict = Verdict.RECOVERED, seconds: float = 700.0, shift_s: float = 0.0
) -> Replay:
    return Replay("i", verdict, starts, seconds, shift_s, "", ())


def unknown(*starts: Start) -> Replay:
    return Replay("i", Verdict.UNKNOWN, starts, None, 0.0, "nobody recorded it", ())


BOTH = (start("a", 120.0), start("b", 300.0))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (replay(*BOTH), None),
        (replay(*BOTH, shift_s=60.0), "the same, 1m sooner"),
        (unknown(start("c", 60.0, recorded=False)), "c at 1m instead of a at 2m"),
        (unknown(start("a", 120.0), start("c", 240.0, recorded=False)), "c at 4m instead of b at 5m"),
        (unknown(start("a", 120.0)), "no b at 5m"),
        (unknown(*BOTH, start("c", 0.0, recorded=False)), "c at 0s where nothing was started"),
    ],
)
def test_the_first_difference_is_told(found: Replay, told: str | None) -> None:
    assert difference(DONE, found) == told


@pytest.mark.parametrize(
    ("before", "after", "kind", "told"),
    [
        (replay(*BOTH), replay(*BOTH, seconds=729.0), Kind.SAME, ""),
        (replay(*BOTH), replay(*BOTH, seconds=760.0), Kind.WORSE, "12m40s instead of 11m40s"),
        (replay(*BOTH), replay(*BOTH, seconds=640.0), Kind.BETTER, "10m40s instead of 11m40s"),
        (replay(*BOTH), replay(*BOTH, verdict=Verdict.ESCALATED), Kind.WORSE, "ESCALATED instead of RECOVERED"),
        (replay(*BOTH, verdict=Verdict.ESCALATED), replay(*BOTH), Kind.BETTER, "RECOVERED instead of ESCALATED"),
        (replay(*BOTH), unknown(start("c", 1.0)), Kind.UNTOLD, "nobody recorded it"),
        (unknown(start("a", 1.0)), unknown(start("a", 1.0)), Kind.SAME, ""),
        (unknown(start("a", 1.0)), unknown(start("b", 1.0)), Kind.UNTOLD, "nobody recorded it"),
        (replay(), unknown(start("a", 1.0)), Kind.WORSE, "would start a, where nothing needed to be done"),
    ],
)
def test_only_what_a_recording_proves_is_worse(before: Replay, after: Replay, kind: Kind, told: str) -> None:
    (change,) = changes_of([before], [after])
    assert (change.kind, change.told) == (kind, told)


def test_what_became_known_is_no_regression_and_says_why_it_was_not() -> None:
    (change,) = changes_of([unknown(start("a", 1.0))], [replay(*BOTH)])
    assert change.kind is Kind.UNTOLD
    assert "of the old version nobody can say: nobody recorded it" in change.told


def test_replays_of_other_recordings_are_not_compared() -> None:
    other = Replay("j", Verdict.RECOVERED, (), 1.0, 0.0, "", ())
    with pytest.raises(ValueError, match="'i' and 'j'"):
        list(changes_of([replay()], [other]))


def test_no_text_becomes_markup() -> None:
    hostile = "<script>alert('&')</script>"
    recording = Recording(hostile, "p", "", {}, Result.RECOVERED, "", 0, ())
    found = Replay(hostile, Verdict.UNKNOWN, (start(hostile, 1.0, recorded=False),), None, 0.0, hostile, ())
    report = PolicyReport(hostile, [Replayed(recording, DONE, found)], [Figure(hostile, hostile, hostile)])
    page = replay_html(hostile, [report], baseline=hostile)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 10
    assert "<b" not in table(("<b>",), [("<b>",)])
