"""Channel `log`: messages as lines of the agent's own log, for trying chains out."""

from __future__ import annotations

import structlog

from homeostat.notify.channel import ChannelContext, Receipt
from homeostat.notify.message import Message
from homeostat.notify.options import Options, read_options


class LogChannel:
    """Implements `Channel`. It takes every message, and wakes nobody."""

    def __init__(self, context: ChannelContext) -> None:
        read_options(Options, context.name, context.options)
        self._name = context.name
        self._log = structlog.get_logger("homeostat.notify")

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`."""
        del conversation
        self._log.warning(
            "notification",
            channel=self._name,
            id=message.id,
            topic=message.topic.value,
            incident=message.incident,
            severity=message.severity,
            title=message.title,
            lines=message.lines,
        )
        return Receipt()
