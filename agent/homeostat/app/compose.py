"""Settings become objects: the one place that names concrete stores, sensors and actuators."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Gauge

from homeostat.act.bell import Bell
from homeostat.act.executor import Executor, load_actuators
from homeostat.act.spool_id import spool_id
from homeostat.app.agent import Agent
from homeostat.app.alert_bell import AlertBell
from homeostat.app.alert_intake import AlertIntake
from homeostat.app.alert_reception import AlertReception
from homeostat.app.anchoring import anchoring
from homeostat.app.clock import SystemClock
from homeostat.app.heartbeat import heartbeat
from homeostat.app.housekeeping import Housekeeping
from homeostat.app.listener import LOOP_WAIT_S, Listener, agent_token
from homeostat.app.metrics import ActuatorMetrics, MeasuredJournal, MetricsObserver
from homeostat.app.notifying import notifying
from homeostat.app.observe import LogObserver, Observers
from homeostat.app.policies_in_use import plans_on_disk
from homeostat.app.retraining import BackgroundRetrainer
from homeostat.app.ruling import ruling_in
from homeostat.app.settings import Settings
from homeostat.app.state_metrics import StateMetrics, actuator_of
from homeostat.app.store import Store, agent_store, state_folder
from homeostat.app.tracing import tracing
from homeostat.app.training_process import TrainingApart
from homeostat.loop import Loop, Outside
from homeostat.model.errors import UsageError
from homeostat.model.policy import Mode
from homeostat.model.ports import Actuator, Observer
from homeostat.sense.prometheus import PrometheusSensor

CLOCK_SKEW_MAX_S = 30.0
"""A clock further behind the source's would read an old world as a fresh one."""

_SEED_BITS = 48


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every part stands on.

    Attributes:
        opened: closes the parts again, the last one first.
        loop: gives the loop, which is made last.
    """

    settings: Settings
    state: Path
    opened: ExitStack
    clock: SystemClock
    registry: CollectorRegistry
    loop: Callable[[], Loop]


@contextmanager
def agent(settings: Settings, mode: Mode | None) -> Iterator[Agent]:
    """Build the agent of a workspace, and take it apart again.

    Raises:
        PolicyError, UsageError, JournalError: something it needs is wrong; nothing was started.
    """
    state = state_folder(settings)
    actuators = load_actuators(state, secret_commands=settings.secrets.by_name())
    policies, guards = plans_on_disk(settings, actuators, mode)
    with ExitStack() as opened:
        clock, registry = SystemClock(), CollectorRegistry()
        ground = _Ground(settings, state, opened, clock, registry, lambda: loop)
        name = f"{socket.gethostname()}/{os.getpid()}"
        sensor = _sensor(ground)
        watching = _watching(ground)
        store = opened.enter_context(agent_store(settings, name, clock, watching.failed, _tell))
        retrainer = _retrainer(ground, watching)
        told = _told(ground, store, retrainer, watching)
        notifier = opened.enter_context(notifying(settings, store.leases, clock.now, watching, registry))
        observer = Observers([*told, *([] if notifier is None else [notifier])])
        clock.listen_to(_bell(ground))
        opened.enter_context(anchoring(settings, store.journal, clock.now, watching, registry))
        executor = _executor(ground, actuators, observer)
        alerts = AlertIntake(_alert_bell(ground).ring)
        outside = Outside(
            clock,
            sensor,
            executor,
            MeasuredJournal(store.journal, registry),
            observer,
            retrainer,
            store.inbox,
            store.leases,
            store.late_outcomes,
            alerts,
            notifier,
        )
        loop = Loop(
            outside,
            policies,
            name,
            secrets.randbits(_SEED_BITS),
            mode=mode or settings.agent.mode,
            guards=guards,
            people=settings.roles,
            spool=spool_id(state),
        )
        built = Agent(loop, clock, settings.agent.poll_interval_s, lambda: plans_on_disk(settings, actuators, mode))
        _listen(ground, built, retrainer, alerts)
        yield built


def _sensor(ground: _Ground) -> PrometheusSensor:
    reach = ground.settings.prometheus
    sensor = PrometheusSensor(replace(reach, clock_skew_max_s=reach.clock_skew_max_s or CLOCK_SKEW_MAX_S))
    ground.opened.callback(sensor.close)
    return sensor


def _watching(ground: _Ground) -> Observers:
    """Logs and metrics: what parts beside the loop report to."""
    metrics = MetricsObserver(
        ground.registry, ground.clock.now, lambda stream, key: actuator_of(ground.loop(), stream, key)
    )
    return Observers([LogObserver(), metrics])


def _retrainer(ground: _Ground, watching: Observer) -> BackgroundRetrainer:
    return BackgroundRetrainer(
        TrainingApart(ground.settings),
        lambda: ground.loop().watched,
        watching,
        interval_s=ground.settings.learning.retrain_interval_s,
        recurrence_s=ground.settings.learning.recurrence_s,
    )


def _told(ground: _Ground, store: Store, retrainer: BackgroundRetrainer, watching: Observer) -> Sequence[Observer]:
    """All that the loop tells what has happened, beside the notifier, in the order of telling."""
    settings, registry, clock = ground.settings, ground.registry, ground.clock
    began_at = clock.now()
    standing = StateMetrics(
        ground.loop, store.leases, ground.state, clock.now, lambda: retrainer.succeeded_at or began_at
    )
    registry.register(standing)
    paused = Gauge("homeostat_paused", "Kill switches pulled: of all policies or of one.", registry=registry)
    paused.set_function(lambda: float(len(ground.loop().ledger.paused)))
    beats = ground.opened.enter_context(heartbeat(settings, lambda: ground.loop().trouble, watching, registry))
    traces = ground.opened.enter_context(tracing(settings, watching, registry))
    housekeeping = Housekeeping(ground.state, store.journal, watching)
    optional = [observer for observer in (beats, traces) if observer is not None]
    return [watching, housekeeping, retrainer, standing, *optional]


def _executor(ground: _Ground, actuators: Mapping[str, Actuator], observer: Observer) -> Executor:
    executor = Executor(actuators, observer.failed, isolate=True, allowed=ground.settings.allowed.refusal)
    ground.opened.callback(executor.close)
    ground.registry.register(ActuatorMetrics(executor.loads))
    return executor


def _bell(ground: _Ground) -> Bell:
    try:
        return ground.opened.enter_context(Bell(ground.state))
    except OSError as error:
        raise UsageError(
            f"{ground.state}: {error.strerror}; choose another agent.state, on a disk of this host"
        ) from error


def _alert_bell(ground: _Ground) -> AlertBell:
    bell = AlertBell()
    ground.opened.callback(bell.close)
    ground.clock.listen_to(bell)
    return bell


def _listen(ground: _Ground, built: Agent, retrainer: BackgroundRetrainer, alerts: AlertIntake) -> None:
    token = agent_token(ground.state)
    listener = Listener(
        ground.settings.agent.listen,
        token,
        ground.registry,
        built.unhealthy,
        retrainer.ask,
        rule=lambda body: retrainer.rule(*ruling_in(body), LOOP_WAIT_S),
        stalled=built.stalled,
        alerts=AlertReception(ground.settings, token, alerts, ground.registry),
    )
    ground.opened.callback(listener.close)


def _tell(what: str) -> None:
    structlog.get_logger("homeostat").warning("store", what=what)
