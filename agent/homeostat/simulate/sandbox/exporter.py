"""What Prometheus would see: the plant's counters and gauges, written as samples at every scrape.

edge router        payments_requests_total, payments_request_duration_seconds_{sum,count}, payments_lost_total
connection pooler  payments_pool_{in_use,size,waiting}
orchestrator       payments_deploy_timestamp_seconds, payments_restarts_total, payments_config_version_info
standby site       standby_capacity_ratio
payments           payments_process_start_time_seconds, of its first process; gone while up{job="payments"} is 0
auth               auth_requests_total, of its first replica; gone while up{job="auth"} is 0

A series that goes away is closed by a `STALE` sample, as Prometheus does it, and not by silence.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

STALE: float = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
"""Prometheus's staleness marker: a NaN of its own (prometheus/model/value, StaleNaN)."""

NO_LABELS: Mapping[str, str] = {}


class Samples(Protocol):
    """Where samples go."""

    def append(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Add one sample; `at` (Unix seconds) never goes back within a series."""
        ...


@dataclass(slots=True)
class Counters:
    """Totals since the beginning; those of auth since its last start."""

    requests: dict[str, int] = field(default_factory=lambda: {"200": 0, "500": 0, "503": 0})
    auth: dict[str, int] = field(default_factory=lambda: {"ok": 0, "error": 0})
    duration_s: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values of one moment. `*_up`: whether the target answers the scrape."""

    pool_in_use: int
    pool_size: int
    pool_waiting: int
    deployed_at: float
    restarts: int
    config_version: int
    process_started_at: float
    standby_room: float
    payments_up: bool
    auth_up: bool


class Exporter:
    """Writes all series to `samples`, one sample each a scrape."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._codes = {code: {"code": code} for code in ("200", "500", "503")}
        self._results = {result: {"result": result} for result in ("ok", "error")}
        self._jobs = {job: {"job": job} for job in ("payments", "auth")}
        self._version: tuple[int, Mapping[str, str]] | None = None
        self._payments_seen = False
        self._auth_seen = False

    def scrape(self, at: float, counters: Counters, gauges: Gauges) -> None:
        """Write the samples of the scrape at `at` (Unix seconds)."""
        append = self._samples.append
        answered = 0
        for code, labels in self._codes.items():
            total = counters.requests[code]
            answered += total
            append("payments_requests_total", labels, at, float(total))
        append("payments_request_duration_seconds_sum", NO_LABELS, at, counters.duration_s)
        append("payments_request_duration_seconds_count", NO_LABELS, at, float(answered))
        append("payments_lost_total", NO_LABELS, at, float(counters.lost))
        append("payments_pool_in_use", NO_LABELS, at, float(gauges.pool_in_use))
        append("payments_pool_size", NO_LABELS, at, float(gauges.pool_size))
        append("payments_pool_waiting", NO_LABELS, at, float(gauges.pool_waiting))
        append("payments_deploy_timestamp_seconds", NO_LABELS, at, gauges.deployed_at)
        append("payments_restarts_total", NO_LABELS, at, float(gauges.restarts))
        append("standby_capacity_ratio", NO_LABELS, at, gauges.standby_room)
        self._scrape_config(at, gauges.config_version)
        self._scrape_payments(at, gauges)
        self._scrape_auth(at, counters, up=gauges.auth_up)

    def _scrape_config(self, at: float, version: int) -> None:
        if self._version is None or self._version[0] != version:
            if self._version is not None:
                self._samples.append("payments_config_version_info", self._version[1], at, STALE)
            self._version = (version, {"version": str(version)})
        self._samples.append("payments_config_version_info", self._version[1], at, 1.0)

    def _scrape_payments(self, at: float, gauges: Gauges) -> None:
        self._samples.append("up", self._jobs["payments"], at, float(gauges.payments_up))
        if gauges.payments_up or self._payments_seen:
            value = gauges.process_started_at if gauges.payments_up else STALE
            self._samples.append("payments_process_start_time_seconds", NO_LABELS, at, value)
        self._payments_seen = gauges.payments_up

    def _scrape_auth(self, at: float, counters: Counters, *, up: bool) -> None:
        self._samples.append("up", self._jobs["auth"], at, float(up))
        if up or self._auth_seen:
            for result, labels in self._results.items():
                value = float(counters.auth[result]) if up else STALE
                self._samples.append("auth_requests_total", labels, at, value)
        self._auth_seen = up
