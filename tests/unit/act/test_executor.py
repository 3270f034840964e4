from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import cast

import pytest
from tests.unit.act.act_world import KEY, command

from homeostat.act.command import CommandActuator
from homeostat.act.context import ActuatorContext
from homeostat.act.executor import Executor, load_actuators
from homeostat.act.http import HttpActuator
from homeostat.model.commands import CancelAction, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError, UsageError

START = command(["true"])
CANCEL = CancelAction(KEY, START.action)


class Plugin:
    """An actuator as somebody else might write it."""

    def __init__(self, context: ActuatorContext | None = None) -> None:
        self.context = context
        self.calls: list[object] = []
        self.answer: object = Running("job-1")
        self.raises: Exception | None = None

    def _called(self, call: object) -> None:
        self.calls.append(call)
        if self.raises is not None:
            raise self.raises

    def start(self, command: StartAction) -> None:
        self._called(command)

    def lookup(self, key: str) -> Report:
        self._called(("lookup", key))
        return cast("Report", self.answer)

    def cancel(self, key: str) -> None:
        self._called(("cancel", key))


class BrokenPlugin:
    def __init__(self, _context: ActuatorContext) -> None:
        raise KeyError("API_TOKEN")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "homeostat.actuators")


def test_commands_and_questions_go_to_the_named_actuator() -> None:
    named, other = Plugin(), Plugin()
    executor = Executor({"command": named, "other": other})
    executor.carry_out(START)
    executor.carry_out(CANCEL)
    assert executor.report(KEY, "command") == Running("job-1")
    assert named.calls == [START, ("cancel", KEY), ("lookup", KEY)]
    assert other.calls == []


@pytest.mark.parametrize("error", [ValueError("no such pod"), ActuatorError("no such pod")])
@pytest.mark.parametrize("asked", [START, CANCEL])
def test_whatever_a_plugin_raises_is_an_actuator_error_with_its_name(
    error: Exception, asked: StartAction | CancelAction
) -> None:
    plugin = Plugin()
    plugin.raises = error
    with pytest.raises(ActuatorError, match=r"actuator 'command'.*no such pod"):
        Executor({"command": plugin}).carry_out(asked)


@pytest.mark.parametrize("error", [ValueError("no such pod"), ActuatorError("no such pod")])
def test_who_cannot_be_asked_gives_no_news_and_somebody_is_told(error: Exception) -> None:
    plugin = Plugin()
    plugin.raises = error
    told: list[tuple[str, Exception]] = []
    assert Executor({"command": plugin}, lambda *what: told.append(what)).report(KEY, "command") is None
    assert [what for what, _ in told] == [f"action {KEY}"]
    assert "no such pod" in str(told[0][1])
    assert isinstance(told[0][1], ActuatorError)


@pytest.mark.parametrize("answer", [None, "done", True])
def test_an_answer_that_is_no_report_is_no_news(answer: object) -> None:
    plugin = Plugin()
    plugin.answer = answer
    told: list[tuple[str, Exception]] = []
    assert Executor({"command": plugin}, lambda *what: told.append(what)).report(KEY, "command") is None
    assert "no report" in str(told[0][1])


def test_an_unknown_actuator_is_named_with_the_nearest() -> None:
    executor = Executor({"comand": Plugin()})
    with pytest.raises(ActuatorError, match="no actuator 'command'; did you mean 'comand'"):
        executor.carry_out(START)
    assert executor.report(KEY, "command") is None


def test_entry_points_are_loaded_and_given_their_context(tmp_path: Path) -> None:
    found = [
        entry("command", "homeostat.act.command:CommandActuator"),
        entry("http", "homeostat.act.http:HttpActuator"),
        entry("plugin", f"{__name__}:Plugin"),
    ]
    actuators = load_actuators(tmp_path, {"A": "b"}, found)
    assert isinstance(actuators["command"], CommandActuator)
    assert isinstance(actuators["http"], HttpActuator)
    assert actuators["command"].lookup(KEY) == NeverStarted()
    plugin = actuators["plugin"]
    assert isinstance(plugin, Plugin)
    assert plugin.context == ActuatorContext(tmp_path, {"A": "b"})


@pytest.mark.parametrize("value", ["no.such.module:It", f"{__name__}:Absent", f"{__name__}:BrokenPlugin"])
def test_a_plugin_that_cannot_be_loaded_stops_the_agent(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match=r"actuator 'k8s' \(.*cannot be loaded: .*repair or uninstall"):
        load_actuators(tmp_path, {}, [entry("k8s", value)])


def test_two_actuators_of_one_name_stop_the_agent(tmp_path: Path) -> None:
    found = [entry("plugin", f"{__name__}:Plugin"), entry("plugin", f"{__name__}:BrokenPlugin")]
    with pytest.raises(UsageError, match="two installed packages offer an actuator 'plugin'"):
        load_actuators(tmp_path, {}, found)
