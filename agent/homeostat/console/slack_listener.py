"""Hears clicks in Slack by Socket Mode (https://docs.slack.dev/apis/events-api/using-socket-mode), beside the console.

Each envelope is acknowledged as soon as there is room to judge it, well within the 3 s that Slack waits; one for which
there is none is not, and whoever clicked sees that it failed. The library's own client has no bound on its queue and no
patience between its attempts to connect; the WebSocket is therefore spoken by `websockets`, as the console's is.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from homeostat.act.secret import SecretError, resolve
from homeostat.app.access import AccessList
from homeostat.app.settings import Settings
from homeostat.console.slack_clicks import Click, NoClick, judge, read_click
from homeostat.model.errors import HomeostatError
from homeostat.notify.channel import NotSentError, RefusedMessageError
from homeostat.notify.options import LOOPBACK
from homeostat.notify.slack_blocks import TEXT_MAX, escaped, without_buttons
from homeostat.notify.slack_web import SlackWeb

CALL_S_MAX = 10.0
HELLO_S_MAX = 10.0
LOOK_S = 0.5
"""How often a quiet connection looks whether it is to end."""
STEADY_S = 30.0
"""A connection that lived so long was none of those that fail at once."""
DELAY_S_MIN = 0.5
DELAY_S_MAX = 60.0
JUDGES = 4
CLICKS_MAX = 40
"""Judged or waiting to be."""
REMEMBERED_MAX = 2000
MESSAGE_BYTES_MAX = 1 << 20


class _Ended(Exception):
    """A connection has ended, or could not be had; the message says why. `after_s`: how long Slack wants to be left."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class SlackListener:
    """Connects, and connects anew, until it is closed.

    Args:
        settings: of a workspace whose `[slack]` has tokens.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._access = AccessList(settings.state)
        self._log = structlog.get_logger("homeostat.slack")
        self._ending = threading.Event()
        self._room = threading.BoundedSemaphore(CLICKS_MAX)
        self._judges = ThreadPoolExecutor(JUDGES, thread_name_prefix="slack-click")
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="slack", daemon=True)

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End: what was acknowledged is judged, nothing else is heard."""
        self._ending.set()
        self._thread.join(CALL_S_MAX)
        self._judges.shutdown(wait=True, cancel_futures=False)

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            began = time.monotonic()
            after_s: float | None = None
            try:
                self._listen()
            except _Ended as error:
                after_s = error.after_s
                self._log.warning("slack_connection_ended", why=str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next connection may do better
                self._log.error("slack_connection_failed", error=type(error).__name__)
            failures = 0 if time.monotonic() - began >= STEADY_S else failures + 1
            self._ending.wait(max(after_s or 0.0, delay_s(failures)))

    def _listen(self) -> None:
        """Hear one connection out. Raises _Ended."""
        try:
            with self._connected() as socket:
                _await_hello(socket)
                self._log.info("slack_connected")
                while not self._ending.is_set():
                    with contextlib.suppress(TimeoutError):
                        self._take(socket, _read(socket, LOOK_S))
        except (OSError, WebSocketException) as error:
            raise _Ended(f"the connection broke: {type(error).__name__}") from None

    @contextmanager
    def _connected(self) -> Iterator[ClientConnection]:
        """A new connection; the address is good for one. Raises _Ended, OSError, WebSocketException."""
        table = self._settings.slack
        try:
            if self._web(table.bot_token).team() != table.team:
                raise _Ended("bot_token is of another workspace than team says", DELAY_S_MAX)
            url = self._web(table.app_token).open_socket()
        except RefusedMessageError as error:
            raise _Ended(str(error), DELAY_S_MAX) from None
        except NotSentError as error:
            raise _Ended(str(error), error.after_s) from None
        except SecretError as error:
            raise _Ended(str(error), DELAY_S_MAX) from None
        parts = urlsplit(url)
        if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in LOOPBACK):
            raise _Ended("Slack gave no wss:// address to connect to")
        # Compression is left out: it would let a small frame become a large one.
        with connect(
            url, open_timeout=CALL_S_MAX, close_timeout=1, max_size=MESSAGE_BYTES_MAX, compression=None
        ) as one:
            yield one

    def _web(self, reference: str | None) -> SlackWeb:
        """Raises SecretError. The secret is looked up anew: it may have been changed."""
        token = resolve(str(reference), self._settings.secrets.for_lookup())
        return SlackWeb(token, self._settings.slack.api_url, CALL_S_MAX)

    def _take(self, socket: ClientConnection, envelope: Mapping[str, Any]) -> None:
        """Take one envelope in. Raises _Ended."""
        if envelope.get("type") == "disconnect":
            raise _Ended(f"Slack ends it: {str(envelope.get('reason'))[:100]!r}")
        identity = envelope.get("envelope_id")
        if not isinstance(identity, str) or len(identity) > 200:
            return
        payload = envelope.get("payload")
        if envelope.get("type") == "interactive" and isinstance(payload, dict) and not self._take_click(payload):
            self._log.error("slack_too_many_clicks", at_most=CLICKS_MAX)
            return
        socket.send(json.dumps({"envelope_id": identity}))

    def _take_click(self, payload: Mapping[str, Any]) -> bool:
        """Have a click judged; False where there is no room."""
        try:
            click = read_click(payload)
        except NoClick as error:
            self._log.warning("slack_no_click", why=str(error))
            return True
        if click.id in self._heard:
            return True  # Slack delivers again what it believes was not heard
        if not self._room.acquire(blocking=False):
            return False
        self._heard[click.id] = None
        while len(self._heard) > REMEMBERED_MAX:
            self._heard.popitem(last=False)
        self._judges.submit(self._judge, click)
        return True

    def _judge(self, click: Click) -> None:
        try:
            reply = judge(self._settings, self._access, click)
            self._log.info("slack_click", user=click.user, action=click.action.value, answer=click.id, said=reply.text)
            web = self._web(self._settings.slack.bot_token)
            text = escaped(reply.text, TEXT_MAX)
            if reply.closes is not None:
                with _logged(self._log):
                    blocks = without_buttons(click.blocks, click.ends, reply.closes)
                    web.update(click.channel, click.message, escaped(reply.closes, TEXT_MAX), blocks)
            with _logged(self._log):
                web.tell_one(click.channel, click.user, text, click.thread)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log is told
            self._log.error("slack_click_failed", error=type(error).__name__, answer=click.id)
        finally:
            self._room.release()


@contextmanager
def slack_listening(settings: Settings) -> Iterator[None]:
    """Listen meanwhile, if `[slack]` has tokens; slack-sdk must be there."""
    if settings.slack.app_token is None:
        yield
        return
    listener = SlackListener(settings)
    listener.start()
    try:
        yield
    finally:
        listener.close()


def delay_s(failures: int) -> float:
    """How long is waited before the next connection, by how many have failed in a row: doubled up to a bound."""
    if failures == 0:
        return 0.0
    return min(DELAY_S_MAX, DELAY_S_MIN * float(1 << min(failures - 1, 16)))


def _await_hello(socket: ClientConnection) -> None:
    """Raises _Ended."""
    try:
        hello = _read(socket, HELLO_S_MAX)
    except TimeoutError:
        raise _Ended(f"no hello within {HELLO_S_MAX:g} s") from None
    if hello.get("type") != "hello":
        raise _Ended("the first word was no hello")


def _read(socket: ClientConnection, timeout_s: float) -> Mapping[str, Any]:
    """The next envelope; what is none is empty. Raises TimeoutError, WebSocketException."""
    try:
        found = json.loads(socket.recv(timeout=timeout_s))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _logged(log: structlog.typing.FilteringBoundLogger) -> Iterator[None]:
    """A reply that cannot be given changes nothing about what was said."""
    try:
        yield
    except HomeostatError as error:
        log.warning("slack_reply_failed", why=str(error))
