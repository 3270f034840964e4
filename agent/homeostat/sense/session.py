"""An HTTP session whose every answer is bounded in time and bytes, and which can be cut off in mid-answer."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.retry import Retry

_CHUNK_BYTES = 65_536


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than asked for; the rest was not read."""


class _OpenSockets:
    """The sockets of an adapter's connections, so that another thread can cut them off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def add(self, opened: socket.socket | None) -> None:
        if opened is not None:
            with self._lock:
                self._sockets.add(opened)

    def shut_down(self) -> None:
        with self._lock:
            opened = list(self._sockets)
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _WatchedHTTPConnection(HTTPConnection):
    sockets: ClassVar[_OpenSockets]

    def connect(self) -> None:
        super().connect()
        self.sockets.add(self.sock)


class _WatchedHTTPSConnection(HTTPSConnection):
    sockets: ClassVar[_OpenSockets]

    def connect(self) -> None:
        super().connect()
        self.sockets.add(self.sock)


class BoundedAdapter(HTTPAdapter):
    """Reads the whole answer itself, so that even a server that drips bytes cannot hold it beyond the time-out.

    A time-out of requests bounds the wait for each byte; here it bounds the whole body too. What it cannot bound is a
    status line or header that drips: for that there is `abort`.
    """

    def __init__(self, timeout_s: float, answer_bytes_max: int, monotonic: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._monotonic = monotonic
        self._aborts = 0
        self._sockets = _OpenSockets()
        watched = {"sockets": self._sockets}
        self._http_connection = type("WatchedHTTPConnection", (_WatchedHTTPConnection,), watched)
        self._https_connection = type("WatchedHTTPSConnection", (_WatchedHTTPSConnection,), watched)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(0))

    def abort(self) -> None:
        """Cut off whatever is being received, from any thread. The request then ends with an error."""
        self._aborts += 1
        self._sockets.shut_down()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 - the signature of requests
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> ConnectionPool:
        """Give the pool for a request, whose connections are watched."""
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if isinstance(pool, HTTPSConnectionPool):
            pool.ConnectionCls = self._https_connection
        elif isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = self._http_connection
        return pool

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the signature of requests
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 - the signature of requests
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send and receive within the time-out (the adapter's own, or less if `timeout` says so).

        Raises:
            requests.RequestException: no complete answer came in time, or `AnswerTooLarge`.
        """
        seconds = min(timeout, self._timeout_s) if isinstance(timeout, int | float) else self._timeout_s
        deadline = self._monotonic() + seconds
        aborts = self._aborts
        response = super().send(request, True, seconds, verify, cert, proxies)
        try:
            body = self._receive(response.raw, deadline)
        except urllib3.exceptions.TimeoutError as error:
            raise requests.ReadTimeout(error, request=request) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        if self._aborts != aborts:
            # Headers, and a body without a length, end where the connection does: this is a stump that looks whole.
            raise requests.ReadTimeout("the answer was cut off", request=request)
        response.raw = io.BytesIO(body)
        return response

    def _receive(self, raw: urllib3.HTTPResponse, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        complete = False
        try:
            # `read1` returns what is there; `read` would wait for a full chunk however slowly it drips in.
            while chunk := raw.read1(_CHUNK_BYTES, decode_content=False):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._answer_bytes_max:
                    raise AnswerTooLarge(f"the answer is over {self._answer_bytes_max} bytes long")
                if self._monotonic() > deadline:
                    raise requests.ReadTimeout(f"the answer was not complete in time, after {size} bytes")
            complete = True
        finally:
            if not complete:
                raw.close()
            raw.release_conn()
        return b"".join(chunks)


class BoundedSession(requests.Session):
    """A session that follows no redirect, takes nothing from the environment, and is bounded.

    A redirect would carry queries, and perhaps a token, to a place nobody configured.
    """

    def __init__(self, *, timeout_s: float, answer_bytes_max: int, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self.adapter = BoundedAdapter(timeout_s, answer_bytes_max, monotonic)
        self.trust_env = False
        # Compressed answers would need their own bound; on a local network they only cost time.
        self.headers["Accept-Encoding"] = "identity"
        self.mount("http://", self.adapter)
        self.mount("https://", self.adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the signature of requests
        """Say that no answer leads anywhere else; who asked sees the redirect itself."""
        return

    def abort(self) -> None:
        """Cut off whatever is being received, from any thread."""
        self.adapter.abort()
