from __future__ import annotations

from homeostat.model.signals import Absence
from homeostat.sense.quarantine import Fault, Quarantine

FAULT = Fault(Absence.REFUSED, "parse error")


def quarantine() -> Quarantine:
    return Quarantine(first_s=5, longest_s=60, size_max=50)


def held_s(kept: Quarantine, query: str, since: float) -> int:
    """How many whole seconds from `since` on the query is left alone."""
    return next(second for second in range(10_000) if kept.fault(query, since + second) is None)


def test_time_doubles_up_to_the_longest() -> None:
    kept = quarantine()
    now, times = 1000.0, []
    for _ in range(7):
        kept.convict("q", FAULT, now)
        times.append(held_s(kept, "q", now))
        now += times[-1]
    assert times == [5, 10, 20, 40, 60, 60, 60]


def test_thousands_of_convictions_do_not_overflow() -> None:
    kept = quarantine()
    for _ in range(5000):
        kept.convict("q", FAULT, 0.0)
    assert held_s(kept, "q", 0.0) == 60


def test_the_fault_is_told_while_it_lasts() -> None:
    kept = quarantine()
    kept.convict("q", FAULT, 0.0)
    assert kept.fault("q", 1.0) == Fault(Absence.REFUSED, "parse error (asked again in 4 s)")
    assert kept.fault("other", 1.0) is None
    assert kept.fault("q", 5.0) is None


def test_a_clock_set_back_does_not_lengthen_it() -> None:
    kept = quarantine()
    kept.convict("q", FAULT, 1_000_000.0)
    assert kept.fault("q", 0.0) is None


def test_the_convict_is_asked_alone_and_comes_back_by_good_conduct() -> None:
    kept = quarantine()
    kept.convict("q", FAULT, 0.0)
    sizes = []
    for _ in range(7):
        sizes.append(kept.company_max("q"))
        kept.acquit(["q"] + ["x"] * (sizes[-1] - 1))
    assert sizes == [1, 2, 4, 8, 16, 32, 50]
    assert len(kept) == 0


def test_an_acquittal_ends_the_doubling() -> None:
    kept = quarantine()
    for now in (0.0, 100.0, 200.0):
        kept.convict("q", FAULT, now)
    kept.acquit(["q"])
    kept.convict("q", FAULT, 300.0)
    assert held_s(kept, "q", 300.0) == 5


def test_suspects_travel_in_ever_smaller_company() -> None:
    kept = quarantine()
    kept.suspect(["a", "b"], 25)
    kept.suspect(["a"], 12)
    kept.suspect(["a"], 40)
    assert (kept.company_max("a"), kept.company_max("b"), kept.company_max("c")) == (12, 25, 50)
    kept.suspect(["a"], 0)
    assert kept.company_max("a") == 1


def test_what_is_no_longer_asked_is_forgotten() -> None:
    kept = quarantine()
    kept.suspect(["a", "b", "c"], 3)
    kept.forget_except(["b"])
    assert len(kept) == 1
    assert kept.company_max("a") == 50
