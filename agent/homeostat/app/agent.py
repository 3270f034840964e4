"""The long-running agent: the loop as a process, with its signals, its reloads and its own pace."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Mapping
from types import FrameType

import structlog

from homeostat.app.clock import SystemClock
from homeostat.app.service_manager import ServiceManager
from homeostat.app.store import STALL_TICKS
from homeostat.loop import Loop
from homeostat.model.errors import JournalError, PolicyError
from homeostat.model.guards import Guards
from homeostat.model.policy import Policy
from homeostat.version import __version__


class Agent:
    """Runs the loop until SIGTERM or SIGINT; SIGHUP reads the policies again.

    Args:
        load_policies: reads the policy folder and its guards; raises PolicyError when anything in it is invalid.
    """

    def __init__(
        self,
        loop: Loop,
        clock: SystemClock,
        poll_interval_s: float,
        load_policies: Callable[[], tuple[Mapping[str, Policy], Guards]],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._load_policies = load_policies
        self._manager = ServiceManager()
        self._reload_wanted = False
        self._ticked_at: float | None = None
        self._log = structlog.get_logger("homeostat")

    def unhealthy(self) -> str | None:
        """Why the agent is not well; None when it is. For /healthz."""
        if self._ticked_at is None:
            return "no tick yet"
        if self._loop.trouble is not None:
            return f"nothing is started, since the journal cannot be written: {self._loop.trouble}"
        return self.stalled()

    def stalled(self) -> str | None:
        """Why the loop stands still; None when it turns, whatever else is wrong. For /livez: a new process may help."""
        if self._ticked_at is None:
            return "no tick yet"
        age_s = self._clock.now() - self._ticked_at
        return f"the last tick ended {age_s:.0f} s ago" if age_s > self._stall_limit_s else None

    @property
    def _stall_limit_s(self) -> float:
        return STALL_TICKS * self._poll_interval_s + 10.0

    def run(self, ticks_max: int | None = None) -> None:
        """Recover, then tick at a steady pace until told to stop (or for `ticks_max` ticks).

        Raises:
            JournalError: the journal cannot be read at the start; nothing was done.
        """
        self._listen_to_signals()
        self._loop.recover(__version__)
        self._log.info("agent.ready", open_incidents=len(self._loop.incidents), poll_interval_s=self._poll_interval_s)
        self._manager.ready(self._stall_limit_s)
        for scope, by in self._loop.ledger.paused.items():
            self._log.warning("agent.paused", policy=scope or "all", by=by)
        for ticks in itertools.count(1):
            started_at = self._clock.now()
            if self._reload_wanted:
                self._reload()
            self._loop.tick()
            self._ticked_at = self._clock.now()
            self._manager.alive()
            if ticks == ticks_max or self._clock.wait(self._poll_interval_s - (self._ticked_at - started_at)):
                break
        self._manager.stopping()
        try:
            self._loop.stop()
        except JournalError as error:
            self._log.error("agent.stopped without a word in the journal", error=str(error))
        self._log.info("agent.stopped", open_incidents=len(self._loop.incidents))

    def _listen_to_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._ask_for_reload)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._clock.stop()

    def _ask_for_reload(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._reload_wanted = True

    def _reload(self) -> None:
        """Take the policies as they are on disk now, all or none: an invalid file leaves every old one in use."""
        self._reload_wanted = False
        try:
            policies, guards = self._load_policies()
            self._loop.use_policies(policies, guards)
            self._log.info("policies.reloaded", policies=sorted(policies))
        except PolicyError as error:
            self._log.error("policies.refused", problems=[str(problem) for problem in error.problems])
            self._note_refusal(error)
        except JournalError as error:
            self._log.error("policies.not_reloaded", error=str(error))

    def _note_refusal(self, error: PolicyError) -> None:
        try:
            self._loop.refuse_policies(error.problems[0].position.file, error)
        except JournalError as journal_error:
            self._log.error("journal.failed", error=str(journal_error))
