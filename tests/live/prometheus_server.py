"""A real Prometheus on a free loopback port, with its own configuration and data, ended by its process id."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from homeostat.rig.layout import free_port

READY_S_MAX = 30.0
STOP_S_MAX = 10.0


def scrape_config(targets: Mapping[str, Sequence[str]], *, interval_s: float = 1.0) -> str:
    """Write a configuration that scrapes `host:port` addresses, by job name."""
    every = f"{round(interval_s * 1000)}ms"
    lines = ["global:", f"  scrape_interval: {every}", f"  scrape_timeout: {every}", f"  evaluation_interval: {every}"]
    if targets:
        lines.append("scrape_configs:")
    for job, addresses in targets.items():
        lines += [f"  - job_name: {job}", "    static_configs:", f"      - targets: {list(addresses)}"]
    return "\n".join(lines) + "\n"


def load_openmetrics(text: str, data_directory: Path) -> None:
    """Make storage blocks of OpenMetrics text with timestamps, which must end with `# EOF`."""
    data_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".om", dir=data_directory.parent) as file:
        file.write(text)
        file.flush()
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", file.name, str(data_directory)],
            check=True,
            capture_output=True,
            timeout=60,
        )


class PrometheusServer:
    """Starts on entering, stops on leaving. `kill`, `suspend` and `start` in between are for fault injection.

    Attributes:
        directory: holds `prometheus.yml`, `data/` and `prometheus.log`.
        url: stays the same over restarts; `host` is what it listens on.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: str = "",
        flags: Sequence[str] = (),
        port: int | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.directory = directory
        self.data_directory = directory / "data"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._host = host
        self._config = config or scrape_config({})
        self._flags = list(flags)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        if self._process is None:
            raise RuntimeError("Prometheus is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers queries."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data_directory.mkdir(exist_ok=True)
        config = self.directory / "prometheus.yml"
        config.write_text(self._config)
        with (self.directory / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.data_directory}",
                    "--storage.tsdb.retention.time=50y",
                    f"--web.listen-address={self._host}:{self.port}",
                    "--log.level=warn",
                    *self._flags,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_S_MAX
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Prometheus did not start:\n{self.log()}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def log(self) -> str:
        """Give the end of what it has written to its log."""
        path = self.directory / "prometheus.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def stop(self) -> None:
        """Stop it gracefully, or else by force."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it without warning."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def suspend(self) -> None:
        """Make it hang: connections are taken, answers never come."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `suspend`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
