"""Calls of a runner to a service that runs jobs of its own, over HTTP. Standard library only.

Each call is made in a thread of its own, so that no resolver, handshake or dripping server can hold up a deadline or a
wish to stop. Redirects are not followed, proxies are not used, TLS certificates are verified, and credentials go to
the host of the base URL alone.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from homeostat.act.job_files import TooLateError
from homeostat.act.wakeup import Wakeup

ANSWER_BYTES_MAX = 4 << 20
CALL_S_MAX = 30.0
"""How long one call may take, where the action's own time allows it."""

RETRY_AFTER_S_MAX = 60.0
PAUSE_S_MIN, PAUSE_S_MAX, PAUSE_FACTOR = 0.1, 5.0, 1.5
REFUSALS = frozenset({400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422})
"""Statuses by which a service says that it has not done what it was asked. After any other nobody knows."""

_LOOK_S = 0.25
"""How often a wish to stop is looked for that no signal brings."""


class Answer(NamedTuple):
    """What a service said. Names of headers are in lower case.

    Attributes:
        whole: whether the body was no longer than what was taken of it.
    """

    status: int
    phrase: str
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes
    whole: bool

    @property
    def said(self) -> str:
        """The status line, for people."""
        return f"HTTP {self.status} {self.phrase}".strip()


class NoAnswerError(Exception):
    """No usable answer came. `sent`: the request went out, so the service may have acted on it."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class OverError(Exception):
    """The time is over, or somebody wishes to stop. `sent`: as of `NoAnswerError`."""

    def __init__(self, *, sent: bool = False) -> None:
        super().__init__("over")
        self.sent = sent


class Session:
    """Calls to one service, until a deadline or a wish to stop.

    Args:
        url: base URL; a path in it is kept.
        headers: of every call.
        bell: rung when a call is over, and by signals.
        stopped: whether somebody wishes to stop.
        deadline: on the monotonic clock, in seconds.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], bell: Wakeup, stopped: Callable[[], bool], deadline: float
    ) -> None:
        self._url = urlsplit(url)
        self.headers = dict(headers)
        self._bell = bell
        self._stopped = stopped
        self._deadline = deadline

    def extend(self, seconds: float) -> None:
        """From now on, go on for so long whatever anybody wishes: to stop what runs takes calls too."""
        self._deadline = time.monotonic() + seconds
        self._stopped = lambda: False

    def left_s(self) -> float:
        """Seconds to the deadline. Raises OverError at the end, or where somebody wishes to stop."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0 or self._stopped():
            raise OverError
        return left_s

    def pause(self, seconds: float) -> None:
        """Wait so long. Raises OverError."""
        until = time.monotonic() + seconds
        while (rest_s := until - time.monotonic()) > 0:
            self._bell.wait(min(rest_s, self.left_s(), _LOOK_S))
        self.left_s()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
        before: Callable[[], None] | None = None,
    ) -> Answer:
        """Make one call, once.

        Args:
            method: of the request.
            path: below the base URL, percent-encoded.
            body: of the request; None for none.
            headers: beside those of the session.
            bytes_max: how much of the answer's body is taken.
            before: called once the server is connected, right before the request goes out.

        Raises:
            TooLateError: `before` has raised it; nothing was sent.
            NoAnswerError: none came, or none that is HTTP.
            OverError: the time is over, or somebody wishes to stop; the call is given up.
        """
        call = _Call(method, path, body, {**self.headers, **(headers or {})}, bytes_max, before)
        give_up_at = time.monotonic() + min(self.left_s(), CALL_S_MAX)
        threading.Thread(target=call.run, args=(self._url, self._bell.ring), daemon=True).start()
        while not call.over:
            rest_s = give_up_at - time.monotonic()
            try:
                self.left_s()
            except OverError:
                raise OverError(sent=call.give_up()) from None
            if rest_s <= 0:
                raise NoAnswerError(f"no answer within {CALL_S_MAX:g} s", sent=call.give_up())
            self._bell.wait(min(rest_s, _LOOK_S))
        if call.too_late:
            raise TooLateError
        if call.answer is None:
            raise NoAnswerError(call.failure, sent=call.sent)
        return call.answer

    def read(self, path: str, headers: Mapping[str, str] | None = None, bytes_max: int = ANSWER_BYTES_MAX) -> Answer:
        """GET, as often as it takes: after no answer, 429 and 5xx it waits, as long as the service asks for.

        Raises:
            OverError: the time is over, or somebody wishes to stop.
        """
        pauses = Pauses()
        while True:
            try:
                answer = self.call("GET", path, None, headers, bytes_max)
            except NoAnswerError:
                self.pause(pauses.next_s())
                continue
            if answer.status != 429 and answer.status < 500:
                return answer
            self.pause(retry_after_s(answer) or pauses.next_s())


class Pauses:
    """Growing pauses between looks, in seconds."""

    def __init__(self, first_s: float = PAUSE_S_MIN) -> None:
        self._next_s = first_s

    def next_s(self) -> float:
        """How long to wait this time."""
        now_s, self._next_s = self._next_s, min(self._next_s * PAUSE_FACTOR, PAUSE_S_MAX)
        return now_s


def retry_after_s(answer: Answer) -> float | None:
    """How long the service asks to wait, in seconds, at most `RETRY_AFTER_S_MAX`; None where it does not say."""
    value = answer.headers.get("retry-after", "").strip()
    return min(float(value), RETRY_AFTER_S_MAX) if value.isascii() and value.isdigit() and len(value) < 10 else None


class _Call:
    """One exchange. Its thread writes, the runner's reads."""

    def __init__(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        bytes_max: int,
        before: Callable[[], None] | None,
    ) -> None:
        self._before = before or (lambda: None)
        self._request = (method, path, body, dict(headers))
        self._bytes_max = bytes_max
        self._gate = threading.Lock()
        self._given_up = False
        self.sent = False
        self.over = False
        self.answer: Answer | None = None
        self.too_late = False
        self.failure = ""

    def give_up(self) -> bool:
        """Nobody waits any more: what is not sent yet never will be. Gives whether it was sent."""
        with self._gate:
            self._given_up = True
            return self.sent

    def run(self, url: SplitResult, done: Callable[[], None]) -> None:
        try:
            self._exchange(url)
        except TooLateError:
            self.too_late = True
        except ssl.SSLCertVerificationError as error:
            self.failure = f"the server's certificate is not trusted: {error.verify_message}"
        except OSError as error:
            self.failure = error.strerror or str(error) or type(error).__name__
        except http.client.HTTPException as error:
            self.failure = f"not an HTTP answer ({type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception; the outcome must tell it
            self.failure = f"the request cannot be made ({type(error).__name__})"
        finally:
            self.over = True
            done()

    def _exchange(self, url: SplitResult) -> None:
        method, path, body, headers = self._request
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=CALL_S_MAX, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=CALL_S_MAX)
        try:
            connection.connect()
            with self._gate:
                if self._given_up:
                    return
                self._before()
                self.sent = True
            connection.request(method, url.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            content = response.read(self._bytes_max + 1)
            self.answer = Answer(
                response.status,
                response.reason,
                {name.lower(): value for name, value in response.getheaders()},
                tuple(response.headers.get_all("Set-Cookie") or ()),
                content[: self._bytes_max],
                len(content) <= self._bytes_max,
            )
        finally:
            connection.close()
