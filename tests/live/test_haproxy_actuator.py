"""Actions of `haproxy` on a real haproxy: the actuator's contract, killed runners, lost answers, hostile names."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.haproxy_server import HaproxyServer, free_port
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.haproxy import HaproxyActuator
from homeostat.model.commands import Done, InDoubt, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator
from homeostat.model.reasons import OutcomeStatus

DRAIN, MAINT = 8, 1


@pytest.fixture(scope="module")
def shared(haproxy_binary: str) -> Iterator[HaproxyServer]:
    server = HaproxyServer(haproxy_binary)
    yield server
    server.close()


@pytest.fixture
def haproxy(shared: HaproxyServer) -> HaproxyServer:
    shared.reset()
    return shared


@pytest.fixture
def world(tmp_path: Path) -> ActWorld:
    return ActWorld(tmp_path)


def action(address: str, operation: str, server: object = "one/web", key: str = KEY, **more: object) -> StartAction:
    parameters = {"socket": address, "server": server, "operation": operation, **more}
    return StartAction(key, ActionSpec("shift", "haproxy", parameters), "server/web", {}, timeout_s=60.0)


def run(world: ActWorld, command: StartAction) -> Done:
    actuator = HaproxyActuator(world.context())
    actuator.start(command)
    return until_done(actuator, command.key)


class TestHaproxyActuator(ActuatorContract):
    """A key has a pool of its own, so that the relay tells whose effect it sees."""

    @pytest.fixture(autouse=True)
    def _haproxy(self, tmp_path: Path, haproxy: HaproxyServer) -> Iterator[None]:
        self.state, self.haproxy = tmp_path, haproxy
        clients = [haproxy.session(pool) for pool in ("one", "two")]
        yield
        for client in clients:
            client.close()

    def fresh(self) -> Actuator:
        return HaproxyActuator(ActuatorContext(self.state, {"PATH": "/usr/bin:/bin"}))

    def _server(self, key: str) -> str:
        return f"{'one' if key.endswith('1') else 'two'}/web"

    def quick(self, key: str) -> StartAction:
        return action(self.haproxy.relay, "weight", self._server(key), key, weight="50%")

    def endless(self, key: str) -> StartAction:
        return action(self.haproxy.relay, "drain", self._server(key), key, wait_idle=True)

    def failing(self, key: str) -> StartAction:
        return action(self.haproxy.relay, "weight", "fixed/web", key, weight=50)

    def impossible(self, key: str) -> StartAction:
        return action(self.haproxy.relay, "drain", {"with": "server"}, key)

    def effects(self, key: str) -> int:
        return sum(self._server(key) in command for command in self.haproxy.sets)


def test_each_operation_is_what_haproxy_has_then(world: ActWorld, haproxy: HaproxyServer) -> None:
    for number, (operation, state) in enumerate([("drain", DRAIN), ("maint", MAINT), ("ready", 0)]):
        done = run(world, action(haproxy.socket, operation, key=f"i1/{operation}/{number}"))
        assert done.status is OutcomeStatus.OK
        assert haproxy.admin_state("one") == state
        assert haproxy.admin_state("two") == 0
    assert done.detail == "one/web is ready, weight 100, 0 sessions"
    assert done.output.splitlines() == [
        "before: maint, weight 100, 0 sessions",
        "after: ready, weight 100, 0 sessions",
    ]


@pytest.mark.parametrize(("weight", "expected"), [("50%", 50), (0, 0), (256, 256), ("100%", 100)])
def test_a_weight_is_a_number_or_a_share_of_the_configured_one(
    world: ActWorld, haproxy: HaproxyServer, weight: object, expected: int
) -> None:
    given = str(weight)
    assert run(world, action(haproxy.relay, "weight", weight=given)).status is OutcomeStatus.OK
    assert haproxy.weight("one") == expected
    assert haproxy.sets == [f"set weight one/web {given}"]


def test_it_waits_until_the_last_session_is_over(world: ActWorld, haproxy: HaproxyServer) -> None:
    client = haproxy.session("one")
    actuator = HaproxyActuator(world.context())
    actuator.start(action(haproxy.relay, "drain", wait_idle=True))
    until(lambda: haproxy.sets or None, "the drain")
    running_pid(actuator.lookup(KEY))
    client.close()
    assert until_done(actuator).detail == "one/web is drain, weight 100, 0 sessions"


def test_who_is_cancelled_while_it_waits_says_how_it_leaves_the_server(world: ActWorld, haproxy: HaproxyServer) -> None:
    client = haproxy.session("one")
    actuator = HaproxyActuator(world.context())
    actuator.start(action(haproxy.relay, "drain", wait_idle=True))
    until(lambda: haproxy.sets or None, "the drain")
    actuator.cancel(KEY)
    done = until_done(actuator)
    client.close()
    assert done.status is OutcomeStatus.CANCELLED
    assert done.detail == "told to stop; one/web stays as it was set: drain, weight 100, 1 sessions"
    assert haproxy.admin_state("one") == DRAIN


def test_what_haproxy_refuses_is_an_error_in_its_words(world: ActWorld, haproxy: HaproxyServer) -> None:
    static = run(world, action(haproxy.socket, "weight", "fixed/web", "i1/shift/1", weight="50"))
    assert static.status is OutcomeStatus.ERROR
    assert "static LB algorithm" in static.detail
    level = run(world, action(haproxy.user_socket, "drain", key="i1/shift/2"))
    assert level.status is OutcomeStatus.ERROR
    assert "ermission denied" in level.detail
    assert haproxy.admin_state("one") == 0


def test_a_server_that_is_not_there_is_told_with_those_that_are(world: ActWorld, haproxy: HaproxyServer) -> None:
    done = run(world, action(haproxy.relay, "drain", "one/wbe"))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "nothing was run: haproxy has no server one/wbe; there it has one/web"
    assert haproxy.sets == []


@pytest.mark.parametrize(
    "name", ["one/web; shutdown sessions server one/web", "one/web state maint\nset x", "one/web/x"]
)
def test_what_is_filled_in_never_becomes_another_command(world: ActWorld, haproxy: HaproxyServer, name: str) -> None:
    wanted = action(haproxy.relay, "ready", {"with": "server"})
    command = StartAction(KEY, wanted.action, wanted.target, {"server": name}, timeout_s=60.0)
    done = run(world, command)
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: server reads BACKEND/SERVER")
    assert haproxy.sets == []


def test_where_nobody_listens_nothing_is_run(world: ActWorld) -> None:
    done = run(world, action(f"127.0.0.1:{free_port()}", "drain"))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: 127.0.0.1:")


def test_a_lost_answer_is_found_out_and_the_command_not_repeated(world: ActWorld, haproxy: HaproxyServer) -> None:
    haproxy.lose_answers = 1
    assert run(world, action(haproxy.relay, "maint")).status is OutcomeStatus.OK
    assert haproxy.sets == ["set server one/web state maint"]


def test_a_lost_command_is_no_success_and_not_repeated(world: ActWorld, haproxy: HaproxyServer) -> None:
    haproxy.lose_commands = 1
    done = run(world, action(haproxy.relay, "maint"))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == (
        f"the answer was lost ({haproxy.relay} hung up before it answered), "
        "and one/web is ready, weight 100, 0 sessions"
    )
    assert haproxy.sets == []


def test_a_killed_runners_drain_is_followed_to_its_end(world: ActWorld, haproxy: HaproxyServer) -> None:
    client = haproxy.session("one")
    _kill_while_it_waits(world, haproxy)
    later = HaproxyActuator(world.context())
    running_pid(later.lookup(KEY))
    client.close()
    done = until_done(later)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "one/web is drain, weight 100, 0 sessions")
    later.start(action(haproxy.relay, "drain", wait_idle=True))
    assert later.lookup(KEY) == done
    assert len(haproxy.sets) == 1


def test_a_killed_runners_command_that_somebody_took_back_is_no_success(
    world: ActWorld, haproxy: HaproxyServer
) -> None:
    client = haproxy.session("one")
    _kill_while_it_waits(world, haproxy)
    haproxy.ask("set server one/web state ready")
    done = until_done(HaproxyActuator(world.context()))
    client.close()
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "its runner was killed, and one/web is ready, weight 100, 1 sessions"


def test_a_killed_runners_command_is_in_doubt_where_haproxy_is_gone(world: ActWorld, haproxy_binary: str) -> None:
    haproxy = HaproxyServer(haproxy_binary)
    client = haproxy.session("one")
    _kill_while_it_waits(world, haproxy)
    haproxy.close()
    client.close()
    later = HaproxyActuator(world.context())

    def doubt() -> InDoubt | None:
        report = later.lookup(KEY)
        return report if isinstance(report, InDoubt) else None

    assert "haproxy cannot be asked" in until(doubt, "the doubt").detail


def _kill_while_it_waits(world: ActWorld, haproxy: HaproxyServer) -> None:
    actuator = HaproxyActuator(world.context())
    actuator.start(action(haproxy.relay, "drain", wait_idle=True))
    until(lambda: haproxy.sets or None, "the drain")
    pid = running_pid(actuator.lookup(KEY))
    end(pid, signal.SIGKILL)
    until_gone(pid)
