"""Silence is the alarm: a beat is a tick that did its work, and nothing else makes one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.acceptance.people_workspace import PeopleWorkspace

from homeostat.app.heartbeat import Heartbeat, UnheardBeat, beat_of
from homeostat.app.heartbeat_table import HeartbeatTable
from homeostat.app.observe import Observers
from homeostat.app.settings import Settings, load_settings
from homeostat.model.errors import Disposition, PolicyError, UsageError
from homeostat.model.signals import Snapshot

SECRET = "whoever-knows-this-keeps-it-quiet"


class Watcher(ThreadingHTTPServer):
    """Who listens for beats: counts them, and answers as it is told."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Hear)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class _Hear(BaseHTTPRequestHandler):
    server: Watcher

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said: object) -> None: ...


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with Watcher() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Ticks:
    """A loop that ticks when the test says so, at a time of the test's."""

    def __init__(self, settings: Settings) -> None:
        self.now = 0.0
        self.trouble: str | None = None
        self.failures: list[Exception] = []
        self.registry = CollectorRegistry()
        beat = beat_of(settings)
        assert beat is not None
        watching = Observers([self])
        self.heart = Heartbeat(
            beat, settings.heartbeat, lambda: self.trouble, watching, self.registry, clock=lambda: self.now
        )

    def tick(self, seconds: float = 60.0, error: str | None = None) -> None:
        self.now += seconds
        self.heart.ticked(self.now, Snapshot(self.now, error=error), 0)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: object) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(error)

    def count(self, result: str) -> float:
        return self.registry.get_sample_value("homeostat_heartbeats_total", {"result": result}) or 0.0


def wait_for(look: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 20.0
    while not look():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def settings_of(url: str, **more: object) -> Settings:
    return Settings.model_validate({"heartbeat": {"url": url, **more}})


@contextmanager
def beating(settings: Settings) -> Iterator[Ticks]:
    ticks = Ticks(settings)
    with ticks.heart:
        yield ticks


def taken(loop: Ticks, count: int) -> bool:
    return loop.count("taken") == count


def test_a_tick_that_did_its_work_beats_once_an_interval(watcher: Watcher) -> None:
    with beating(settings_of(watcher.url)) as loop:
        for number in range(1, 4):
            loop.tick()
            wait_for(partial(taken, loop, number))
            loop.tick(30.0)  # too soon for another one
            loop.now -= 30.0
    assert watcher.paths == [f"/{SECRET}"] * 3


def test_an_agent_that_cannot_write_or_sees_nothing_does_not_beat(watcher: Watcher) -> None:
    with beating(settings_of(watcher.url, blind_s_max=100.0)) as loop:
        loop.tick(error="down")
        assert not watcher.paths, "it has never seen anything"
        loop.tick()
        wait_for(lambda: loop.count("taken") == 1)
        loop.tick(error="down")
        wait_for(lambda: loop.count("taken") == 2)
        loop.tick(error="down")
        loop.trouble = "disk full"
        loop.tick()
        loop.trouble = None
        loop.tick()
        wait_for(lambda: loop.count("taken") == 3)
    assert len(watcher.paths) == 3


def test_a_beat_that_nobody_takes_is_told_without_its_address(watcher: Watcher) -> None:
    watcher.status = 302
    with beating(settings_of(watcher.url)) as loop:
        loop.tick()
        wait_for(lambda: loop.count("failed") == 1)
        watcher.shutdown()
        watcher.server_close()
        loop.tick()
        wait_for(lambda: loop.count("failed") == 2)
    first, second = loop.failures
    assert "the answer was 302" in str(first)
    assert all(isinstance(one, UnheardBeat) and one.disposition is Disposition.TRANSIENT for one in loop.failures)
    assert SECRET not in f"{first}{second}"
    assert watcher.paths == [f"/{SECRET}"], "a redirect is not followed"


def test_what_hangs_holds_no_tick_up() -> None:
    held, asked = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        held.wait(20.0)

    loop = Ticks(settings_of("http://127.0.0.1:9/"))
    heart = Heartbeat(
        hang, HeartbeatTable(url="http://x"), lambda: None, Observers([]), CollectorRegistry(), lambda: loop.now
    )
    with heart:
        loop.heart = heart
        loop.tick()
        assert asked.wait(20.0)
        for _ in range(1000):
            loop.tick()
        held.set()


def test_the_address_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watcher: Watcher) -> None:
    monkeypatch.setenv("BEAT_URL", watcher.url)
    with beating(settings_of("env:BEAT_URL")) as loop:
        loop.tick()
        wait_for(lambda: loop.count("taken") == 1)
    monkeypatch.setenv("BEAT_URL", "ftp://nobody")
    with pytest.raises(UsageError, match=r"heartbeat\.url"):
        beat_of(settings_of("env:BEAT_URL"))
    with pytest.raises(UsageError, match=r"heartbeat\.url: the secret env:NO_SUCH"):
        beat_of(settings_of("env:NO_SUCH"))
    path = tmp_path / "homeostat.toml"
    path.write_text(f'[heartbeat]\nurl = "https://user:{SECRET}@host/"\n')
    with pytest.raises(PolicyError) as refused:
        load_settings(path)
    assert SECRET not in str(refused.value)
    assert beat_of(Settings()) is None


@pytest.mark.timeout(90)
def test_a_loop_that_stands_still_falls_silent(tmp_path: Path, watcher: Watcher) -> None:
    table = f'[heartbeat]\nurl = "{watcher.url}"\ninterval_s = 1.0\n'
    with PeopleWorkspace(tmp_path / "w", "- {id: a, do: act, target: db/shop}\n", people=table) as shop:
        shop.start()
        shop.wait_for("two beats", lambda: len(watcher.paths) >= 2)
        assert shop.agent is not None
        shop.agent.send_signal(signal.SIGSTOP)
        time.sleep(0.3)  # what was on its way arrives
        silent = len(watcher.paths)
        time.sleep(2.0)
        assert len(watcher.paths) == silent
        shop.agent.send_signal(signal.SIGCONT)
        shop.wait_for("a beat", lambda: len(watcher.paths) > silent)
        told = shop.run("doctor").stdout
    assert "a beat every 1 s" in told
    assert SECRET not in told
