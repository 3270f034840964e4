"""A storm of rings wakes at once, and then once a gap."""

from __future__ import annotations

import select
import threading

from homeostat.app.alert_bell import AlertBell
from homeostat.app.clock import SystemClock


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
