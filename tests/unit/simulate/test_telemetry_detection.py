"""Detection in recorded telemetry: whole frames and step by step agree, and what is missing opens nothing."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.policy import Policy
from homeostat.model.signals import Absence, Reading, SignalSpec, SignalType
from homeostat.policy.conditions import compile_condition
from homeostat.policy.load import load_policy_sources
from homeostat.record.fault_labels import FaultLabel
from homeostat.record.series_name import whole_series_name
from homeostat.record.telemetry import RecordedSeries, Telemetry, of_series
from homeostat.simulate.replay import Verdict
from homeostat.simulate.telemetry.detection import Detection, detect
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.masks import confirmed_ticks, trigger_masks
from homeostat.simulate.telemetry.scoring import score
from homeostat.simulate.telemetry.sensing import read_frame
from homeostat.simulate.telemetry.windows import held_s

START = 1_700_000_000
SOURCES = {
    "load.homeostat.yaml": """
policy: load
owner: team
signals: signals.yaml
actions: actions.yaml
trigger: {if: load > 5, for: 1m}
resolved: {if: load < 5, for: 2m}
escalate: {to: people}
steps:
- {do: restart, target: deploy/x, verify: {if: load < 5, for: 1m, within: 5m}}
""",
    "signals.yaml": "load: {expr: max(load), max_age: 90s}\nready: {expr: min(ready), max_age: 90s}\n",
    "actions.yaml": "restart: {actuator: plant, effect: safe, takes: 30s, timeout: 2m}\n",
}


def policy(**texts: str) -> Policy:
    return load_policy_sources({**SOURCES, **texts}, "load.homeostat.yaml")


def telemetry(step_s: float = 30.0, **series: Sequence[float | None]) -> Telemetry:
    """Series by metric, a sample every `step_s` seconds or, where there is None, none."""
    several = []
    for name, values in series.items():
        taken = [(round((START + index * step_s) * 1000), value) for index, value in enumerate(values)]
        times = array("q", [time for time, value in taken if value is not None])
        numbers = array("d", [value for _, value in taken if value is not None])
        several.append(RecordedSeries(whole_series_name(name), times, numbers))
    return of_series(several)


SIGNALS = {
    "a": SignalSpec("a", "a", max_age_s=40.0),
    "b": SignalSpec("b", "b", max_age_s=25.0),
    "mood": SignalSpec("mood", "mood", 40.0, SignalType.TEXT, "is"),
}
CONDITIONS = (
    "a > 1",
    "a > 1 and b > 1",
    "a > 1 or b > 1",
    "not (a < 2)",
    "a / b > 1",
    "known(a) and a + b > 2",
    'mood == "bad" or max(a, b) > 3',
    'not (mood == "good") and 0 < a < 4',
)
_NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, None])


@dataclass(frozen=True)
class Seen:
    """A frame and a policy to look at it with."""

    policy: Policy
    frame: Frame


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    count = draw(st.integers(1, 40))
    gaps = draw(st.lists(st.sampled_from([10.0, 10.0, 10.0, 35.0, 90.0]), min_size=count, max_size=count))
    at = [START + float(np.sum(gaps[:index])) for index in range(count)]
    readings: dict[str, list[Reading]] = {name: [] for name in SIGNALS}
    for moment in at:
        for name, spec in SIGNALS.items():
            texts = st.sampled_from(["good", "bad", None])
            value = draw(texts if spec.type is SignalType.TEXT else _NUMBERS)
            aged = moment - draw(st.sampled_from([0.0, 0.0, 20.0, 30.0, 60.0]))
            readings[name].append(Reading(absence=Absence.MISSING) if value is None else Reading(value, aged))
    base = policy()
    condition = compile_condition(draw(st.sampled_from(CONDITIONS)), SIGNALS)
    trigger = replace(base.trigger, condition=condition, for_s=draw(st.sampled_from([0.0, 10.0, 25.0, 60.0])))
    well = compile_condition("a < 2", SIGNALS)
    resolved = replace(base.resolved, condition=well, for_s=draw(st.sampled_from([0.0, 10.0, 30.0])))
    unknown_s = draw(st.sampled_from([10.0, 60.0]))
    looking = replace(base, signals=SIGNALS, trigger=trigger, resolved=resolved, unknown_s=unknown_s)
    return Seen(looking, Frame(at, SIGNALS, readings))


@settings(max_examples=100, deadline=None)
@given(seen=seen())
def test_whole_frames_and_step_by_step_confirm_the_same(seen: Seen) -> None:
    by_step = detect(seen.policy, seen.frame, every_tick=True)
    assert detect(seen.policy, seen.frame).found == by_step.found
    assume(not any(one.confirmed_s is None and one.verdict is Verdict.ESCALATED for one in by_step.found))
    times = seen.frame.at
    whole = [
        (times[confirmed], None if over is None else times[over])
        for confirmed, over in confirmed_ticks(trigger_masks(seen.policy, seen.frame))
    ]
    assert whole == [(one.confirmed_s, one.over_s) for one in by_step.confirmed()]


@settings(max_examples=60, deadline=None)
@given(seen=seen())
def test_an_incident_is_confirmed_only_while_its_trigger_holds_and_acted_on_only_while_it_is_known(seen: Seen) -> None:
    ticks = {at: tick for tick, at in enumerate(seen.frame.at)}
    for entry in detect(seen.policy, seen.frame, every_tick=True).entries:
        if isinstance(entry, e.Suspected | e.Confirmed | e.ActionIntended):
            truth = seen.policy.trigger.condition.evaluate(seen.frame.values(ticks[entry.at]))
            assert truth is True or (isinstance(entry, e.ActionIntended) and truth is False)


@settings(max_examples=30, deadline=None)
@given(seen=seen())
def test_columns_hold_what_a_decision_would_take(seen: Seen) -> None:
    for tick in range(len(seen.frame)):
        for name, value in seen.frame.values(tick).items():
            whole = seen.frame.columns[name][tick]
            assert (whole == value) if value is not None else (whole is None or np.isnan(whole))


def test_a_window_breaks_at_what_is_not_true_and_at_a_gap() -> None:
    times = np.asarray([0, 10, 20, 30, 100, 110], dtype=float)
    held = held_s(times, np.asarray([True, True, False, True, True, True]), gap_s_max=50)
    np.testing.assert_array_equal(held, [0, 10, np.nan, 0, 0, 10])
    assert held_s(np.empty(0), np.empty(0, dtype=bool), 50).shape == (0,)


def test_an_incident_is_unknown_from_its_first_action_on_and_over_when_its_trigger_has_cleared() -> None:
    recorded = telemetry(load=[1, 9, 9, 9, 9, 9, 1, 9, 1, 1, 1, 1, 1, 1])
    found = detect(policy(), read_frame(recorded, policy().signals))
    (one,) = found.found
    assert (one.suspected_s, one.confirmed_s, one.decided_s) == (START + 30, START + 90, START + 90)
    assert (one.verdict, one.decision, one.over_s) == (Verdict.UNKNOWN, "start restart", START + 8 * 30 + 120)
    assert sum(isinstance(entry, e.ActionIntended) for entry in found.entries) == 1


def test_samples_that_stop_neither_confirm_nor_clear() -> None:
    patient = replace(policy(), trigger=replace(policy().trigger, for_s=180.0))
    gone = telemetry(load=[9, 9, *[None] * 20, 1], ready=[1] * 23)
    found = detect(patient, read_frame(gone, policy().signals))
    (one,) = found.found
    assert one.confirmed_s is None
    assert found.blind_ticks > 15
    gone = telemetry(load=[9, 9, 9, *[None] * 20], ready=[1] * 23)
    (one,) = detect(policy(), read_frame(gone, policy().signals)).found
    assert one.confirmed_s == START + 60
    assert one.over_s is None


def test_who_must_be_asked_leaves_it_unknown_and_nobody_is_taken_to_agree() -> None:
    text = SOURCES["load.homeostat.yaml"].replace("target: deploy/x,", "target: deploy/x, approval: {from: chief},")
    recorded = telemetry(load=[9] * 20)
    (one,) = detect(load_policy_sources({**SOURCES, "load.homeostat.yaml": text}, "load.homeostat.yaml"),
                    read_frame(recorded, policy().signals)).found  # fmt: skip
    assert one.verdict is Verdict.UNKNOWN
    assert one.decision == "ask chief about restart"


def test_what_the_subset_does_not_cover_is_unknown_and_said() -> None:
    signals = {
        "load": SignalSpec("load", "day_of_week(load)", 60),
        "ready": SignalSpec("ready", "(", 60),
    }
    frame = read_frame(telemetry(load=[9] * 5), signals)
    assert {reading.absence for name in signals for reading in frame.readings[name]} == {Absence.REFUSED}
    assert len(frame.notes) == 2
    assert detect(replace(policy(), signals=signals), frame).found == ()


def test_a_function_that_fails_over_all_ticks_together_is_asked_tick_by_tick() -> None:
    recorded = of_series([*telemetry(one=[5, 5, None, None, None, None, None, None]).series,
                          *telemetry(two=[None, None, None, None, None, None, 7, 7]).series])  # fmt: skip
    signals = {"load": SignalSpec("load", '-{__name__=~"one|two"}', 60)}
    values = [reading.value for reading in read_frame(recorded, signals, 30).readings["load"]]
    assert values[0] == -5
    assert values[-1] == -7


@pytest.mark.parametrize("every_s", [0.0, -1.0, float("nan"), 1e-5, 0.0011])
def test_ticks_that_make_no_sense_are_refused(every_s: float) -> None:
    with pytest.raises(UsageError, match="tick"):
        read_frame(telemetry(load=[1] * 200), policy().signals, every_s)


def detection(confirmed_s: float | None) -> Detection:
    at = confirmed_s or 0.0
    return Detection(f"i{at}", at, confirmed_s, None, Verdict.UNKNOWN, None, None, "")


def label(name: str, start_s: float, end_s: float | None, fault_type: str = "cpu") -> FaultLabel:
    return FaultLabel(name, "", fault_type, "", start_s, end_s)


def test_incidents_are_matched_with_the_faults_they_were_confirmed_in() -> None:
    labels = [label("a", 100, 200), label("b", 300, None), label("c", 500, 600, "disk"), label("d", 5000, 5100)]
    scored = score([detection(at) for at in (None, 150, 180, 499, 550, 900)], labels, "cpu")
    assert [one.kind for one in scored.noticed] == ["fault", "repeat", "fault", "other fault", "false alarm"]
    assert [one.delay_s for one in scored.noticed] == [50, 80, 199, None, None]
    assert [one.id for one in scored.missed] == ["d"]
    assert (scored.hits, scored.repeats, scored.false_alarms, scored.unlabelled) == (2, 1, 2, 1)
    assert (scored.recall, scored.precision, scored.delay_s) == (2 / 3, 2 / 5, 124.5)
    assert scored.f1 == pytest.approx(2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))
    assert scored.within_labels().precision == 2 / 4


def test_nothing_to_divide_by_is_no_figure() -> None:
    scored = score([], [])
    assert (scored.recall, scored.precision, scored.f1, scored.delay_s) == (None, None, None, None)
