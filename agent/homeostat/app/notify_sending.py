"""One channel at work: a thread of its own that sends one bundle at a time, so that a slow one holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from queue import Empty, Queue

from homeostat.model.errors import Disposition
from homeostat.notify.bundling import Bundle
from homeostat.notify.channel import Channel, NotSentError, Receipt
from homeostat.notify.wording import clipped

RETRY_S = 5.0
RETRY_S_MAX = 120.0
ERROR_MAX = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """How sending a bundle ended; `error` None: the channel took it.

    Attributes:
        is_final: no use to try again. after_s: how long the channel wants to be left alone.
    """

    bundle: Bundle
    receipt: Receipt | None = None
    error: str | None = None
    is_final: bool = False
    after_s: float | None = None


class Sending:
    """Sends bundles on one channel. It is offered one at a time, and its end is fetched before the next."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self.not_before = 0.0
        self.failures: dict[str, int] = {}
        self.busy = False
        self._channel = channel
        self._offered: Queue[Bundle | None] = Queue(maxsize=1)
        self._ended: Queue[Sent] = Queue(maxsize=1)
        self._thread = threading.Thread(target=self._work, name=f"notify {name}", daemon=True)
        self._thread.start()

    def offer(self, bundle: Bundle) -> None:
        """Send it; only when not `busy`."""
        self.busy = True
        self._offered.put(bundle)

    def ended(self, wait_s: float = 0.0) -> Sent | None:
        """How the last bundle ended; None while it has not."""
        if not self.busy:
            return None
        try:
            sent = self._ended.get(block=wait_s > 0.0, timeout=wait_s or None)
        except Empty:
            return None
        self.busy = False
        return sent

    def close(self) -> None:
        """End the thread once it is idle."""
        if not self.busy:
            self._offered.put(None)

    def failed_again(self, bundle: Bundle) -> int:
        """Count one more failure of a bundle's messages; give how often the most tried of them has failed."""
        for one in bundle.ids:
            self.failures[one] = self.failures.get(one, 0) + 1
        return max(self.failures[one] for one in bundle.ids)

    def tried_out(self, bundle: Bundle, attempts_max: int) -> tuple[str, ...]:
        """Those of its messages that have failed so often themselves, and not only what they were joined with."""
        return tuple(one for one in bundle.ids if self.failures.get(one, 0) >= attempts_max)

    def forget(self, messages: Iterable[str]) -> int:
        """Forget the failures of messages; give how often the most tried of them had failed."""
        return max((self.failures.pop(one, 0) for one in messages), default=0)

    def keep_failures_of(self, waiting: Iterable[str]) -> None:
        """Forget the failures of all other messages: nobody waits for them any more."""
        if self.failures and not self.busy:
            still = set(waiting)
            self.failures = {one: failures for one, failures in self.failures.items() if one in still}

    def _work(self) -> None:
        while (bundle := self._offered.get()) is not None:
            self._ended.put(self._sent(bundle))

    def _sent(self, bundle: Bundle) -> Sent:
        try:
            return Sent(bundle, self._channel.send(bundle.message, bundle.conversation))
        except NotSentError as error:
            is_final = error.disposition is not Disposition.TRANSIENT
            return Sent(bundle, None, clipped(str(error), ERROR_MAX), is_final, error.after_s)
        except BaseException as error:  # noqa: BLE001 - even a plugin that exits must not silence its channel for ever
            return Sent(bundle, None, clipped(f"{type(error).__name__}: {error}", ERROR_MAX))


def retry_after_s(failures: int, after_s: float | None) -> float:
    """How long to leave a channel alone after so many failures of one message."""
    return max(after_s or 0.0, min(RETRY_S_MAX, RETRY_S * 2.0 ** min(failures - 1, 10)))
