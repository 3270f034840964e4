"""Autonomy that is earned: slowly by good attempts, lost at once by harm, the same from the journal alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.decide.builders import FAILED, OK, Driver, above, do, policy

from homeostat.app.explain import explain
from homeostat.decide.autonomy import note_attempt
from homeostat.decide.ledger import account
from homeostat.decide.track_record import ATTEMPTS_MIN, judged, missing, relapsed, success_share_low
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.answers import AnswerKind
from homeostat.model.autonomy import Earning, Mode, mode_above
from homeostat.model.commands import Done
from homeostat.model.incident import Ledger
from homeostat.model.policy import Policy
from homeostat.model.reasons import AttemptVerdict, Reason
from homeostat.model.track_record import TrackRecord

EARNING = Earning(Mode.SUGGEST, "step", 2)
STEP = ("p", "step")


def earning(harm: bool = True) -> Policy:
    leaf = replace(do("restart", mode=Mode.AUTO), earning=EARNING)
    return policy(leaf, harm=above("harm", 5) if harm else None)


def attempt(*, succeeded: bool = True, harmful: bool = False) -> e.AttemptCounted:
    return e.AttemptCounted(
        at=0.0, policy="p", node="restart", step="step", incident="i", key="k", level_max=2, succeeded=succeeded,
        harmful=harmful,
    )  # fmt: skip


def after(*entries: e.AttemptCounted, known: TrackRecord | None = None) -> TrackRecord:
    for entry in entries:
        known = judged(known, entry)
    assert known is not None
    return known


def at_level(level: int) -> Ledger:
    return Ledger(track_records={STEP: TrackRecord("p", "restart", level)})


def opened(level: int = 0, plan: Policy | None = None) -> Driver:
    driver = Driver(plan or earning())
    driver.ledger = at_level(level)
    driver.confirm()
    return driver


def attempts(driver: Driver) -> list[e.AttemptCounted]:
    return [entry for entry in driver.policy_entries if isinstance(entry, e.AttemptCounted)]


class TestEvidence:
    def test_ten_good_attempts_earn_a_level_and_ten_more_the_next(self) -> None:
        assert after(*[attempt()] * (ATTEMPTS_MIN - 1)).level == 0
        assert after(*[attempt()] * ATTEMPTS_MIN) == TrackRecord("p", "restart", 1, succeeded_at=0.0, succeeded_in="i")
        assert after(*[attempt()] * 2 * ATTEMPTS_MIN).level == 2
        assert after(*[attempt()] * 3 * ATTEMPTS_MIN).level == 2, "never beyond what the step allows"

    def test_a_few_failures_ask_for_many_more_successes(self) -> None:
        two_failed = [attempt(succeeded=False)] * 2
        assert after(*two_failed, *[attempt()] * 15).level == 0
        assert after(*two_failed, *[attempt()] * 30).level == 1

    def test_the_bound_is_wilsons(self) -> None:
        """9 of 10: (0.9 + 0.0821 - 1.2816 sqrt(0.009 + 0.0041)) / 1.1642 = 0.7174."""
        assert success_share_low(TrackRecord("p", "n", attempts=10, successes=9)) == pytest.approx(0.7174, abs=2e-4)
        assert success_share_low(TrackRecord("p", "n", attempts=10, successes=10)) == pytest.approx(
            10 / 11.6424, abs=1e-4
        )
        assert success_share_low(TrackRecord("p", "n")) == 0.0

    def test_one_harm_loses_a_level_at_once_and_all_that_was_gathered(self) -> None:
        fallen = after(*[attempt()] * 9, attempt(harmful=True), known=TrackRecord("p", "restart", 2))
        assert fallen == TrackRecord("p", "restart", 1, fell_for="an attempt did harm")
        assert after(attempt(harmful=True)).level == 0

    def test_two_relapses_lose_a_level(self) -> None:
        once = relapsed(TrackRecord("p", "restart", 1, attempts=3, successes=3, succeeded_at=5.0))
        assert (once.level, once.successes, once.succeeded_at) == (1, 2, None)
        assert relapsed(once) == TrackRecord("p", "restart", 0, fell_for="2 successes did not last")

    def test_a_new_level_begins_without_relapses(self) -> None:
        once = relapsed(after(*[attempt()] * 3))
        assert once.relapses == 1
        risen = after(*[attempt()] * 30, known=once)
        assert (risen.level, risen.relapses) == (2, 0)

    def test_it_says_what_is_missing(self) -> None:
        assert missing(TrackRecord("p", "n", attempts=4, successes=4)) == "6 more attempts"
        assert (
            missing(TrackRecord("p", "n", attempts=10, successes=9)) == "successes: at least 80% must be sure, 72% is"
        )


class TestInTheLoop:
    @pytest.mark.parametrize(
        ("level", "names", "reason"),
        [(0, [], Reason.MODE_SUGGEST), (1, [], Reason.APPROVAL_PENDING), (2, ["restart"], None)],
    )
    def test_the_level_is_the_mode(self, level: int, names: list[str], reason: Reason | None) -> None:
        driver = opened(level)
        assert driver.names() == names
        withheld = driver.incident.withheld.get("restart")
        assert (withheld and withheld.reason) == reason

    def test_agent_and_policy_may_still_hold_it_back(self) -> None:
        driver = Driver(earning(), mode=Mode.APPROVE)
        driver.ledger = at_level(2)
        driver.confirm()
        assert driver.names() == []

    @pytest.mark.parametrize(
        ("report", "signals", "succeeded", "harmful"),
        [
            (OK, {"errors": 0.0}, True, False),
            (OK, {}, False, False),
            (FAILED, {}, False, False),
            (OK, {"harm": 10.0}, False, True),
            (FAILED, {"harm": 10.0}, False, True),
            (OK, {"errors": 0.0, "harm": None}, False, False),
        ],
    )
    def test_what_an_attempt_shows(
        self, report: Done, signals: dict[str, float], succeeded: bool, harmful: bool
    ) -> None:
        driver = opened(2)
        driver.finish(report)
        driver.ticks(16, **signals)
        shown = [(entry.succeeded, entry.harmful) for entry in attempts(driver)]
        assert shown == [(succeeded, harmful)]

    def test_without_a_harm_condition_nothing_is_ever_proved(self) -> None:
        driver = opened(2, earning(harm=False))
        driver.finish(OK)
        driver.ticks(4, errors=0.0)
        assert [entry.succeeded for entry in attempts(driver)] == [False]

    def test_harm_that_was_unknown_before_proves_nothing(self) -> None:
        driver = Driver(earning())
        driver.ledger, driver.signals["harm"] = at_level(2), None
        driver.confirm()
        driver.finish(OK)
        driver.ticks(4, errors=0.0, harm=0.0)
        assert [(entry.succeeded, entry.harmful) for entry in attempts(driver)] == [(False, False)]

    @pytest.mark.parametrize(("before", "counted"), [(False, [(False, True)]), (True, [])])
    def test_what_says_nothing_of_the_step_still_counts_where_it_did_harm(
        self, before: bool, counted: list[tuple[bool, bool]]
    ) -> None:
        driver = opened(2)
        ((begun,),) = driver.incident.attempts.values()
        driver.signals["harm"] = 10.0
        turn = Turn(driver.policy, driver.incident, driver.moment())
        note_attempt(turn, replace(begun, harm_before=before), AttemptVerdict.SELF_HEALED)
        shown = [entry for entry in turn.policy_entries if isinstance(entry, e.AttemptCounted)]
        assert [(entry.succeeded, entry.harmful) for entry in shown] == counted

    def test_a_withdrawn_start_is_no_attempt(self) -> None:
        driver = opened(1)
        driver.say(AnswerKind.DENY, "restart", "oncall")
        driver.ticks(2)
        assert attempts(driver) == []

    def test_harm_takes_the_next_start_back_to_people(self) -> None:
        driver = opened(2)
        driver.finish(OK)
        driver.tick(harm=10.0)
        later = Driver(earning())
        later.ledger = driver.ledger
        later.confirm()
        assert later.names() == []
        assert later.incident.withheld["restart"].reason is Reason.APPROVAL_PENDING

    def test_an_incident_that_comes_back_soon_is_a_relapse(self) -> None:
        driver = opened(2)
        driver.finish(OK)
        driver.ticks(12, errors=0.0)
        for pause_s, expected in ((600.0, 1), (7200.0, 0)):
            later = Driver(earning())
            later.incident = replace(later.incident, id="later")
            later.ledger, later.now = driver.ledger, driver.now + pause_s
            later.confirm()
            assert later.ledger.track_records[STEP].relapses == expected

    @pytest.mark.parametrize(("name", "incident"), [("q", "before"), ("p", "own")])
    def test_another_policys_success_and_its_own_are_no_relapse(self, name: str, incident: str) -> None:
        driver = Driver(earning())
        driver.incident = replace(driver.incident, id="own")
        record = TrackRecord(name, "restart", 2, succeeded_at=driver.now, succeeded_in=incident)
        driver.ledger = Ledger(track_records={(name, "step"): record})
        driver.confirm()
        assert driver.ledger.track_records[name, "step"].relapses == 0

    def test_the_journal_alone_gives_the_same_record(self) -> None:
        driver = opened(0)
        driver.say(AnswerKind.REQUEST, "restart", "ann")
        driver.ticks(2)
        driver.say(AnswerKind.APPROVE, "restart", "oncall")
        driver.ticks(2)
        assert driver.names() == ["restart"]
        driver.finish(OK)
        driver.ticks(6, errors=0.0)
        ledger = at_level(0)
        for entry in driver.policy_entries:
            ledger = account(ledger, entry)
        assert ledger.track_records == driver.ledger.track_records
        assert ledger.track_records[STEP].attempts == 1

    def test_the_incident_says_what_was_earned_when_it_opened(self) -> None:
        driver = opened(1)
        assert [entry.earned for entry in driver.entries if isinstance(entry, e.Suspected)] == [{"step": 1}]

    def test_explain_says_what_it_was_worth(self) -> None:
        driver = opened(2)
        driver.finish(OK)
        driver.tick(harm=10.0)
        assert [line.headline for line in explain(driver.policy_entries)] == [
            "an attempt of restart did harm: it loses a level of autonomy"
        ]


def test_no_mode_is_above_auto() -> None:
    assert mode_above(Mode.APPROVE, 5) is Mode.AUTO
