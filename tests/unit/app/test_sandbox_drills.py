"""Drills on the plant: its users decide, whatever the agent believes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from homeostat.app.drills import drill_sandbox, fault_of
from homeostat.app.sandbox_drills import VOCABULARY, run_sandbox_drill, sandbox_faults
from homeostat.app.scaffold import shipped
from homeostat.learn.drills import Drills
from homeostat.learn.trace import trace_journal
from homeostat.model.entries import Closed, DrillRan, Suspected
from homeostat.model.errors import UsageError
from homeostat.model.reasons import Result
from homeostat.policy.load import load_policy
from homeostat.record.memory import MemoryJournal
from homeostat.rig.fault_file import load_fault
from homeostat.rig.verdict import DrillResult

POLICIES = shipped("policies")
FAULTS = sandbox_faults()
NAME = "payments-5xx"


def policies_with(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped policies, with some text of the drilled one changed."""
    for name in ("actions.yaml", "signals.yaml", f"{NAME}.homeostat.yaml"):
        shutil.copy(POLICIES / name, folder)
    path = folder / f"{NAME}.homeostat.yaml"
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return folder


def run(name: str, policies: Path = POLICIES, seed: int = 7) -> DrillResult:
    return run_sandbox_drill(FAULTS[name], policies, MemoryJournal(), seed)


def test_a_fault_is_recovered_and_the_result_says_which_policy_was_tried() -> None:
    journal = MemoryJournal()
    result = run_sandbox_drill(FAULTS["auth_hung"], POLICIES, journal, 7)
    assert (result.passed, result.why, result.tier) == (True, "", "sandbox")
    assert result.policies == {NAME: load_policy(POLICIES / f"{NAME}.homeostat.yaml").hash}
    assert result.actions == ("auth.restart",)
    assert result.cause_after_s is not None
    assert result.visible_after_s is not None
    assert result.clean_after_s is not None
    assert 0 < result.visible_after_s < result.clean_after_s < FAULTS["auth_hung"].limit_s
    assert result.payments_acknowledged > 1000
    assert result.payments_lost is None, "the plant keeps no payments: nobody knows"
    (ran,) = [record.entry for record in journal.read("agent") if isinstance(record.entry, DrillRan)]
    assert (ran.passed, ran.elsewhere, ran.policies) == (True, False, dict(result.policies))
    (incident,) = journal.incidents()
    opened = next(record.entry for record in journal.read(incident) if isinstance(record.entry, Suspected))
    assert Drills.of(journal).hold(opened.at)
    assert trace_journal(journal, NAME, 10) == [], "a drill teaches nothing"


def test_one_seed_gives_one_drill() -> None:
    first, second, other = run("auth_killed"), run("auth_killed"), run("auth_killed", seed=8)
    assert replace(first, began_at=0.0) == replace(second, began_at=0.0)
    assert other.payments_acknowledged != first.payments_acknowledged


def test_an_agent_that_believes_it_has_recovered_convinces_nobody(tmp_path: Path) -> None:
    policies = policies_with(tmp_path, ("http_5xx < 1% and payments_rps > 1", "payments_rps > 1"))
    journal = MemoryJournal()
    result = run_sandbox_drill(FAULTS["auth_database_gone"], policies, journal, 7)
    assert not result.passed
    assert "users were not served well within" in result.why
    said = [record.entry for stream in journal.incidents() for record in journal.read(stream)]
    assert {entry.result for entry in said if isinstance(entry, Closed)} == {Result.SELF_HEALED}


def test_a_plan_that_only_calls_people_does_not_pass(tmp_path: Path) -> None:
    text = (POLICIES / f"{NAME}.homeostat.yaml").read_text()
    steps = text[text.index("steps:") :]
    policies = policies_with(tmp_path, (steps, "steps:\n- {id: people, escalate: {}}\n"))
    result = run("auth_killed", policies)
    assert not result.passed
    assert result.actions == ()
    assert "not served well within" in result.why


def test_in_a_control_any_action_fails_the_drill(tmp_path: Path) -> None:
    eager = ("trigger: {if: http_5xx > 5%, for: 2m}", "trigger: {if: auth_up < 90%, for: 2m}")
    blind = ("http_5xx < 1% and payments_rps > 1", "auth_up > 90%")
    result = run("control_auth_unscraped", policies_with(tmp_path, eager, blind))
    assert not result.passed
    assert result.forbidden == result.actions != ()


def test_a_policy_that_acts_on_something_else_is_refused(tmp_path: Path) -> None:
    changed = "auth.restart: {actuator: command, effect: safe, argv: ['true']}"
    policies = policies_with(tmp_path)
    catalogue = policies / "actions.yaml"
    plant = "auth.restart: {actuator: plant, effect: safe, takes: 40s, timeout: 3m}"
    catalogue.write_text(catalogue.read_text().replace(plant, changed))
    with pytest.raises(UsageError, match=r"'auth_restart' does auth\.restart by the actuator 'command'"):
        run("auth_hung", policies)


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="auth_hung is for this policy, which is not there"):
        run("auth_hung", tmp_path)


def test_a_name_of_another_tier_is_told_where_it_is() -> None:
    with pytest.raises(UsageError, match="there is one with --local and --rig"):
        fault_of("sandbox", "auth_slow")
    with pytest.raises(UsageError, match="did you mean 'auth_hung'"):
        fault_of("sandbox", "auth_hang")


def test_a_folder_in_use_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        drill_sandbox(FAULTS["auth_hung"], POLICIES, tmp_path, 7)


@pytest.mark.parametrize(
    ("injection", "said"),
    [
        ("{crash_loop: {crash_after_s: 8}}", ""),
        ("{crash_lop: {crash_after_s: 8}}", "no verb 'crash_lop'"),
        ("{crash_loop: now}", "is no mapping of parameters"),
        ("{crash_loop: {after_s: 8}}", "no parameter 'after_s'"),
        ("{crash_loop: {}}", "crash_after_s: Field required"),
        ("{crash_loop: {crash_after_s: soon}}", "crash_after_s: Input should be a valid number"),
        ("{auth_down: {mode: tired}}", "mode: Input should be 'hung', 'killed' or 'slow'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, injection: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"about: x\npolicies: [{NAME}]\ninject: [{injection}]\ncause: up < 1\nhelps: [config.rollback]\n")
    if not said:
        assert load_fault(path, VOCABULARY).tier == "sandbox"
        return
    with pytest.raises(UsageError) as caught:
        load_fault(path, VOCABULARY)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_every_shipped_fault_can_be_read_and_there_are_controls() -> None:
    assert len([fault for fault in FAULTS.values() if not fault.control]) >= 6
    assert len([fault for fault in FAULTS.values() if fault.control]) >= 1
    assert all(fault.forbidden or fault.control for fault in FAULTS.values())
