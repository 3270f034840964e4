"""What follows when nobody knows whether an action happened, by its effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.decide.builders import FAILED, NO_RETRY, Driver, above, do, policy, undo_of

from homeostat.model import entries as e
from homeostat.model.commands import Done, InDoubt, NeverStarted
from homeostat.model.policy import Effect, Probe, Retry
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Phase
from homeostat.model.signals import Truth

GONE = InDoubt("the host was restarted while it ran")
HINT = Probe(above("hint", 5), within_s=20.0)


def in_doubt(effect: Effect = Effect.PROBE, *, hint: float | None = 0.0, retry: Retry = NO_RETRY) -> Driver:
    """An incident whose first action has just come into doubt."""
    leaf = do("resize", effect=effect, probe=HINT if effect is Effect.PROBE else None, retry=retry)
    driver = Driver(policy(leaf))
    driver.signals["hint"] = hint
    driver.confirm()
    driver.tick()
    driver.finish(GONE)
    driver.tick()
    return driver


def told(driver: Driver) -> list[Truth]:
    return [entry.happened for entry in driver.entries if isinstance(entry, e.ActionProbed)]


def test_what_has_happened_is_known_at_once_and_verified() -> None:
    driver = in_doubt()
    driver.tick(hint=10.0)
    assert told(driver) == [True]
    attempt = driver.incident.attempts["resize"][0]
    assert (attempt.in_doubt, attempt.outcome, attempt.happened) == (False, OutcomeStatus.OK, True)
    assert driver.incident.phase is Phase.VERIFYING
    driver.ticks(8, errors=0.0)
    assert driver.incident.attempts["resize"][0].verdict is AttemptVerdict.EFFECTIVE
    assert len(driver.started) == 1


def test_what_has_not_happened_is_run_again_under_a_key_of_its_own() -> None:
    driver = in_doubt()
    driver.ticks(3)
    assert told(driver) == []
    driver.ticks(3)
    assert told(driver) == [False]
    first, second = driver.incident.attempts["resize"]
    assert first.verdict is AttemptVerdict.CANCELLED
    assert second.key != first.key
    assert [command.effect_key for command in driver.started] == ["", ""]


def test_what_never_happens_is_not_tried_for_ever() -> None:
    driver = in_doubt()
    for _ in range(6):
        driver.finish(GONE)
        driver.ticks(8)
    assert len(driver.started) == 2
    assert driver.incident.phase is Phase.ESCALATED


def test_its_author_may_allow_more() -> None:
    driver = in_doubt(retry=Retry(3, explicit=True))
    for _ in range(8):
        driver.finish(GONE)
        driver.ticks(8)
    assert len(driver.started) == 4


@pytest.mark.parametrize(("before", "after"), [(10.0, 10.0), (10.0, 0.0), (0.0, None), (None, 10.0), (None, None)])
def test_signals_that_cannot_tell_leave_it_in_doubt(before: float | None, after: float | None) -> None:
    driver = in_doubt(hint=before)
    driver.ticks(6, hint=after)
    assert told(driver) == [None]
    assert driver.incident.attempts["resize"][0].in_doubt
    driver.ticks(20)
    assert len(driver.started) == 1
    assert driver.incident.escalation is EscalationReason.OUTCOME_UNKNOWN


def test_what_was_unknown_before_and_is_not_there_has_not_happened() -> None:
    driver = in_doubt(hint=None)
    driver.ticks(6, hint=0.0)
    assert told(driver) == [False]


def test_samples_from_before_the_doubt_do_not_tell() -> None:
    driver = in_doubt()
    driver.sampled_before_s = 25.0
    driver.ticks(3, hint=10.0)
    assert told(driver) == []


def test_a_restart_of_the_agent_in_between_changes_nothing() -> None:
    driver = in_doubt()
    driver.restart()
    driver.ticks(2)
    driver.restart()
    driver.tick(hint=10.0)
    assert told(driver) == [True]
    driver.restart()
    driver.ticks(8, errors=0.0)
    assert driver.incident.attempts["resize"][0].verdict is AttemptVerdict.EFFECTIVE


def test_without_doubt_nothing_is_probed() -> None:
    driver = Driver(policy(do("resize", effect=Effect.PROBE, probe=HINT)))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(8)
    assert told(driver) == []
    assert len(driver.started) == 1


def test_an_undo_is_probed_like_any_action() -> None:
    undo = replace(undo_of("grow", effect=Effect.PROBE), probe=HINT)
    driver = Driver(policy(do("grow", undo=undo)))
    driver.confirm()
    driver.finish()
    driver.ticks(14)
    assert driver.names() == ["grow", "grow.undo"]
    driver.finish(GONE)
    driver.ticks(3, hint=10.0)
    assert told(driver) == [True]
    assert driver.incident.attempts["grow.undo"][0].succeeded


def test_a_keyed_action_is_run_again_and_the_target_told_the_first_key() -> None:
    driver = in_doubt(Effect.KEYED, retry=Retry(2, explicit=True))
    driver.ticks(14)
    first = driver.started[0].key
    assert [command.effect_key for command in driver.started] == ["", first]
    driver.finish(GONE)
    driver.ticks(15)
    assert [command.effect_key for command in driver.started] == ["", first, first]
    assert len({command.key for command in driver.started}) == 3


@pytest.mark.parametrize("status", [OutcomeStatus.TIMEOUT, OutcomeStatus.CANCELLED])
def test_what_had_to_be_stopped_may_have_reached_its_target(status: OutcomeStatus) -> None:
    driver = Driver(policy(do("page", effect=Effect.KEYED, retry=Retry(1))))
    driver.confirm()
    driver.tick()
    driver.finish(Done(status, 1.0))
    driver.ticks(15)
    assert [command.effect_key for command in driver.started] == ["", driver.started[0].key]


def test_after_a_known_end_a_keyed_action_has_a_key_of_its_own() -> None:
    driver = Driver(policy(do("page", effect=Effect.KEYED, retry=Retry(1))))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(15)
    assert [command.effect_key for command in driver.started] == ["", ""]


def test_a_lost_start_is_repeated_with_the_key_that_was_journalled() -> None:
    driver = in_doubt(Effect.KEYED)
    while len(driver.started) < 2:
        driver.tick()
    driver.reports[driver.started[1].key] = NeverStarted()
    driver.restart()
    driver.tick()
    assert [command.effect_key for command in driver.started[1:]] == [driver.started[0].key] * 2


def test_a_safe_action_is_run_again_and_an_unsafe_one_is_not() -> None:
    safe = in_doubt(Effect.SAFE)
    safe.ticks(14)
    assert [command.effect_key for command in safe.started] == ["", ""]
    unsafe = in_doubt(Effect.UNSAFE, retry=Retry(2, explicit=True))
    unsafe.ticks(30)
    assert len(unsafe.started) == 1
    assert unsafe.incident.escalation is EscalationReason.OUTCOME_UNKNOWN
