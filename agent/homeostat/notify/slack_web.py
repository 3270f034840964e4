"""Slack's Web API by slack-sdk, which this file alone imports: each call has a deadline, each error a verdict."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from homeostat.model.errors import UsageError
from homeostat.notify.channel import NotSentError, RefusedMessageError
from homeostat.notify.post import after_s

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

API_URL = "https://slack.com/api/"

PASSING = frozenset(
    {
        "fatal_error", "internal_error", "message_limit_exceeded", "ratelimited", "rate_limited", "request_timeout",
        "service_unavailable", "team_added_to_org",
    }
)  # fmt: skip
"""Errors that the documentation of `chat.postMessage` calls passing. All others stay until somebody changes something:
`invalid_auth`, `channel_not_found`, `not_in_channel`, `missing_scope`, `invalid_blocks`, ..."""

_silent = logging.getLogger("homeostat.slack")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False  # the library would log requests and errors beside what callers say of them


def require_slack_sdk() -> None:
    """See that the package is there. Raises UsageError."""
    try:
        import slack_sdk  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UsageError("Slack needs a package that is not installed: pip install 'homeostat[slack]'") from error


class SlackWeb:
    """The few methods that are needed.

    Args:
        token: a bot's (`xoxb-`) or, for `open_socket`, the app's (`xapp-`).
        api_url: where the Web API is.
        timeout_s: for one call, all in all.
    """

    def __init__(self, token: str, api_url: str, timeout_s: float) -> None:
        from slack_sdk.web import WebClient  # an extra; see `require_slack_sdk`

        seconds = max(1, int(timeout_s))
        self._client = WebClient(token, api_url, timeout=seconds, retry_handlers=[], logger=_silent)
        self._token = token
        self._timeout_s = timeout_s

    def post(
        self, channel: str, text: str, blocks: Sequence[dict[str, Any]], thread: str, *, is_broadcast: bool
    ) -> tuple[str, str]:
        """Say something; give the channel's id and the message's timestamp. Raises NotSentError."""
        answer = self._call(
            lambda: self._client.chat_postMessage(
                channel=channel,
                text=text,
                blocks=list(blocks),
                thread_ts=thread or None,
                reply_broadcast=is_broadcast if thread else None,
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        )
        return str(answer.get("channel", channel)), str(answer.get("ts", ""))

    def update(self, channel: str, timestamp: str, text: str, blocks: Sequence[dict[str, Any]]) -> None:
        """Put something else in a message's place. Raises NotSentError."""
        self._call(
            lambda: self._client.chat_update(
                channel=channel, ts=timestamp, text=text, blocks=list(blocks), parse="none", link_names=False
            )
        )

    def tell_one(self, channel: str, user: str, text: str, thread: str) -> None:
        """Say something that one person alone sees. Raises NotSentError."""
        self._call(
            lambda: self._client.chat_postEphemeral(
                channel=channel, user=user, text=text, thread_ts=thread or None, parse="none", link_names=False
            )
        )

    def team(self) -> str:
        """The id of the workspace that the token is of. Raises NotSentError."""
        return str(self._call(self._client.auth_test).get("team_id", ""))

    def open_socket(self) -> str:
        """A WebSocket's address, good for one connection soon. Raises NotSentError."""
        return str(self._call(lambda: self._client.apps_connections_open(app_token=self._token)).get("url", ""))

    def _call(self, method: Callable[[], SlackResponse]) -> SlackResponse:
        found: list[SlackResponse | Exception] = []

        def call() -> None:
            try:
                found.append(method())
            except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception; it is told below
                found.append(error)

        # The client's own time-out is for each read; an answer that trickles in would have none.
        worker = threading.Thread(target=call, name="slack", daemon=True)
        worker.start()
        worker.join(self._timeout_s)
        if not found:
            raise NotSentError(
                f"no answer from Slack within {self._timeout_s:g} s; it may have been taken all the same"
            )
        if isinstance(found[0], Exception):
            raise _verdict(found[0]) from None
        return found[0]


def _verdict(error: Exception) -> NotSentError:
    """What an exception of the library means for a message."""
    from slack_sdk.errors import SlackApiError

    if isinstance(error, SlackApiError):
        return _api_verdict(error.response)
    if isinstance(error, (OSError, HTTPException)):
        return NotSentError(f"Slack cannot be reached: {getattr(error, 'reason', None) or type(error).__name__}")
    return NotSentError(f"no answer that can be read from Slack ({type(error).__name__})")


def _api_verdict(response: SlackResponse) -> NotSentError:
    code = str(response.get("error") or "unknown error")[:100]
    if response.status_code == 429:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return NotSentError("Slack takes no more for now (HTTP 429)", after_s(headers.get("retry-after")))
    if response.status_code >= 500 or code in PASSING:
        return NotSentError(f"Slack failed: {code} (HTTP {response.status_code})")
    if response.status_code != 200:
        return RefusedMessageError(f"Slack refused it: HTTP {response.status_code}")
    details = response.get("response_metadata") or {}
    said = "; ".join(str(text)[:200] for text in list(details.get("messages") or [])[:3])
    return RefusedMessageError(f"Slack refused it: {code}{_HINTS.get(code, '')}{f' ({said})' if said else ''}")


_HINTS = {
    "channel_not_found": "; name the channel by its id, and invite the app to it",
    "not_in_channel": "; invite the app to the channel",
    "invalid_auth": "; the token is not valid",
    "missing_scope": "; the app lacks a scope, see docs/slack.md",
    "not_allowed_token_type": "; bot_token begins with xoxb-, app_token with xapp-",
}
