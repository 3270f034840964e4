"""Only changes go into the journal, in bounds, and the end of what was journalled is never left out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from homeostat.app.alert_intake import REFRESH_S, AlertIntake
from homeostat.model import entries as e
from homeostat.model.alerts import Alert, AlertState

FIRING, ACKNOWLEDGED, RESOLVED = AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.RESOLVED


def one(state: AlertState = FIRING, fingerprint: str = "f", **more: float) -> Alert:
    return Alert(source="am", fingerprint=fingerprint, name="Down", state=state, **more)  # type: ignore[arg-type]  # a test's


class Rig:
    def __init__(self, **bounds: int) -> None:
        self.rings = 0
        self.intake = AlertIntake(self.ring, **bounds)

    def ring(self) -> None:
        self.rings += 1

    def take(self, *alerts: Alert, truncated: int = 0) -> bool:
        return self.intake.take([(alert, ("shop",)) for alert in alerts], {"am": truncated})

    def tick(self, now: float, *, written: bool = True) -> Sequence[e.Entry]:
        entries = self.intake.collect(now)
        self.intake.settled(written=written)
        return entries

    def states(self, now: float) -> list[AlertState]:
        return [entry.state for entry in self.tick(now) if isinstance(entry, e.AlertReceived)]


def test_an_alert_is_journalled_once_however_often_it_is_sent() -> None:
    rig = Rig()
    for _ in range(3):
        assert rig.take(one(), one())
    assert rig.rings == 1
    (entry,) = rig.tick(10.0)
    assert isinstance(entry, e.AlertReceived)
    assert (entry.at, entry.name, entry.state, entry.policies) == (10.0, "Down", FIRING, ("shop",))
    rig.take(one())
    assert (rig.rings, rig.tick(20.0)) == (1, [])
    rig.take(one(RESOLVED))
    assert (rig.rings, rig.states(30.0)) == (2, [RESOLVED])


def test_what_goes_on_for_a_day_is_said_again() -> None:
    rig = Rig()
    rig.take(one())
    rig.tick(0.0)
    rig.tick(REFRESH_S)
    rig.take(one())
    assert rig.states(REFRESH_S + 1.0) == [FIRING]


def test_what_comes_and_goes_between_two_ticks_is_no_change() -> None:
    rig = Rig()
    rig.take(one())
    rig.tick(0.0)
    rig.take(one(RESOLVED))
    rig.take(one())
    assert rig.tick(1.0) == []


def test_an_older_word_does_not_undo_a_newer_one() -> None:
    rig = Rig()
    rig.take(one(RESOLVED, said_at=20.0))
    rig.take(one(ACKNOWLEDGED, said_at=10.0))
    assert rig.states(1.0) == [RESOLVED]
    rig.take(one(FIRING, said_at=10.0))
    assert rig.tick(2.0) == []
    rig.take(one(FIRING, said_at=30.0))
    assert rig.states(3.0) == [FIRING]


def test_what_was_not_written_is_given_again() -> None:
    rig = Rig()
    rig.take(one())
    first = rig.tick(1.0, written=False)
    again = rig.tick(2.0)
    assert [replace(entry, at=0.0) for entry in first] == [replace(entry, at=0.0) for entry in again]
    assert rig.tick(3.0) == []


def test_what_changes_while_it_is_written_is_journalled_next() -> None:
    rig = Rig()
    rig.take(one())
    rig.intake.collect(1.0)
    rig.take(one(RESOLVED))
    rig.intake.settled(written=True)
    assert rig.states(2.0) == [RESOLVED]


def test_a_storm_is_bounded_by_the_minute_and_what_is_left_out_is_counted() -> None:
    rig = Rig(per_minute_max=60)
    journalled: list[e.Entry] = []
    for second in range(300):
        rig.take(*(one(fingerprint=f"{second}/{number}") for number in range(100)), truncated=2)
        journalled += rig.tick(1000.0 + second)
    received = [entry for entry in journalled if isinstance(entry, e.AlertReceived)]
    told = [entry for entry in journalled if isinstance(entry, e.AlertsLeftOut)]
    assert len(received) == 5 * 60
    assert 4 <= len(told) <= 5
    told += [entry for entry in rig.tick(1360.0) if isinstance(entry, e.AlertsLeftOut)]
    assert sum(entry.left_out["am"] for entry in told) == 300 * 100 - 5 * 60
    assert sum(entry.truncated["am"] for entry in told) == 300 * 2
    assert rig.tick(1500.0) == []


def test_the_end_of_what_was_journalled_waits_for_its_minute_and_comes_first() -> None:
    rig = Rig(per_minute_max=4)
    rig.take(*(one(fingerprint=str(number)) for number in range(4)))
    rig.tick(0.0)
    rig.take(*(one(RESOLVED, fingerprint=str(number)) for number in range(4)), one(fingerprint="new"))
    assert rig.states(1.0) == []
    rig.take(one(fingerprint="newer"))
    assert rig.states(61.0) == [RESOLVED] * 4


def test_a_delivery_is_taken_whole_or_not_at_all() -> None:
    rig = Rig(waiting_max=3)
    assert rig.take(one(fingerprint="a"), one(fingerprint="b"))
    assert not rig.take(one(fingerprint="c"), one(fingerprint="d"))
    assert rig.take(one(RESOLVED, fingerprint="a"), one(fingerprint="c"))
    assert len(rig.tick(0.0)) == 3
    assert rig.take(one(fingerprint="d"))


def test_no_more_is_remembered_than_the_bound() -> None:
    rig = Rig(known_max=2)
    for name in "abc":
        rig.take(one(fingerprint=name))
        rig.tick(0.0)
    rig.take(one(fingerprint="c"), one(fingerprint="a"))
    assert [entry.fingerprint for entry in rig.tick(1.0) if isinstance(entry, e.AlertReceived)] == ["a"]


def test_what_the_journal_says_already_is_not_said_again() -> None:
    rig, other = Rig(), Rig()
    other.take(one())
    written = other.tick(5.0)
    rig.take(one())
    rig.intake.known(written)
    assert rig.tick(6.0) == []


@pytest.mark.parametrize("back_to", [0.0, 900.0])
def test_a_clock_that_is_set_back_does_not_stop_it(back_to: float) -> None:
    rig = Rig(per_minute_max=1)
    rig.take(one(fingerprint="a"))
    rig.tick(1000.0)
    rig.take(one(fingerprint="b"))
    assert rig.states(back_to) == [FIRING]
