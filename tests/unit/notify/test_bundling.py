"""What goes out next on a channel."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.notify.stories import ROUTING, due_now, escalated, suspected, write

from homeostat.notify.bundling import JOINED_MAX, SINGLE_MAX, next_bundle
from homeostat.notify.message import Topic
from homeostat.notify.routing import Route
from homeostat.record.memory import MemoryJournal


def storm(count: int) -> MemoryJournal:
    journal = MemoryJournal()
    for number in range(count):
        write(journal, f"i{number}", *suspected(f"i{number}", 0.0), escalated(100.0))
    return journal


def test_two_hundred_incidents_at_once_are_one_digest_that_names_each() -> None:
    waiting = due_now(storm(200), 105.0)
    assert len(waiting) == 200
    assert next_bundle(waiting, [], ROUTING, 104.9) is None, "more may come"
    bundle = next_bundle(waiting, [], ROUTING, 105.0)
    assert bundle is not None
    assert bundle.message.topic is Topic.DIGEST
    assert bundle.message.severity == "critical"
    assert set(bundle.ids) == {one.id for one in waiting}
    assert bundle.message.title == "200 messages at once: 200 escalated"
    assert bundle.message.lines[-1] == "and 160 more: homeostat incidents list"


def test_a_few_go_out_one_by_one_and_a_digest_names_its_members_by_one_id() -> None:
    few = due_now(storm(SINGLE_MAX), 106.0)
    bundle = next_bundle(few, [], ROUTING, 106.0)
    assert bundle is not None
    assert bundle.ids == (few[0].id,)
    more = due_now(storm(SINGLE_MAX + 1), 106.0)
    first, again = next_bundle(more, [], ROUTING, 106.0), next_bundle(more, [], ROUTING, 107.0)
    assert first is not None
    assert again is not None
    assert first.message.id == again.message.id


def test_a_channel_is_given_no_more_in_a_minute_than_it_may_have_and_then_the_rest_joined() -> None:
    waiting = due_now(storm(2), 110.0)
    full = [109.0] * ROUTING.per_minute_max
    assert next_bundle(waiting, full, ROUTING, 110.0) is None
    bundle = next_bundle(waiting, full[1:], ROUTING, 110.0)
    assert bundle is not None
    assert len(bundle.ids) == 2, "one is left for two: they are joined"
    assert next_bundle(waiting, full, ROUTING, 169.5) is not None, "the minute is over"


def test_what_does_not_fit_into_one_digest_goes_into_the_next_and_is_not_dropped() -> None:
    waiting = due_now(storm(JOINED_MAX + 7), 110.0)
    bundle = next_bundle(waiting, [], ROUTING, 110.0)
    assert bundle is not None
    rest = [one for one in waiting if one.id not in bundle.ids]
    after = next_bundle(rest, [110.0], ROUTING, 111.0)
    assert after is not None
    assert len(after.ids) == 7


def test_a_digest_of_news_waits_for_its_time_and_holds_up_nothing_that_is_urgent() -> None:
    routing = replace(ROUTING, routes=[Route(("pager",), topics=(Topic.OPENED,), digest_s=600.0)])
    journal = MemoryJournal()
    for name in ("a", "b"):
        write(journal, name, *suspected(name, 0.0))
    assert next_bundle(due_now(journal, 599.0, routing), [], routing, 599.0) is None
    bundle = next_bundle(due_now(journal, 600.0, routing), [], routing, 600.0)
    assert bundle is not None
    assert bundle.message.title == "2 messages at once: 2 opened"
    write(journal, "a", escalated(590.0))
    urgent = next_bundle(due_now(journal, 600.0, routing), [], routing, 600.0)
    assert urgent is not None
    assert urgent.message.topic is Topic.ESCALATED


def test_what_is_due_twice_on_one_subject_is_said_once() -> None:
    journal = storm(1)
    late = [one for one in due_now(journal, 100.0 + 300.0 + 600.0) if one.channel == "pager"]
    assert len(late) == 2, "the chain has begun anew and nobody was told"
    bundle = next_bundle(late, [], ROUTING, 1000.0)
    assert bundle is not None
    assert len(bundle.ids) == 2
    assert bundle.message.topic is Topic.ESCALATED


def test_what_wants_somebody_goes_before_news_that_is_older() -> None:
    journal = MemoryJournal()
    routing = replace(ROUTING, routes=[Route(("pager",), (Topic.OPENED,))])
    write(journal, "a", *suspected("a", 0.0))
    write(journal, "b", *suspected("b", 0.0), escalated(1.0))
    bundle = next_bundle([one for one in due_now(journal, 10.0, routing) if one.channel == "pager"], [], routing, 10.0)
    assert bundle is not None
    assert bundle.message.topic is Topic.ESCALATED
