"""A real haproxy with a Runtime API, and a go-between on it that counts, loses or holds back what is asked."""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_S = 30.0
SERVERS = {"app/one": "ready", "app/two": "ready", "app/three": "maint", "other/web": "ready"}
"""As they are in the beginning. Those of `fixed` take no weight between 0% and 100%: its algorithm is static."""
_CONFIGURATION = """global
  stats socket {folder}/admin mode 600 level admin
  stats socket {folder}/operator mode 600 level operator
defaults
  mode tcp
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend app
  bind {folder}/users
  default_backend app
backend app
  use-server one if TRUE
  server one {folder}/served weight 100
  server two {folder}/served
  server three {folder}/served disabled
frontend others
  bind {folder}/others
  default_backend other
backend other
  server web {folder}/served weight 100
backend fixed
  balance source
  server one {folder}/served
"""


def program() -> str:
    """The path of a real haproxy. Without it: skip; where CI is true: fail."""
    # Debian keeps what root alone would start off the PATH.
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        reason = "haproxy is not on the PATH; on Debian: apt-get install haproxy"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must run these tests: {reason}")
        pytest.skip(reason)
    return found


class Fate(enum.Enum):
    """What becomes of a command on its way."""

    ANSWERED, UNANSWERED, DROPPED = range(3)


class Haproxy:
    """haproxy in front of a service that never ends a session, and its go-between.

    Attributes:
        asked: commands that came to the go-between.
        on: called with each command before it is passed on; says what becomes of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.on: Callable[[str], Fate] = lambda _command: Fate.ANSWERED
        (folder / "haproxy.cfg").write_text(_CONFIGURATION.format(folder=folder))
        self._service = _listening(folder / "served")
        self._between = _listening(folder / "between"), socket.create_server(("127.0.0.1", 0))
        self.process = subprocess.Popen(
            [program(), "-db", "-q", "-f", str(folder / "haproxy.cfg")],
            stderr=subprocess.DEVNULL,
        )
        for listening in self._between:
            threading.Thread(target=self._pass_on, args=(listening,), daemon=True).start()
        give_up_at = time.monotonic() + PATIENCE_S
        while not (folder / "users").exists():
            assert self.process.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.005)

    @property
    def between(self) -> str:
        return str(self.folder / "between")

    @property
    def between_by_tcp(self) -> str:
        """HOST:PORT, where the go-between listens, too."""
        return f"127.0.0.1:{self._between[1].getsockname()[1]}"

    def close(self) -> None:
        for listening in self._between:
            listening.close()
        self._service.close()
        self.process.kill()
        self.process.wait()

    def ready(self) -> None:
        """All servers as the configuration has them, and nothing asked yet."""
        self.on = lambda _command: Fate.ANSWERED
        for server, state in SERVERS.items():
            self.tell(f"set server {server} state {state}")
            self.tell(f"set weight {server} 100%")
            self.tell(f"shutdown sessions server {server}")
        self.asked.clear()

    def tell(self, command: str) -> str:
        """The answer to a command, past the go-between."""
        return _told(self.folder / "admin", command)

    def shown(self, server: str) -> tuple[int, int]:
        """The bits of its state, and its weight."""
        names, *rows = self.tell("show servers state app").splitlines()[1:]
        row = next(line.split() for line in rows if line.split()[3] == server)
        columns = names.removeprefix("# ").split()
        return int(row[columns.index("srv_admin_state")]), int(row[columns.index("srv_uweight")])

    def sets(self) -> list[str]:
        return [command for command in self.asked if command.startswith("set ")]

    @contextlib.contextmanager
    def session(self, frontend: str = "users") -> Iterator[None]:
        """A user who stays on the server `app/one`, or on `other/web` where `others` is the frontend."""
        with socket.socket(socket.AF_UNIX) as user:
            user.connect(str(self.folder / frontend))
            served, _ = self._service.accept()
            with served:
                yield

    def _pass_on(self, listening: socket.socket) -> None:
        while True:
            try:
                asking, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: socket.socket) -> None:
        with asking, contextlib.suppress(OSError):
            command = asking.makefile().readline().strip()
            self.asked.append(command)
            fate = self.on(command)
            said = "" if fate is Fate.DROPPED else self.tell(command)
            if fate is Fate.ANSWERED:
                asking.sendall(said.encode())


def haproxies() -> Iterator[Haproxy]:
    """One for the tests of a module, in a folder whose path a socket's address can hold."""
    program()
    folder = Path(tempfile.mkdtemp(prefix="haproxy-"))
    haproxy = Haproxy(folder)
    yield haproxy
    haproxy.close()
    shutil.rmtree(folder)


def _listening(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def _told(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(f"{command}\n".encode())
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
    return answer.decode()
