"""What every actuator must do, whatever it acts on; the built-in ones pass it, and so must a plugin.

Inherit `ActuatorContract` in a file of tests, and say how to make your actuator and what to ask of it. It needs pytest,
which the agent does not: import it from tests only. docs/add-an-actuator.md has an example.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from homeostat.model.commands import Done, NeverStarted, Running, StartAction
from homeostat.model.ports import Actuator
from homeostat.model.reasons import OutcomeStatus

PATIENCE_S = 30.0
"""How long a noisy machine may take; nothing that works needs a fraction of it."""

R = TypeVar("R")


class ActuatorContract(ABC):
    """Checks of at most once, of looking up after a restart, of cancelling, time-outs and refusals."""

    @abstractmethod
    def fresh(self) -> Actuator:
        """An actuator of an agent that has just started, over the same state as all others of this test."""

    @abstractmethod
    def quick(self, key: str) -> StartAction:
        """An action that has an effect and succeeds at once."""

    @abstractmethod
    def endless(self, key: str) -> StartAction:
        """An action that has its effect at once and ends only when it is stopped."""

    @abstractmethod
    def failing(self, key: str) -> StartAction:
        """An action that runs and fails."""

    @abstractmethod
    def impossible(self, key: str) -> StartAction:
        """An action that must be refused: an argument that it needs is not there."""

    @abstractmethod
    def effects(self, key: str) -> int:
        """How often the action under this key took effect."""

    def pass_time(self) -> None:
        """Let the world go on a little."""
        time.sleep(0.01)

    def until(self, look: Callable[[], R | None], what: str) -> R:
        """What `look` gives once it is something."""
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            found = look()
            if found is not None:
                return found
            self.pass_time()
        pytest.fail(f"waited {PATIENCE_S} s for {what}")

    def until_done(self, actuator: Actuator, key: str) -> Done:
        """How the action under a key has ended; meanwhile it is running, and nothing else."""

        def look() -> Done | None:
            report = actuator.lookup(key)
            assert isinstance(report, Running | Done)
            return report if isinstance(report, Done) else None

        return self.until(look, f"the end of {key}")

    def until_effect(self, key: str) -> None:
        """Wait until the action under a key has taken effect."""
        self.until(lambda: self.effects(key) or None, f"the effect of {key}")

    def test_a_key_never_seen_was_never_started(self) -> None:
        assert self.fresh().lookup("i1/restart/1") == NeverStarted()

    def test_a_started_action_runs_to_its_end_and_takes_effect_once(self) -> None:
        actuator = self.fresh()
        actuator.start(self.quick("i1/restart/1"))
        done = self.until_done(actuator, "i1/restart/1")
        assert done.status is OutcomeStatus.OK
        assert done.duration_s >= 0
        assert self.effects("i1/restart/1") == 1

    def test_starting_again_has_no_effect_before_and_after_its_end(self) -> None:
        actuator = self.fresh()
        command = self.quick("i1/restart/1")
        actuator.start(command)
        actuator.start(command)
        done = self.until_done(actuator, command.key)
        actuator.start(command)
        self.fresh().start(command)
        for _ in range(5):
            self.pass_time()
        assert actuator.lookup(command.key) == done
        assert self.effects(command.key) == 1

    def test_many_agents_starting_one_key_have_one_effect(self) -> None:
        command = self.quick("i1/restart/1")
        agents = [self.fresh() for _ in range(6)]
        threads = [threading.Thread(target=agent.start, args=(command,)) for agent in agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcomes = [self.until_done(agent, command.key) for agent in agents]
        assert len(set(outcomes)) == 1
        assert self.effects(command.key) == 1

    def test_keys_are_apart(self) -> None:
        actuator = self.fresh()
        actuator.start(self.endless("i1/restart/1"))
        actuator.start(self.quick("i1/restart/2"))
        assert self.until_done(actuator, "i1/restart/2").status is OutcomeStatus.OK
        assert isinstance(actuator.lookup("i1/restart/1"), Running)
        actuator.cancel("i1/restart/1")
        self.until_done(actuator, "i1/restart/1")

    def test_an_agent_that_comes_up_later_finds_it_running_and_then_done(self) -> None:
        self.fresh().start(self.endless("i1/restart/1"))
        self.until_effect("i1/restart/1")
        later = self.fresh()
        report = later.lookup("i1/restart/1")
        assert isinstance(report, Running)
        assert report.handle
        later.cancel("i1/restart/1")
        done = self.until_done(later, "i1/restart/1")
        assert done.status is OutcomeStatus.CANCELLED
        assert self.fresh().lookup("i1/restart/1") == done

    def test_cancelling_again_and_after_the_end_changes_nothing(self) -> None:
        actuator = self.fresh()
        actuator.start(self.endless("i1/restart/1"))
        self.until_effect("i1/restart/1")
        actuator.cancel("i1/restart/1")
        actuator.cancel("i1/restart/1")
        done = self.until_done(actuator, "i1/restart/1")
        actuator.cancel("i1/restart/1")
        assert done.status is OutcomeStatus.CANCELLED
        assert actuator.lookup("i1/restart/1") == done

    def test_cancelling_what_succeeded_leaves_its_outcome(self) -> None:
        actuator = self.fresh()
        actuator.start(self.quick("i1/restart/1"))
        done = self.until_done(actuator, "i1/restart/1")
        actuator.cancel("i1/restart/1")
        assert actuator.lookup("i1/restart/1") == done

    def test_a_cancelled_key_that_was_never_started_never_will_be(self) -> None:
        self.fresh().cancel("i1/restart/1")
        actuator = self.fresh()
        actuator.start(self.quick("i1/restart/1"))
        assert self.until_done(actuator, "i1/restart/1").status is OutcomeStatus.CANCELLED
        assert self.effects("i1/restart/1") == 0

    def test_its_time_out_ends_it_with_nobody_asking(self) -> None:
        actuator = self.fresh()
        actuator.start(replace(self.endless("i1/restart/1"), timeout_s=0.2))
        done = self.until_done(actuator, "i1/restart/1")
        assert done.status is OutcomeStatus.TIMEOUT
        assert done.detail

    def test_a_time_out_of_nothing_is_not_endless(self) -> None:
        actuator = self.fresh()
        actuator.start(replace(self.endless("i1/restart/1"), timeout_s=0.0))
        assert self.until_done(actuator, "i1/restart/1").status is OutcomeStatus.TIMEOUT
        assert self.effects("i1/restart/1") == 0

    def test_a_failure_is_an_outcome_with_a_reason(self) -> None:
        actuator = self.fresh()
        actuator.start(self.failing("i1/restart/1"))
        done = self.until_done(actuator, "i1/restart/1")
        assert done.status is OutcomeStatus.ERROR
        assert done.detail

    def test_what_must_be_refused_has_no_effect_and_a_reason(self) -> None:
        actuator = self.fresh()
        actuator.start(self.impossible("i1/restart/1"))
        done = self.until_done(actuator, "i1/restart/1")
        assert done.status is OutcomeStatus.ERROR
        assert "nothing was run" in done.detail
        assert self.effects("i1/restart/1") == 0
