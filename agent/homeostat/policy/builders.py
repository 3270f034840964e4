"""One builder per kind of step, with every default filled in.

Adding a kind: its class goes into `step_schema.STEP_KINDS`, its builder here under `@builds`, and its node into
`model/policy.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from homeostat.model.autonomy import levels_between
from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import (
    MANUAL,
    ActionSpec,
    Approval,
    Branch,
    Choose,
    Dag,
    Decide,
    Do,
    Earning,
    Effect,
    Escalate,
    Exploration,
    Node,
    Retry,
    Steps,
    Try,
    Verify,
    Wait,
)
from homeostat.policy.arguments import fitted, percents_in
from homeostat.policy.bounds import expected_s, needed_first, remaining_s
from homeostat.policy.catalogues import Action
from homeostat.policy.fingerprint import step_fingerprint
from homeostat.policy.naming import UNDO_SUFFIX
from homeostat.policy.parts import ApprovalFields, EscalateFields, RetryFields, UndoFields
from homeostat.policy.plan import Builder, Choice, Origin, Plan
from homeostat.policy.probes import probe_of
from homeostat.policy.procedures import put_procedure_in
from homeostat.policy.schema_errors import validated
from homeostat.policy.step_schema import (
    ChooseStep,
    DagStep,
    DecideStep,
    DoStep,
    EarnedMode,
    ElseBranch,
    EscalateStep,
    ManualStep,
    StepFields,
    StepsStep,
    TryStep,
    UseStep,
    WaitFields,
    WaitStep,
)
from homeostat.policy.yaml_tree import Path

_STRICTNESS = (Effect.SAFE, Effect.KEYED, Effect.PROBE, Effect.UNSAFE)
"""From mild to strict. A step may only make its action's effect stricter."""

UNDO_RETRIES = 1
"""An undo that fails is tried once more where its action may be repeated."""


F = TypeVar("F", bound=StepFields)
BUILDERS: dict[type[StepFields], Builder] = {}
"""Kind of step -> what builds its node."""


def builds(schema: type[F]) -> Callable[[Callable[[Plan, F, str, Path, Choice], Node | None]], Builder]:
    """Register the builder of a kind of step."""

    def register(builder: Callable[[Plan, F, str, Path, Choice], Node | None]) -> Builder:
        BUILDERS[schema] = builder
        return builder

    return register


@builds(DoStep)
def _do(plan: Plan, fields: DoStep, node_id: str, path: Path, inherited: Choice) -> Do | None:
    action = _action(plan, fields.do, (*path, "do"))
    if action is None:
        return None
    effect = fields.effect or action.spec.effect
    if _STRICTNESS.index(effect) < _STRICTNESS.index(action.spec.effect):
        message = f"'{effect}' is milder than the action's own '{action.spec.effect}'; a step may only be stricter"
        plan.problem((*path, "effect"), "E132", message)
    arguments, wrong = fitted(fields.arguments, action.parameters)
    for key, message in wrong:
        place = (*path, "with") if key is None else (*path, "with", key)
        plan.problems.append(Problem(plan.frame.document.key_at(place), "E131", message))
    timeout_s = fields.timeout or plan.defaults.timeout
    choice = fields.verify or inherited or plan.defaults.verify
    plan.origins[node_id] = Origin(
        plan.frame.document, path, timeout_s is not None or action.has_timeout, choice is not None, arguments
    )
    mode, earned = (None, fields.mode) if isinstance(fields.mode, EarnedMode) else (fields.mode, None)
    leaf = Do(
        id=node_id,
        action=action.spec,
        target=fields.target,
        arguments=arguments,
        effect=effect,
        timeout_s=timeout_s or action.spec.timeout_s,
        verify=_verify(choice),
        retry=_retry(plan, fields.retry),
        cooldown_s=fields.cooldown,
        condition=fields.condition,
        approval=_approval(fields.approval),
        mode=mode if earned is None else earned.earned,
        undo=_undo(plan, fields, action, node_id, path),
        takes_s=fields.takes,
        percents=percents_in(fields.arguments, action.parameters),
        probe=probe_of(plan, action, effect, (*path, "do" if fields.effect is None else "effect"), fields, path),
    )
    return leaf if earned is None else replace(leaf, earning=_earning(leaf, earned))


def _earning(leaf: Do, fields: EarnedMode) -> Earning:
    return Earning(fields.start, step_fingerprint(leaf, fields.start), levels_between(fields.start, fields.earned))


def _action(plan: Plan, name: str, path: Path) -> Action | None:
    if plan.actions is None:
        return None
    action = plan.actions.actions.get(name)
    if action is None and name not in plan.actions.broken:
        hint = did_you_mean(name, plan.actions.actions)
        plan.problem(path, "E130", f"no action is named '{name}'{hint}")
    return action


def _retry(plan: Plan, given: RetryFields | None) -> Retry:
    retry = given or plan.defaults.retry
    return Retry(retry.times, retry.wait, explicit=given is not None) if retry else Retry()


def _approval(fields: ApprovalFields | None) -> Approval | None:
    return None if fields is None else Approval(tuple(fields.approvers), fields.timeout, fields.condition)


def _undo(plan: Plan, fields: DoStep, action: Action, node_id: str, path: Path) -> Do | None:
    """The step's own undo, else the one its action declares."""
    if fields.undo == "none":
        return None
    own = fields.undo if isinstance(fields.undo, UndoFields) else None
    chosen = own or action.undo
    if chosen is None:
        return None
    at = (*path, "undo") if own else (*path, "do")
    undo = _action(plan, chosen.do, (*at, "do") if own else at)
    if undo is None:
        return None
    arguments, wrong = fitted(chosen.arguments, undo.parameters)
    for _, message in wrong:
        plan.problem(at, "E131", f"the undo '{chosen.do}': {message}")
    undo_id = f"{node_id}{UNDO_SUFFIX}"
    fault = plan.ids.take(undo_id)
    if fault is not None:
        plan.problem(at, "E140", fault)
    return Do(
        id=undo_id,
        action=undo.spec,
        target=fields.target,
        arguments=arguments,
        effect=undo.spec.effect,
        timeout_s=chosen.timeout or undo.spec.timeout_s,
        verify=None,
        retry=Retry(UNDO_RETRIES) if undo.spec.effect.repeatable else Retry(),
        probe=probe_of(plan, undo, undo.spec.effect, at),
    )


def _verify(choice: Choice) -> Verify | None:
    if choice is None or choice == "none":
        return None
    return Verify(choice.condition, choice.hold, choice.within, choice.settle)


@builds(ManualStep)
def _manual(plan: Plan, fields: ManualStep, node_id: str, path: Path, _inherited: Choice) -> Do | None:
    """People carry it out; it inherits no verify, since what others prove says nothing of this."""
    if plan.escalate is None:
        return None
    owner = fields.owner or plan.escalate.to
    target = fields.target or f"people/{_as_name(owner)}"
    plan.origins[node_id] = Origin(plan.frame.document, path)
    parameters = {"instructions": fields.manual, "owner": owner, "check": fields.check or ""}
    takes_s = fields.takes or fields.timeout / 2
    return Do(
        id=node_id,
        action=ActionSpec(MANUAL, MANUAL, parameters, Effect.UNSAFE, fields.timeout, takes_s),
        target=target,
        arguments={},
        effect=Effect.UNSAFE,
        timeout_s=fields.timeout,
        verify=_verify(fields.verify),
        retry=_retry(plan, fields.retry) if fields.retry else Retry(),
        cooldown_s=fields.cooldown,
        condition=fields.condition,
        approval=_approval(fields.approval),
        takes_s=fields.takes,
    )


def _as_name(owner: str) -> str:
    """Make a target's name of whatever a team is called."""
    name = "".join(character if character.isascii() and character.isalnum() else "-" for character in owner).strip("-")
    return name or "on-call"


@builds(StepsStep)
def _steps(plan: Plan, fields: StepsStep, node_id: str, path: Path, inherited: Choice) -> Steps | None:
    children = plan.children(fields.steps, (*path, "steps"), fields.verify or inherited)
    return None if children is None else Steps(node_id, children, fields.condition)


@builds(UseStep)
def _use(plan: Plan, fields: UseStep, node_id: str, path: Path, inherited: Choice) -> Steps | None:
    return put_procedure_in(plan, fields, node_id, path, inherited)


@builds(TryStep)
def _try(plan: Plan, fields: TryStep, node_id: str, path: Path, inherited: Choice) -> Try | None:
    children = plan.children(fields.candidates, (*path, "try"), fields.verify or inherited)
    return None if children is None else Try(node_id, children, fields.condition)


@builds(ChooseStep)
def _choose(plan: Plan, fields: ChooseStep, node_id: str, path: Path, inherited: Choice) -> Choose | None:
    children = plan.children(fields.candidates, (*path, "choose"), fields.verify or inherited)
    if children is None:
        return None
    given = fields.explore
    explore = None if given is None else Exploration(given.share, given.harm_max, given.within)
    return Choose(node_id, children, fields.condition, explore=explore)


@builds(DagStep)
def _dag(plan: Plan, fields: DagStep, node_id: str, path: Path, inherited: Choice) -> Dag | None:
    children = plan.children(fields.dag, (*path, "dag"), fields.verify or inherited, in_dag=True)
    if children is None:
        return None
    needs: dict[str, tuple[str, ...]] = {}
    ids = {child.id for child in children}
    for place, (child, raw) in enumerate(zip(children, fields.dag, strict=True)):
        given = raw.get("needs", []) if isinstance(raw, dict) else []
        wanted = tuple(plan.frame.prefix + name for name in ([given] if isinstance(given, str) else given))
        for name in wanted:
            if name not in ids or name == child.id:
                known = [other.removeprefix(plan.frame.prefix) for other in ids - {child.id}]
                hint = did_you_mean(name.removeprefix(plan.frame.prefix), known)
                what = "a step cannot need itself" if name == child.id else f"no step of this dag has the id '{name}'"
                plan.problem((*path, "dag", place, "needs"), "E155", f"{what}{hint}")
                return None
        if wanted:
            needs[child.id] = wanted
    stuck = ids - set(needed_first(tuple(child.id for child in children), needs))
    if stuck:
        cycle = _cycle(needs, stuck)
        place = next(place for place, child in enumerate(children) if child.id == cycle[0])
        plan.problem((*path, "dag", place, "needs"), "E157", f"these steps wait for each other: {' -> '.join(cycle)}")
        return None
    remaining = remaining_s({child.id: expected_s(child) for child in children}, needs)
    return Dag(node_id, children, needs, fields.concurrency, remaining, fields.condition)


def _cycle(needs: Mapping[str, tuple[str, ...]], stuck: set[str]) -> list[str]:
    """One cycle among children that never become ready, its first repeated at the end."""
    path: list[str] = []
    child = min(stuck)
    while child not in path:
        path.append(child)
        child = next(need for need in needs[child] if need in stuck)
    return [*path[path.index(child) :], child]


@builds(WaitStep)
def _wait(plan: Plan, fields: WaitStep, node_id: str, _path: Path, _inherited: Choice) -> Wait:
    del plan
    if isinstance(fields.wait, WaitFields):
        until = fields.wait
        return Wait(node_id, until.hold, until.condition, until.within, fields.condition)
    return Wait(node_id, fields.wait, condition=fields.condition)


@builds(DecideStep)
def _decide(plan: Plan, fields: DecideStep, node_id: str, path: Path, inherited: Choice) -> Decide | None:
    branches: list[Branch | None] = []
    for place, raw in enumerate(fields.branches):
        at = (*path, "decide", place)
        if isinstance(raw, dict) and "else" in raw:
            if place < len(fields.branches) - 1:
                plan.problem((*path, "decide", place + 1), "E150", "nothing after 'else' is ever reached; put it last")
            branches.append(_else(plan, raw, at, inherited))
        else:
            branches.append(_branch(plan, raw, at, inherited))
    found = tuple(branch for branch in branches if branch is not None)
    return Decide(node_id, found, fields.condition) if len(found) == len(branches) else None


def _else(plan: Plan, raw: dict[str, Any], path: Path, inherited: Choice) -> Branch | None:
    fields = validated(ElseBranch, raw, plan.frame.document, path, plan.frame.context)
    if isinstance(fields, list):
        plan.problems.extend(fields)
        return None
    child = plan.step(fields.step, (*path, "else"), inherited)
    return None if child is None else Branch(None, child)


def _branch(plan: Plan, raw: object, path: Path, inherited: Choice) -> Branch | None:
    """A branch is a step whose `if` belongs to the `decide`."""
    child = plan.step(raw, path, inherited)
    if child is None:
        return None
    if child.condition is None:
        plan.problem(path, "E111", "a branch needs an 'if', or is written {else: {...}}")
        return None
    return Branch(child.condition, replace(child, condition=None))


@builds(EscalateStep)
def _escalate(plan: Plan, fields: EscalateStep, node_id: str, _path: Path, _inherited: Choice) -> Escalate | None:
    wanted = fields.escalate
    if not isinstance(wanted, EscalateFields):
        wanted = EscalateFields(to=wanted)
    policy = plan.escalate
    if policy is None:
        return None
    return Escalate(
        id=node_id,
        to=wanted.to or policy.to,
        severity=wanted.severity or policy.severity,
        message=wanted.message or policy.message or "",
        condition=fields.condition,
    )
