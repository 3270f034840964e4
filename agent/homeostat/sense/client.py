"""One query, one answer: the thin adapter over the session that is shared with prometheus-api-client."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from homeostat.model.errors import SensorError, UsageError
from homeostat.sense.envelope import Envelope, Series, decode_envelope, decode_scalar, decode_vector
from homeostat.sense.excerpt import excerpt
from homeostat.sense.session import AnswerTooLarge, BoundedSession
from homeostat.sense.settings import PrometheusSettings, basic_credentials, request_headers

_CAUSES_MAX = 10


class QueryRefused(SensorError):
    """The server understood the request and refuses this query: some expression in it is at fault."""


class QueryUnanswered(SensorError):
    """The server took the query and said nothing in time; the query or the server is at fault."""


class QueryTimedOut(SensorError):
    """The server gave up on this query, but is alive: some expression in it is too slow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query yielded, with what the server said beside it.

    Attributes:
        warnings: parts of the data may be missing or meaningless.
        infos: remarks on the query; the data is what it is.
    """

    series: list[Series]
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


class PrometheusClient:
    """Asks instant queries. Its session, with TLS, authentication and bounds, is `connect`'s too.

    Attributes:
        connect: the library's client for everything that is not the tick: series, labels, ranges, export.
    """

    def __init__(
        self,
        settings: PrometheusSettings,
        *,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the session; nothing is sent yet.

        Raises:
            UsageError: a secret's reference leads nowhere.
        """
        self._settings = settings
        self._environ = environ
        self._monotonic = monotonic
        self.url = settings.url.rstrip("/")
        self.session = BoundedSession(
            timeout_s=settings.timeout_s, answer_bytes_max=settings.answer_bytes_max, monotonic=monotonic
        )
        self.session.verify = settings.ca_file or settings.verify_tls
        if settings.client_cert_file and settings.client_key_file:
            self.session.cert = (settings.client_cert_file, settings.client_key_file)
        elif settings.client_cert_file:
            self.session.cert = settings.client_cert_file
        self._authenticate()
        # Without these it would wait for ever, and try four times.
        self.connect = PrometheusConnect(
            url=self.url, session=self.session, timeout=settings.timeout_s, retry=Retry(0), method="POST"
        )
        self.session.mount(self.url, self.session.adapter)  # the library has mounted an unbounded one

    def _authenticate(self) -> None:
        self.session.headers.update(request_headers(self._settings, self._environ))
        self.session.auth = basic_credentials(self._settings, self._environ)

    def query(self, promql: str, at: float, deadline: float) -> Answer:
        """Evaluate `promql` at `at` (Unix seconds).

        Args:
            promql: must yield an instant vector.
            at: the moment of evaluation.
            deadline: on the injected monotonic clock.

        Raises:
            QueryRefused: the query itself is at fault.
            QueryTimedOut: the server gave the query up.
            QueryUnanswered: it said nothing in time.
            SensorError: there was no usable answer.
        """
        envelope = self._post(promql, at, deadline)
        series = decode_vector(envelope.data)
        return Answer(series, tuple(envelope.warnings or ()), tuple(envelope.infos or ()))

    def server_time(self, deadline: float) -> float:
        """Give the server's own clock (Unix seconds), by evaluating `time()` at no given moment."""
        return decode_scalar(self._post("time()", None, deadline).data)

    def _post(self, promql: str, at: float | None, deadline: float) -> Envelope:
        remaining_s = deadline - self._monotonic()
        if remaining_s <= 0:
            raise SensorError(f"no time was left to ask {self.url}")
        # The server gives up first, so that a slow query is told apart from a dead server.
        form = {"query": promql, "timeout": f"{max(int(remaining_s * 800), 1)}ms"}
        if at is not None:
            form["time"] = f"{at:.3f}"
        response = self.request("POST", "/api/v1/query", remaining_s, form)
        self._check_clock(response, at)
        return self._open(response)

    def request(
        self,
        method: str,
        path: str,
        timeout_s: float,
        form: Mapping[str, str] | None = None,
        *,
        attempts_max: int = 2,
    ) -> requests.Response:
        """Send one request below the root, with a form as its body; any HTTP status is an answer.

        A second attempt is made only where the server hung up without a word: most likely it closed an idle connection
        while we were writing to it, and asking changes nothing over there.

        Raises:
            QueryRefused: the answer is larger than it may be.
            QueryUnanswered: no complete answer came in time.
            SensorError: there was none.
        """
        deadline = self._monotonic() + timeout_s
        try:
            return self.session.request(
                method, f"{self.url}{path}", data=form, timeout=timeout_s, allow_redirects=False
            )
        except AnswerTooLarge as error:
            raise QueryRefused(str(error)) from error
        except Exception as error:  # a lying peer can make the HTTP stack raise almost anything
            left_s = deadline - self._monotonic()
            if attempts_max > 1 and left_s > 0 and isinstance(_root_cause(error), ConnectionResetError):
                return self.request(method, path, left_s, form, attempts_max=attempts_max - 1)
            if isinstance(error, requests.Timeout) or left_s <= 0:
                cause = f"{self.url} cannot be read: no complete answer within {timeout_s:.2g} s"
                raise (SensorError if isinstance(error, requests.ConnectTimeout) else QueryUnanswered)(cause) from error
            raise SensorError(f"{self.url} cannot be read: {_describe(_root_cause(error))}") from error

    def _check_clock(self, response: requests.Response, at: float | None) -> None:
        skew_max_s = self._settings.clock_skew_max_s
        if skew_max_s is None or at is None:
            return
        with suppress(ValueError, TypeError, OverflowError):
            server = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
            skew_s = at - server
            # The header has whole seconds, and the answer may be as late as the time-out allows.
            if skew_s > skew_max_s or -skew_s > skew_max_s + self._settings.timeout_s + 1:
                ahead = "ahead of" if skew_s > 0 else "behind"
                raise SensorError(
                    f"our clock is {abs(skew_s):.0f} s {ahead} that of {self.url}; its answers would be misjudged:"
                    f" set both clocks by NTP"
                )

    def _open(self, response: requests.Response) -> Envelope:
        status = response.status_code
        if 300 <= status < 400:
            target = excerpt(response.headers.get("Location", "nowhere"), 200)
            raise SensorError(f"{self.url} redirects to {target}; set url to where Prometheus really is")
        if status in (401, 403):
            self._renew_credentials()
            raise SensorError(f"{self.url} refuses our credentials (HTTP {status}); check token, username or headers")
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            begin = excerpt(response.content[:100].decode("utf-8", "replace"), 80)
            raise SensorError(
                f"{self.url} answered HTTP {status} with {excerpt(media_type, 60) or 'no media type'} instead of JSON"
                f" ({begin!r}); is it a Prometheus?"
            )
        try:
            envelope = decode_envelope(response.content)
        except SensorError as error:
            raise SensorError(f"{self.url} answered HTTP {status}, but {error}") from None
        if status == 200 and envelope.status == "success":
            return envelope
        raise self._failure(status, envelope)

    def _failure(self, status: int, envelope: Envelope) -> SensorError:
        message = excerpt(envelope.error) or "no reason given"
        if envelope.status == "error" and status in (400, 422):
            return QueryRefused(f"the server refuses the query: {message}")
        if envelope.status == "error" and envelope.errorType in ("timeout", "canceled"):
            return QueryTimedOut(f"the server gave the query up: {message}")
        return SensorError(f"{self.url} answered HTTP {status}, status {excerpt(envelope.status, 40)!r}: {message}")

    def _renew_credentials(self) -> None:
        """Read the references again for the next request: mounted tokens are rotated."""
        with suppress(UsageError):  # then the old ones stay, and the next answer says the same
            self._authenticate()

    def close(self) -> None:
        """Cut off what is under way and release the connections."""
        self.session.abort()
        self.session.close()


def _root_cause(error: BaseException) -> BaseException:
    """Find, below the layers of the HTTP stack, the error that tells a person something."""
    inner: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if inner is None:
            break
        error = inner
        if isinstance(error, OSError) and error.strerror:
            break
        layers = (*error.args, getattr(error, "reason", None))
        inner = next((item for item in layers if isinstance(item, BaseException)), None)
        inner = inner or error.__cause__ or error.__context__
    return error


def _describe(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"its name is not known: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return excerpt(f"{type(error).__name__}: {error}", 200)
