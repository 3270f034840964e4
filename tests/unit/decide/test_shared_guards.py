"""Each shared guard is tripped here, holds over a crash, and never blocks an undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.unit.decide.builders import FAILED, START, Driver, do, policy, undo_of

from homeostat.decide.ledger import account
from homeostat.model import entries as e
from homeostat.model.commands import Done, NeverStarted
from homeostat.model.guards import BlastRadius, Guards, Maintenance, Rate, Recurrence, Storm, Telemetry
from homeostat.model.incident import Ledger
from homeostat.model.policy import Effect, Retry, Try
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Reason
from homeostat.model.signals import Condition, Truth, Value

DAY = 86400.0


def started(
    ledger: Ledger, at: float, action: str, target: str, policy_name: str = "p", incident: str = "old"
) -> Ledger:
    intent = e.ActionIntended(
        at=at,
        incident=incident,
        key=f"{incident}/{action}/{at}",
        node=action,
        action=action,
        target=target,
        arguments={},
        effect=Effect.SAFE,
        number=1,
        deadline_at=at + 10,
        policy=policy_name,
    )
    ended = e.AttemptEnded(at=at, key=intent.key, verdict="ineffective", succeeded=False)  # type: ignore[arg-type]  # unread
    return account(account(ledger, intent), ended)


def opened(ledger: Ledger, at: float, name: str) -> Ledger:
    return account(ledger, e.Suspected(at=at, incident=name, policy=name, policy_hash="h", dedup_key=name, seed=1))


def guarded(guards: Guards, ledger: Ledger | None = None) -> Driver:
    driver = Driver(policy(Try("try", (do("restart", target="deploy/pay"), do("rollback", target="deploy/pay2")))))
    driver.guards = guards
    driver.ledger = ledger or Ledger()
    driver.confirm()
    return driver


def refused(driver: Driver) -> dict[str, Reason | None]:
    """Why candidates were not eligible at the first decision."""
    decided = next(entry for entry in driver.entries if isinstance(entry, e.Decided) and entry.kind == "try")
    return {option.id: option.reason for option in decided.options}


def withheld(driver: Driver) -> list[Reason | None]:
    return [entry.reason for entry in driver.entries if isinstance(entry, e.DecisionWithheld)]


def full(*starts: tuple[float, str, str]) -> Ledger:
    ledger = Ledger()
    for at, action, target in starts:
        ledger = started(ledger, at, action, target)
    return ledger


class TestRate:
    @pytest.mark.parametrize(
        ("per", "first"),
        [
            ({"target"}, "rollback"),
            ({"policy", "target"}, "rollback"),
            ({"action", "target"}, "rollback"),
            ({"action"}, "rollback"),
            (set(), None),
            ({"policy"}, None),
        ],
    )
    def test_a_full_window_refuses_what_it_counts(self, per: set[str], first: str | None) -> None:
        ledger = full((START - 50, "restart", "deploy/pay"), (START - 20, "restart", "deploy/pay"))
        driver = guarded(Guards(rates=(Rate(frozenset(per), 2, 100.0),)), ledger)
        assert driver.names() == ([] if first is None else [first])
        assert refused(driver)["restart"] is Reason.RATE_LIMIT

    def test_several_windows_hold_at_once(self) -> None:
        rates = (Rate(frozenset({"target"}), 2, 60.0), Rate(frozenset({"target"}), 3, 1000.0))
        early = [(START - 900 + 200 * n, "restart", "deploy/pay") for n in range(3)]
        assert refused(guarded(Guards(rates=rates), full(*early)))["restart"] is Reason.RATE_LIMIT
        assert guarded(Guards(rates=rates[:1]), full(*early)).names() == ["restart"]

    def test_it_may_be_meant_for_some_actions_or_targets_only(self) -> None:
        ledger = full((START - 50, "restart", "deploy/pay"))
        for meant, names in (
            ({"actions": "roll*"}, ["restart"]),
            ({"targets": "db/*"}, ["restart"]),
            ({"actions": "re*"}, ["rollback"]),
        ):
            rate = Rate(frozenset({"target"}), 1, 100.0, **meant)
            assert guarded(Guards(rates=(rate,)), ledger).names() == names

    def test_the_window_slides(self) -> None:
        ledger = full((START - 100, "restart", "deploy/pay"))
        assert guarded(Guards(rates=(Rate(frozenset(), 1, 100.0),)), ledger).names() == ["restart"]

    def test_other_policies_and_targets_count_elsewhere(self) -> None:
        ledger = started(Ledger(), START - 10, "restart", "deploy/pay", policy_name="other")
        assert guarded(Guards(rates=(Rate(frozenset({"policy"}), 1, 100.0),)), ledger).names() == ["restart"]

    def test_a_retry_spends_too_and_the_refusal_is_latched(self) -> None:
        driver = Driver(policy(do("restart", retry=Retry(3, explicit=True))))
        driver.guards = Guards(rates=(Rate(frozenset({"target"}), 2, 100.0),))
        driver.confirm()
        for _ in range(3):
            driver.finish(FAILED)
            driver.ticks(2)
        assert driver.names() == ["restart", "restart"]
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_a_clock_that_was_set_back_hides_no_start() -> None:
    """Starts are kept in order of writing; one written while the clock was behind is older than those before it."""
    ledger = full((START - 20, "restart", "deploy/pay"), (START - 7200, "x", "y/z"))
    guards = Guards(rates=(Rate(frozenset({"target"}), 1, 100.0),))
    assert guarded(guards, ledger).names() == ["rollback"]


class TestBlastRadius:
    @pytest.mark.parametrize(("touched", "names"), [(28, ["restart"]), (29, [])])
    def test_a_share_is_counted_in_whole_targets(self, touched: int, names: list[str]) -> None:
        ledger = full(*((START - 50, "x", f"deploy/{number}") for number in range(touched)))
        driver = Driver(policy(do("restart", target="deploy/pay")))
        driver.guards = Guards(blast_radius=(BlastRadius("deploy/*", 100.0, share_max=0.29, eligible=100.0),))
        driver.ledger = ledger
        driver.confirm()
        assert driver.names() == names

    def test_a_number_of_distinct_targets(self) -> None:
        ledger = full((START - 50, "x", "deploy/a"), (START - 40, "x", "deploy/b"), (START - 30, "x", "db/c"))
        guards = Guards(blast_radius=(BlastRadius("deploy/*", 100.0, count_max=2),))
        driver = guarded(guards, ledger)
        assert driver.names() == []
        assert refused(driver) == {"restart": Reason.BLAST_RADIUS, "rollback": Reason.BLAST_RADIUS}

    def test_a_target_that_was_touched_already_is_no_new_one(self) -> None:
        ledger = full((START - 50, "x", "deploy/pay"), (START - 40, "x", "deploy/b"))
        guards = Guards(blast_radius=(BlastRadius("deploy/*", 100.0, count_max=2),))
        assert guarded(guards, ledger).names() == ["restart"]

    @pytest.mark.parametrize(("eligible", "names"), [(10.0, ["restart"]), (9.0, []), (None, [])])
    def test_a_share_of_those_there_are_and_unknown_allows_none(self, eligible: Value, names: list[str]) -> None:
        driver = Driver(policy(Try("try", (do("restart", target="deploy/pay"),))))
        driver.guards = Guards(blast_radius=(BlastRadius("deploy/*", 100.0, share_max=0.1, eligible="nodes"),))
        driver.guard_values = {"nodes": eligible}
        driver.confirm()
        assert driver.names() == names

    def test_number_and_share_hold_both(self) -> None:
        radius = BlastRadius("deploy/*", 100.0, count_max=5, share_max=0.1, eligible=9.0)
        assert guarded(Guards(blast_radius=(radius,))).names() == []


class TestRecurrence:
    def test_what_had_to_be_used_again_and_again_is_no_cure(self) -> None:
        ledger = Ledger()
        for number in range(2):
            ledger = started(ledger, START - 1000 + number, "restart", "deploy/pay", incident=f"i{number}")
        guards = Guards(recurrence=(Recurrence(2, 6 * 3600.0),))
        driver = guarded(guards, ledger)
        assert driver.names() == ["rollback"]
        assert refused(driver)["restart"] is Reason.RECURRENCE

    def test_it_may_be_meant_for_some_actions_only(self) -> None:
        ledger = started(Ledger(), START - 1000, "restart", "deploy/pay")
        guards = Guards(recurrence=(Recurrence(1, 6 * 3600.0, actions="db.*"),))
        assert guarded(guards, ledger).names() == ["restart"]

    def test_attempts_of_one_incident_count_once(self) -> None:
        ledger = Ledger()
        for number in range(3):
            ledger = started(ledger, START - 1000 + number, "restart", "deploy/pay", incident="one")
        assert guarded(Guards(recurrence=(Recurrence(2, 6 * 3600.0),)), ledger).names() == ["restart"]

    def test_a_budget_that_is_spent_reaches_people(self) -> None:
        ledger = started(Ledger(), START - 1000, "restart", "deploy/pay")
        driver = Driver(policy(do("restart", target="deploy/pay")))
        driver.guards, driver.ledger = Guards(recurrence=(Recurrence(1, 6 * 3600.0),)), ledger
        driver.confirm()
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED


class TestStorm:
    def test_many_incidents_at_once_start_nothing_until_it_is_over(self) -> None:
        ledger = Ledger()
        for number in range(3):
            ledger = opened(ledger, START - 10, f"i{number}")
        driver = guarded(Guards(storm=Storm(3, 60.0)), ledger)
        assert driver.names() == []
        assert Reason.STORM in withheld(driver)
        driver.ticks(10)
        assert driver.names() == ["restart"]

    def test_a_few_are_no_storm(self) -> None:
        ledger = opened(Ledger(), START - 10, "other")
        assert guarded(Guards(storm=Storm(3, 60.0)), ledger).names() == ["restart"]


class TestMaintenance:
    def window(self, **given: object) -> Guards:
        facts: Mapping[str, object] = {"name": "move", "from_s": START - 10, "to_s": START + 60, **given}
        return Guards(maintenance=(Maintenance(**facts),))  # type: ignore[arg-type]  # keyword arguments of a test

    def test_the_agent_waits_until_it_is_over(self) -> None:
        driver = guarded(self.window())
        assert driver.names() == []
        assert Reason.MAINTENANCE in withheld(driver)
        driver.ticks(12)
        assert driver.names() == ["restart"]

    @pytest.mark.parametrize("given", [{"targets": ("db/*",)}, {"policies": ("other",)}, {"to_s": START}])
    def test_it_concerns_what_it_names(self, given: dict[str, object]) -> None:
        assert guarded(self.window(**given)).names() == ["restart"]

    @pytest.mark.parametrize(
        ("day", "second", "covered"),
        [(6, 7200, True), (6, 7199, False), (6, 14399, True), (6, 14400, False), (5, 7200, False)],
    )
    def test_weekly_in_utc(self, day: int, second: int, covered: bool) -> None:
        window = Maintenance("weekly", 7200.0, 14400.0, frozenset({6}))
        monday = 4 * DAY  # 1970-01-05
        assert window.covers(monday + day * DAY + second) is covered

    @pytest.mark.parametrize(("day", "hour", "covered"), [(4, 23, True), (5, 1, True), (5, 3, False), (4, 1, False)])
    def test_over_midnight(self, day: int, hour: int, covered: bool) -> None:
        window = Maintenance("night", 22 * 3600.0, 2 * 3600.0, frozenset({4}))
        assert window.covers(4 * DAY + day * DAY + hour * 3600) is covered


class TestTelemetry:
    def watchdog(self) -> Guards:
        def evaluate(values: Mapping[str, Value]) -> Truth:
            value = values.get("prometheus_up")
            return None if value is None else value == 1.0

        return Guards(telemetry=Telemetry(condition=Condition("prometheus_up == 1", ("prometheus_up",), evaluate)))

    @pytest.mark.parametrize("value", [0.0, None])
    def test_anything_but_true_freezes(self, value: Value) -> None:
        driver = Driver(policy(do("restart")))
        driver.guards, driver.guard_values = self.watchdog(), {"prometheus_up": value}
        driver.confirm()
        driver.ticks(3)
        assert driver.names() == []
        assert Reason.TELEMETRY_FREEZE in withheld(driver)
        driver.guard_values = {"prometheus_up": 1.0}
        driver.tick()
        assert driver.names() == ["restart"]

    def test_too_few_known_signals_freeze(self) -> None:
        driver = Driver(policy(do("restart")))
        driver.guards = Guards(telemetry=Telemetry(known_min=0.9))
        driver.signals["hint"] = None
        driver.confirm()
        assert driver.names() == []
        assert Reason.TELEMETRY_FREEZE in withheld(driver)


class TestWhatOnlyRankingsGoBy:
    """A reading that no condition looks at says nothing of the world that conditions look at."""

    @staticmethod
    def driver() -> Driver:
        plan = policy(do("drain"), do("restart"), signals=("errors", "hint"))
        return Driver(replace(plan, learns_from=("hint",)))

    def test_it_gives_nobody_sight(self) -> None:
        driver = self.driver()
        driver.confirm()
        driver.ticks(14)
        driver.finish()
        driver.ticks(3, errors=None, hint=1.0)
        assert driver.names() == ["drain"], "the next step was begun on missing data"
        assert Reason.TELEMETRY_BLIND in withheld(driver)

    def test_without_it_nobody_is_blind(self) -> None:
        driver = self.driver()
        driver.guards = Guards(telemetry=Telemetry(known_min=1.0))
        driver.signals["hint"] = None
        driver.confirm()
        assert driver.names() == ["drain"]

    def test_it_makes_up_for_no_unknown_one(self) -> None:
        plan = policy(do("drain"), signals=("errors", "harm", "hint"))
        driver = Driver(replace(plan, learns_from=("hint",)))
        driver.guards = Guards(telemetry=Telemetry(known_min=0.6))
        driver.signals["harm"] = None
        driver.confirm()
        assert driver.names() == []
        assert Reason.TELEMETRY_FREEZE in withheld(driver)


class TestPause:
    @pytest.mark.parametrize(("scope", "names"), [(None, []), ("p", []), ("other", ["restart"])])
    def test_the_kill_switch(self, scope: str | None, names: list[str]) -> None:
        ledger = account(Ledger(), e.Paused(at=START, by="dana", answer="a1", policy=scope))
        driver = guarded(Guards(), ledger)
        assert driver.names() == names
        assert (Reason.PAUSED in withheld(driver)) is not bool(names)

    def test_it_is_lifted(self) -> None:
        ledger = account(Ledger(), e.Paused(at=START, by="dana", answer="a1"))
        driver = guarded(Guards(), ledger)
        driver.ledger = account(driver.ledger, e.Resumed(at=driver.now, by="eli", answer="a2"))
        driver.tick()
        assert driver.names() == ["restart"]

    def test_resuming_one_policy_does_not_lift_a_pause_of_all(self) -> None:
        ledger = account(Ledger(), e.Paused(at=START, by="dana", answer="a1"))
        assert account(ledger, e.Resumed(at=START, by="eli", answer="a2", policy="p")).paused


def test_no_guard_blocks_an_undo() -> None:
    driver = Driver(policy(do("scale", undo=undo_of("scale"))))
    driver.confirm()
    assert driver.names() == ["scale"]
    driver.finish()
    driver.guards = Guards(
        rates=(Rate(frozenset(), 0, 1000.0),),
        blast_radius=(BlastRadius("*", 1000.0, count_max=0),),
        storm=Storm(0, 1000.0),
        recurrence=(Recurrence(0, 1000.0),),
        maintenance=(Maintenance("always", 0.0, 1e12),),
        telemetry=Telemetry(known_min=1.0),
    )
    driver.ledger = account(driver.ledger, e.Paused(at=driver.now, by="dana", answer="a1"))
    driver.ticks(14, hint=None)
    assert driver.names() == ["scale", "scale.undo"]


def test_undos_spend_no_budget() -> None:
    driver = Driver(policy(do("scale", undo=undo_of("scale"))))
    driver.confirm()
    driver.finish()
    driver.ticks(14)
    assert [start.action for start in driver.ledger.starts] == ["scale"]


def test_what_guards_remember_is_bounded() -> None:
    from homeostat.decide.ledger import FACTS_MAX

    ledger = Ledger()
    for number in range(FACTS_MAX + 10):
        ledger = opened(ledger, START + number / 1000, f"i{number}")
    assert len(ledger.openings) == FACTS_MAX
    ledger = opened(ledger, START + 8 * DAY, "late")
    assert len(ledger.openings) == 1


def test_an_intent_that_never_started_does_not_start_after_the_kill_switch() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    started = len(driver.started)
    driver.reports[driver.started[-1].key] = NeverStarted()
    driver.ledger = account(driver.ledger, e.Paused(at=driver.now, by="dana", answer="a1"))
    driver.restart()
    driver.ticks(3)
    assert len(driver.started) == started
    assert driver.cancelled, "its key is withdrawn, so that a start still on its way has no effect"


def test_an_undo_that_never_starts_is_not_tried_for_ever() -> None:
    driver = Driver(policy(do("scale", undo=undo_of("scale"))))
    driver.confirm()
    driver.finish()
    for _ in range(200):
        driver.tick()
        if driver.names()[-1] == "scale.undo":
            cancelled = any(command.key == driver.started[-1].key for command in driver.cancelled)
            driver.finish(Done(OutcomeStatus.CANCELLED, 0.0) if cancelled else NeverStarted())
            driver.tick(61.0)
        if driver.incident.escalation is not None:
            break
    assert driver.incident.escalation is EscalationReason.UNDO_FAILED
