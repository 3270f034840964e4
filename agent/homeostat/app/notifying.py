"""Tells people what the journal says: threads beside the loop, which find out what is due, send it and hand back word.

The journal is only read here. What was sent is handed to the loop, which journals it. Between the two an agent may die:
then, and only then or where nobody knows whether a channel took a message, it is sent a second time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter, Gauge

from homeostat.app.notify_channels import all_channels, singly
from homeostat.app.notify_following import Following, OpenJournal
from homeostat.app.notify_sending import Sending, Sent, retry_after_s
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_read
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, InvariantError, JournalError, UsageError
from homeostat.model.ports import Leases, Observer
from homeostat.model.signals import Snapshot
from homeostat.model.streams import NOTIFY_STREAM
from homeostat.notify.bundling import next_bundle
from homeostat.notify.channel import CONVERSATION_MAX, Channel
from homeostat.notify.due import Due, due
from homeostat.notify.facts import Facts, Outcome
from homeostat.notify.routing import Routing
from homeostat.notify.wording import clipped

LOOK_S = 1.0
"""How often it is asked what is due."""

STOP_S = 12.0
"""What is on its way when the agent stops is waited for so long."""

UNJOURNALLED_MAX = 200
"""Outcomes that wait for the journal; with more, nothing is sent: it could not be remembered."""

_Outcome = e.NotificationSent | e.NotificationFailed


class Notifying:
    """Implements `model.ports.Notifier`, and `model.ports.Observer` to look as soon as something was journalled.

    Args:
        open_journal: gives a reading connection, for the planning thread alone.
        routing: who is told what. channels: by name.
        attempts_max: how often a message is tried on a channel before it is given up on there.
        may_send: whether this agent is the one that does. now: Unix seconds. observer: told of what fails.
    """

    def __init__(
        self,
        open_journal: OpenJournal,
        routing: Routing,
        channels: Mapping[str, Channel],
        *,
        attempts_max: int,
        may_send: Callable[[], bool],
        now: Callable[[], float],
        observer: Observer,
        registry: CollectorRegistry,
    ) -> None:
        self._following = Following(open_journal, now)
        self._routing = routing
        self._attempts_max = attempts_max
        self._may_send = may_send
        self._now = now
        self._observer = observer
        self._sendings = {name: Sending(name, channel) for name, channel in channels.items()}
        self._lock = threading.Lock()
        self._outcomes: list[_Outcome] = []
        self._handed_over = 0
        self._unseen: dict[tuple[str, str], Outcome] = {}
        self._results = Counter("homeostat_notifications", "By result.", ["channel", "result"], registry=registry)
        self._age = Gauge(
            "homeostat_notification_undelivered_seconds", "Age of the oldest one that is due.", registry=registry
        )
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="notifying", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def collect(self, now: float) -> Sequence[e.Entry]:
        """See `model.ports.Notifier`."""
        with self._lock:
            self._handed_over = len(self._outcomes)
            return [replace(outcome, at=now) for outcome in self._outcomes]

    def settled(self, error: JournalError | None) -> None:
        """See `model.ports.Notifier`."""
        if error is None:
            with self._lock:
                del self._outcomes[: self._handed_over]
                self._handed_over = 0
            self._woken.set()

    def stop(self) -> None:
        """See `model.ports.Notifier`."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(2 * STOP_S)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """A tick changes nothing here."""

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Look at once: somebody may be waiting."""
        del stream, entries
        self._woken.set()

    def failed(self, what: str, error: Exception) -> None:
        """What fails elsewhere is told elsewhere."""

    def _work(self) -> None:
        while not self._stopping:
            self._woken.wait(LOOK_S)
            self._woken.clear()
            try:
                self.look()
            except HomeostatError as error:
                self._observer.failed("notifications", error)
                threading.Event().wait(LOOK_S)
            except Exception as error:  # noqa: BLE001 - a bug here must not silence what comes after it
                self._observer.failed("notifications", InvariantError(f"{type(error).__name__}: {error}"))
                threading.Event().wait(LOOK_S)
        for sending in self._sendings.values():
            sent = sending.ended(STOP_S / max(1, len(self._sendings)))
            if sent is not None:
                self._take(sending, sent)
            sending.close()
        self._following.close()

    def look(self) -> None:
        """Take in what was sent, and send what is due. Raises JournalError: nothing new was begun."""
        for sending in self._sendings.values():
            sent = sending.ended()
            if sent is not None:
                self._take(sending, sent)
        if not self._may_send():
            self._age.set(0.0)  # what is due is another agent's to send, and to tell
            return
        facts = self._following.facts()
        self._unseen = {key: outcome for key, outcome in self._unseen.items() if key not in facts.outcomes}
        now = self._now()
        waiting: dict[str, list[Due]] = {}
        for one in due(facts, self._routing, now):
            if (one.id, one.channel) not in self._unseen:
                waiting.setdefault(one.channel, []).append(one)
        at_once = [one.due_at for many in waiting.values() for one in many if one.digest_s <= 0.0]
        self._age.set(now - min(at_once, default=now))
        if len(self._outcomes) >= UNJOURNALLED_MAX:
            return
        for channel, many in waiting.items():
            sending = self._sendings[channel]
            sending.keep_failures_of(one.id for one in many)
            if sending.busy or now < sending.not_before or self._stopping:
                continue
            bundle = next_bundle(many, self._sent_lately(facts, channel), self._routing, now)
            if bundle is not None:
                sending.offer(bundle)

    def _sent_lately(self, facts: Facts, channel: str) -> list[float]:
        mine = {outcome.at for (_, known), outcome in self._unseen.items() if known == channel and outcome.sent}
        return [*facts.recent.get(channel, ()), *mine]

    def _take(self, sending: Sending, sent: Sent) -> None:
        """Take in how sending a bundle ended."""
        now, bundle = self._now(), sent.bundle
        if sent.receipt is not None:
            attempt = sending.forget(bundle.ids) + 1
            self._note(
                e.NotificationSent(
                    at=now,
                    messages=bundle.ids,
                    channel=sending.name,
                    topic=bundle.message.topic.value,
                    sent_at=now,
                    incident=bundle.message.incident,
                    conversation=clipped(sent.receipt.conversation, CONVERSATION_MAX),
                    attempt=attempt,
                    latency_s=max(0.0, now - bundle.due_at),
                )
            )
            self._results.labels(sending.name, "sent").inc()
            return
        failures = sending.failed_again(bundle)
        sending.not_before = now + retry_after_s(failures, sent.after_s)
        self._results.labels(sending.name, "failed").inc()
        self._observer.failed(f"channel {sending.name}", UsageError(str(sent.error)))
        gone = bundle.ids if sent.is_final else sending.tried_out(bundle, self._attempts_max)
        if gone:
            sending.forget(gone)
            self._note(
                e.NotificationFailed(
                    at=now,
                    messages=gone,
                    channel=sending.name,
                    topic=bundle.message.topic.value,
                    failed_at=now,
                    attempts=failures,
                    error=str(sent.error),
                    incident=bundle.message.incident,
                )
            )
            self._results.labels(sending.name, "given_up").inc()

    def _note(self, outcome: _Outcome) -> None:
        is_sent = isinstance(outcome, e.NotificationSent)
        for one in outcome.messages:
            self._unseen[one, outcome.channel] = Outcome(sent=is_sent, at=outcome.at)
        with self._lock:
            self._outcomes.append(outcome)


@contextmanager
def notifying(
    settings: Settings,
    leases: Leases | None,
    now: Callable[[], float],
    observer: Observer,
    registry: CollectorRegistry,
) -> Iterator[Notifying | None]:
    """Tell people while the context lasts; None: the settings have no channel.

    Raises:
        PolicyError: a channel cannot be used as it is written.
    """
    channels = all_channels(settings, now)
    if not channels:
        yield None
        return
    notifier = Notifying(
        lambda: journal_to_read(settings),
        settings.notify.routing(singly(channels)),
        channels,
        attempts_max=settings.notify.attempts_max,
        may_send=lambda: leases is None or NOTIFY_STREAM in leases.held(),
        now=now,
        observer=observer,
        registry=registry,
    )
    notifier.start()
    try:
        yield notifier
    finally:
        notifier.stop()
