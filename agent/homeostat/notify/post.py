"""One POST, all of it bounded: certificates verified, no proxy, no redirect, no endless answer."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from homeostat.notify.channel import NotSentError, RefusedMessageError

ANSWER_BYTES_MAX = 64 << 10
AFTER_S_MAX = 600.0
_TERMINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: the HTTP status, the beginning of the body, and how long to leave the other side alone."""

    status: int
    body: bytes
    after_s: float | None = None


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answered:
    """Send one request and read its answer.

    Args:
        url: https, or http on this host.
        body: as it goes out.
        headers: beside Content-Length.
        timeout_s: for all of it together, name look-up and handshake too.

    Raises:
        NotSentError: there was no whole answer in time; nobody knows whether the other side took it.
    """
    found: list[Answered | Exception] = []
    connection = _connection(url, timeout_s)

    def exchange() -> None:
        try:
            found.append(_exchange(connection, url, body, headers))
        except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception; it is told below
            found.append(error)

    worker = threading.Thread(target=exchange, name="post", daemon=True)  # a resolver has no deadline of its own
    worker.start()
    worker.join(timeout_s)
    if not found:
        with contextlib.suppress(OSError):  # it may be gone by now
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)
        raise NotSentError(f"no answer within {timeout_s:g} s; it may have been taken all the same")
    match found[0]:
        case Answered() as answered:
            return answered
        case ssl.SSLCertVerificationError() as error:
            raise NotSentError(f"the server's certificate is not trusted: {error.verify_message}") from None
        case OSError() as error:
            raise NotSentError(error.strerror or str(error) or type(error).__name__) from None
        case error:
            raise NotSentError(f"no HTTP answer ({type(error).__name__})") from None


def taken(answered: Answered) -> Answered:
    """The same, if the other side took it. Raises NotSentError, RefusedMessageError."""
    if 200 <= answered.status < 300:
        return answered
    what = f"HTTP {answered.status}{_excerpt(answered.body)}"
    if 300 <= answered.status < 400:
        raise RefusedMessageError(f"{what}: redirects are not followed; name the final address")
    if answered.status in _TERMINAL:
        raise RefusedMessageError(what)
    raise NotSentError(what, answered.after_s)


def _excerpt(body: bytes) -> str:
    text = "".join(c if c.isprintable() else " " for c in body[:200].decode(errors="replace")).strip()
    return f": {text}" if text else ""


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)


def _exchange(connection: http.client.HTTPConnection, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
    try:
        connection.request("POST", urlsplit(url).path or "/", body, dict(headers))
        response = connection.getresponse()
        return Answered(response.status, response.read(ANSWER_BYTES_MAX), after_s(response.getheader("Retry-After")))
    finally:
        connection.close()


def after_s(header: str | None) -> float | None:
    """Seconds, or until a date (RFC 9110, 10.2.3), bounded; None where it says nothing that can be read."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), AFTER_S_MAX)
    try:
        moment = parsedate_to_datetime(text)
        left_s = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, left_s), AFTER_S_MAX)
