import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeostat.app.service_manager import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def told(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def test_the_longer_of_the_units_and_the_agents_limit_holds(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    watched = ServiceManager(environ)
    watched.ready(55.0)
    assert told(manager) == ["READY=1", "WATCHDOG_USEC=55000000"]
    watched.ready(10.0)
    assert told(manager) == ["READY=1", "WATCHDOG_USEC=30000000"]
    watched.alive()
    assert told(manager) == ["WATCHDOG=1"]
    watched.stopping()
    assert told(manager) == ["STOPPING=1"]


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "30", "WATCHDOG_PID": "1"}])
def test_who_is_not_watched_only_says_that_it_is_ready(manager: socket.socket, watchdog: dict[str, str]) -> None:
    unwatched = ServiceManager({"NOTIFY_SOCKET": manager.getsockname(), **watchdog})
    unwatched.alive()
    unwatched.ready(55.0)
    assert told(manager) == ["READY=1"]


def test_an_abstract_socket_is_found(tmp_path: Path) -> None:
    name = f"homeostat-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(30)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready(1.0)
        assert told(listening) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/notify", "vsock:2:1234", "@", "/\0"])
def test_nobody_who_listens_is_no_error(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}).ready(1.0)


def test_a_real_agent_says_when_it_is_ready_alive_and_stopping(manager: socket.socket, tmp_path: Path) -> None:
    code = "from homeostat.cli import main; main()"
    command = [sys.executable, "-c", code]
    subprocess.run([*command, "init", "w"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    settings = tmp_path / "w/homeostat.toml"
    settings.write_text(settings.read_text().replace("127.0.0.1:9464", "127.0.0.1:0"))
    environ = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000000"}
    environ.pop("WATCHDOG_PID", None)
    run = [*command, "run", "--ticks", "1"]
    subprocess.run(run, cwd=tmp_path / "w", env=environ, check=True, capture_output=True, timeout=60)
    assert told(manager) == ["READY=1", "WATCHDOG_USEC=55000000"]
    assert told(manager) == ["WATCHDOG=1"]
    assert told(manager) == ["STOPPING=1"]
