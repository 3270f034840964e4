"""`POST /alerts/NAME` of the agent's listener: who may, what it says, and whether it was taken."""

from __future__ import annotations

import base64
import hmac
import http
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric

from homeostat.act.secret import SecretError, resolve
from homeostat.app.alert_intake import AlertIntake
from homeostat.app.alerts_table import AlertSourceTable
from homeostat.app.settings import Settings
from homeostat.model.alerts import Alert
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.sense.alerts import AlertRefusal, Delivery, Refusal, parse
from homeostat.sense.alerts.paging import is_signed
from homeostat.sense.alerts.payload import BYTES_MAX, NAME_CHARACTERS_MAX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/alerts/"
POLICY_LABEL = "homeostat_policy"
"""A label that names the policy an alert is about."""

CALLERS_MAX = 8
"""At once, so that some of the listener's places stay free for those who ask how the agent is."""
RETRY_AFTER_S = 5
_LENGTH_DIGITS_MAX = 12


class Source:
    """One source, with its secrets looked up. Raises UsageError."""

    def __init__(self, name: str, table: AlertSourceTable, settings: Settings, agent_token: str) -> None:
        self.name = name
        self.table = table
        self._mapping = table.read_by
        self._signing = tuple(_secret(settings, name, reference) for reference in table.signing_secrets)
        if table.user is not None and table.password is not None:
            pair = f"{table.user}:{_secret(settings, name, table.password)}"
            self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        elif table.token is not None:
            self._authorization = "Bearer " + _secret(settings, name, table.token)
        else:
            self._authorization = "Bearer " + agent_token

    @property
    def is_signed(self) -> bool:
        """Whether callers sign what they send, and show nothing beside."""
        return bool(self._signing)

    @property
    def scheme(self) -> str:
        """How callers say who they are, for `WWW-Authenticate`."""
        return "Signature" if self.is_signed else self._authorization.partition(" ")[0]

    def admits(self, authorization: str) -> bool:
        """Whether a caller has shown what this source is known by."""
        offered, expected = authorization.encode("latin-1", "replace"), self._authorization.encode()
        return hmac.compare_digest(offered, expected)

    def has_signed(self, body: bytes, signatures: str) -> bool:
        """Whether these bytes are signed by it."""
        return is_signed(body, signatures, self._signing)

    def read(self, body: bytes) -> Delivery | Refusal:
        """What a delivery says."""
        return parse(self.name, self.table.kind, body, self._mapping)

    def policies_of(self, alert: Alert) -> tuple[str, ...]:
        """The policies that an alert is about, by its own label or by the settings."""
        label = self.table.policy_label
        value = alert.name if label is None else alert.labels.get(label, "")
        named = (alert.labels.get(POLICY_LABEL, "")[:NAME_CHARACTERS_MAX], self.table.policies.get(value, ""))
        return tuple(dict.fromkeys(filter(None, named)))


def _secret(settings: Settings, source: str, reference: str) -> str:
    try:
        return resolve(reference, settings.secrets.for_lookup())
    except SecretError as error:
        raise UsageError(f"alerts.sources.{source}: {error}") from error


class AlertReception:
    """A WSGI application for everything below `/alerts/`.

    It answers 202 for what was taken, 200 for what needs nothing done, 4xx for what will never be taken, and 503 with
    `Retry-After` for what may be sent again. What was taken is journalled by the loop at its next turn.

    Args:
        settings: of the workspace; its sources.
        agent_token: what callers of sources without a secret of their own show.
        intake: takes the alerts.
        registry: the metrics.

    Raises:
        UsageError: a secret cannot be had.
    """

    def __init__(self, settings: Settings, agent_token: str, intake: AlertIntake, registry: CollectorRegistry) -> None:
        tables: Mapping[str, AlertSourceTable] = settings.alerts.sources
        self._sources = {name: Source(name, table, settings, agent_token) for name, table in tables.items()}
        self._agent = "Bearer " + agent_token
        self._intake = intake
        self._places = threading.BoundedSemaphore(CALLERS_MAX)
        self._received = Metric("homeostat_alerts_received", "Alerts taken in.", ["source"], registry=registry)
        self._refused = Metric(
            "homeostat_alerts_refused", "Deliveries refused.", ["source", "reason"], registry=registry
        )
        self._logged: set[tuple[str, AlertRefusal]] = set()
        self._log = structlog.get_logger("homeostat")

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        name = str(environ.get("PATH_INFO", "")).removeprefix(PATH)
        source = self._sources.get(name)
        offered = str(environ.get("HTTP_AUTHORIZATION", ""))
        if source is None:
            # Only who may ask the agent anything is told which sources there are.
            if not hmac.compare_digest(offered.encode("latin-1", "replace"), self._agent.encode()):
                return _say(start, 401, "say who you are", ("WWW-Authenticate", "Bearer"))
            hint = did_you_mean(name, self._sources) or f"; known: {', '.join(self._sources) or 'none'}"
            return _say(start, 404, f"no table [alerts.sources.{name[:40]}] in homeostat.toml{hint}")
        if not source.is_signed and not source.admits(offered):
            return _say(start, 401, "show this source's token or password", ("WWW-Authenticate", source.scheme))
        if environ.get("REQUEST_METHOD") != "POST":
            return _say(start, 405, "alerts are sent by POST", ("Allow", "POST"))
        if not self._places.acquire(blocking=False):
            return _busy(start)
        try:
            return self._take(source, environ, start)
        finally:
            self._places.release()

    def _take(self, source: Source, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "")
        if not (length.isascii() and length.isdecimal() and len(length) <= _LENGTH_DIGITS_MAX):
            return _say(start, 411, "say the length of what you send (Content-Length)")
        if int(length) > BYTES_MAX:
            if source.is_signed:  # nobody knows yet who this is
                return _say(start, 413, f"a delivery has at most {BYTES_MAX} bytes")
            return self._refuse(
                source, Refusal(AlertRefusal.TOO_LARGE, f"{length} bytes, of at most {BYTES_MAX}"), start
            )
        body = environ["wsgi.input"].read(int(length))
        if len(body) != int(length):
            return _say(start, 400, "it ended before its length")
        if source.is_signed and not source.has_signed(body, str(environ.get("HTTP_X_PAGERDUTY_SIGNATURE", ""))):
            return _say(start, 401, "no signature of it is ours", ("WWW-Authenticate", source.scheme))
        delivery = source.read(body)
        if isinstance(delivery, Refusal):
            return self._refuse(source, delivery, start)
        if not delivery.alerts:
            return _say(start, 200, f"nothing to do: {delivery.ignored}")
        told = [(alert, source.policies_of(alert)) for alert in delivery.alerts]
        if not self._intake.take(told, Counter({source.name: delivery.truncated})):
            return _busy(start)
        self._received.labels(source.name).inc(len(told))
        return _say(start, 202, f"{len(told)} taken; the agent looks at once, and only signals decide")

    def _refuse(self, source: Source, refusal: Refusal, start: StartResponse) -> Iterable[bytes]:
        self._refused.labels(source.name, refusal.reason.value).inc()
        if (source.name, refusal.reason) not in self._logged:  # a source repeats itself
            self._logged.add((source.name, refusal.reason))
            self._log.warning("alerts.refused", source=source.name, reason=refusal.reason.value, detail=refusal.detail)
        status = 413 if refusal.reason in (AlertRefusal.TOO_LARGE, AlertRefusal.TOO_MANY) else 400
        return _say(start, status, str(refusal))


def _busy(start: StartResponse) -> Iterable[bytes]:
    return _say(start, 503, "too many alerts wait for the loop", ("Retry-After", str(RETRY_AFTER_S)))


def _say(start: StartResponse, status: int, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    start(f"{status} {http.HTTPStatus(status).phrase}", [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{text}\n".encode("utf-8", "replace")]
