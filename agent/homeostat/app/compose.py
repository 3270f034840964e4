"""Settings become objects: the one place that names concrete stores, sensors and actuators."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Gauge

from homeostat.act.bell import Bell
from homeostat.act.context import Choosy
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
from homeostat.app.retraining import BackgroundRetrainer
from homeostat.app.ruling import ruling_in
from homeostat.app.settings import Settings, policies_folder
from homeostat.app.state_metrics import StateMetrics, actuator_of
from homeostat.app.store import agent_store, state_folder
from homeostat.app.tracing import tracing
from homeostat.app.training_process import TrainingApart
from homeostat.decide.turn import LOOK_GAP_FACTOR
from homeostat.loop import Loop, Outside
from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.model.guards import Guards
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Mode, Policy
from homeostat.policy.guards_file import load_guards
from homeostat.policy.load import SUFFIX, load_policies, load_policy, read_draft
from homeostat.policy.naming import UNDO_SUFFIX
from homeostat.policy.sources import FolderSources
from homeostat.sense.prometheus import PrometheusSensor

CLOCK_SKEW_MAX_S = 30.0
"""A clock further behind the source's would read an old world as a fresh one."""

_SEED_BITS = 48


def policies_in_use(settings: Settings, actuators: Mapping[str, object], mode: Mode | None = None) -> dict[str, Policy]:
    """Load every policy of the workspace for running: all of them valid, and what may act with actuators that are here.

    Args:
        settings: of the workspace.
        actuators: what can run actions here, by name.
        mode: instead of the settings' own.

    Raises:
        PolicyError: with every finding.
    """
    policies, problems = load_policies(settings.policies, settings.agent.environment)
    for policy in policies.values():
        if Mode.OBSERVE not in (policy.mode, mode or settings.agent.mode):
            problems += unrunnable(settings, policy, actuators)
            problems += _unanswerable(settings, policy)
            problems += _forbidden(settings, policy)
        problems += _unwatchable(settings, policy)
    if not policies and not problems:
        folder = Position(str(settings.policies), 1, 1)
        hint = "`homeostat import rules FILE --out DIR` makes one from alerting rules, docs/first-policy.md writes one"
        problems.append(Problem(folder, "E006", f"holds no *.homeostat.yaml; {hint}"))
    if problems:
        raise PolicyError(problems)
    return policies


def unrunnable(settings: Settings, policy: Policy, actuators: Mapping[str, object]) -> Iterator[Problem]:
    """Name each action of a policy that nothing here can run."""
    leaves = (*policy.leaves.values(), *policy.undos.values())
    for action in {leaf.action.name: leaf.action for leaf in leaves}.values():
        if action.actuator not in actuators:
            hint = did_you_mean(action.actuator, actuators) or f"; known here: {', '.join(sorted(actuators))}"
            what = f"policy '{policy.name}': action '{action.name}' needs actuator '{action.actuator}'{hint}"
            away = "; an example that is not for your systems: delete the file, or give the policy `mode: observe`"
            yield Problem(_place(settings, policy), "E007", what + away)
            continue
        actuator = actuators[action.actuator]
        why = actuator.unusable(action) if isinstance(actuator, Choosy) else None
        if why is not None:
            what = f"policy '{policy.name}': action '{action.name}' cannot run here: {why}"
            yield Problem(_place(settings, policy), "E007", what)


def policy_file(settings: Settings, policy: Policy) -> Path:
    """The file of a policy of the workspace."""
    return settings.policies / next((name for name in policy.sources if name.endswith(SUFFIX)), "")


def _place(settings: Settings, policy: Policy) -> Position:
    return Position(str(policy_file(settings, policy)), 1, 1)


def _unanswerable(settings: Settings, policy: Policy) -> Iterator[Problem]:
    """An approver whom nobody is, is a step that can never start."""
    for leaf in policy.leaves.values():
        for approver in leaf.approval.approvers if leaf.approval else ():
            if approver not in settings.everybody:
                known = did_you_mean(approver, settings.people) or "; name who it is in the table [people]"
                what = f"policy '{policy.name}': step '{leaf.id}' asks '{approver}', and nobody is that{known}"
                yield Problem(_place(settings, policy), "E009", what)


def _forbidden(settings: Settings, policy: Policy) -> Iterator[Problem]:
    """What the allow-list does not name would be refused at its start; better before an incident than in one."""
    for node_id, why in settings.allowed.objections(policy).items():
        what = f"policy '{policy.name}': step '{node_id}' is {why}; add it there, or give the policy `mode: observe`"
        yield Problem(_step_place(settings, policy, node_id), "E010", what)


def _step_place(settings: Settings, policy: Policy, node_id: str) -> Position:
    """Where a step, or the one that an undo takes back, is written."""
    file = _place(settings, policy)
    name = Path(file.file).name
    origins = read_draft(FolderSources(settings.policies), name, settings.agent.environment).origins
    origin = origins.get(node_id) or origins.get(node_id.removesuffix(UNDO_SUFFIX))
    return file if origin is None else origin.document.at((*origin.path, "do"))


def _unwatchable(settings: Settings, policy: Policy) -> Iterator[Problem]:
    """A signal that is looked at too seldom breaks every window on it: the policy could never confirm anything."""
    for name, spec in policy.signals.items():
        has_windows = name not in policy.learns_from
        if has_windows and settings.agent.poll_interval_s > LOOK_GAP_FACTOR * spec.max_age_s:
            what = f"policy '{policy.name}': signal '{name}' has max_age {spec.max_age_s:g} s, too short for"
            hint = f"agent.poll_interval_s {settings.agent.poll_interval_s:g}; poll more often or raise max_age"
            yield Problem(_place(settings, policy), "E008", f"{what} {hint}")


def _plans_on_disk(
    settings: Settings, actuators: Mapping[str, object], mode: Mode | None
) -> tuple[dict[str, Policy], Guards]:
    """Policies and guards as they are on disk now, all or none. Raises PolicyError."""
    return policies_in_use(settings, actuators, mode), load_guards(settings.policies)


@contextmanager
def agent(settings: Settings, mode: Mode | None) -> Iterator[Agent]:
    """Build the agent of a workspace, and take it apart again.

    Raises:
        PolicyError, UsageError, JournalError: something it needs is wrong; nothing was started.
    """
    state = state_folder(settings)
    actuators = load_actuators(state, secret_commands=settings.secrets.by_name())
    policies, guards = _plans_on_disk(settings, actuators, mode)
    with ExitStack() as opened:
        reach = settings.prometheus
        sensor = PrometheusSensor(replace(reach, clock_skew_max_s=reach.clock_skew_max_s or CLOCK_SKEW_MAX_S))
        opened.callback(sensor.close)
        registry = CollectorRegistry()
        name = f"{socket.gethostname()}/{os.getpid()}"
        clock = SystemClock()
        began_at = clock.now()
        metrics = MetricsObserver(registry, clock.now, lambda stream, key: actuator_of(loop, stream, key))
        watching = Observers([LogObserver(), metrics])
        store = opened.enter_context(agent_store(settings, name, clock, watching.failed, _tell))
        journal = store.journal
        retrainer = BackgroundRetrainer(
            TrainingApart(settings),
            lambda: loop.watched,
            watching,
            interval_s=settings.learning.retrain_interval_s,
            recurrence_s=settings.learning.recurrence_s,
        )
        standing = StateMetrics(
            lambda: loop, store.leases, state, clock.now, lambda: retrainer.succeeded_at or began_at
        )
        registry.register(standing)
        beats = opened.enter_context(heartbeat(settings, lambda: loop.trouble, watching, registry))
        traces = opened.enter_context(tracing(settings, watching, registry))
        notifier = opened.enter_context(notifying(settings, store.leases, clock.now, watching, registry))
        added = [extra for extra in (beats, traces, notifier) if extra is not None]
        observer = Observers([watching, Housekeeping(state, journal, watching), retrainer, standing, *added])
        clock.listen_to(_bell(state, opened))
        opened.enter_context(anchoring(settings, journal, clock.now, watching, registry))
        executor = Executor(actuators, observer.failed, isolate=True, allowed=settings.allowed.refusal)
        opened.callback(executor.close)
        registry.register(ActuatorMetrics(executor.loads))
        alerts = AlertIntake(_alert_bell(clock, opened).ring)
        outside = Outside(
            clock,
            sensor,
            executor,
            MeasuredJournal(journal, registry),
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
        paused = Gauge("homeostat_paused", "Kill switches pulled: of all policies or of one.", registry=registry)
        paused.set_function(lambda: float(len(loop.ledger.paused)))
        interval_s = settings.agent.poll_interval_s
        built = Agent(loop, clock, interval_s, lambda: _plans_on_disk(settings, actuators, mode))
        token = agent_token(state)
        listener = Listener(
            settings.agent.listen,
            token,
            registry,
            built.unhealthy,
            retrainer.ask,
            rule=lambda body: retrainer.rule(*ruling_in(body), LOOP_WAIT_S),
            stalled=built.stalled,
            alerts=AlertReception(settings, token, alerts, registry),
        )
        opened.callback(listener.close)
        yield built


def _tell(what: str) -> None:
    structlog.get_logger("homeostat").warning("store", what=what)


def _alert_bell(clock: SystemClock, opened: ExitStack) -> AlertBell:
    bell = AlertBell()
    opened.callback(bell.close)
    clock.listen_to(bell)
    return bell


def _bell(state: Path, opened: ExitStack) -> Bell:
    try:
        return opened.enter_context(Bell(state))
    except OSError as error:
        raise UsageError(f"{state}: {error.strerror}; choose another agent.state, on a disk of this host") from error


def policy_named(settings: Settings, name: str) -> Policy:
    """Find a policy by its name, or by the path of its file.

    Raises:
        UsageError: there is none. PolicyError: it is invalid.
    """
    if Path(name).suffix == ".yaml":
        return load_policy(Path(name), settings.agent.environment)
    policies, problems = load_policies(policies_folder(settings), settings.agent.environment)
    if name in policies:
        return policies[name]
    if problems:
        raise PolicyError(problems)
    known = did_you_mean(name, policies) or f"; known: {', '.join(sorted(policies)) or 'none'}"
    raise UsageError(f"no policy '{name}' in {settings.policies}{known}")


def all_policies(settings: Settings) -> list[Policy]:
    """Every policy of the workspace.

    Raises:
        PolicyError: any of them is invalid.
    """
    policies, problems = load_policies(policies_folder(settings), settings.agent.environment)
    if problems:
        raise PolicyError(problems)
    return list(policies.values())
