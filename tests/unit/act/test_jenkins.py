"""Builds of Jenkins beside the actuator's contract: lost answers, killed runners, busy servers, wrong jobs."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.jenkins_server import TOKEN, USER, JenkinsServer
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act import run_jenkins
from homeostat.act.jenkins import JenkinsActuator
from homeostat.act.job_files import TOO_LATE
from homeostat.act.jobs import RESUMPTIONS_MAX
from homeostat.model.commands import Done, InDoubt, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus


@pytest.fixture
def jenkins() -> Iterator[JenkinsServer]:
    server = JenkinsServer(crumbs=True)
    yield server
    server.close()


def agent(world: ActWorld) -> JenkinsActuator:
    world.environment["JENKINS_TOKEN"] = TOKEN
    return JenkinsActuator(world.context())


def build(server: JenkinsServer, key: str = KEY, timeout_s: float = 60.0, **more: Any) -> StartAction:
    parameters = {
        "url": server.url,
        "job": "shop/restart",
        "user": USER,
        "token": {"secret": "env:JENKINS_TOKEN"},
        "parameters": {"SERVICE": {"target": "name"}},
        **more,
    }
    return StartAction(key, ActionSpec("restart", "jenkins", parameters), "service/pay", {}, timeout_s)


def run(world: ActWorld, command: StartAction) -> Done:
    actuator = agent(world)
    actuator.start(command)
    return until_done(actuator, command.key)


def begun(world: ActWorld, server: JenkinsServer) -> int:
    """Start a build that goes on; give the pid of its runner."""
    actuator = agent(world)
    actuator.start(build(server))
    until(lambda: [work for work in server.with_key(KEY) if work.number is not None] or None, "the build")
    return running_pid(actuator.lookup(KEY))


def kill(pid: int) -> None:
    end(pid, signal.SIGKILL)
    until_gone(pid)


def test_a_build_gets_its_parameters_and_its_console_is_kept_without_the_token(
    world: ActWorld, jenkins: JenkinsServer
) -> None:
    jenkins.console = f"signed in with {TOKEN}\nrestarted pay\n".encode()
    done = run(world, build(jenkins))
    assert (done.status, done.detail) == (OutcomeStatus.OK, "build #1 of shop/restart ended SUCCESS")
    assert done.output == "signed in with [secret]\nrestarted pay\n"
    assert jenkins.works[0].parameters == {"SERVICE": "pay", "HOMEOSTAT_KEY": KEY}
    written = b"".join(path.read_bytes() for path in world.files().folder.rglob("*") if path.is_file())
    assert TOKEN.encode() not in written


@pytest.mark.parametrize("result", ["UNSTABLE", "ABORTED"])
def test_another_result_is_a_failure_that_names_it(world: ActWorld, jenkins: JenkinsServer, result: str) -> None:
    jenkins.queued_s, jenkins.result = 0.0, result
    done = run(world, build(jenkins))
    assert (done.status, done.detail) == (OutcomeStatus.ERROR, f"build #1 of shop/restart ended {result}")


def test_a_result_that_is_expected_is_a_success(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.result = "UNSTABLE"
    assert run(world, build(jenkins, expect_result=["SUCCESS", "UNSTABLE"])).status is OutcomeStatus.OK


def test_a_start_whose_answer_is_lost_is_found_and_not_repeated(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.crumbs, jenkins.lose_answers = False, 1
    assert run(world, build(jenkins)).status is OutcomeStatus.OK
    assert len(jenkins.works) == 1


def test_a_killed_runners_build_is_followed_to_its_end(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.runs_s = 600.0
    kill(begun(world, jenkins))
    later = agent(world)
    running_pid(later.lookup(KEY))
    jenkins.works[0].runs_s = 0.0
    done = until_done(later)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "build #1 of shop/restart ended SUCCESS")
    assert done.output == "Started\nFinished\n"
    later.start(build(jenkins))
    assert agent(world).lookup(KEY) == done
    assert len(jenkins.works) == 1


def test_a_killed_runners_build_can_be_cancelled(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.runs_s = 600.0
    kill(begun(world, jenkins))
    later = agent(world)
    later.cancel(KEY)
    done = until_done(later)
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, "cancelled; build #1 of shop/restart ended ABORTED")
    assert jenkins.works[0].aborted_at is not None


def test_what_was_killed_before_its_request_is_known_not_to_run(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.runs_s = 600.0
    kill(begun(world, jenkins))
    jenkins.works.clear()
    world.edit("job.json", lambda job: job.update(settle_s=0.2))
    done = until_done(agent(world))
    assert (done.status, done.detail) == (
        OutcomeStatus.ERROR,
        "its runner was killed, and Jenkins knows of nothing that has its key",
    )


def test_who_takes_its_place_may_be_killed_too_but_not_for_ever(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.runs_s = 600.0
    kill(begun(world, jenkins))
    later = agent(world)
    for count in range(1, RESUMPTIONS_MAX + 1):
        running_pid(later.lookup(KEY))
        until(lambda: world.files().resumptions() == count, "who takes its place")  # noqa: B023 - called at once
        pid = later._spool._launcher.living(world.files().folder)
        assert pid is not None
        kill(pid)
        later._spool._reap()
    assert isinstance(later.lookup(KEY), InDoubt)
    assert len(jenkins.works) == 1


def test_an_attempt_with_the_key_of_one_in_doubt_follows_its_build(world: ActWorld, jenkins: JenkinsServer) -> None:
    run(world, build(jenkins))
    again = replace(build(jenkins, key="i1/restart/2"), effect_key=KEY)
    assert run(world, again).detail == "build #1 of shop/restart ended SUCCESS"
    assert len(jenkins.works) == 1


def test_one_that_waits_is_taken_out_of_the_queue(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.queued_s = 600.0
    actuator = agent(world)
    actuator.start(build(jenkins))
    until(lambda: jenkins.with_key(KEY) or None, "the queue item")
    actuator.cancel(KEY)
    done = until_done(actuator)
    assert done.status is OutcomeStatus.CANCELLED
    assert jenkins.works[0].cancelled
    assert jenkins.works[0].number is None


def test_an_item_that_is_forgotten_is_found_among_the_builds(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.queued_s = 600.0
    actuator = agent(world)
    actuator.start(build(jenkins))
    work = until(lambda: jenkins.with_key(KEY) or None, "the queue item")[0]
    work.queued_s, work.forgotten = 0.0, True
    assert until_done(actuator).status is OutcomeStatus.OK


def test_a_busy_server_is_asked_again_when_it_says(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.turn_away = [(503, {}), (429, {"Retry-After": "0"}), (429, {"Retry-After": "soon"}), (502, {})]
    assert run(world, build(jenkins)).status is OutcomeStatus.OK
    assert len(jenkins.works) == 1


def test_a_start_that_is_turned_away_until_it_is_too_late_is_not_made(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.crumbs, jenkins.turn_posts_away = False, [(429, {"Retry-After": "4"})]
    bound_s = time.clock_gettime(time.CLOCK_BOOTTIME) + 3.0
    done = run(world, replace(build(jenkins), start_before_s=bound_s))
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, TOO_LATE)
    assert not jenkins.turn_posts_away
    assert not jenkins.works


@pytest.mark.parametrize("status", [408, 502])
def test_an_answer_that_says_nothing_of_the_start_leaves_doubt(
    world: ActWorld, jenkins: JenkinsServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeostat.act.jenkins.SETTLE_S", 0.2)
    jenkins.crumbs, jenkins.turn_posts_away = False, [(status, {})]
    actuator = agent(world)
    actuator.start(build(jenkins))
    doubt = until(lambda: found if isinstance(found := actuator.lookup(KEY), InDoubt) else None, "the doubt")
    assert doubt.detail.startswith(f"the request was sent, but no usable answer came (HTTP {status}")
    assert not jenkins.works


def test_a_job_that_would_drop_the_key_is_not_started(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.declared["shop/restart"] = ["SERVICE"]
    done = run(world, build(jenkins))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: the job shop/restart declares no parameter HOMEOSTAT_KEY; add it")
    assert not jenkins.works


def test_what_cannot_be_started_says_why(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.disabled.add("shop/restart")
    wrong = [
        (build(jenkins, key="a"), "the job shop/restart is disabled"),
        (build(jenkins, key="b", job="shop/none"), "Jenkins says HTTP 404 Not Found; is there a job shop/none"),
        (build(jenkins, key="c", user="nobody"), "Jenkins says HTTP 401 Unauthorized; are the user and the API token"),
        (build(jenkins, key="d", job="shop/../x"), "'shop/../x' is not the full name of a job"),
        (build(jenkins, key="e", token="written-out"), "token reads {secret: REFERENCE}"),
        (build(jenkins, key="f", parameters={"HOMEOSTAT_KEY": "x"}), "the parameter HOMEOSTAT_KEY is set by the agent"),
        (build(jenkins, key="g", expect_result="GREEN"), "expect_result is one of SUCCESS"),
    ]
    for command, why in wrong:
        done = run(world, command)
        assert done.status is OutcomeStatus.ERROR
        assert done.detail.startswith(f"nothing was run: {why}")
    assert not jenkins.works


@pytest.mark.parametrize("name", ["items", "allBuilds"])
def test_no_list_of_what_was_run_is_not_an_empty_one(world: ActWorld, jenkins: JenkinsServer, name: str) -> None:
    jenkins.leaves_out = {name}
    done = run(world, build(jenkins))
    assert (done.status, done.detail) == (OutcomeStatus.ERROR, f"nothing was run: Jenkins gave no list of {name}")
    assert not jenkins.works


def test_more_builds_than_are_searched_leave_it_in_doubt_and_unstarted(world: ActWorld, jenkins: JenkinsServer) -> None:
    jenkins.queued_s = 0.0
    for number in range(run_jenkins.BUILDS_SEARCHED_MAX + 1):
        jenkins.ask_for("shop/restart", {"SERVICE": str(number)})
    done = run(world, build(jenkins))
    assert done.detail == "nothing was run: shop/restart has had more than 500 builds since"
    assert not jenkins.with_key(KEY)
