from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.manual import BYTES_MAX, ManualActuator
from homeostat.model.commands import Done, NeverStarted, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import MANUAL, ActionSpec
from homeostat.model.ports import Actuator
from homeostat.model.reasons import OutcomeStatus


class TestManualActuator(ActuatorContract):
    """A person who looks at the board again and again, and whose work is a line in a file."""

    @pytest.fixture(autouse=True)
    def _person(self, tmp_path: Path) -> object:
        self.state = tmp_path
        self.done: list[str] = []
        self.going_home = threading.Event()
        person = threading.Thread(target=self._work)
        person.start()
        yield
        self.going_home.set()
        person.join()

    def _work(self) -> None:
        board = ManualActuator(ActuatorContext(self.state, {}))
        seen: set[str] = set()
        while not self.going_home.is_set():
            for task in board.waiting():
                if task["key"] in seen:
                    continue
                seen.add(task["key"])
                if task["instructions"] == "fail":
                    board.report(task["key"], OutcomeStatus.ERROR, "dana", "the console is gone")
                    continue
                self.done.append(task["key"])
                if task["instructions"] == "quick":
                    board.report(task["key"], OutcomeStatus.OK, "dana")
            time.sleep(0.005)

    def fresh(self) -> Actuator:
        return ManualActuator(ActuatorContext(self.state, {}))

    def _task(self, key: str, instructions: str) -> StartAction:
        parameters = {"instructions": instructions, "owner": "dba", "check": "is it writable?"}
        return StartAction(key, ActionSpec(MANUAL, MANUAL, parameters), "people/dba", {}, timeout_s=60.0)

    def quick(self, key: str) -> StartAction:
        return self._task(key, "quick")

    def endless(self, key: str) -> StartAction:
        return self._task(key, "endless")

    def failing(self, key: str) -> StartAction:
        return self._task(key, "fail")

    def impossible(self, key: str) -> StartAction:
        return self._task(key, "")

    def effects(self, key: str) -> int:
        return self.done.count(key)

    def test_a_time_out_of_nothing_is_not_endless(self) -> None:
        actuator = self.fresh()
        actuator.start(StartAction("i1/x/1", ActionSpec(MANUAL, MANUAL, {"instructions": "endless"}), "a/b", {}, 0.0))
        assert self.until_done(actuator, "i1/x/1").status is OutcomeStatus.TIMEOUT


def board(state: Path) -> ManualActuator:
    return ManualActuator(ActuatorContext(state, {}))


def task(key: str) -> StartAction:
    parameters = {"instructions": "fail the storage over", "owner": "dba", "check": "is it writable?"}
    return StartAction(key, ActionSpec(MANUAL, MANUAL, parameters), "people/dba", {}, timeout_s=60.0)


def test_a_report_names_the_person(tmp_path: Path) -> None:
    board(tmp_path).start(task("i/fail/1"))
    assert board(tmp_path).report("i/fail/1", OutcomeStatus.OK, "dana", "on the second try")
    report = board(tmp_path).lookup("i/fail/1")
    assert "done, says dana: on the second try" in str(report)


def test_of_two_reports_the_first_counts(tmp_path: Path) -> None:
    board(tmp_path).start(task("i/fail/1"))
    assert board(tmp_path).report("i/fail/1", OutcomeStatus.OK, "dana")
    assert not board(tmp_path).report("i/fail/1", OutcomeStatus.ERROR, "eli")
    assert "dana" in str(board(tmp_path).lookup("i/fail/1"))


def test_nobody_can_report_what_was_never_asked(tmp_path: Path) -> None:
    with pytest.raises(ActuatorError, match="no manual step waits under 'i/fail/1'"):
        board(tmp_path).report("i/fail/1", OutcomeStatus.OK, "dana")
    assert board(tmp_path).lookup("i/fail/1") == NeverStarted()


def test_the_board_shows_what_waits(tmp_path: Path) -> None:
    board(tmp_path).start(task("i/one/1"))
    board(tmp_path).start(task("i/two/1"))
    board(tmp_path).report("i/one/1", OutcomeStatus.OK, "dana")
    assert [waiting["key"] for waiting in board(tmp_path).waiting()] == ["i/two/1"]


def test_a_damaged_task_is_an_error_and_no_answer(tmp_path: Path) -> None:
    board(tmp_path).start(task("i/one/1"))
    (path,) = (tmp_path / "manual").glob("*/task.json")
    path.write_text("{")
    with pytest.raises(ActuatorError, match="cannot be read"):
        board(tmp_path).lookup("i/one/1")


def test_a_report_that_nobody_could_read_again_is_refused(tmp_path: Path) -> None:
    board = ManualActuator(ActuatorContext(tmp_path, {}))
    parameters = {"instructions": "swap the disk", "owner": "dba", "check": "its lamp is green"}
    board.start(StartAction("k", ActionSpec(MANUAL, MANUAL, parameters), "people/dba", {}, timeout_s=60.0))
    with pytest.raises(ActuatorError):
        board.report("k", OutcomeStatus.OK, "dana", "x" * (BYTES_MAX + 1))
    assert isinstance(board.lookup("k"), Running)
    assert board.report("k", OutcomeStatus.OK, "dana", "the lamp is green")
    assert isinstance(board.lookup("k"), Done)


def test_who_says_nothing_in_time_has_not_done_it(tmp_path: Path) -> None:
    now = [1000.0]
    board = ManualActuator(ActuatorContext(tmp_path, {}, now=lambda: now[0]))
    parameters = {"instructions": "swap the disk", "owner": "dba", "check": "its lamp is green"}
    board.start(StartAction("k", ActionSpec(MANUAL, MANUAL, parameters), "people/dba", {}, timeout_s=60.0))
    now[0] += 59.0
    assert isinstance(board.lookup("k"), Running)
    now[0] += 1.0
    ended = board.lookup("k")
    assert isinstance(ended, Done)
    assert ended.status is OutcomeStatus.TIMEOUT
    assert not board.report("k", OutcomeStatus.OK, "dana", "too late")
