"""What the loop does with answers and guards: journalled first, settled after, over restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.unit.loop.test_loop import SOURCES, FlakyJournal, Rig, policy_named

from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.feedback import Feedback
from homeostat.model.policy import Mode
from homeostat.model.ports import Lease
from homeostat.model.reasons import AnswerRefusal
from homeostat.model.streams import AGENT_STREAM, NOTIFY_STREAM
from homeostat.policy.guards_file import guards_from
from homeostat.policy.load import load_policy_sources

GUARDS = "rates: [{per: [target], max: 0, within: 1h}]\nsignals: {watchdog: up}\n"


class FakeInbox:
    def __init__(self) -> None:
        self.waiting: dict[str, Answer] = {}

    def put(self, kind: AnswerKind, **about: str | None) -> None:
        answer = Answer(id=f"a{len(self.waiting)}", kind=kind, by="dana", at=1.0, **about)  # type: ignore[arg-type]  # a test's
        self.waiting[answer.id] = answer

    def collect(self) -> Sequence[Answer]:
        return list(self.waiting.values())

    def settle(self, answers: Sequence[str]) -> None:
        for answer in answers:
            self.waiting.pop(answer, None)


class PeopleRig(Rig):
    def __init__(self, mode: Mode = Mode.AUTO, guards: str = "") -> None:
        self.inbox = FakeInbox()
        self.mode = mode
        self.guards = guards_from(guards or "storm: {incidents: 100, within: 1m}", "guards.yaml")
        super().__init__(policy_named("a"))

    def new_loop(self) -> Loop:
        outside = Outside(self.clock, self.sensor, self.executor, self.journal, self.noted, inbox=self.inbox)
        people = {"oncall": frozenset({"dana"})}
        loop = Loop(outside, self.policies, "test", seed=1, mode=self.mode, guards=self.guards, people=people)
        loop.recover("0")
        return loop

    def of_agent(self, entry_type: type[e.Entry]) -> list[e.Entry]:
        return [r.entry for r in self.journal.read(AGENT_STREAM) if isinstance(r.entry, entry_type)]


def test_an_approval_reaches_its_incident_and_is_settled_after_it_is_journalled() -> None:
    rig = PeopleRig(Mode.APPROVE)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    assert rig.executor.started == []
    (incident,) = rig.loop.incidents
    assert isinstance(rig.journal, FlakyJournal)
    rig.inbox.put(AnswerKind.APPROVE, incident=incident.id, node="restart")
    rig.journal.full = True
    rig.ticks(1)
    assert list(rig.inbox.waiting) == ["a0"], "what is not journalled is not settled"
    rig.journal.full = False
    rig.ticks(2)
    assert rig.inbox.waiting == {}
    assert len(rig.executor.started) == 1
    assert rig.journal.verify() == []


def test_an_answer_about_no_open_incident_is_refused_in_the_agents_stream() -> None:
    rig = PeopleRig()
    rig.inbox.put(AnswerKind.APPROVE, incident="gone", node="restart")
    rig.ticks(2)
    (refused,) = rig.of_agent(e.AnswerRefused)
    assert isinstance(refused, e.AnswerRefused)
    assert refused.reason is AnswerRefusal.NO_SUCH_INCIDENT
    assert rig.inbox.waiting == {}


def test_the_kill_switch_is_journalled_before_anything_is_decided_and_holds_over_a_restart() -> None:
    rig = PeopleRig()
    rig.inbox.put(AnswerKind.PAUSE)
    rig.ticks(1)
    rig.clock.wait(30 * 86400.0)
    rig.loop = rig.new_loop()
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    assert rig.executor.started == []
    rig.inbox.put(AnswerKind.RESUME)
    rig.ticks(4)
    assert len(rig.executor.started) == 1


def test_a_pause_that_cannot_be_journalled_stays_in_the_inbox() -> None:
    rig = PeopleRig()
    assert isinstance(rig.journal, FlakyJournal)
    rig.journal.full = True
    rig.inbox.put(AnswerKind.PAUSE)
    rig.ticks(1)
    assert list(rig.inbox.waiting) == ["a0"]
    rig.journal.full = False
    rig.ticks(2)
    assert rig.inbox.waiting == {}
    assert rig.loop.ledger.paused


def test_a_resume_that_is_delivered_again_does_not_lift_a_later_pause() -> None:
    rig = PeopleRig()
    rig.inbox.put(AnswerKind.RESUME)
    again = dict(rig.inbox.waiting)
    rig.ticks(1)
    rig.inbox.waiting["b1"] = Answer("b1", AnswerKind.PAUSE, "dana", at=2.0)
    rig.ticks(1)
    rig.inbox.waiting.update(again)
    rig.loop = rig.new_loop()
    rig.ticks(1)
    assert rig.loop.ledger.paused
    assert len(rig.of_agent(e.Resumed)) == 1
    assert rig.inbox.waiting == {}


def test_a_drill_that_ran_elsewhere_is_journalled_once_and_makes_no_incident_of_this_journal_a_drill() -> None:
    rig = PeopleRig()
    told = e.DrillRan(
        at=2e10, fault="auth_hung", began_at=0.0, passed=True, tier="sandbox", policies={"p": "h"}, control=True
    )
    for _ in range(3):  # an inbox that cannot be emptied delivers it again and again
        rig.inbox.waiting["d1"] = Answer("d1", AnswerKind.DRILL, "dana", at=1.0, drill=told)
        rig.ticks(1)
    rig.loop = rig.new_loop()
    rig.inbox.waiting["d1"] = Answer("d1", AnswerKind.DRILL, "dana", at=1.0, drill=told)
    rig.ticks(1)
    (ran,) = rig.of_agent(e.DrillRan)
    assert isinstance(ran, e.DrillRan)
    assert (ran.elsewhere, ran.answer) == (True, "d1")
    assert ran.at < 2e9, "the agent's own time"
    assert ran.control
    assert (ran.fault, ran.began_at, ran.passed, ran.tier, ran.policies) == (
        "auth_hung",
        0.0,
        True,
        "sandbox",
        {"p": "h"},
    )
    assert rig.inbox.waiting == {}


def test_guards_are_journalled_once_and_their_signals_are_read() -> None:
    rig = PeopleRig(guards=GUARDS)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    assert rig.sensor.asked[-1] == 2
    assert rig.executor.started == []
    rig.loop = rig.new_loop()
    loaded = rig.of_agent(e.GuardsLoaded)
    assert [entry.text for entry in loaded if isinstance(entry, e.GuardsLoaded)] == [GUARDS]
    rig.loop.use_policies(rig.policies, guards_from("rates: []", "guards.yaml"))
    assert len(rig.of_agent(e.GuardsLoaded)) == 2


def test_an_open_incident_finds_its_policy_with_the_environment_it_began_in() -> None:
    """After a restart only the journal knows the version, and the values its parameters had."""
    text = SOURCES["{name}.homeostat.yaml"].format(name="a").replace("> 5,", "> limit,")
    text += "parameters: {limit: {type: number}}\nenvironments: {prod: {limit: 5}, staging: {limit: 50}}\n"
    rig = PeopleRig()
    rig.policies = {"a": load_policy_sources({"a.homeostat.yaml": text}, "a.homeostat.yaml", "prod")}
    rig.loop = rig.new_loop()
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    (before,) = rig.loop.incidents
    rig.policies = {"a": load_policy_sources({"a.homeostat.yaml": text}, "a.homeostat.yaml", "staging")}
    rig.loop = rig.new_loop()
    rig.ticks(3)
    (after,) = rig.loop.incidents
    assert after.policy_hash == before.policy_hash
    assert len(rig.executor.started) == 1


def test_a_survey_about_an_incident_that_is_open_or_over_is_journalled_once_however_often_it_is_delivered() -> None:
    rig = PeopleRig()
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(3)
    (incident,) = rig.loop.incidents
    given = Answer("f1", AnswerKind.FEEDBACK, "dana", at=1.0, feedback=Feedback(incident.id, 5, 4, 3, "well done"))
    for _ in range(3):
        rig.inbox.waiting["f1"] = given
        rig.ticks(1)
    rig.loop = rig.new_loop()
    rig.inbox.waiting["f1"] = given
    rig.ticks(1)
    (said,) = rig.of_agent(e.FeedbackGiven)
    assert isinstance(said, e.FeedbackGiven)
    assert (said.by, said.answer, said.given_at, said.feedback) == ("dana", "f1", 1.0, given.feedback)
    assert rig.inbox.waiting == {}
    assert rig.journal.verify() == []


def test_a_survey_that_cannot_be_journalled_stays_in_the_inbox() -> None:
    rig = PeopleRig()
    assert isinstance(rig.journal, FlakyJournal)
    rig.inbox.waiting["f1"] = Answer("f1", AnswerKind.FEEDBACK, "dana", at=1.0, feedback=Feedback("i", 5, 4, 3))
    rig.journal.full = True
    rig.ticks(1)
    assert list(rig.inbox.waiting) == ["f1"]
    rig.journal.full = False
    rig.ticks(2)
    assert rig.inbox.waiting == {}
    assert len(rig.of_agent(e.FeedbackGiven)) == 1


def test_an_acknowledgement_is_journalled_once_with_its_name_and_changes_no_decision() -> None:
    rig, alone = PeopleRig(Mode.APPROVE), PeopleRig(Mode.APPROVE)
    for one in (rig, alone):
        one.sensor.values["errors_a"] = 10.0
        one.ticks(4)
    (incident,) = rig.loop.incidents
    rig.inbox.put(AnswerKind.ACKNOWLEDGE, incident=incident.id, note="on the train")
    delivered_twice = dict(rig.inbox.waiting)
    rig.ticks(1)
    rig.inbox.waiting = delivered_twice
    rig.ticks(1)
    alone.ticks(2)
    assert rig.inbox.waiting == {}
    entries = [record.entry for record in rig.journal.read(incident.id)]
    (said,) = [entry for entry in entries if isinstance(entry, e.IncidentAcknowledged)]
    assert (said.by, said.note) == ("dana", "on the train")
    without = [record.entry for record in alone.journal.read(alone.loop.incidents[0].id)]
    assert [entry for entry in entries if entry is not said] == without


def test_an_acknowledgement_of_an_incident_that_is_over_is_refused() -> None:
    rig = PeopleRig()
    rig.inbox.put(AnswerKind.ACKNOWLEDGE, incident="long-gone")
    rig.ticks(1)
    (refused,) = rig.of_agent(e.AnswerRefused)
    assert isinstance(refused, e.AnswerRefused)
    assert refused.reason is AnswerRefusal.NO_SUCH_INCIDENT


class Handing:
    """A notifier that hands one entry over until it is told that it was journalled."""

    def __init__(self) -> None:
        self.entries: list[e.Entry] = [
            e.NotificationSent(at=1.0, messages=("i/3",), channel="c", topic="escalated", sent_at=1.0)
        ]
        self.errors: list[Exception | None] = []
        self.stopped = False

    def collect(self, now: float) -> Sequence[e.Entry]:
        return list(self.entries)

    def settled(self, error: Exception | None) -> None:
        self.errors.append(error)
        if error is None:
            self.entries = []

    def stop(self) -> None:
        self.stopped = True
        self.entries.append(e.NotificationSent(at=2.0, messages=("i/4",), channel="c", topic="closed", sent_at=2.0))


class NotifyingRig(PeopleRig):
    def new_loop(self) -> Loop:
        self.handing = Handing()
        outside = Outside(self.clock, self.sensor, self.executor, self.journal, self.noted, notifier=self.handing)
        loop = Loop(outside, self.policies, "test", seed=1)
        loop.recover("0")
        return loop

    def told(self) -> list[e.Entry]:
        return [record.entry for record in self.journal.read(NOTIFY_STREAM)]


def test_what_people_were_told_is_journalled_beside_the_incidents_and_to_the_last() -> None:
    rig = NotifyingRig()
    rig.ticks(1)
    rig.ticks(1)
    assert len(rig.told()) == 1
    assert rig.handing.errors == [None]
    rig.loop.stop()
    assert rig.handing.stopped
    assert [entry.topic for entry in rig.told() if isinstance(entry, e.NotificationSent)] == ["escalated", "closed"]


def test_what_people_were_told_is_handed_over_again_when_it_could_not_be_journalled() -> None:
    rig = NotifyingRig()
    assert isinstance(rig.journal, FlakyJournal)
    rig.journal.full = True
    rig.ticks(1)
    assert len(rig.handing.errors) == 1
    assert rig.handing.errors[0] is not None
    rig.journal.full = False
    rig.ticks(2)
    assert len(rig.told()) == 1
    assert rig.handing.errors[-1] is None


class Watched:
    """Leases that only note what is competed for, and hold nothing."""

    def __init__(self) -> None:
        self.streams: list[str] = []

    def watch(self, streams: Sequence[str]) -> None:
        self.streams = list(streams)

    def held(self) -> Mapping[str, Lease]:
        return {}

    def ticked(self, *, blind: bool) -> None:
        pass

    def release(self) -> None:
        pass


def test_agents_compete_for_telling_people_only_where_they_can() -> None:
    rig = PeopleRig()
    for notifier, expected in ((None, False), (Handing(), True)):
        leases = Watched()
        outside = Outside(rig.clock, rig.sensor, rig.executor, rig.journal, rig.noted, leases=leases, notifier=notifier)
        Loop(outside, rig.policies, "test", seed=1).recover("0")
        assert (NOTIFY_STREAM in leases.streams) is expected
