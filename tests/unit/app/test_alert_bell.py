"""A storm of rings wakes at once, and then once a gap."""

from __future__ import annotations

import select
import threading
import time

import pytest

from homeostat.app.alert_bell import AlertBell
from homeostat.app.alert_intake import JOURNALLED_PER_MINUTE_MAX, AlertIntake
from homeostat.app.clock import SystemClock
from homeostat.model.alerts import Alert, AlertState


def is_rung(bell: AlertBell, within_s: float = 0.0) -> bool:
    return bool(select.select([bell], [], [], within_s)[0])


def test_the_first_ring_is_heard_at_once_and_clearing_ends_it() -> None:
    bell = AlertBell(gap_s=60.0)
    assert not is_rung(bell)
    bell.ring()
    assert is_rung(bell)
    bell.clear()
    bell.clear()
    assert not is_rung(bell)
    bell.close()


def test_a_ring_within_the_gap_is_heard_when_it_is_over_and_not_lost() -> None:
    bell = AlertBell(gap_s=0.2)
    bell.ring()
    bell.clear()
    for _ in range(1000):
        bell.ring()
    assert not is_rung(bell)
    assert is_rung(bell, 5.0)
    bell.clear()
    assert not is_rung(bell, 0.3), "a thousand rings were one"
    bell.close()


def test_no_more_wakes_than_gaps_however_many_ring() -> None:
    now = [0.0]
    bell = AlertBell(gap_s=100.0, monotonic=lambda: now[0])
    heard = 0
    for second in range(500):
        now[0] = float(second)
        bell.ring()
        if is_rung(bell):
            bell.clear()
            heard += 1
        if bell._due is not None:  # the real timer does not know this clock
            bell._due.cancel()
            bell._due = None
    assert heard == 5
    bell.close()


def test_it_ends_a_wait_of_the_clock() -> None:
    clock, bell = SystemClock(), AlertBell()
    clock.listen_to(bell)
    threading.Timer(0.05, bell.ring).start()
    begun = clock.now()
    assert not clock.wait(50.0)
    assert clock.now() - begun < 50.0
    assert not is_rung(bell)
    bell.close()


def test_a_bell_that_is_closed_rings_no_more() -> None:
    bell = AlertBell(gap_s=0.05)
    bell.ring()
    bell.ring()
    bell.close()
    bell.ring()


def test_ten_thousand_alerts_cost_a_tick_a_gap_and_a_bounded_journal() -> None:
    """The listener's side and the loop's side as they run, on real time, with a gap of a fifth of a second."""
    gap_s = 0.2
    clock, bell = SystemClock(), AlertBell(gap_s=gap_s)
    intake = AlertIntake(bell.ring)
    clock.listen_to(bell)

    def storm() -> None:
        for number in range(10_000):
            one = Alert(source="am", fingerprint=str(number), name="Down", state=AlertState.FIRING)
            intake.take([(one, ())], {})
            if number % 10 == 0:
                time.sleep(0.0005)
        clock.stop()

    sender = threading.Thread(target=storm)
    begun = time.monotonic()
    sender.start()
    ticks, entries = 0, 0
    while not clock.wait(30.0):
        ticks += 1
        entries += len(intake.collect(clock.now()))
        intake.settled(written=True)
    took_s = time.monotonic() - begun
    sender.join()
    bell.close()
    assert 1 <= ticks <= took_s / gap_s + 1
    assert entries <= JOURNALLED_PER_MINUTE_MAX


def test_a_ring_that_no_thread_could_be_had_for_silences_none_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = AlertBell(gap_s=0.05)
    bell.ring()
    bell.clear()

    def no_thread(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Timer, "start", no_thread)
        with pytest.raises(RuntimeError):
            bell.ring()
    bell.ring()
    assert is_rung(bell, 5.0)
    bell.close()
