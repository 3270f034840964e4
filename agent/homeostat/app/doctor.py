"""`doctor`: is everything there that the agent needs, and is it what it seems to be? It changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from homeostat.act.executor import load_actuators
from homeostat.app.clock import SystemClock
from homeostat.app.doctor_outside import check_outside
from homeostat.app.notify_check import check_notifications
from homeostat.app.policies_in_use import policies_in_use, unrunnable
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read, store_faults, unknown_store
from homeostat.app.why_nothing import paused_now
from homeostat.model.errors import HomeostatError, PolicyError
from homeostat.model.policy import Mode, Policy
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.storage import network_filesystem, wal_reset_bug
from homeostat.sense.check import Finding, Level, check
from homeostat.sense.prometheus import PrometheusSensor

_FREE_BYTES_MIN = 256 << 20


def examine(settings: Settings) -> Iterator[Finding]:
    """Give findings one by one, as they are made; the network comes last.

    Raises:
        UsageError: a setting leads nowhere.
    """
    yield from _storage(settings.state)
    yield from _journal(settings)
    yield from _pauses(settings)
    actuators = load_actuators(settings.state, secret_commands=settings.secrets.by_name())
    yield _allow_list(settings)
    yield from check_outside(settings)
    policies = {}
    try:
        policies = policies_in_use(settings, actuators)
        yield Finding("policies", Level.OK, f"{len(policies)} valid: {', '.join(sorted(policies))}")
    except PolicyError as error:
        for problem in error.problems:
            yield Finding("policies", Level.ERROR, str(problem))
    for policy in policies.values():
        if Mode.OBSERVE in (policy.mode, settings.agent.mode):
            for problem in unrunnable(settings, policy, actuators):
                yield Finding("policies", Level.WARNING, f"{problem.message}; it can only observe")
    yield from check_notifications(settings, policies.values())
    clock = SystemClock()
    findings = check(settings.prometheus, clock.now)
    yield from findings
    if all(finding.level is not Level.ERROR for finding in findings):
        for policy in policies.values():
            yield from _signals(settings, policy, clock.now)


def _allow_list(settings: Settings) -> Finding:
    if settings.allowed:
        rules = f"{len(settings.allow)} rule{'' if len(settings.allow) == 1 else 's'}"
        return Finding("allow-list", Level.OK, f"{rules} in [allow]; what they do not name is refused")
    missing = "no table [allow] in homeostat.toml: every policy may use every actuator, target, program and image"
    return Finding("allow-list", Level.OK, missing)


def _storage(state: Path) -> Iterator[Finding]:
    there = next(folder for folder in (state, *state.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK):
        yield Finding(
            "state", Level.ERROR, f"{there} cannot be written; choose another agent.state, or give this user the right"
        )
    network = network_filesystem(there)
    if network is not None:
        yield Finding(
            "state", Level.ERROR, f"{there} is on {network}: SQLite needs a local disk; set agent.state to one"
        )
    free = shutil.disk_usage(there).free
    level = Level.OK if free >= _FREE_BYTES_MIN else Level.WARNING
    yield Finding("disk", level, f"{free >> 20} MiB free under {there}")
    if wal_reset_bug():
        yield Finding("sqlite", Level.OK, "this SQLite can lose a WAL reset with two writers; Homeostat has only one")


def _journal(settings: Settings) -> Iterator[Finding]:
    unknown = unknown_store(settings)
    if unknown is not None:
        yield Finding("journal", Level.ERROR, unknown)
        return
    if not has_journal(settings):
        yield Finding("journal", Level.OK, f"{settings.journal} does not exist yet; the agent will make it")
        return
    try:
        with journal_to_read(settings) as journal:
            faults = journal.verify()
            for fault in faults:
                yield Finding("journal", Level.ERROR, fault)
            if not faults:
                incidents = len(journal.incidents())
                yield Finding("journal", Level.OK, f"every hash chain is whole; {incidents} incidents")
        for fault in store_faults(settings):
            yield Finding("store", Level.WARNING, fault)
    except HomeostatError as error:
        yield Finding("journal", Level.ERROR, str(error))


def _pauses(settings: Settings) -> Iterator[Finding]:
    """A forgotten kill switch is found out in the next outage, or here."""
    if not has_journal(settings):
        return
    try:
        with journal_to_read(settings) as journal:
            entries = [record.entry for record in journal.read(AGENT_STREAM)]
    except HomeostatError:
        return  # said of the journal already
    for pause in paused_now(entries):
        what = f"policy {pause.policy}" if pause.policy else "everything"
        yield Finding("kill switch", Level.WARNING, f"{what} is paused by {pause.by}; `homeostat resume` lifts it")


def _signals(settings: Settings, policy: Policy, now: Callable[[], float]) -> Iterator[Finding]:
    """Read every signal of a policy once: an absent one is worth knowing before 3 a.m."""
    sensor = PrometheusSensor(settings.prometheus)
    try:
        at = now()
        snapshot = sensor.read(policy.signals, at)
    finally:
        sensor.close()
    if snapshot.error is not None:
        yield Finding(policy.name, Level.ERROR, snapshot.error)
        return
    for name, spec in policy.signals.items():
        absence = snapshot.absence(spec, at)
        if absence is not None:
            reading = snapshot.readings.get(name)
            detail = f": {reading.detail}" if reading and reading.detail else ""
            yield Finding(policy.name, Level.WARNING, f"signal '{name}' is {absence} now{detail}")
        else:
            yield Finding(policy.name, Level.OK, f"signal '{name}' is {snapshot.readings[name].value}")
