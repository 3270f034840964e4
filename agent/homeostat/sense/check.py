"""What `doctor` asks a Prometheus before anybody trusts it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import requests

from homeostat.model.errors import SensorError, UsageError
from homeostat.sense.batch import compose, distribute
from homeostat.sense.client import PrometheusClient
from homeostat.sense.envelope import decode_envelope
from homeostat.sense.excerpt import excerpt
from homeostat.sense.settings import PrometheusSettings
from homeostat.sense.worker import Worker

CLOCK_SKEW_MAX_S = 2.0
"""Beyond this, samples look older or fresher than they are by more than a scrape may be late."""


class Level(StrEnum):
    """How bad a finding is: fine, worth a look, or not usable as it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out: about what, how bad, and a sentence that says what to do."""

    subject: str
    level: Level
    message: str


class _Build(msgspec.Struct, frozen=True):
    version: str = ""


def check(
    settings: PrometheusSettings,
    wall_clock: Callable[[], float],
    *,
    environ: Mapping[str, str] = os.environ,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Finding]:
    """Try everything the sensor relies on, in order, and stop where going on makes no sense.

    Args:
        settings: as for the sensor.
        wall_clock: our Unix seconds, to compare with the server's.
        environ: where `env:NAME` references lead.
        monotonic: measures time-outs.

    Returns:
        Findings, each of its own subject: `settings`, `reachable`, `api`, `clock`, `batching`. Takes at most five
        times the time-out; never raises for what the source does.
    """
    try:
        client = PrometheusClient(settings, environ=environ, monotonic=monotonic)
    except UsageError as error:
        return [Finding("settings", Level.ERROR, str(error))]
    findings: list[Finding] = []
    try:
        for subject, probe in _PROBES.items():
            findings.append(_try(subject, probe, client, settings, wall_clock, monotonic))
            if findings[-1].level is Level.ERROR:
                break
    finally:
        client.close()
    return findings


@dataclass(frozen=True, slots=True)
class _Surroundings:
    client: PrometheusClient
    settings: PrometheusSettings
    wall_clock: Callable[[], float]
    monotonic: Callable[[], float]

    def deadline(self) -> float:
        return self.monotonic() + self.settings.timeout_s


Probe = Callable[[_Surroundings, str], Finding]


def _try(
    subject: str,
    probe: Probe,
    client: PrometheusClient,
    settings: PrometheusSettings,
    wall_clock: Callable[[], float],
    monotonic: Callable[[], float],
) -> Finding:
    surroundings = _Surroundings(client, settings, wall_clock, monotonic)
    try:
        return Worker().run(
            lambda: probe(surroundings, subject),
            patience_s=settings.timeout_s,
            abort=client.session.abort,
            grace_s=settings.timeout_s * 0.1,
        )
    except SensorError as error:
        return Finding(subject, Level.ERROR, str(error))


def _reachable(here: _Surroundings, subject: str) -> Finding:
    url = here.client.url
    try:
        fine = here.client.connect.check_prometheus_connection()
    except requests.RequestException:
        here.client.request("GET", "/", here.settings.timeout_s)  # says in our words what is wrong
        fine = True
    if not fine:
        return Finding(subject, Level.WARNING, f"{url} answers its start page with an error; the API may still work")
    return Finding(subject, Level.OK, f"{url} answers")


def _api(here: _Surroundings, subject: str) -> Finding:
    """Ask for what only a Prometheus can say: any HTTP 200 would do for a mere connection check."""
    here.client.server_time(here.deadline())
    response = here.client.request("GET", "/api/v1/status/buildinfo", here.settings.timeout_s)
    version = ""
    if response.status_code == 200:
        try:
            data = decode_envelope(response.content).data
            version = msgspec.json.decode(data, type=_Build).version
        except (SensorError, msgspec.MsgspecError):
            version = ""
    if not version:
        return Finding(subject, Level.WARNING, "it answers PromQL, but does not say which version of Prometheus it is")
    return Finding(subject, Level.OK, f"Prometheus {excerpt(version, 40)}")


def _clock(here: _Surroundings, subject: str) -> Finding:
    before = here.wall_clock()
    server = here.client.server_time(here.deadline())
    after = here.wall_clock()
    skew_s = max(before - server, server - after, 0.0)
    if skew_s > CLOCK_SKEW_MAX_S:
        ahead = "behind" if server > after else "ahead of"
        message = f"our clock is {skew_s:.1f} s {ahead} the server's; samples are judged too old or too fresh: use NTP"
        return Finding(subject, Level.ERROR, message)
    return Finding(subject, Level.OK, f"our clock and the server's differ by less than {CLOCK_SKEW_MAX_S:g} s")


def _batching(here: _Surroundings, subject: str) -> Finding:
    batch = ("vector(1)", "vector(2)")
    answer = here.client.query(compose(batch), here.wall_clock(), here.deadline())
    values = [[one.number() for one in series] for series in distribute(batch, answer.series).values()]
    if values != [[1.0], [2.0]]:
        return Finding(subject, Level.ERROR, f"two expressions asked in one query were answered {values}")
    return Finding(subject, Level.OK, "many expressions can be asked in one query")


_PROBES: dict[str, Probe] = {"reachable": _reachable, "api": _api, "clock": _clock, "batching": _batching}
