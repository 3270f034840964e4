"""A Slack of its own on this host: the Web API's methods and Socket Mode as Slack documents them, strict about both.

It is a stand-in, and knows only what is used. What it checks is taken from https://docs.slack.dev: tokens by kind, the
channel, the limits of Block Kit, one WebSocket for each address, and acknowledgements within three seconds.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from websockets.exceptions import WebSocketException
from websockets.sync.server import Server, ServerConnection, serve

BOT_TOKEN, APP_TOKEN = "xoxb-1-bot", "xapp-1-app"
TEAM, CHANNEL, APP = "T0SHOP123", "C0INCIDENT", "A0HOMEO"
ACK_S_MAX = 3.0
PATIENCE_S = 20.0

Json = dict[str, Any]


class SlackWorkspace:
    """Starts on entering.

    Attributes:
        messages: by timestamp, as they stand now. posts: timestamps in the order in which they came.
        whispers: (member, text) of ephemeral messages.
        calls: names of the methods that were called.
        refuse: by method, what the next call is answered with instead: (HTTP status, headers, body).
        acknowledged: envelope ids. connections: open ones, newest last. said_hello: how many there have been.
        broken: what was said that Slack would not have taken.
        hold: while it is not set, messages to one person are not answered.
    """

    def __init__(self) -> None:
        self.messages: dict[str, Json] = {}
        self.posts: list[str] = []
        self.whispers: list[tuple[str, str]] = []
        self.calls: list[str] = []
        self.refuse: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.acknowledged: set[str] = set()
        self.connections: list[ServerConnection] = []
        self.said_hello = 0
        self.broken: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self._lock = threading.Condition()
        self._tickets: set[str] = set()
        self._numbers = 0
        self._sockets: Server = serve(self._socket, "127.0.0.1", 0)
        self._web = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._web.daemon_threads = True
        self.api_url = f"http://127.0.0.1:{self._web.server_address[1]}/api/"

    def __enter__(self) -> Self:
        for run in (self._sockets.serve_forever, lambda: self._web.serve_forever(0.01)):
            threading.Thread(target=run, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self.drop()
        self._web.shutdown()
        self.close()

    def close(self) -> None:
        """Give the ports back."""
        self._sockets.shutdown()
        self._web.server_close()

    def close_politely(self) -> None:
        """Close the newest connection with a closing handshake."""
        self.connections[-1].close()

    def wait_for(self, look: Callable[[], Any], what: str) -> Any:
        """Whatever `look` gives once it is something."""
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited for {what}; whispers: {self.whispers}, calls: {self.calls[-20:]}")

    def wait_for_hello(self, number: int) -> None:
        """Until so many connections have been made in all."""
        self.wait_for(lambda: self.said_hello == number, f"connection {number}")

    def asking(self) -> list[Json]:
        """Messages that have buttons to say yes with, oldest first."""
        return [self.messages[ts] for ts in self.posts if button(self.messages[ts], "homeostat_approve") is not None]

    def click(self, message: Json, action: str, member: str, **more: Any) -> Json:
        """What Slack makes of a click: an envelope, not sent yet. `more` replaces parts of the payload."""
        self._numbers += 1
        return envelope_of(message, action, member, self._numbers, **more)

    def deliver(self, envelope: Json, again: str = "") -> None:
        """Deliver over the newest connection, wait for the acknowledgement, and hold it to three seconds."""
        sent = {**envelope, "envelope_id": envelope["envelope_id"] + again}
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            one = self.wait_for(lambda: self.connections[-1:], "a connection")[0]
            with suppress(WebSocketException):
                one.send(json.dumps(sent))
                with self._lock:
                    if self._lock.wait_for(lambda: sent["envelope_id"] in self.acknowledged, ACK_S_MAX):
                        return
        raise AssertionError("nobody acknowledged the click")

    def whisper_after(self, envelope: Json, *, again: str = "") -> str:
        """Deliver a click and give what the person is told."""
        before = len(self.whispers)
        self.deliver(envelope, again)
        self.wait_for(lambda: len(self.whispers) > before, "a reply")
        return self.whispers[-1][1]

    def disconnect(self, reason: str) -> None:
        """Tell the newest connection to go, and close it soon, as Slack does."""
        self.connections[-1].send(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "w1"}}))

    def drop(self) -> None:
        """Break all connections without a word."""
        for one in list(self.connections):
            with suppress(OSError):
                one.socket.shutdown(2)

    def _socket(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        ticket = connection.request.path.rpartition("ticket=")[2]
        with self._lock:
            if ticket not in self._tickets:
                connection.close(1008, "expired")
                return
            self._tickets.discard(ticket)
        hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": APP}, "debug_info": {"host": "w"}}
        connection.send(json.dumps(hello))
        self.said_hello += 1
        self.connections.append(connection)
        try:
            for text in connection:
                self._take_acknowledgement(json.loads(text))
        except WebSocketException:
            pass
        finally:
            self.connections.remove(connection)

    def _take_acknowledgement(self, word: Json) -> None:
        with self._lock:
            if set(word) - {"payload"} != {"envelope_id"} or word["envelope_id"] in self.acknowledged:
                self.broken.append(f"no acknowledgement, or a second one: {word}")
            self.acknowledged.add(word["envelope_id"])
            self._lock.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        workspace = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                method = self.path.rpartition("/")[2]
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                is_json = (self.headers.get("Content-Type") or "").startswith("application/json")
                status, headers, answer = workspace.call(method, token, _arguments(body, is_json=is_json))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: object = "-", size: object = "-") -> None: ...

        return Handler

    def call(self, method: str, token: str, arguments: Json) -> tuple[int, dict[str, str], bytes]:
        """One call of the Web API: HTTP status, headers, body."""
        self.calls.append(method)
        if method in self.refuse:
            return self.refuse.pop(method)
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if token != wanted:
            kind_is_wrong = token in (APP_TOKEN, BOT_TOKEN)
            return _answer({"ok": False, "error": "not_allowed_token_type" if kind_is_wrong else "invalid_auth"})
        methods = {
            "auth.test": lambda _: {"ok": True, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT"},
            "apps.connections.open": self._open,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._whisper,
        }
        if method not in methods:
            return _answer({"ok": False, "error": "unknown_method"})
        return _answer(methods[method](arguments))

    def _open(self, _: Json) -> Json:
        with self._lock:
            self._numbers += 1
            ticket = f"t{self._numbers}"
            self._tickets.add(ticket)
        port = self._sockets.socket.getsockname()[1]
        return {"ok": True, "url": f"ws://127.0.0.1:{port}/link/?ticket={ticket}"}

    def _post(self, given: Json) -> Json:
        wrong = self._wrong(given)
        if wrong is not None:
            return wrong
        thread = given.get("thread_ts")
        if thread is not None and thread not in self.messages:
            return {"ok": False, "error": "thread_not_found"}
        with self._lock:
            self._numbers += 1
            timestamp = f"1700000000.{self._numbers:06}"
            kept = {"ts": timestamp, "channel": given["channel"], "text": given["text"], "blocks": given["blocks"]}
            if thread is not None:
                kept.update(thread_ts=thread, is_broadcast=bool(given.get("reply_broadcast")))
            self.messages[timestamp] = kept
            self.posts.append(timestamp)
        return {"ok": True, "channel": given["channel"], "ts": timestamp, "message": kept}

    def _update(self, given: Json) -> Json:
        wrong = self._wrong(given)
        if wrong is not None:
            return wrong
        if given.get("ts") not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        self.messages[given["ts"]].update(text=given["text"], blocks=given["blocks"])
        return {"ok": True, "channel": given["channel"], "ts": given["ts"], "text": given["text"]}

    def _whisper(self, given: Json) -> Json:
        self.hold.wait(PATIENCE_S)
        if given.get("channel") != CHANNEL:
            return {"ok": False, "error": "channel_not_found"}
        if not str(given.get("user", "")).startswith("U"):
            return {"ok": False, "error": "user_not_in_channel"}
        self.whispers.append((given["user"], given["text"]))
        return {"ok": True, "message_ts": "1700000000.999999"}

    def _wrong(self, given: Json) -> Json | None:
        if given.get("channel") != CHANNEL:
            return {"ok": False, "error": "channel_not_found"}
        problems = problems_of(given.get("blocks"))
        if not given.get("text"):
            return {"ok": False, "error": "no_text"}
        if problems:
            self.broken += problems
            return {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": problems}}
        return None


def button(message: Json, action: str) -> Json | None:
    """A button of a message by its `action_id`."""
    elements = [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
    return next((one for one in elements if one["action_id"] == action), None)


def envelope_of(message: Json, action: str, member: str, number: int, **more: Any) -> Json:
    """What Slack makes of the click with a number; `more` replaces parts of the payload."""
    pressed = button(message, action)
    assert pressed is not None, f"no such button: {action}"
    payload = {
        "type": "block_actions",
        "user": {"id": member, "username": "dana", "name": "dana", "team_id": TEAM},
        "api_app_id": APP,
        "token": "verification-token",
        "container": {
            "type": "message", "message_ts": message["ts"], "channel_id": message["channel"],
            "is_ephemeral": False,
        },
        "trigger_id": f"1.2.{number}",
        "team": {"id": TEAM, "domain": "shop"},
        "channel": {"id": message["channel"], "name": "incidents"},
        "message": {**message, "type": "message", "bot_id": "B0BOT"},
        "response_url": "https://hooks.slack.com/actions/T0/1/2",
        "actions": [
            {
                "action_id": action, "block_id": "b1", "text": pressed["text"], "value": pressed["value"],
                "style": pressed.get("style", "default"), "type": "button",
                "action_ts": f"{1_700_000_000 + number}.000100",
            }
        ],
        **more,
    }  # fmt: skip
    return {
        "envelope_id": f"envelope-{number}",
        "type": "interactive",
        "accepts_response_payload": False,
        "payload": payload,
    }


def problems_of(blocks: object) -> list[str]:
    """What Slack would not take of some blocks, by https://docs.slack.dev/reference/block-kit."""
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 50:
        return ["from 1 to 50 blocks"]
    return [problem for block in blocks for problem in _CHECKS.get(block.get("type"), _unknown)(block)]


def _unknown(block: Json) -> list[str]:
    return [f"unsupported block type {block.get('type')!r}"]


def _text(text: Json, kinds: tuple[str, ...], length_max: int, where: str) -> list[str]:
    allowed = {"type", "text", "emoji" if text.get("type") == "plain_text" else "verbatim"}
    found = [f"{where}: {name} is no field" for name in set(text) - allowed]
    if text.get("type") not in kinds:
        found.append(f"{where}: must be {kinds}")
    if not 1 <= len(text.get("text", "")) <= length_max:
        found.append(f"{where}: from 1 to {length_max} characters, not {len(text.get('text', ''))}")
    return found


def _header(block: Json) -> list[str]:
    return _text(block["text"], ("plain_text",), 150, "header")


def _section(block: Json) -> list[str]:
    found = [] if "text" in block or "fields" in block else ["section: neither text nor fields"]
    if "text" in block:
        found += _text(block["text"], ("plain_text", "mrkdwn"), 3000, "section")
    if "fields" in block and not 1 <= len(block["fields"]) <= 10:
        found.append("section: from 1 to 10 fields")
    for field in block.get("fields", []):
        found += _text(field, ("plain_text", "mrkdwn"), 2000, "field")
    return found


def _context(block: Json) -> list[str]:
    found = [] if 1 <= len(block["elements"]) <= 10 else ["context: from 1 to 10 elements"]
    for element in block["elements"]:
        found += _text(element, ("plain_text", "mrkdwn"), 3000, "context")
    return found


def _actions(block: Json) -> list[str]:
    found = [] if 1 <= len(block["elements"]) <= 25 else ["actions: from 1 to 25 elements"]
    names = [element.get("action_id") for element in block["elements"]]
    if len(set(names)) != len(names):
        found.append("actions: an action_id twice")
    for element in block["elements"]:
        found += _text(element["text"], ("plain_text",), 75, "button")
        if element["type"] != "button" or len(element["action_id"]) > 255 or len(element["value"]) > 2000:
            found.append("button: value of 2000, action_id of 255 characters at most")
        if element.get("style", "primary") not in ("primary", "danger"):
            found.append("button: style")
        for name, length_max in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            if "confirm" in element:
                found += _text(element["confirm"][name], ("plain_text",), length_max, f"confirm {name}")
    return found


_CHECKS: dict[Any, Callable[[Json], list[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": lambda _: [],
}


def _arguments(body: bytes, *, is_json: bool) -> Json:
    if is_json:
        return dict(json.loads(body or b"{}"))
    fields = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    return {**fields, **({"blocks": json.loads(fields["blocks"])} if "blocks" in fields else {})}


def _answer(content: Json) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()
