"""The Prometheus sensor: every signal of every policy in a few queries, once a tick.

Settings: `settings.py`. What an expression may be: `promql.py`. How it is asked: `batch.py`, `inquiry.py`. How old its
samples are: `freshness.py`. What makes a reading absent: `readings.py`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping

from prometheus_api_client import PrometheusConnect

from homeostat.model.errors import SensorError
from homeostat.model.signals import SignalSpec, Snapshot
from homeostat.sense.client import PrometheusClient
from homeostat.sense.freshness import freshness_queries
from homeostat.sense.inquiry import Inquiry
from homeostat.sense.promql import Expression, read_expression
from homeostat.sense.quarantine import Quarantine
from homeostat.sense.readings import make_reading
from homeostat.sense.settings import PrometheusSettings
from homeostat.sense.worker import Worker

_PATIENCE = 0.9
"""The part of the time-out after which answers still coming in are cut off, so that the others can be given."""


class PrometheusSensor:
    """Reads signals from a Prometheus, or from what speaks its HTTP API. Implements `model.ports.Sensor`.

    Not for several threads at once: the second of two simultaneous reads is told that the first is stuck.
    """

    def __init__(
        self,
        settings: PrometheusSettings,
        *,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the sensor; nothing is sent yet.

        Args:
            settings: where, how, and within which bounds.
            environ: where `env:NAME` references lead.
            monotonic: measures time-outs, and nothing else.

        Raises:
            UsageError: a secret's reference leads nowhere.
        """
        self._settings = settings
        self._monotonic = monotonic
        self._client = PrometheusClient(settings, environ=environ, monotonic=monotonic)
        self._quarantine = Quarantine(
            first_s=settings.quarantine_s, longest_s=settings.quarantine_max_s, size_max=settings.batch_size_max
        )
        self._worker = Worker()
        self._expressions: dict[str, Expression] = {}
        self._closed = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> PrometheusSensor:
        """Make the sensor of what a settings file holds.

        Raises:
            UsageError: a setting is unknown or wrong.
        """
        return cls(PrometheusSettings.from_mapping(values))

    @property
    def connect(self) -> PrometheusConnect:
        """The library's client over the same session, for all that is not the tick: labels, ranges, export."""
        return self._client.connect

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        """Read every signal in `specs` as of `now` (Unix seconds), within the time-out. See `model.ports.Sensor`."""
        if self._closed:
            return Snapshot(at=now, error="the sensor is closed")
        if not math.isfinite(now):
            return Snapshot(at=now, error=f"{now} is no time to read signals at")
        asked = dict(specs)
        patience_s = self._settings.timeout_s * _PATIENCE
        deadline = self._monotonic() + patience_s
        try:
            return self._worker.run(
                lambda: self._read(asked, now, deadline),
                patience_s=patience_s,
                abort=self._client.session.abort,
                grace_s=self._settings.timeout_s - patience_s,
            )
        except SensorError as error:
            return Snapshot(at=now, error=str(error))

    def _read(self, specs: Mapping[str, SignalSpec], now: float, deadline: float) -> Snapshot:
        self._expressions = {
            spec.expr: self._expressions.get(spec.expr) or read_expression(spec.expr) for spec in specs.values()
        }
        # A dictionary as an ordered set: what several signals share is asked once, and next to its freshness.
        queries: dict[str, None] = {}
        for expression in self._expressions.values():
            if expression.refusal is None:
                queries[expression.query] = None
                queries.update(dict.fromkeys(freshness_queries(expression)))
        self._quarantine.forget_except(queries)
        inquiry = Inquiry(self._client, self._quarantine, self._settings, self._monotonic, at=now, deadline=deadline)
        findings = inquiry.ask(queries)
        warnings = tuple(findings.warnings)
        if findings.failure is not None and not findings.answered:
            return Snapshot(at=now, warnings=warnings, error=findings.failure)
        readings = {key: make_reading(spec, self._expressions[spec.expr], findings, now) for key, spec in specs.items()}
        return Snapshot(at=now, readings=readings, warnings=warnings)

    def close(self) -> None:
        """Cut off what is under way and release the connections; later reads say that the sensor is closed."""
        self._closed = True
        self._client.close()
