"""Executions of Rundeck beside the actuator's contract: lost answers, killed runners, retries, wrong jobs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.rundeck_server import JOB, TOKEN, RundeckServer
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act.rundeck import RundeckActuator
from homeostat.model.commands import Done, InDoubt, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus


@pytest.fixture
def rundeck() -> Iterator[RundeckServer]:
    server = RundeckServer()
    yield server
    server.close()


def agent(world: ActWorld) -> RundeckActuator:
    world.environment.setdefault("RUNDECK_TOKEN", TOKEN)
    return RundeckActuator(world.context())


def execution(server: RundeckServer, key: str = KEY, **more: Any) -> StartAction:
    parameters = {
        "url": server.url,
        "job": JOB,
        "token": {"secret": "env:RUNDECK_TOKEN"},
        "options": {"service": {"target": "name"}},
        **more,
    }
    return StartAction(key, ActionSpec("restart", "rundeck", parameters), "service/pay", {}, 60.0)


def run(world: ActWorld, command: StartAction) -> Done:
    actuator = agent(world)
    actuator.start(command)
    return until_done(actuator, command.key)


def killed(world: ActWorld, server: RundeckServer) -> None:
    """Start an execution that goes on, and kill its runner."""
    server.by_service = {"pay": (600.0, "succeeded")}
    actuator = agent(world)
    actuator.start(execution(server))
    until(lambda: server.with_key(KEY) or None, "the execution")
    pid = running_pid(actuator.lookup(KEY))
    end(pid, signal.SIGKILL)
    until_gone(pid)


def test_an_execution_gets_its_options_and_its_output_is_kept(world: ActWorld, rundeck: RundeckServer) -> None:
    done = run(world, execution(rundeck))
    assert (done.status, done.detail) == (OutcomeStatus.OK, "execution 1 ended succeeded")
    assert done.output == "pay-1: restarting pay\npay-1: done\n"
    assert rundeck.executions[0].options == {"service": "pay", "HOMEOSTAT_KEY": KEY}
    written = b"".join(path.read_bytes() for path in world.files().folder.rglob("*") if path.is_file())
    assert TOKEN.encode() not in written


def test_a_failure_names_its_nodes(world: ActWorld, rundeck: RundeckServer) -> None:
    rundeck.by_service = {"pay": (0.0, "failed")}
    done = run(world, execution(rundeck))
    assert (done.status, done.detail) == (OutcomeStatus.ERROR, "execution 1 ended failed on pay-1")


@pytest.mark.parametrize("status", ["timedout", "other"])
def test_another_end_is_a_failure_that_names_it(world: ActWorld, rundeck: RundeckServer, status: str) -> None:
    rundeck.by_service = {"pay": (0.0, status)}
    assert run(world, execution(rundeck)).detail == f"execution 1 ended {status}"


def test_rundecks_own_retries_are_followed_to_the_last(world: ActWorld, rundeck: RundeckServer) -> None:
    rundeck.retries = 2
    done = run(world, execution(rundeck))
    assert (done.status, done.detail) == (OutcomeStatus.OK, "execution 3 ended succeeded")
    assert [one.retries for one in rundeck.executions] == [2, 1, 0]


def test_a_start_whose_answer_is_lost_is_found_and_not_repeated(world: ActWorld, rundeck: RundeckServer) -> None:
    rundeck.lose_answers = 1
    assert run(world, execution(rundeck)).status is OutcomeStatus.OK
    assert len(rundeck.executions) == 1


def test_a_killed_runners_execution_is_followed_to_its_end(world: ActWorld, rundeck: RundeckServer) -> None:
    killed(world, rundeck)
    later = agent(world)
    running_pid(later.lookup(KEY))
    rundeck.executions[0].runs_s = 0.0
    done = until_done(later)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "execution 1 ended succeeded")
    later.start(execution(rundeck))
    assert agent(world).lookup(KEY) == done
    assert len(rundeck.executions) == 1


def test_a_killed_runners_execution_can_be_cancelled(world: ActWorld, rundeck: RundeckServer) -> None:
    killed(world, rundeck)
    later = agent(world)
    later.cancel(KEY)
    assert until_done(later).detail == "cancelled; execution 1 ended aborted"


def test_who_may_not_ask_any_more_leaves_it_in_doubt(world: ActWorld, rundeck: RundeckServer) -> None:
    killed(world, rundeck)
    world.environment["RUNDECK_TOKEN"] = "expired"
    later = agent(world)
    report = until(lambda: found if isinstance(found := later.lookup(KEY), InDoubt) else None, "the doubt")
    assert "Rundeck says HTTP 403 Forbidden" in report.detail
    assert "may the token's user read and run the job" in report.detail
    assert len(rundeck.executions) == 1


def test_what_cannot_be_started_says_why(world: ActWorld, rundeck: RundeckServer) -> None:
    other = "00000000-0000-0000-0000-000000000000"
    wrong = [
        (execution(rundeck, key="a", job=other), "Rundeck says HTTP 404 Not Found (does not exist"),
        (execution(rundeck, key="b", api_version=99), "Rundeck says HTTP 400 Bad Request (Unsupported API Version)"),
        (execution(rundeck, key="c", api_version=40), "api_version is a whole number from 44 on, not 40"),
        (execution(rundeck, key="d", options={"color": "red"}), f"the job {JOB} declares no option color; it has"),
        (execution(rundeck, key="e", job="shop/../x"), "'shop/../x' is not the id of a job"),
        (execution(rundeck, key="f", options={"HOMEOSTAT_KEY": "x"}), "the option HOMEOSTAT_KEY is set by the agent"),
        (execution(rundeck, key="g", url=f"{rundeck.url}/?x"), f"'{rundeck.url}/?x' is no base URL"),
    ]
    for command, why in wrong:
        done = run(world, command)
        assert done.status is OutcomeStatus.ERROR
        assert done.detail.startswith(f"nothing was run: {why}"), done.detail
    assert not rundeck.executions


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ([{"name": "service"}], "declares no option HOMEOSTAT_KEY; add it as a plain text option"),
        ([{"name": "service"}, {"name": "HOMEOSTAT_KEY", "secure": True}], "HOMEOSTAT_KEY is secure"),
    ],
)
def test_a_job_that_would_hide_the_key_is_not_started(
    world: ActWorld, rundeck: RundeckServer, declared: list[dict[str, Any]], why: str
) -> None:
    rundeck.declared = declared
    done = run(world, execution(rundeck))
    assert done.detail.startswith("nothing was run: ")
    assert why in done.detail
    assert not rundeck.executions


def test_a_job_that_runs_already_is_a_conflict_and_not_started_twice(world: ActWorld, rundeck: RundeckServer) -> None:
    rundeck.by_service, rundeck.multiple = {"cart": (600.0, "succeeded")}, False
    rundeck.begin({"service": "cart"}, 0)
    done = run(world, execution(rundeck))
    assert done.detail.startswith("nothing was run: Rundeck says HTTP 409 Conflict (Execution had a conflict")


def test_a_busy_server_is_asked_again_when_it_says(world: ActWorld, rundeck: RundeckServer) -> None:
    rundeck.turn_away = [(503, {}), (429, {"Retry-After": "0"})]
    assert run(world, execution(rundeck)).status is OutcomeStatus.OK
    assert len(rundeck.executions) == 1


def test_a_token_that_no_header_may_hold_is_not_sent(world: ActWorld, rundeck: RundeckServer) -> None:
    world.environment["RUNDECK_TOKEN"] = "two\nlines"
    done = run(world, execution(rundeck))
    assert done.detail == "nothing was run: the token holds a character that no header may hold"
    assert not rundeck.requests


def test_no_list_of_executions_is_not_an_empty_one_and_a_short_one_is_not_all(
    world: ActWorld, rundeck: RundeckServer
) -> None:
    for _ in range(3):
        rundeck.begin({"service": "other"}, 0)
    for page_max, why in ((0, "Rundeck gave no list of executions"), (2, "has had more than 2 executions since")):
        rundeck.page_max = page_max
        done = run(world, execution(rundeck, f"i1/restart/{page_max}"))
        assert done.status is OutcomeStatus.ERROR
        assert done.detail.startswith("nothing was run: ")
        assert why in done.detail
    assert len(rundeck.executions) == 3
