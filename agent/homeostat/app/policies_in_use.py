"""The policies that an agent runs: what has to hold beyond their own validity is found before an incident."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from homeostat.act.context import Choosy
from homeostat.app.policies import policy_file
from homeostat.app.settings import Settings
from homeostat.decide.turn import LOOK_GAP_FACTOR
from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.model.guards import Guards
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Mode, Policy
from homeostat.policy.guards_file import load_guards
from homeostat.policy.load import load_policies, read_draft
from homeostat.policy.naming import UNDO_SUFFIX
from homeostat.policy.sources import FolderSources


def plans_on_disk(
    settings: Settings, actuators: Mapping[str, object], mode: Mode | None
) -> tuple[dict[str, Policy], Guards]:
    """Policies and guards as they are on disk now, all or none. Raises PolicyError."""
    return policies_in_use(settings, actuators, mode), load_guards(settings.policies)


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
