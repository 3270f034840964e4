"""The engine of notifications: what survives a crash, a store that is down, and a channel that is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.notify.stories import ROUTING, escalated, suspected, write

from homeostat.app.notify_following import KEEP_S
from homeostat.app.notify_sending import RETRY_S, RETRY_S_MAX, retry_after_s
from homeostat.app.notifying import UNJOURNALLED_MAX, Notifying
from homeostat.model import entries as e
from homeostat.model.errors import JournalError, JournalWriteError
from homeostat.model.ports import Batch, Journal, Record
from homeostat.model.reasons import Result
from homeostat.model.signals import Snapshot
from homeostat.notify.channel import NotSentError, Receipt, RefusedMessageError
from homeostat.notify.message import Message
from homeostat.record.memory import MemoryJournal


class Paper:
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.error: Exception | None = None

    def send(self, message: Message, conversation: str) -> Receipt:
        if self.error is not None:
            raise self.error
        self.taken.append(message)
        return Receipt(conversation or f"thread of {message.incident}")


class Noted:
    def __init__(self) -> None:
        self.failures: list[str] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        pass

    def appended(self, stream: str, entries: object) -> None:
        pass

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")


class Stage:
    """An engine over a journal, with the clock in the test's hands; `crash` loses all but the journal."""

    def __init__(self, attempts_max: int = 3) -> None:
        self.journal = MemoryJournal()
        self.now = 1000.0
        self.channels = {name: Paper() for name in ("pager", "chat", "mail")}
        self.noted = Noted()
        self.attempts_max = attempts_max
        self.may_send = True
        self.is_down = False
        self.registry = CollectorRegistry()
        self.engine = self._engine()

    def _engine(self) -> Notifying:
        return Notifying(
            self._opened,
            replace(ROUTING, gather_s=0.0),
            self.channels,
            attempts_max=self.attempts_max,
            may_send=lambda: self.may_send,
            now=lambda: self.now,
            observer=self.noted,
            registry=self.registry,
        )

    @contextmanager
    def _opened(self) -> Iterator[Journal]:
        if self.is_down:
            raise JournalError("the store is away")
        yield self.journal

    def crash(self) -> None:
        self.engine.stop()
        self.registry = CollectorRegistry()
        self.engine = self._engine()

    def look(self) -> None:
        """Send what is due, to its end."""
        self.engine.look()
        give_up_at = time.monotonic() + 10.0
        sendings = self.engine._sendings.values()
        while any(sending.busy for sending in sendings):
            assert time.monotonic() < give_up_at
            time.sleep(0.001)
            for sending in sendings:
                ended = sending.ended()
                if ended is not None:
                    self.engine._take(sending, ended)

    def journal_it(self) -> list[e.Entry]:
        entries = list(self.engine.collect(self.now))
        if entries:
            self.journal.append([Batch("notify", None, entries)])
        self.engine.settled(None)
        return entries

    def metric(self, result: str, channel: str = "pager") -> float | None:
        return self.registry.get_sample_value("homeostat_notifications_total", {"channel": channel, "result": result})


@pytest.fixture
def stage() -> Stage:
    built = Stage()
    write(built.journal, "i", *suspected("i", 1000.0), escalated(1000.0))
    return built


def test_what_was_sent_is_journalled_by_the_loop_and_never_sent_again(stage: Stage) -> None:
    stage.look()
    stage.look()
    assert len(stage.channels["pager"].taken) == 1, "not journalled yet, and known all the same"
    (entry,) = stage.journal_it()
    assert isinstance(entry, e.NotificationSent)
    assert (entry.channel, entry.messages, entry.attempt) == ("pager", ("i/3/oncall/1",), 1)
    assert stage.engine.collect(stage.now) == []
    stage.crash()
    stage.look()
    assert len(stage.channels["pager"].taken) == 1
    assert stage.metric("sent") is None


def test_an_agent_that_is_started_in_the_middle_of_a_chain_goes_on_with_it(stage: Stage) -> None:
    stage.look()
    stage.journal_it()
    stage.crash()
    stage.now += 299.0
    stage.look()
    assert not stage.channels["chat"].taken
    stage.now += 1.0
    stage.look()
    assert [len(channel.taken) for channel in stage.channels.values()] == [1, 1, 1]


def test_only_a_crash_between_sending_and_the_journal_sends_it_twice_and_under_the_same_id(stage: Stage) -> None:
    stage.look()
    stage.crash()
    stage.look()
    first, second = stage.channels["pager"].taken
    assert first.id == second.id


def test_a_journal_that_cannot_be_written_gets_the_word_later_and_the_message_goes_out_once(stage: Stage) -> None:
    stage.look()
    first = stage.engine.collect(stage.now)
    stage.engine.settled(JournalWriteError("disk full"))
    stage.look()
    assert stage.engine.collect(stage.now) == first
    assert len(stage.channels["pager"].taken) == 1
    stage.journal_it()
    stage.look()
    assert stage.engine.collect(stage.now) == []


def test_a_store_that_is_down_sends_nothing_and_is_read_again_when_it_is_back(stage: Stage) -> None:
    stage.is_down = True
    with pytest.raises(JournalError):
        stage.engine.look()
    assert not stage.channels["pager"].taken
    stage.is_down = False
    stage.look()
    assert len(stage.channels["pager"].taken) == 1


def test_a_failing_channel_is_tried_again_with_growing_pauses_then_given_up_on(stage: Stage) -> None:
    stage.channels["pager"].error = NotSentError("busy")
    for attempt in range(1, stage.attempts_max + 1):
        stage.look()
        stage.look()
        assert len(stage.noted.failures) == attempt, "it is left alone for a while"
        stage.now += retry_after_s(attempt, None)
    (entry,) = stage.journal_it()
    assert isinstance(entry, e.NotificationFailed)
    assert (entry.attempts, entry.error) == (3, "busy")
    stage.look()
    assert len(stage.channels["chat"].taken) == 1, "the next step is told at once"
    assert (stage.metric("failed"), stage.metric("given_up")) == (3.0, 1.0)
    undelivered = stage.registry.get_sample_value("homeostat_notification_undelivered_seconds")
    assert undelivered is not None


def test_how_long_a_channel_wants_to_be_left_alone_is_kept_to(stage: Stage) -> None:
    stage.channels["pager"].error = NotSentError("slow down", after_s=50.0)
    stage.look()
    stage.channels["pager"].error = None
    stage.now += 49.0
    stage.look()
    assert not stage.channels["pager"].taken
    stage.now += 1.0
    stage.look()
    assert len(stage.channels["pager"].taken) == 1


def test_a_message_that_will_never_be_taken_is_given_up_on_at_once(stage: Stage) -> None:
    stage.channels["pager"].error = RefusedMessageError("revoked")
    stage.look()
    (entry,) = stage.journal_it()
    assert isinstance(entry, e.NotificationFailed)
    assert entry.attempts == 1


def test_a_channel_with_a_bug_is_a_channel_that_fails(stage: Stage) -> None:
    stage.channels["pager"].error = ZeroDivisionError("oops")
    stage.look()
    assert stage.noted.failures == ["channel pager: ZeroDivisionError: oops"]


def test_an_agent_that_may_not_send_does_not(stage: Stage) -> None:
    stage.may_send = False
    stage.look()
    assert not stage.channels["pager"].taken


def test_an_acknowledgement_ends_the_chain_and_is_told(stage: Stage) -> None:
    stage.look()
    stage.journal_it()
    write(stage.journal, "i", e.IncidentAcknowledged(at=stage.now, by="dana", answer="a", note="on the train"))
    stage.now += 5000.0 - 2000.0
    stage.look()
    assert [message.topic.value for message in stage.channels["pager"].taken] == ["escalated", "acknowledged"]
    assert not stage.channels["chat"].taken


def test_two_hundred_incidents_at_once_page_each_person_once() -> None:
    stage = Stage()
    for number in range(200):
        write(stage.journal, f"i{number}", *suspected(f"i{number}", 1000.0), escalated(1000.0))
    for _ in range(5):
        stage.look()
        stage.journal_it()
        stage.now += 20.0
    assert [message.title for message in stage.channels["pager"].taken] == ["200 messages at once: 200 escalated"]


def test_without_a_journal_no_more_is_sent_than_can_be_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert UNJOURNALLED_MAX == 200
    monkeypatch.setattr("homeostat.app.notifying.UNJOURNALLED_MAX", 20)
    stage = Stage()
    for number in range(40):
        write(stage.journal, f"i{number}", *suspected(f"i{number}", stage.now), escalated(stage.now))
        stage.look()
        stage.now += 15.0
    assert len(stage.engine.collect(stage.now)) <= 20 + len(stage.channels)


def test_pauses_grow_and_are_bounded() -> None:
    assert retry_after_s(1, None) == RETRY_S
    assert retry_after_s(2, None) == 2 * RETRY_S
    assert retry_after_s(10_000, None) == RETRY_S_MAX
    assert retry_after_s(1, 60.0) == 60.0


def test_what_is_joined_with_an_often_tried_message_is_not_given_up_on_with_it(stage: Stage) -> None:
    stage.channels["pager"].error = NotSentError("busy")
    for attempt in range(1, stage.attempts_max):
        stage.look()
        stage.now += retry_after_s(attempt, None)
    for number in range(5):
        write(stage.journal, f"n{number}", *suspected(f"n{number}", stage.now), escalated(stage.now))
    stage.look()
    (entry,) = stage.journal_it()
    assert isinstance(entry, e.NotificationFailed)
    assert entry.messages == ("i/3/oncall/1",), "the others have been tried once"
    stage.channels["pager"].error = None
    stage.now += RETRY_S_MAX
    stage.look()
    assert [message.title for message in stage.channels["pager"].taken] == ["5 messages at once: 5 escalated"]


def test_the_end_of_a_long_incident_is_told_by_an_agent_that_was_started_after_it(stage: Stage) -> None:
    stage.look()
    stage.journal_it()
    stage.now += 2 * KEEP_S
    write(stage.journal, "i", e.Closed(at=stage.now, result=Result.ESCALATED))
    stage.crash()
    stage.look()
    assert [message.topic.value for message in stage.channels["pager"].taken] == ["escalated", "closed"]
    assert not stage.channels["chat"].taken


def test_what_concerns_nobody_is_read_past_once(stage: Stage) -> None:
    asked_from: list[int] = []
    after = stage.journal.after

    def noted(position: int, types: Iterable[str]) -> Iterator[Record]:
        asked_from.append(position)
        return after(position, types)

    stage.journal.after = noted  # type: ignore[method-assign]  # a spy
    write(stage.journal, "agent", *[e.AgentStopped(at=stage.now, agent="a") for _ in range(50)])
    stage.look()
    stage.look()
    assert asked_from[-1] == stage.journal.position()


def test_an_agent_that_may_not_send_any_more_tells_no_age_of_what_another_one_sends(stage: Stage) -> None:
    stage.channels["pager"].error = NotSentError("busy")
    stage.look()
    stage.now += 60.0
    stage.look()
    undelivered = "homeostat_notification_undelivered_seconds"
    assert stage.registry.get_sample_value(undelivered) == 60.0
    stage.may_send = False
    stage.look()
    assert stage.registry.get_sample_value(undelivered) == 0.0


def test_a_channel_that_exits_is_a_channel_that_fails(stage: Stage) -> None:
    stage.channels["pager"].error = SystemExit(1)  # type: ignore[assignment]  # a plugin's
    stage.look()
    assert stage.noted.failures == ["channel pager: SystemExit: 1"]


def test_failures_of_what_nobody_waits_for_any_more_are_forgotten(stage: Stage) -> None:
    stage.channels["pager"].error = NotSentError("busy")
    stage.look()
    assert stage.engine._sendings["pager"].failures
    write(stage.journal, "i", e.IncidentAcknowledged(at=stage.now, by="dana", answer="a"))
    write(stage.journal, "j", *suspected("j", stage.now), escalated(stage.now))
    stage.now += RETRY_S
    stage.channels["pager"].error = None
    stage.look()
    assert not stage.engine._sendings["pager"].failures


def test_what_was_sent_while_the_loop_journalled_waits_for_its_next_turn(stage: Stage) -> None:
    stage.look()
    (first,) = stage.engine.collect(stage.now)
    write(stage.journal, "j", *suspected("j", stage.now), escalated(stage.now))
    stage.look()
    stage.engine.settled(None)
    (second,) = stage.engine.collect(stage.now)
    assert isinstance(first, e.NotificationSent)
    assert isinstance(second, e.NotificationSent)
    assert (first.messages, second.messages) == (("i/3/oncall/1",), ("j/3/oncall/1",))
