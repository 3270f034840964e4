from __future__ import annotations

from tests.unit.act.act_world import KEY, ActWorld, command, shell, until_done

from homeostat.act.jobs import prune
from homeostat.model.commands import NeverStarted, Running

NOW = 2e9
"""Unix seconds far ahead of every file here."""


def test_journalled_jobs_go_and_others_stay(world: ActWorld) -> None:
    agent = world.agent()
    for key in ("a", "b"):
        agent.start(command(["true"], key=key))
        until_done(agent, key)
    assert prune(world.state, ["a", "never-started"], now=NOW, older_than_s=3600.0) == 1
    assert agent.lookup("a") == NeverStarted()
    assert not isinstance(agent.lookup("b"), NeverStarted)
    assert not list((world.state / "actions").glob(".removed.*"))


def test_a_running_job_stays_whatever_is_said(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell("exec sleep 600"))
    assert prune(world.state, [KEY], now=NOW, older_than_s=0.0) == 0
    assert isinstance(agent.lookup(KEY), Running)
    agent.cancel(KEY)
    until_done(agent)


def test_recent_folders_stay_for_people(world: ActWorld) -> None:
    world.shell("true")
    changed = world.files().folder.stat().st_mtime
    assert prune(world.state, [KEY], now=changed + 10, older_than_s=60.0) == 0
    assert prune(world.state, [KEY], now=changed + 61, older_than_s=60.0) == 1


def test_a_withdrawn_job_goes_too(world: ActWorld) -> None:
    world.agent().cancel(KEY)
    assert prune(world.state, [KEY], now=NOW, older_than_s=0.0) == 1


def test_what_an_earlier_prune_left_is_cleared_away(world: ActWorld) -> None:
    world.shell("true")
    folder = world.files().folder
    folder.rename(folder.with_name(f".removed.{folder.name}"))
    assert prune(world.state, [], now=NOW, older_than_s=0.0) == 0
    assert not list((world.state / "actions").iterdir())


def test_no_state_yet_is_nothing_to_do(world: ActWorld) -> None:
    assert prune(world.state / "absent", [KEY], now=NOW, older_than_s=0.0) == 0
