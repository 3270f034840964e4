"""Parsers that only run inside a process or a server: the listener, the nursery, the runner, the whole sensor."""

from __future__ import annotations

import itertools
import json
import math
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from tests.unit.outside.parsers import Parse, Parser
from tests.unit.policy.fuzzing import Broken
from tests.unit.sense.scripted_prometheus import ScriptedPrometheus, _Handler

from homeostat.act.context import ActuatorContext
from homeostat.act.job_files import JobFiles, job_folder
from homeostat.act.jobs import Spool
from homeostat.act.launch import Launcher, Nursery
from homeostat.act.nursery import LENGTH, PID
from homeostat.app.listener import Listener
from homeostat.model.commands import Done, InDoubt
from homeostat.model.signals import SignalSpec
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings

TOKEN = "the-token-of-this-listener"
PATIENCE_S = 30.0
NOW = 1_800_000_000.0


@contextmanager
def listener(folder: Path) -> Iterator[Parse]:
    """Raw bytes over a connection; nothing but 401 and complaints come back unless they hold the token."""
    del folder
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    asked: list[None] = []
    serving = Listener(
        "127.0.0.1:0", TOKEN, registry, lambda: None, lambda: asked.append(None), request_timeout_s=PATIENCE_S
    )
    host, _, port = serving.address.rpartition(":")

    def parse(content: bytes) -> bool:
        asked.clear()
        answer = b""
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        with connection, suppress(OSError):  # it may hang up before all is said
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
        told = b"things_total" in answer or b" 200 " in answer or b" 202 " in answer
        if (told or asked) and TOKEN.encode() not in content:
            raise Broken(f"without the token it says {answer[:200]!r}")
        return told

    try:
        yield parse
    finally:
        serving.close()


@contextmanager
def nursery(folder: Path) -> Iterator[Parse]:
    """Requests to the process that forks runners. It must go on forking, whatever one of them said."""
    process = Nursery()
    job = folder / "job"
    job.mkdir()

    def parse(content: bytes) -> bool:
        with suppress(ValueError, RecursionError):
            request = json.loads(content)
            if isinstance(request, dict) and request.get("folder") not in (None, "JOB"):
                return False  # it would write its log there, as it should
        content = content.replace(b'"JOB"', json.dumps(str(job)).encode())
        log = job / "runner.log"
        log.unlink(missing_ok=True)
        process._socket.sendall(LENGTH.pack(len(content)) + content)
        answer, descriptors, _, _ = socket.recv_fds(process._socket, PID.size, 1)
        if len(answer) < PID.size or not PID.unpack(answer)[0]:
            raise Broken("the nursery forks no more")
        with _closing(descriptors):
            if not select.select(descriptors, [], [], PATIENCE_S)[0]:
                raise Broken("a runner without a job does not end")
        return log.exists() and "holds no job.json" in log.read_text()

    try:
        yield parse
    finally:
        process.close()


@contextmanager
def _closing(descriptors: list[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@contextmanager
def job(folder: Path) -> Iterator[Parse]:
    """A job's file, as its runner finds it: it is carried out, or nothing is run and the outcome says so."""
    launcher = Launcher()
    actions = folder / "actions"
    spool = Spool(ActuatorContext(folder, {"PATH": "/usr/bin:/bin"}))
    numbers = itertools.count()

    def parse(content: bytes) -> bool:
        key = f"i/{next(numbers)}/1"
        files = JobFiles(job_folder(actions, key))
        files.folder.mkdir(parents=True)
        files.work.mkdir()
        (files.folder / "job.json").write_bytes(content)
        launcher.launch(files, {"PATH": "/usr/bin:/bin"})
        watched = list(launcher._runners)
        if watched and not select.select(watched, [], [], PATIENCE_S)[0]:
            raise Broken("its runner does not end")
        list(launcher.reap())
        if not (files.folder / "claim").exists():
            return False
        report = spool.lookup(key)
        if not isinstance(report, Done | InDoubt):
            raise Broken(f"its runner has ended, and it is said to be {report!r}")
        return isinstance(report, Done) and report.status == "ok"

    try:
        yield parse
    finally:
        if launcher._nursery is not None:
            launcher._nursery.close()


@contextmanager
def prometheus_server(folder: Path) -> Iterator[Parse]:
    """Answers of a server to the whole sensor. It never raises, and what it gives is a number or an absence."""
    del folder
    specs = {"errors": SignalSpec("errors", "errors", 60.0), "ready": SignalSpec("ready", "ready", 60.0)}
    body = b""

    def lie(handler: _Handler) -> None:
        handler.reply(200, body, "application/json")

    with ScriptedPrometheus() as server:
        server.lie = lie
        settings = PrometheusSettings(url=server.url, timeout_s=5.0, extra_queries_max=4)

        def parse(content: bytes) -> bool:
            nonlocal body
            body = content
            sensor = PrometheusSensor(settings)
            try:
                snapshot = sensor.read(specs, NOW)
            finally:
                sensor.close()
            values = [reading.value for reading in snapshot.readings.values()]
            for value in values:
                if value is not None and not (isinstance(value, float) and math.isfinite(value)):
                    raise Broken(f"{value!r} is taken for a number")
            for text in (snapshot.error or "", *snapshot.warnings):
                text.encode()
            return any(value is not None for value in values)

        yield parse


_REQUESTS = (
    f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode(),
    f"GET /healthz HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\nAccept: */*\r\n\r\n".encode(),
    f"POST /retrain HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
)
_FORK = json.dumps({"folder": "JOB", "environment": {"PATH": "/usr/bin", "LANG": "C"}, "guard": False}).encode()
_JOB = json.dumps(
    {
        "key": "i/1/1", "kind": "command", "argv": ["/bin/true", "x"], "cwd": None, "timeout_s": 5.0,
        "values": {"PATH": {"literal": "/usr/bin"}, "LANG": {"inherit": "LANG"}}, "cancel_grace_s": 1.0,
        "output_bytes_max": 1000,
    }
).encode()  # fmt: skip
_SERIES = [
    {"metric": {"__sig": str(marker), "job": "a"}, "value": [NOW, value]}
    for marker, value in enumerate(("0.25", str(NOW - 5), "3", str(NOW - 5)))
]
_ANSWER = json.dumps({"status": "success", "data": {"resultType": "vector", "result": _SERIES}}).encode()

SERVED = (
    Parser("listener", "bytes", _REQUESTS, listener),
    Parser("nursery", "json", (_FORK,), nursery),
    Parser("job", "json", (_JOB,), job),
    Parser("prometheus-server", "json", (_ANSWER,), prometheus_server),
)
