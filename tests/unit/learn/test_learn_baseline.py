"""What heals by itself, by hand and against a truth that is known."""

import math

import numpy as np
import pytest
from tests.unit.learn.incident_streams import START, Stream, records_of

from homeostat.learn.baseline import Baseline, HealingTimes, baseline_of
from homeostat.learn.trace import trace_incidents
from homeostat.model.reasons import EscalationReason, Result


def healed(number: int, after_s: float) -> Stream:
    return Stream(f"h{number}", START + 1e4 * number).confirm().close(Result.SELF_HEALED, after_s)


def tried(number: int, after_s: float) -> Stream:
    stream = Stream(f"t{number}", START + 1e4 * number).confirm()
    stream.at += after_s
    return stream.choose("restart").attempt("restart").close()


def escalated(number: int, after_s: float) -> Stream:
    stream = Stream(f"e{number}", START + 1e4 * number).confirm()
    stream.at += after_s
    return stream.escalate(EscalationReason.PLAN_FAILED).close(Result.ESCALATED, 500.0)


def of(*streams: Stream) -> Baseline:
    return baseline_of(trace_incidents(records_of(streams)))


def test_the_share_healed_is_kaplan_and_meiers() -> None:
    """Five are watched: one heals at 100 s of five, one is acted on at 150 s, one heals at 200 s of three."""
    baseline = of(healed(1, 100.0), tried(2, 150.0), healed(3, 200.0), tried(4, 300.0), escalated(5, 400.0))
    assert (baseline.incidents, baseline.events) == (5, 2)
    assert baseline.at_s == (100.0, 200.0)
    assert baseline.healed == pytest.approx((1 / 5, 1 - 4 / 5 * 2 / 3))
    greenwood = (1 / (5 * 4), 1 / (5 * 4) + 1 / (3 * 2))
    assert baseline.error == pytest.approx((4 / 5 * math.sqrt(greenwood[0]), 8 / 15 * math.sqrt(greenwood[1])))
    assert baseline.healed_by(99.0) == 0.0
    assert baseline.healed_by(100.0) == pytest.approx(0.2)
    assert baseline.healed_by(400.0) == pytest.approx(1 - 8 / 15)
    assert math.isnan(baseline.healed_by(401.0))


def test_an_incident_that_was_acted_on_did_not_heal_by_itself() -> None:
    baseline = of(tried(1, 20.0), tried(2, 50.0))
    assert (baseline.events, baseline.healed_by(50.0)) == (0, 0.0)


def test_open_and_unconfirmed_incidents_say_nothing() -> None:
    baseline = of(Stream("open").confirm(), Stream("flap", START + 1e4).close(Result.DISMISSED))
    assert baseline.incidents == 0
    assert math.isnan(baseline.healed_by(1.0))
    assert baseline.text == "nothing is known of what heals by itself"


def test_the_words_name_no_time_beyond_what_was_watched() -> None:
    baseline = of(healed(1, 100.0), tried(2, 150.0))
    assert baseline.text == ("with nothing in effect 50% heal within 150 s (1 of 2 incidents healed by themselves)")


def test_censoring_does_not_bias_it() -> None:
    """Healing is exponential with mean 300 s, action starts at random within 400 s: a plain share would be far off."""
    random = np.random.default_rng(5)
    streams = []
    for number in range(1_500):
        heals_s, starts_s = random.exponential(300.0), random.uniform(0.0, 400.0)
        streams.append(healed(number, heals_s) if heals_s < starts_s else tried(number, starts_s))
    assert of(*streams).healed_by(200.0) == pytest.approx(1 - math.exp(-200 / 300), abs=0.05)


def test_traces_are_given_on_as_they_came() -> None:
    traces = list(trace_incidents(records_of([healed(1, 100.0), tried(2, 150.0)])))
    assert list(HealingTimes().noting(traces)) == traces
