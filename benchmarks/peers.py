"""Other durable-execution engines as `journal_ways.Way`: each in a process and an environment of its own.

What they need is locked in `requirements/peers.lock` and never enters the project's own environment.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import venv
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/peers.lock"
READY_S_MAX = 180.0
ROUND_S_MAX = 300.0
STOP_S_MAX = 20.0


class PeerError(Exception):
    """A peer cannot be measured; the message says why."""


def install(environment: Path) -> Path:
    """Make the peers' environment, or take the one that is there for the same lock; give its Python.

    Raises:
        PeerError: they cannot be installed.
    """
    python, done = environment / "bin/python", environment / "installed.lock"
    if done.exists() and done.read_bytes() == LOCK.read_bytes():
        return python
    venv.create(environment, clear=True, with_pip=True)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", "--quiet", "install")
    try:
        subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True, timeout=900)
    except (subprocess.SubprocessError, OSError) as error:
        raise PeerError(f"the peers cannot be installed from {LOCK.name}: {error}") from error
    done.write_bytes(LOCK.read_bytes())
    return python


class Peer:
    """One engine in its process. `seconds` is the time of the last round, taken inside that process.

    Args:
        python: of the peers' environment.
        script: beside this file; answers `ready`, and then seconds to every count of steps.
        folder: an empty one on the disk that is measured.
    """

    def __init__(self, python: Path, script: str, folder: Path, *arguments: str) -> None:
        self._name = " ".join((script, *arguments))
        self._log = folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(int(READY_S_MAX)),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, Path(__file__).with_name(script), *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.seconds = 0.0
        try:
            self._expect_ready()
        except PeerError:
            self.close()
            raise

    def _expect_ready(self) -> None:
        if self._line(READY_S_MAX) != "ready":
            raise PeerError(f"{self._name}: does not start: {self._said()}")

    def steps(self, count: int) -> None:
        """Take `count` steps. Raises PeerError."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % count)
        self._process.stdin.flush()
        answer = self._line(ROUND_S_MAX)
        try:
            self.seconds = float(answer)
        except ValueError:
            raise PeerError(f"{self._name}: failed in a round: {self._said()}") from None

    def close(self) -> None:
        """End the process: by the end of its input, else by its process id."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _line(self, patience_s: float) -> str:
        """The next line; "" when the process ended. What engines print beside the protocol is passed over."""
        assert self._process.stdout is not None
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            readable, _, _ = select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0.0))
            if not readable:
                break
            line = self._process.stdout.readline().decode(errors="replace").strip()
            if not line or line == "ready" or line.replace(".", "").replace("e-", "").isdigit():
                return line
            print(f"{self._name}: {line}", file=sys.stderr)
        raise PeerError(f"{self._name}: no answer within {patience_s:g} s: {self._said()}")

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return " | ".join(lines[-5:]) or "nothing on its standard error"
