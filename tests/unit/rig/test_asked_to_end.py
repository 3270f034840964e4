from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from homeostat.rig.asked_to_end import ends_in_order, undisturbed


@pytest.fixture(autouse=True)
def nothing_is_ignored() -> Iterator[None]:
    """As a terminal starts a process: under nohup, or behind `&`, some signals are ignored from the start."""
    before = [
        (signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_DFL)),
        (signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL)),
        (signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)),
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def put_back(done: list[str], *numbers: signal.Signals) -> None:
    with undisturbed():
        for number in numbers:
            signal.raise_signal(number)
        done.append("put back")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_puts_back_what_was_broken_and_is_not_interrupted_in_it(number: signal.Signals) -> None:
    asked = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(one) for one in asked]
    done: list[str] = []

    def drill() -> None:
        with ends_in_order():
            try:
                signal.raise_signal(number)
                done.append("went on")
            finally:
                put_back(done, signal.SIGHUP, signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        drill()
    assert done == ["put back"]
    assert ended.value.code in {128 + signal.SIGTERM, 128 + signal.SIGHUP}
    assert [signal.getsignal(one) for one in asked] == before


def test_what_was_asked_for_meanwhile_is_heard_afterwards() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        put_back(done, signal.SIGINT)
    assert done == ["put back"]


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_in_order(), undisturbed():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
