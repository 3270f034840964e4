"""From validated steps to the nodes of a plan: one builder per kind, every default filled in.

Adding a kind: its class goes into `schema.STEP_KINDS`, its builder here under `@builds`, and its node into
`model/policy.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import (
    Branch,
    Choose,
    Decide,
    Do,
    Effect,
    Escalate,
    Node,
    Retry,
    Scalar,
    Steps,
    Try,
    Verify,
)
from homeostat.policy.arguments import fitted
from homeostat.policy.catalogues import Action, Actions
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.naming import ROOT_ID, NodeIds
from homeostat.policy.schema import (
    FUTURE_KINDS,
    STEP_KINDS,
    ChooseStep,
    DecideStep,
    DefaultsFields,
    DoStep,
    ElseBranch,
    EscalateFields,
    EscalateStep,
    PolicyEscalateFields,
    StepFields,
    StepsStep,
    TryStep,
    VerifyFields,
)
from homeostat.policy.schema_errors import validated
from homeostat.policy.yaml_tree import Document, Path

NODES_MAX = 500

_STRICTNESS = (Effect.SAFE, Effect.KEYED, Effect.PROBE, Effect.UNSAFE)
"""From mild to strict. A step may only make its action's effect stricter."""

_KINDS = ", ".join(STEP_KINDS)

_Choice = VerifyFields | Literal["none"] | None
"""A verify as given: a proof, an explicit none, or nothing said."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node is written, and what its author left to defaults; for `lint`.

    Attributes:
        has_timeout, has_verify: whether anybody from the step to the policy (or catalogue) gave one; `verify: none`
            counts as given.
    """

    path: Path
    has_timeout: bool = True
    has_verify: bool = True
    arguments: Mapping[str, Scalar] = field(default_factory=dict)


class Plan:
    """Builds the tree below `steps` and collects every problem on the way.

    Attributes:
        origins: by node id. problems: in the order found.
    """

    def __init__(
        self,
        document: Document,
        context: ValidationContext,
        actions: Actions | None,
        defaults: DefaultsFields,
        escalate: PolicyEscalateFields | None,
    ) -> None:
        self.document = document
        self.context = context
        self.actions = actions
        self.defaults = defaults
        self.escalate = escalate
        self.ids = NodeIds([])
        self.origins: dict[str, Origin] = {}
        self.problems: list[Problem] = []

    def build(self, raw_steps: list[Any], path: Path) -> Steps | None:
        """Build the root; None when anything below it is wrong."""
        self.ids = NodeIds(raw_steps)
        self.origins[ROOT_ID] = Origin(path)
        children = self.children(raw_steps, path, None)
        return None if children is None else Steps(ROOT_ID, children)

    def children(self, raw_steps: list[Any], path: Path, inherited: _Choice) -> tuple[Node, ...] | None:
        """Build all of a list; None when any is wrong, but only after all were looked at."""
        nodes = [self.step(raw, (*path, place), inherited) for place, raw in enumerate(raw_steps)]
        found = tuple(node for node in nodes if node is not None)
        return found if len(found) == len(nodes) else None

    def step(self, raw: object, path: Path, inherited: _Choice) -> Node | None:
        """Build one step of whatever kind it is."""
        kind = self.kind_of(raw, path)
        if kind is None or not isinstance(raw, dict):
            return None
        if len(self.origins) > NODES_MAX:
            if len(self.origins) == NODES_MAX + 1:
                self.origins[""] = Origin(path)
                self.problem(path, "E152", f"more than {NODES_MAX} steps")
            return None
        schema = STEP_KINDS[kind]
        fields = validated(schema, raw, self.document, path, self.context)
        if isinstance(fields, list):
            self.problems.extend(fields)
            if kind != "do" and isinstance(raw[kind], list):
                self.children(raw[kind], (*path, kind), inherited)
            return None
        node_id = self.identify(fields, path)
        return None if node_id is None else _BUILDERS[schema](self, fields, node_id, path, inherited)

    def kind_of(self, raw: object, path: Path) -> str | None:
        """Tell a step's kind by its key."""
        if not isinstance(raw, dict):
            self.problem(path, "E112", f"a step is a mapping with one of the keys {_KINDS}, not {shown(raw)}")
            return None
        future = [key for key in raw if key in FUTURE_KINDS]
        if future:
            message = f"the step kind '{future[0]}' is not in this release; the kinds are {_KINDS}"
            self.problems.append(Problem(self.document.key_at((*path, future[0])), "E116", message))
            return None
        kinds = [kind for kind in STEP_KINDS if kind in raw]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            self.problem(path, "E115", f"a step has one kind, not {' and '.join(repr(kind) for kind in kinds)} at once")
            return None
        hints = (did_you_mean(key, STEP_KINDS) for key in raw if key not in DoStep.model_fields)
        self.problem(path, "E115", f"a step has one of the keys {_KINDS}{next(filter(None, hints), '')}")
        return None

    def identify(self, fields: StepFields, path: Path) -> str | None:
        """Give a step its id and remember where it is written."""
        if fields.id is None:
            is_leaf = isinstance(fields, DoStep)
            node_id = self.ids.derive(fields.do if isinstance(fields, DoStep) else fields.KIND, numbered=not is_leaf)
        else:
            node_id = fields.id
            fault = self.ids.take(node_id)
            if fault is not None:
                self.problem((*path, "id"), "E140", fault)
                return None
        self.origins[node_id] = Origin(path)
        return node_id

    def problem(self, path: Path, code: str, message: str) -> None:
        """Note what is wrong with the value at `path`."""
        self.problems.append(Problem(self.document.at(path), code, message))


F = TypeVar("F", bound=StepFields)
_Builder = Callable[[Plan, Any, str, Path, _Choice], Node | None]
_BUILDERS: dict[type[StepFields], _Builder] = {}


def builds(schema: type[F]) -> Callable[[Callable[[Plan, F, str, Path, _Choice], Node | None]], _Builder]:
    """Register the builder of a kind of step."""

    def register(builder: Callable[[Plan, F, str, Path, _Choice], Node | None]) -> _Builder:
        _BUILDERS[schema] = builder
        return builder

    return register


@builds(DoStep)
def _do(plan: Plan, fields: DoStep, node_id: str, path: Path, inherited: _Choice) -> Do | None:
    action = _action(plan, fields, path)
    if action is None:
        return None
    effect = fields.effect or action.spec.effect
    if _STRICTNESS.index(effect) < _STRICTNESS.index(action.spec.effect):
        message = f"'{effect}' is milder than the action's own '{action.spec.effect}'; a step may only be stricter"
        plan.problem((*path, "effect"), "E132", message)
    arguments, wrong = fitted(fields.arguments, action.parameters)
    for key, message in wrong:
        place = (*path, "with") if key is None else (*path, "with", key)
        plan.problems.append(Problem(plan.document.key_at(place), "E131", message))
    timeout_s = fields.timeout or plan.defaults.timeout
    choice = fields.verify or inherited or plan.defaults.verify
    plan.origins[node_id] = Origin(path, timeout_s is not None or action.has_timeout, choice is not None, arguments)
    retry = fields.retry or plan.defaults.retry
    return Do(
        id=node_id,
        action=action.spec,
        target=fields.target,
        arguments=arguments,
        effect=effect,
        timeout_s=timeout_s or action.spec.timeout_s,
        verify=_verify(choice),
        retry=Retry(retry.times, retry.wait, explicit=fields.retry is not None) if retry else Retry(),
        cooldown_s=fields.cooldown,
        condition=fields.condition,
    )


def _action(plan: Plan, fields: DoStep, path: Path) -> Action | None:
    if plan.actions is None:
        return None
    action = plan.actions.actions.get(fields.do)
    if action is None and fields.do not in plan.actions.broken:
        hint = did_you_mean(fields.do, plan.actions.actions)
        plan.problem((*path, "do"), "E130", f"no action is named '{fields.do}'{hint}")
    return action


def _verify(choice: _Choice) -> Verify | None:
    if choice is None or choice == "none":
        return None
    return Verify(choice.condition, choice.hold, choice.within, choice.settle)


@builds(StepsStep)
def _steps(plan: Plan, fields: StepsStep, node_id: str, path: Path, inherited: _Choice) -> Steps | None:
    children = plan.children(fields.steps, (*path, "steps"), fields.verify or inherited)
    return None if children is None else Steps(node_id, children, fields.condition)


@builds(TryStep)
def _try(plan: Plan, fields: TryStep, node_id: str, path: Path, inherited: _Choice) -> Try | None:
    children = plan.children(fields.candidates, (*path, "try"), fields.verify or inherited)
    return None if children is None else Try(node_id, children, fields.condition)


@builds(ChooseStep)
def _choose(plan: Plan, fields: ChooseStep, node_id: str, path: Path, inherited: _Choice) -> Choose | None:
    children = plan.children(fields.candidates, (*path, "choose"), fields.verify or inherited)
    return None if children is None else Choose(node_id, children, fields.condition)


@builds(DecideStep)
def _decide(plan: Plan, fields: DecideStep, node_id: str, path: Path, inherited: _Choice) -> Decide | None:
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


def _else(plan: Plan, raw: dict[str, Any], path: Path, inherited: _Choice) -> Branch | None:
    fields = validated(ElseBranch, raw, plan.document, path, plan.context)
    if isinstance(fields, list):
        plan.problems.extend(fields)
        return None
    child = plan.step(fields.step, (*path, "else"), inherited)
    return None if child is None else Branch(None, child)


def _branch(plan: Plan, raw: object, path: Path, inherited: _Choice) -> Branch | None:
    """A branch is a step whose `if` belongs to the `decide`."""
    child = plan.step(raw, path, inherited)
    if child is None:
        return None
    if child.condition is None:
        plan.problem(path, "E111", "a branch needs an 'if', or is written {else: {...}}")
        return None
    return Branch(child.condition, replace(child, condition=None))


@builds(EscalateStep)
def _escalate(plan: Plan, fields: EscalateStep, node_id: str, _path: Path, _inherited: _Choice) -> Escalate | None:
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
