"""Who is due to be told what, from the journal alone."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.notify.stories import (
    CHAIN,
    ROUTING,
    asked,
    due_now,
    escalated,
    facts_of,
    failed,
    sent,
    suspected,
    told,
    write,
)

from homeostat.model import entries as e
from homeostat.model.policy import MANUAL, Effect
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Reason, Result
from homeostat.notify.due import NEWS_S, due
from homeostat.notify.facts import TYPES, Facts
from homeostat.notify.message import Topic
from homeostat.notify.routing import Route
from homeostat.record.memory import MemoryJournal

ONE, TWO, THREE, FOUR = (f"i/3/oncall/{number}" for number in (1, 2, 3, 4))


def opened(*more: e.Entry) -> MemoryJournal:
    journal = MemoryJournal()
    write(journal, "i", *suspected("i", 0.0), *more)
    return journal


def intended(at: float, node: str, action: str, *, deadline_at: float) -> e.ActionIntended:
    """The first attempt of a step begins."""
    return e.ActionIntended(
        at=at,
        incident="i",
        key=f"i/{node}/1",
        node=node,
        action=action,
        target="shop",
        arguments={},
        effect=Effect.SAFE,
        number=1,
        deadline_at=deadline_at,
    )


def test_a_chain_goes_on_step_by_step_from_when_somebody_was_told_and_begins_anew() -> None:
    journal = opened(escalated(100.0))
    assert told(journal, 99.0) == []
    assert told(journal, 100.0) == [(ONE, "pager")]
    write(journal, "notify", sent([ONE], "pager", 110.0))
    assert told(journal, 409.0) == []
    assert told(journal, 410.0) == [(TWO, "chat"), (TWO, "mail")]
    write(journal, "notify", sent([TWO], "chat", 420.0), sent([TWO], "mail", 430.0))
    assert told(journal, 1019.0) == []
    assert told(journal, 1020.0) == [(THREE, "pager")]
    write(journal, "notify", sent([THREE], "pager", 1020.0), sent([FOUR], "chat", 1320.0), sent([FOUR], "mail", 1320.0))
    assert told(journal, 1e6) == [], "repeat_max is 1"


def test_every_message_of_an_incident_leads_to_the_console_and_the_runbook() -> None:
    facts = Facts()
    for record in opened(escalated(100.0)).after(0, TYPES):
        facts.take(record, lambda *_: None, lambda policy, plan: f"https://wiki.example.org/{policy}/{plan}")
    (page,) = due(facts, replace(ROUTING, console_url="https://console.example.org"), 100.0)
    console, runbook = page.message.links
    assert console == ("console", "https://console.example.org/incidents/i")
    assert runbook == ("runbook", "https://wiki.example.org/shop/h")
    assert [one.message.links for one in due_now(opened(escalated(100.0)), 100.0)] == [()]


def test_what_was_only_observed_calls_nobody_and_is_news_for_who_wants_it() -> None:
    journal = opened(msgspec.structs.replace(escalated(100.0), observed=True))
    assert told(journal, 100.0) == []
    routed = replace(ROUTING, routes=(Route(("mail",), topics=(Topic.ESCALATED,)),))
    assert [one.channel for one in due_now(journal, 100.0, routed)] == ["mail"]


def test_a_step_that_is_only_observed_leaves_the_incident_to_people() -> None:
    held = e.DecisionWithheld(at=90.0, node="failover", reason=Reason.MODE_OBSERVE)
    assert [channel for _, channel in told(opened(held, escalated(100.0)), 100.0)] == ["pager"]


def test_what_was_begun_calls_people_also_if_the_agent_only_observes_since() -> None:
    started = intended(80.0, "restart", "restart", deadline_at=90.0)
    handed_over = msgspec.structs.replace(escalated(100.0), observed=True)
    for did in (started, asked(80.0, expires_at=85.0)):
        assert [channel for _, channel in told(opened(did, handed_over), 100.0)] == ["pager"]


def test_a_refusal_says_why() -> None:
    no = e.ApprovalDenied(at=20.0, node="restore", by="eli", answer="a", note="not before the backup")
    journal = opened(asked(10.0), no)
    routed = replace(ROUTING, routes=(Route(("mail",), topics=(Topic.ANSWERED,)),))
    (one,) = due_now(journal, 30.0, routed)
    assert one.message.lines == ("not before the backup",)


def test_a_channel_that_failed_falls_to_the_next_step_at_once() -> None:
    journal = opened(escalated(100.0))
    write(journal, "notify", failed([ONE], "pager", 150.0))
    assert told(journal, 150.0) == [(TWO, "chat"), (TWO, "mail")]
    write(journal, "notify", failed([TWO], "chat", 160.0))
    assert told(journal, 161.0) == [(TWO, "mail")], "one of two is left"
    write(journal, "notify", failed([TWO], "mail", 170.0))
    assert told(journal, 170.0) == [(THREE, "pager")], "it begins anew"


def test_a_chain_ends_with_an_acknowledgement_and_begins_again_with_what_comes_after_it() -> None:
    journal = opened(asked(50.0))
    assert told(journal, 60.0) == [("i/3/oncall/1", "pager")]
    write(journal, "i", e.IncidentAcknowledged(at=70.0, by="dana", answer="a"))
    assert told(journal, 5000.0) == []
    write(journal, "i", escalated(100.0))
    assert told(journal, 100.0) == [("i/5/oncall/1", "pager")]
    write(journal, "i", e.Closed(at=200.0, result=Result.ESCALATED))
    assert told(journal, 200.0) == []


def test_who_takes_over_is_there_already_and_nobody_else_is_called() -> None:
    journal = opened(asked(50.0))
    write(journal, "notify", sent(["i/3/oncall/1"], "pager", 60.0, topic="asked"))
    taken_over = e.Escalated(at=70.0, reason=EscalationReason.TAKEN_OVER, to="oncall", severity="critical")
    write(journal, "i", e.TakenOver(at=70.0, by="dana", answer="a"), taken_over)
    (one,) = due_now(journal, 71.0)
    assert (one.channel, one.message.topic) == ("pager", Topic.ACKNOWLEDGED)
    assert one.message.title == "shop: dana has taken over"


def test_a_question_ends_with_its_answer_or_its_time() -> None:
    journal = opened(asked(50.0, expires_at=90.0))
    assert [one.message.question.node for one in due_now(journal, 89.0) if one.message.question] == ["restore"]
    assert told(journal, 90.0) == []
    other = opened(asked(50.0), asked(50.0, node="other"))
    write(other, "i", e.ApprovalGranted(at=60.0, node="restore", by="dana", answer="a", expires_at=99.0))
    assert told(other, 61.0) == [("i/4/oncall/1", "pager")]


def test_a_manual_step_wants_its_owner_until_it_is_reported() -> None:
    intent = intended(10.0, "storage", MANUAL, deadline_at=900.0)
    journal = opened(intent)
    (one,) = due_now(journal, 11.0)
    assert (one.channel, one.message.topic, one.message.lines[0]) == ("pager", Topic.MANUAL, "do storage")
    write(journal, "i", e.ActionEnded(at=20.0, key="i/storage/1", status=OutcomeStatus.OK, duration_s=10.0))
    assert told(journal, 21.0) == []


def test_whoever_was_told_hears_how_it_went_on_and_nobody_else_does() -> None:
    journal = opened(escalated(100.0))
    write(journal, "notify", sent([ONE], "pager", 110.0, conversation="thread"))
    write(journal, "i", e.Closed(at=200.0, result=Result.ESCALATED))
    (one,) = due_now(journal, 201.0)
    assert (one.channel, one.message.topic, one.conversation) == ("pager", Topic.CLOSED, "thread")
    assert told(journal, 200.0 + NEWS_S) == [], "it is no news any more"


def test_what_keeps_a_state_over_there_hears_only_of_what_it_was_told_alone() -> None:
    routing = replace(ROUTING, singly=frozenset({"pager"}))
    for topic, count in (("digest", 0), ("escalated", 1)):
        journal = opened(escalated(100.0))
        write(journal, "notify", sent([ONE], "pager", 110.0, topic=topic))
        write(journal, "i", e.Closed(at=200.0, result=Result.ESCALATED))
        found = due_now(journal, 201.0, routing)
        assert [one.alone for one in found] == [True] * count


def test_news_goes_where_routes_say_and_nowhere_without_one() -> None:
    journal = opened()
    assert told(journal, 1.0) == []
    for route, expected in (
        (Route(("mail",)), 1),
        (Route(("mail",), topics=(Topic.OPENED,)), 1),
        (Route(("mail",), topics=(Topic.CLOSED,)), 0),
        (Route(("mail",), policies=("sh*",)), 1),
        (Route(("mail",), policies=("other*",)), 0),
        (Route(("mail",), severities=("critical",)), 0),
    ):
        assert len(told(journal, 1.0, replace(ROUTING, routes=[route]))) == expected, route


def test_a_name_without_a_chain_goes_to_the_default_or_to_nobody() -> None:
    journal = opened(escalated(100.0, to="nobody-knows"))
    assert told(journal, 100.0) == []
    assert told(journal, 100.0, replace(ROUTING, default="mail")) == [("i/3/mail/1", "mail")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1.0, 900.0), st.booleans()), max_size=12), st.floats(0.0, 5000.0))
def test_nothing_that_is_journalled_as_sent_or_given_up_on_is_due_again(
    steps: list[tuple[float, bool]], ahead_s: float
) -> None:
    """Whoever asks, and however often the agent was started anew in between."""
    journal = opened(escalated(0.0))
    now, seen = 0.0, set()
    for wait_s, works in steps:
        now += wait_s
        for one in due_now(journal, now):
            assert (one.id, one.channel) not in seen
            seen.add((one.id, one.channel))
            write(journal, "notify", (sent if works else failed)([one.id], one.channel, now))
    assert not seen & set(told(journal, now + ahead_s))
    assert len(seen) <= sum(len(step.to) for step in CHAIN.steps) * (CHAIN.repeat_max + 1)


def test_two_names_that_lead_to_one_chain_call_it_once() -> None:
    journal = opened(asked(0.0))
    assert told(journal, 0.0, replace(ROUTING, default="oncall")) == [("i/3/oncall/1", "pager")]


def test_whoever_was_told_does_not_hear_what_was_over_before() -> None:
    journal = opened(asked(0.0))
    write(journal, "i", e.ApprovalDenied(at=10.0, node="restore", by="eli", answer="a"), escalated(20.0))
    write(journal, "notify", sent(["i/5/oncall/1"], "pager", 20.0))
    assert told(journal, 20.0) == []


def test_an_answer_ends_no_step_that_is_done_by_hand() -> None:
    intent = intended(0.0, "restore", MANUAL, deadline_at=900.0)
    journal = opened(intent)
    write(journal, "i", e.ApprovalGranted(at=1.0, node="restore", by="eli", answer="a", expires_at=900.0))
    assert told(journal, 1.0) == [("i/3/oncall/1", "pager")]


def test_a_digest_begins_no_conversation() -> None:
    journal = opened(escalated(0.0))
    write(journal, "notify", sent(["i/3/oncall/1"], "pager", 0.0, topic="digest", conversation="of many"))
    write(journal, "i", e.IncidentAcknowledged(at=1.0, by="dana", answer="a"))
    (news,) = due_now(journal, 1.0)
    assert (news.channel, news.conversation) == ("pager", "")


def test_an_open_incident_is_never_forgotten_and_one_that_is_over_is() -> None:
    journal = MemoryJournal()
    for incident in ("open", "over"):
        write(journal, incident, *suspected(incident, 0.0), escalated(0.0))
        write(journal, "notify", *[sent([f"{incident}/3/oncall/{n}"], "pager", 0.0) for n in (1, 3)])
    write(journal, "over", e.Closed(at=1.0, result=Result.ESCALATED))
    facts = facts_of(journal)
    before = [(one.id, one.channel) for one in due(facts, ROUTING, 5000.0) if one.urgent]
    facts.forget(1e6)
    assert set(facts.stories) == {"open"}
    assert {one for one, _ in facts.outcomes} == {"open/3/oncall/1", "open/3/oncall/3"}
    assert [(one.id, one.channel) for one in due(facts, ROUTING, 5000.0)] == before
