"""The `haproxy` actuator beside its contract, on a real haproxy: states, weights, refusals, killed runners."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.haproxy_process import Fate, Haproxy, haproxies
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act import run_haproxy
from homeostat.act.context import ActuatorContext
from homeostat.act.haproxy import HaproxyActuator
from homeostat.act.run_haproxy import NoAnswerError, ServerState
from homeostat.act.substitution import RefusedError
from homeostat.model.commands import Done, InDoubt, Running, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

FMAINT, CMAINT, FDRAIN = 0x01, 0x04, 0x08


@pytest.fixture(scope="module")
def one_haproxy() -> Iterator[Haproxy]:
    yield from haproxies()


@pytest.fixture
def haproxy(one_haproxy: Haproxy) -> Haproxy:
    one_haproxy.ready()
    return one_haproxy


def setting(haproxy: Haproxy, operation: str, server: object = "app/one", **more: Any) -> StartAction:
    arguments = more.pop("arguments", {})
    timeout_s = more.pop("timeout_s", 60.0)
    parameters = {"socket": haproxy.between, "server": server, "operation": operation, **more}
    return StartAction(KEY, ActionSpec("set", "haproxy", parameters), "server/one", arguments, timeout_s)


def start(world: ActWorld, command: StartAction) -> HaproxyActuator:
    agent = HaproxyActuator(world.context())
    agent.start(command)
    return agent


def run(world: ActWorld, command: StartAction) -> Done:
    return until_done(start(world, command))


def test_a_server_is_drained_until_nobody_is_left(world: ActWorld, haproxy: Haproxy) -> None:
    with haproxy.session():
        agent = start(world, setting(haproxy, "drain", wait_idle=True))
        until(lambda: len(haproxy.asked) > 4, "a look after it was set")
        assert isinstance(agent.lookup(KEY), Running)
        assert haproxy.shown("one")[0] == FDRAIN
    done = until_done(agent)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "app/one is drain, weight 100, 0 sessions")
    assert done.output.splitlines()[0] == "before: ready, weight 100, 1 sessions"


def test_a_server_that_the_configuration_disabled_is_made_ready_and_put_into_maintenance(
    world: ActWorld, haproxy: Haproxy
) -> None:
    done = run(world, setting(haproxy, "ready", "app/three"))
    assert (done.status, done.detail) == (OutcomeStatus.OK, "app/three is ready, weight 1, 0 sessions")
    assert haproxy.shown("three")[0] == CMAINT
    agent = HaproxyActuator(world.context())
    again = setting(haproxy, "maint", {"with": "server"}, arguments={"server": "app/three"})
    agent.start(StartAction("i1/restart/2", again.action, again.target, again.arguments, 60.0))
    assert until_done(agent, "i1/restart/2").status is OutcomeStatus.OK
    assert haproxy.shown("three")[0] & FMAINT


def test_each_operation_is_what_haproxy_has_then(world: ActWorld, haproxy: Haproxy) -> None:
    agent = HaproxyActuator(world.context())
    for operation, bits in (("drain", FDRAIN), ("maint", FMAINT), ("ready", 0)):
        wanted = setting(haproxy, operation, socket=str(haproxy.folder / "admin"))
        agent.start(replace(wanted, key=f"i1/{operation}/1"))
        done = until_done(agent, f"i1/{operation}/1")
        assert done.status is OutcomeStatus.OK
        assert (haproxy.shown("one")[0], haproxy.shown("two")[0]) == (bits, 0)
    assert done.output.splitlines() == [
        "before: maint, weight 100, 0 sessions",
        "after: ready, weight 100, 0 sessions",
    ]


@pytest.mark.parametrize(
    ("weight", "becomes"), [(0, 0), (256, 256), ("29%", 29), ("0%", 0), ("100%", 100), ({"with": "weight"}, 7)]
)
def test_a_weight_is_a_number_or_a_share(world: ActWorld, haproxy: Haproxy, weight: object, becomes: int) -> None:
    done = run(world, setting(haproxy, "weight", weight=weight, arguments={"weight": 7}))
    assert (done.status, done.detail) == (OutcomeStatus.OK, f"app/one is ready, weight {becomes}, 0 sessions")
    assert haproxy.shown("one") == (0, becomes)
    given = 7 if isinstance(weight, dict) else weight
    assert haproxy.sets() == [f"set weight app/one {given}"]


def test_a_share_that_comes_to_nothing_takes_no_server_out(world: ActWorld, haproxy: Haproxy) -> None:
    done = run(world, setting(haproxy, "weight", "app/two", weight="50%"))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: 50% of the configured weight of app/two, which is 1, comes to 0")
    assert (haproxy.sets(), haproxy.shown("two")) == ([], (0, 1))


def test_what_haproxy_refuses_or_does_not_have_is_said(world: ActWorld, haproxy: Haproxy) -> None:
    agent = HaproxyActuator(world.context())
    operator, admin = str(haproxy.folder / "operator"), str(haproxy.folder / "admin")
    for number, (command, said) in enumerate(
        (
            (setting(haproxy, "drain", socket=operator), "Permission denied; the socket needs `level admin`"),
            (setting(haproxy, "weight", "fixed/one", socket=admin, weight=50), "static LB algorithm"),
            (setting(haproxy, "drain", "app/four"), "no server app/four; there it has app/one, app/two, app/three"),
            (setting(haproxy, "drain", "web/one"), "no server web/one; there it has nothing"),
            (setting(haproxy, "drain", socket=f"{operator}.absent"), "absent: No such file or directory"),
            (setting(haproxy, "drain", socket="127.0.0.1:1"), "127.0.0.1:1: Connection refused"),
        )
    ):
        key = f"i1/restart/{number}"
        agent.start(StartAction(key, command.action, command.target, {}, 60.0))
        done = until_done(agent, key)
        assert done.status is OutcomeStatus.ERROR
        assert said in done.detail
    assert haproxy.sets() == []
    assert haproxy.shown("one")[0] == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"server": {"with": "text"}, "arguments": {"text": "app/one state ready; set weight app/two 0 #"}}, "reads"),
        ({"server": {"with": "text"}, "arguments": {"text": "app/one\nset server app/two state maint"}}, "reads"),
        ({"server": {"with": "text"}, "arguments": {"text": "app/one/two"}}, "reads BACKEND/SERVER"),
        ({"server": {"target": "name"}}, "server reads BACKEND/SERVER, not 'one'"),
        ({"weight": {"with": "text"}, "operation": "weight", "arguments": {"text": "5\nshow env"}}, "weight, 0 to 256"),
        ({"weight": {"with": "text"}, "operation": "weight", "arguments": {"text": "-1"}}, "weight, 0 to 256"),
        ({"weight": True, "operation": "weight"}, "text is wanted, not True"),
        ({"weight": 257, "operation": "weight"}, "weight, 0 to 256"),
        ({"weight": 5}, "goes with operation: weight"),
        ({"operation": "weight"}, "goes with operation: weight"),
        ({"operation": "state maint"}, "operation is one of drain, maint, ready, weight"),
        ({"operation": "ready", "wait_idle": True}, "goes with drain and maint"),
        ({"socket": "10.0.0.7:9999"}, "on loopback"),
        ({"socket": "127.0.0.1:65536"}, "on loopback"),
        ({"socket": "admin.sock"}, "socket is an absolute path"),
        ({"socket": f"/{'a' * 107}"}, "socket is an absolute path"),
    ],
)
def test_what_is_refused_before_haproxy_is_asked(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    arguments = more.pop("arguments", {})
    parameters = {"socket": "/run/haproxy/admin.sock", "server": "app/one", "operation": "drain", **more}
    agent = HaproxyActuator(ActuatorContext(tmp_path, {}))
    with pytest.raises(RefusedError, match=re.escape(said)):
        agent.job(StartAction(KEY, ActionSpec("set", "haproxy", parameters), "server/one", arguments, 60.0))


@pytest.mark.parametrize(
    "name", ["app/one; shutdown sessions server app/one", "app/one state maint\nset x", "app/one/x"]
)
def test_what_is_filled_in_never_becomes_another_command(world: ActWorld, haproxy: Haproxy, name: str) -> None:
    done = run(world, setting(haproxy, "ready", {"with": "server"}, arguments={"server": name}))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: server reads BACKEND/SERVER")
    assert haproxy.asked == []


def test_who_is_cancelled_while_it_waits_says_how_it_leaves_the_server(world: ActWorld, haproxy: Haproxy) -> None:
    with haproxy.session():
        agent = start(world, setting(haproxy, "drain", wait_idle=True))
        until(lambda: haproxy.sets() or None, "the drain")
        agent.cancel(KEY)
        done = until_done(agent)
    assert done.status is OutcomeStatus.CANCELLED
    assert done.detail == "told to stop; app/one stays as it was set: drain, weight 100, 1 sessions"
    assert haproxy.shown("one")[0] == FDRAIN


def killed(pid: int) -> None:
    end(pid, signal.SIGKILL)
    until_gone(pid)


def kill_while_it_waits(world: ActWorld, haproxy: Haproxy) -> HaproxyActuator:
    """Leave a drain that has no runner any more, to an agent that comes up later."""
    agent = start(world, setting(haproxy, "drain", wait_idle=True))
    until(lambda: len(haproxy.asked) > 4, "a look after it was set")
    killed(running_pid(agent.lookup(KEY)))
    return HaproxyActuator(world.context())


def test_a_killed_runners_wait_goes_on_and_nothing_is_set_again(world: ActWorld, haproxy: Haproxy) -> None:
    with haproxy.session():
        later = kill_while_it_waits(world, haproxy)
        running_pid(later.lookup(KEY))
    done = until_done(later)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "app/one is drain, weight 100, 0 sessions")
    later.start(setting(haproxy, "drain", wait_idle=True))
    assert later.lookup(KEY) == done
    assert haproxy.sets() == ["set server app/one state drain"]


def test_a_killed_runners_command_that_somebody_took_back_is_no_success(world: ActWorld, haproxy: Haproxy) -> None:
    with haproxy.session():
        later = kill_while_it_waits(world, haproxy)
        haproxy.tell("set server app/one state ready")
        done = until_done(later)
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "its runner was killed, and app/one is ready, weight 100, 1 sessions"


def test_a_killed_runners_command_is_in_doubt_where_haproxy_is_gone(world: ActWorld) -> None:
    with contextlib.contextmanager(haproxies)() as haproxy:
        with haproxy.session():
            later = kill_while_it_waits(world, haproxy)
            haproxy.close()
        report = until(lambda: found if isinstance(found := later.lookup(KEY), InDoubt) else None, "the doubt")
    assert "haproxy cannot be asked" in report.detail


def held_back(world: ActWorld, haproxy: Haproxy) -> HaproxyActuator:
    """A runner that was killed before what it has begun reached haproxy."""
    asked, go_on = threading.Event(), threading.Event()

    def on(command: str) -> Fate:
        if not command.startswith("set "):
            return Fate.ANSWERED
        asked.set()
        go_on.wait(30.0)
        return Fate.DROPPED

    haproxy.on = on
    agent = start(world, setting(haproxy, "drain"))
    assert asked.wait(30.0)
    killed(running_pid(agent.lookup(KEY)))
    go_on.set()
    return agent


def test_a_runner_that_was_killed_before_it_was_set_has_set_nothing(world: ActWorld, haproxy: Haproxy) -> None:
    done = until_done(held_back(world, haproxy))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "its runner was killed, and app/one is ready, weight 100, 0 sessions"


def test_what_nobody_can_be_asked_about_stays_in_doubt(world: ActWorld, haproxy: Haproxy) -> None:
    agent = held_back(world, haproxy)
    world.edit("job.json", lambda job: job.update(socket="/absent/haproxy.sock"))
    report = until(lambda: found if isinstance(found := agent.lookup(KEY), InDoubt) else None, "the doubt")
    assert "its runner was killed, and haproxy cannot be asked" in report.detail


@pytest.mark.parametrize(
    ("fate", "status", "said"),
    [
        (Fate.UNANSWERED, OutcomeStatus.OK, "app/one is drain"),
        (Fate.DROPPED, OutcomeStatus.ERROR, "hung up before it answered), and app/one is ready"),
    ],
)
def test_where_the_answer_is_lost_the_state_tells(
    world: ActWorld, haproxy: Haproxy, fate: Fate, status: OutcomeStatus, said: str
) -> None:
    haproxy.on = lambda command: fate if command.startswith("set ") else Fate.ANSWERED
    done = run(world, setting(haproxy, "drain"))
    assert done.status is status
    assert said in done.detail
    assert haproxy.sets() == ["set server app/one state drain"]


def test_who_is_cancelled_while_haproxy_is_asked_sets_nothing(world: ActWorld, haproxy: Haproxy) -> None:
    agent, other = HaproxyActuator(world.context()), HaproxyActuator(world.context())

    def cancel(command: str) -> Fate:
        if command.startswith("show stat"):
            other.cancel(KEY)  # an agent is asked by one thread at a time, and the test's own waits for its end
        return Fate.ANSWERED

    haproxy.on = cancel
    agent.start(setting(haproxy, "drain"))
    done = until_done(agent)
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, "nothing was run: cancelled before it was set")
    assert haproxy.sets() == []


def test_somebody_else_who_sets_it_meanwhile_is_told_apart(world: ActWorld, haproxy: Haproxy) -> None:
    with haproxy.session():
        agent = start(world, setting(haproxy, "drain", wait_idle=True))
        until(lambda: len(haproxy.asked) > 4, "a look after it was set")
        haproxy.tell("set server app/one state ready")
        done = until_done(agent)
    assert done.status is OutcomeStatus.ERROR
    assert "it was set, and app/one is ready" in done.detail


def test_an_answer_takes_no_longer_than_the_action_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_haproxy, "ASK_S_MAX", 3600.0)
    monkeypatch.setattr(run_haproxy, "ASK_S_MIN", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NoAnswerError, match="timed out"):
        run_haproxy.ask(f"127.0.0.1:{silent.getsockname()[1]}", "show stat", time.monotonic())


@pytest.mark.parametrize(
    ("admin", "ready"),
    [(0x00, True), (CMAINT, True), (FMAINT, False), (0x02, False), (FDRAIN, False), (0x10, False), (0x20, False)],
)
def test_ready_is_neither_in_maintenance_nor_draining(admin: int, ready: bool) -> None:
    assert ServerState(admin, 1, 1, 0).is_as({"operation": "ready"}) is ready


@pytest.mark.parametrize(
    ("state", "operation", "weight", "is_as"),
    [
        (ServerState(FMAINT, 1, 1, 0), "maint", None, True),
        (ServerState(CMAINT, 1, 1, 0), "maint", None, False),
        (ServerState(0, 5, 10, 0), "weight", "50%", True),
        (ServerState(0, 5, 10, 0), "weight", "60%", False),
        (ServerState(0, 5, 10, 0), "weight", "6", False),
    ],
)
def test_what_counts_as_set(state: ServerState, operation: str, weight: str | None, is_as: bool) -> None:
    assert state.is_as({"operation": operation, "weight": weight}) is is_as


@pytest.mark.parametrize("start_before", [True, False])
def test_what_haproxy_made_too_late_or_took_all_the_time_of_is_not_set(
    world: ActWorld, haproxy: Haproxy, start_before: bool
) -> None:
    bound_s = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.5

    def hold_back(command: str) -> Fate:
        while command.startswith("show stat") and time.clock_gettime(time.CLOCK_BOOTTIME) < bound_s + 0.1:
            time.sleep(0.01)
        return Fate.ANSWERED

    haproxy.on = hold_back
    command = setting(haproxy, "drain", timeout_s=60.0 if start_before else 0.1)
    done = run(world, replace(command, start_before_s=bound_s) if start_before else command)
    assert done.status is (OutcomeStatus.CANCELLED if start_before else OutcomeStatus.TIMEOUT)
    assert done.detail.startswith("nothing was run: ")
    assert haproxy.sets() == []
