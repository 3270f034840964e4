"""`drill` as users run it, and how the workspace's journal comes to tell of it, beside an agent or without one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.acceptance.people_workspace import PeopleWorkspace

from homeostat.app.clock import SystemClock
from homeostat.app.drill_entries import tell_workspace
from homeostat.app.settings import load_settings
from homeostat.app.settings_file import FILE_NAME
from homeostat.app.store import agent_store
from homeostat.model.entries import AgentStarted, DrillRan
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.writer_lock import WriterLock
from homeostat.rig.verdict import DrillResult

STEPS = "- {id: restart, do: act, target: svc/pay}\n"
RESULT = DrillResult(
    fault="auth_hung", tier="local", passed=False, why="late " * 500, cause_after_s=None, visible_after_s=None,
    clean_after_s=None, action_to_clean_s=None, actions=(), forbidden=(), needless=(), payments_acknowledged=0,
    payments_lost=0, began_at=5.0, policies={"p": "h" * 64}, control=True,
)  # fmt: skip


def drills_in(folder: Path) -> list[DrillRan]:
    journal = SqliteJournal(folder / "state/journal.sqlite", read_only=True)
    found = [record.entry for record in journal.read("agent") if isinstance(record.entry, DrillRan)]
    journal.close()
    return found


def test_a_drill_beside_a_running_agent_is_journalled_by_that_agent(tmp_path: Path) -> None:
    with PeopleWorkspace(tmp_path / "w", STEPS) as shop:
        shop.start()
        shop.wait_for("the journal", lambda: (shop.folder / "state/journal.sqlite").exists())
        shop.wait_for("the agent", lambda: any(isinstance(entry, AgentStarted) for entry in shop.entries()))
        said = shop.run("--json", "drill", "run", "auth_killed", "--sandbox", "--as", "dana")
        assert said.returncode == 0, said.stderr
        (row,) = json.loads(said.stdout)
        (ran,) = drills_in(shop.folder)
        assert (ran.fault, ran.tier, ran.passed, ran.elsewhere) == ("auth_killed", "sandbox", True, True)
        assert ran.answer is not None
        ((name, version),) = ran.policies.items()
        assert row["policies"] == f"{name}@{version[:12]}"
        assert list((shop.folder / "state/inbox").glob("*.json")) == []


def test_without_an_agent_it_is_journalled_at_once_and_an_agent_that_comes_up_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("")
    settings = load_settings(tmp_path / FILE_NAME)
    assert tell_workspace(settings, SystemClock(), "dana", RESULT, 0.0)
    (ran,) = drills_in(tmp_path)
    assert (ran.answer, ran.elsewhere, ran.policies, len(ran.why)) == (None, True, RESULT.policies, 1000)
    assert ran.control
    holding = SqliteJournal(settings.journal)
    assert not tell_workspace(settings, SystemClock(), "dana", RESULT, 0.0)
    holding.close()
    assert len(drills_in(tmp_path)) == 1, "two writers of one journal"
    assert len(list(settings.inbox.glob("*.json"))) == 1


def test_another_command_that_writes_a_moment_long_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("")
    settings = load_settings(tmp_path / FILE_NAME)
    settings.state.mkdir()
    holding = SqliteJournal(settings.journal)
    other = threading.Timer(0.15, holding.close)
    other.start()
    assert tell_workspace(settings, SystemClock(), "dana", RESULT, 0.0)
    other.join()
    assert [ran.answer for ran in drills_in(tmp_path)] == [None]


def test_an_agent_that_begins_waits_for_a_command_that_writes_a_moment_long(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("")
    settings = load_settings(tmp_path / FILE_NAME)
    settings.state.mkdir()
    holding = SqliteJournal(settings.journal)
    other = threading.Timer(0.15, holding.close)
    other.start()
    with agent_store(settings, "agent", SystemClock(), lambda *_: None, lambda _: None) as store:
        assert WriterLock.holder(settings.journal) == str(os.getpid())
        assert store.journal.head_seq("agent") == 0
    other.join()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["auth_hung"], "one of --sandbox, --local and --rig FOLDER"),
        (["auth_hung", "--sandbox", "--local"], "one of --sandbox, --local and --rig FOLDER"),
        (["auth_hung", "--rig", "r", "--keep", "k"], "--keep is for --sandbox and --local"),
        (["auth_hang", "--local"], "did you mean 'auth_hung'"),
        (["auth_hung", "--sandbox", "--as", "agent"], "say who you are"),
        (["auth_hung", "--sandbox", "--policies", "."], "which is not there"),
        (["auth_hung", "--local", "--policies", "."], "which is not there"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_broken(tmp_path: Path, words: list[str], said: str) -> None:
    ran = homeostat(tmp_path, "drill", "run", *words)
    assert ran.returncode == 2, ran.stderr
    assert said in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["run", "auth_hung", "--sandbox", "--keep", "file"],
        ["run", "auth_hung", "--local", "--keep", "file/below"],
        ["run", "auth_hung", "--rig", "file"],
        ["rig", "status", "broken"],
    ],
)
def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/rig.json").write_text("{")
    ran = homeostat(tmp_path, "drill", *words)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
    assert words[-1] in ran.stderr


def test_a_drill_that_did_not_pass_says_why_and_outside_of_a_workspace_leaves_nothing_behind(tmp_path: Path) -> None:
    """This plan comes to what is forbidden when its cure fails, as it does by this seed."""
    ran = homeostat(tmp_path, "-o", "json", "drill", "run", "pool_leak", "--sandbox", "--seed", "4")
    assert ran.returncode == 1
    (row,) = json.loads(ran.stdout)
    assert (row["passed"], row["why"]) == (False, "did what is forbidden: config.rollback, deploy.rollback")
    assert list(tmp_path.iterdir()) == []


def test_a_kept_drill_is_a_workspace_whose_incidents_are_drills(tmp_path: Path) -> None:
    assert homeostat(tmp_path, "drill", "run", "auth_killed", "--sandbox", "--keep", "kept").returncode == 0
    listed = homeostat(tmp_path, "-c", f"kept/{FILE_NAME}", "-o", "json", "incidents", "list")
    assert [row["drill"] for row in json.loads(listed.stdout)] == [True]


def test_the_faults_of_every_tier_are_listed_with_why_not_here(tmp_path: Path) -> None:
    rows = json.loads(homeostat(tmp_path, "-o", "json", "drill", "faults").stdout)
    assert {row["tier"] for row in rows} == {"sandbox", "local", "binaries", "root"}
    assert {row["run"] for row in rows} == {"--sandbox", "--local", "--rig"}
    assert all(row["not here"] is None for row in rows if row["tier"] == "sandbox")
