"""Channel `apprise`: the services that apprise knows (https://github.com/caronc/apprise), Opsgenie among them.

Its URLs hold tokens: they are named by reference alone, and stand in no error or log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pydantic import field_validator

from homeostat.model.errors import UsageError
from homeostat.notify.channel import ChannelContext, NotSentError, Receipt, RefusedMessageError
from homeostat.notify.message import Message
from homeostat.notify.options import Options, checked_reference, read_options

BODY_MAX = 10_000
_KINDS = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}


class AppriseOptions(Options):
    """`url`: a reference to what apprise calls a service URL, such as `opsgenie://KEY`."""

    url: str

    _is_reference = field_validator("url")(checked_reference)


class AppriseChannel:
    """Implements `Channel`."""

    def __init__(self, context: ChannelContext) -> None:
        self._options = read_options(AppriseOptions, context.name, context.options)
        self._context = context
        try:
            import apprise
        except ImportError:
            what = "needs apprise; pip install 'homeostat[apprise]'"
            raise UsageError(f"channel '{context.name}' {what}") from None
        self._apprise: Callable[[], Any] = apprise.Apprise
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its lines may hold the URL

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`. Apprise says only whether a message went out, and not why it did not."""
        del conversation
        service = self._apprise()
        url = self._context.secret(self._options.url)
        half_s = self._context.timeout_s / 2
        if not service.add(f"{url}{'&' if '?' in url else '?'}cto={half_s:g}&rto={half_s:g}&redirect=no"):
            raise RefusedMessageError(f"{self._options.url} stands for no URL that apprise can use")
        links = [f"{label}: {url}" for label, url in message.links]
        about = [f"incident {message.incident}"] if message.incident else []
        body = "\n".join([*message.lines, *about, *links]) or message.title
        kind = _KINDS.get(message.severity, "failure")
        if not service.notify(body=body[:BODY_MAX], title=message.title, notify_type=kind):
            raise NotSentError("apprise could not deliver it")
        return Receipt()
