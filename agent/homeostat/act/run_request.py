"""The runner's half of the `http` actuator: one request and its answer. Standard library only.

Redirects are not followed, proxies are not used, TLS certificates are verified. The exchange runs in a thread of its
own, so that no resolver, handshake or dripping server can hold up the time-out.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.wakeup import Wakeup

_READ_BYTES = 1 << 16


class Exchange:
    """One request on its way, and what has come back so far. Its thread writes, the runner's reads.

    Args:
        begin: called once the server is connected, right before the request goes out.
    """

    def __init__(self, job: Mapping[str, Any], headers: Mapping[str, str], begin: Callable[[], None]) -> None:
        self._job = job
        self._headers = headers
        self._begin = begin
        self._gate = threading.Lock()
        self._abandoned = False
        self.sent = False
        self.over = False
        self.timed_out = False
        self.body = bytearray()
        self.capped = False
        self.status: tuple[int, str] | None = None
        self.location: str | None = None
        self.failure: str | None = None
        self.too_late = False

    def run(self, done: Callable[[], None]) -> None:
        """Exchange request and answer; every failure becomes a sentence."""
        try:
            self._exchange()
        except TooLateError:
            self.too_late = True
        except ssl.SSLCertVerificationError as error:
            self.failure = f"the server's certificate is not trusted: {error.verify_message}"
        except TimeoutError as error:
            if error.errno is None:  # the connection's own, which is the runner's: whoever wakes first, time is up
                self.timed_out = True
            else:
                self.failure = error.strerror
        except OSError as error:
            self.failure = error.strerror or str(error) or type(error).__name__
        except http.client.HTTPException as error:
            self.failure = f"not an HTTP answer ({type(error).__name__}: {error})"
        except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception; the outcome must tell it
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            self.over = True
            done()

    def abandon(self) -> None:
        """Nobody waits any more: what is not sent yet never will be."""
        with self._gate:
            self._abandoned = True

    def _exchange(self) -> None:
        url = urlsplit(self._job["url"])
        timeout_s = self._job["timeout_s"]
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_s)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = None if self._job["body"] is None else self._job["body"].encode()
        try:
            connection.connect()
            with self._gate:
                if self._abandoned:
                    return
                self._begin()
                self.sent = True
            connection.request(self._job["method"], path, body, dict(self._headers))
            self._receive(connection.getresponse())
        finally:
            connection.close()

    def _receive(self, response: http.client.HTTPResponse) -> None:
        self.location = response.getheader("Location")
        expected = response.length
        bytes_max = self._job["output_bytes_max"]
        received = 0
        self.status = (response.status, response.reason)
        while received != expected and (chunk := response.read1(_READ_BYTES)):
            received += len(chunk)
            self.body += chunk[: bytes_max - len(self.body)]
            if received > bytes_max:
                self.capped = True
                return
        if expected is not None and received < expected:
            self.failure = f"{received} of {expected} bytes came"


def run_request(
    files: JobFiles, job: Mapping[str, Any], headers: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """Send the request and wait for the answer, the time-out or a cancellation."""
    deadline = time.monotonic() + job["timeout_s"]

    def begin() -> None:
        files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
        if came_too_late(job):
            raise TooLateError

    exchange = Exchange(job, headers, begin)
    threading.Thread(target=exchange.run, args=(bell.ring,), daemon=True).start()
    while not exchange.over and bell.stop_signal is None and (left_s := deadline - time.monotonic()) > 0:
        bell.wait(left_s)
    over = exchange.over and not exchange.timed_out
    exchange.abandon()
    output.feed(bytes(exchange.body))
    if exchange.capped:
        output.cut_short()
    if over:
        return _answered(exchange, job["expect_status"])
    progress = "the request was sent, and the target may have acted on it" if exchange.sent else "nothing was sent"
    if bell.stop_signal is not None:
        why = "cancelled" if files.cancel_requested() else f"its runner was sent {bell.stop_signal.name}"
        return Ending("cancelled", None, f"{why}; {progress}")
    answer = f"HTTP {exchange.status[0]} came, but not all of it" if exchange.status else "no answer"
    return Ending("timeout", None, f"{answer} within {job['timeout_s']:g} s; {progress}")


def _answered(exchange: Exchange, expect_status: list[int] | None) -> Ending:
    if exchange.too_late:
        return Ending("cancelled", None, TOO_LATE)
    if exchange.status is None:
        progress = "the request was sent, but no usable answer came" if exchange.sent else "nothing was sent"
        return Ending("error", None, f"{progress}: {exchange.failure}")
    code, phrase = exchange.status
    said = f"HTTP {code} {phrase}".strip()
    if exchange.failure is not None:
        return Ending("error", None, f"{said}, but its body broke off: {exchange.failure}")
    if code in expect_status if expect_status is not None else 200 <= code <= 299:
        return Ending("ok", None, said)
    wanted = "200 to 299" if expect_status is None else " or ".join(map(str, expect_status))
    where = f"; redirects are not followed (to {exchange.location})" if exchange.location and 300 <= code <= 399 else ""
    return Ending("error", None, f"{said}; expected {wanted}{where}")
