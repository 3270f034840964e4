"""Beats follow healthy ticks alone, and stop with what they vouch for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.acceptance.people_workspace import PeopleWorkspace
from tests.http_place import HttpPlace, always

from homeostat.app.doctor_outside import _heartbeat
from homeostat.app.heartbeat import Heartbeat, beat_url, call
from homeostat.app.heartbeat_table import HeartbeatTable
from homeostat.app.settings import Settings, load_settings
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.signals import Snapshot
from homeostat.sense.check import Level

SECRET = "0f3c9a-the-secret"


class Told:
    def __init__(self) -> None:
        self.failures: list[str] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: object) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")


class Beats:
    """A heartbeat whose beats are counted, every ten seconds at most."""

    def __init__(self) -> None:
        self.count, self.told = 0, Told()
        self.trouble: str | None = None
        self.sent, self.hang, self.error = threading.Semaphore(0), threading.Event(), False
        self.hang.set()
        self.registry = CollectorRegistry()
        self.heartbeat = Heartbeat(
            self._send,
            every_s=10.0,
            blind_s_max=30.0,
            trouble=lambda: self.trouble,
            observer=self.told,
            registry=self.registry,
        )

    def _send(self) -> None:
        self.count += 1
        self.sent.release()
        self.hang.wait(20.0)
        if self.error:
            raise OSError("the answer was 500")

    def tick(self, now: float, *, blind: bool = False) -> None:
        self.heartbeat.ticked(now, Snapshot(at=now, readings={}, error="away" if blind else None), 0)

    def came(self) -> bool:
        return self.sent.acquire(timeout=10.0)

    def is_due(self) -> bool:
        return self.heartbeat._due.is_set()


@pytest.fixture
def idle() -> Beats:
    """Its thread does not run: what is due stays due."""
    return Beats()


def test_a_beat_is_due_after_a_healthy_tick_and_again_after_its_interval(idle: Beats) -> None:
    dues = []
    for now in (100.0, 105.0, 109.0, 110.0, 119.0, 120.0):
        idle.heartbeat._due.clear()
        idle.tick(now)
        dues.append(idle.is_due())
    assert dues == [True, False, False, True, False, True]


def test_no_beat_follows_a_tick_that_could_not_write_the_journal(idle: Beats) -> None:
    idle.trouble = "disk full"
    idle.tick(100.0)
    assert not idle.is_due()
    idle.trouble = None
    idle.tick(101.0)
    assert idle.is_due()


def test_a_source_that_is_away_stops_the_beats_once_it_has_been_for_too_long(idle: Beats) -> None:
    idle.tick(100.0, blind=True)
    assert not idle.is_due()  # it has never been seen
    idle.tick(101.0)
    for now, due in ((131.0, True), (142.0, False)):
        idle.heartbeat._due.clear()
        idle.tick(now, blind=True)
        assert idle.is_due() is due


def test_a_clock_that_is_set_back_does_not_silence_the_beats(idle: Beats) -> None:
    idle.tick(1000.0)
    idle.heartbeat._due.clear()
    idle.tick(100.0)
    assert idle.is_due()


def test_a_loop_that_hangs_sends_no_further_beat_though_its_process_lives() -> None:
    beats, hang, ticks = Beats(), threading.Event(), threading.Semaphore(0)

    def loop() -> None:
        for now in (0.0, 10.0, 20.0):
            beats.tick(now)
            assert beats.came()
        ticks.release()
        hang.wait(30.0)  # an action, a read or a lock that never comes back
        beats.tick(30.0)

    with beats.heartbeat:
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        assert ticks.acquire(timeout=10.0)
        assert not beats.sent.acquire(timeout=0.2)
        assert beats.count == 3
        hang.set()
        assert beats.came()  # what stopped the beats was the loop, and nothing else
        thread.join(10.0)


def test_a_receiver_that_hangs_holds_up_no_tick_and_one_beat_waits_at_most() -> None:
    beats = Beats()
    beats.hang.clear()
    with beats.heartbeat:
        beats.tick(0.0)
        assert beats.came()
        for turn in range(1, 1000):
            beats.tick(turn * 10.0)
        assert beats.count == 1
        beats.hang.set()
        assert beats.came()
        assert not beats.sent.acquire(timeout=0.1)
    assert beats.count == 2


def test_a_beat_that_fails_is_counted_and_told() -> None:
    beats = Beats()
    beats.error = True
    with beats.heartbeat:
        beats.tick(0.0)
        assert beats.came()
    assert beats.registry.get_sample_value("homeostat_heartbeats_total", {"result": "failed"}) == 1.0
    assert beats.told.failures == ["heartbeat: not sent: the answer was 500; the next one is tried in its time"]


@pytest.fixture
def receiver() -> Iterator[HttpPlace]:
    with closing(HttpPlace(always(200))) as place:
        yield place


def test_a_call_reaches_a_real_receiver_and_an_answer_that_is_no_yes_is_a_failure(receiver: HttpPlace) -> None:
    send = call(f"{receiver.url}/{SECRET}", 5.0)
    send()
    assert receiver.paths == [f"/{SECRET}"]
    for status in (302, 404, 500):
        receiver.respond = always(status, {"Location": "http://127.0.0.1:9/elsewhere"})
        with pytest.raises(OSError, match=f"the answer was {status}") as caught:
            send()
        assert SECRET not in str(caught.value)


def test_the_address_is_in_no_message_of_a_receiver_that_is_not_there() -> None:
    with pytest.raises(OSError, match="ConnectionError") as caught:
        call(f"http://127.0.0.1:9/{SECRET}", 1.0)()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", [f"http://example.com/{SECRET}", f"ftp://x/{SECRET}", f"https://u:{SECRET}@x/", SECRET])
def test_an_address_that_is_none_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(f"[heartbeat]\nurl = '{url}'\n")
    with pytest.raises(PolicyError, match="https://") as caught:
        load_settings(path)
    assert "2:1" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_reference_is_looked_up_and_what_it_stands_for_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    table = HeartbeatTable(url="env:BEAT")
    with pytest.raises(UsageError, match=r"heartbeat\.url"):
        beat_url(table)
    monkeypatch.setenv("BEAT", f"http://example.com/{SECRET}")
    with pytest.raises(UsageError, match="env:BEAT") as caught:
        beat_url(table)
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("BEAT", f"https://example.com/{SECRET}")
    assert beat_url(table) == f"https://example.com/{SECRET}"


def test_doctor_says_how_the_switch_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no heartbeat.url" in _heartbeat(Settings()).message
    lost = Settings(heartbeat=HeartbeatTable(url="env:BEAT_THAT_IS_NOT_THERE"))
    assert _heartbeat(lost).level is Level.ERROR
    monkeypatch.setenv("BEAT", f"https://example.com/{SECRET}")
    found = _heartbeat(Settings(heartbeat=HeartbeatTable(url="env:BEAT")))
    assert (found.level, "every 60 s" in found.message, SECRET in found.message) == (Level.OK, True, False)


@pytest.mark.timeout(90)
def test_a_running_agent_that_stands_still_falls_silent(tmp_path: Path, receiver: HttpPlace) -> None:
    table = f'[heartbeat]\nurl = "{receiver.url}/{SECRET}"\nevery_s = 1.0\n'
    with PeopleWorkspace(tmp_path / "w", "- {id: a, do: act, target: db/shop}\n", people=table) as shop:
        shop.start()
        shop.wait_for("two beats", lambda: len(receiver.paths) >= 2)
        assert shop.agent is not None
        shop.agent.send_signal(signal.SIGSTOP)
        time.sleep(0.3)  # what was on its way arrives
        silent = len(receiver.paths)
        time.sleep(2.0)
        assert len(receiver.paths) == silent
        shop.agent.send_signal(signal.SIGCONT)
        shop.wait_for("a beat", lambda: len(receiver.paths) > silent)
