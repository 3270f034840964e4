"""From validated steps to the nodes of a plan: the walk over a file's steps, and what all kinds of step share.

`builders.py` has one builder per kind; `procedures.py` puts named step lists in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Escalate, Node, Scalar, Steps
from homeostat.policy.catalogues import Actions
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.naming import ROOT_ID, NodeIds
from homeostat.policy.parts import VerifyFields
from homeostat.policy.schema import DefaultsFields, PolicyEscalateFields
from homeostat.policy.schema_errors import validated
from homeostat.policy.step_schema import STEP_KINDS, DoStep, StepFields
from homeostat.policy.yaml_tree import PROBLEMS_MAX, Data, Document, Path

NODES_MAX = 2000
LEVELS_MAX = 50
"""How deep steps may be nested, those of procedures within procedures included."""

_KINDS = ", ".join(STEP_KINDS)

Choice = VerifyFields | Literal["none"] | None
"""A verify as given: a proof, an explicit none, or nothing said."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node is written, and what its author left to defaults; for `lint`.

    Attributes:
        document, path: the step in its file.
        has_timeout, has_verify: whether anybody from the step to the policy (or catalogue) gave one; `verify: none`
            counts as given.
    """

    document: Document
    path: Path
    has_timeout: bool = True
    has_verify: bool = True
    arguments: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Procedures:
    """Named step lists, raw, and the document they stand in at `base`."""

    document: Document
    base: Path
    lists: Mapping[str, Data] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the walk is: in the policy's own file, or in a procedure that it uses.

    Attributes:
        context: what conditions may read here.
        values: parameters that `{param: name}` may name here.
        prefix: of the ids of steps here.
        using: names of the procedures being put in, outermost first.
    """

    document: Document
    context: ValidationContext
    values: Mapping[str, Scalar] = field(default_factory=dict)
    prefix: str = ""
    using: tuple[str, ...] = ()


Builder = Callable[["Plan", Any, str, Path, Choice], Node | None]
"""Makes the node of one kind from its fields, its id, its path, and the verify it inherits."""


class Plan:
    """Builds the tree below `steps` and collects every problem on the way.

    Attributes:
        frame: where the walk is.
        origins: by node id. problems: in the order found.
    """

    def __init__(
        self,
        builders: Mapping[type[StepFields], Builder],
        frame: Frame,
        actions: Actions | None,
        defaults: DefaultsFields,
        escalate: PolicyEscalateFields | None,
        procedures: Procedures | None = None,
    ) -> None:
        self.builders = builders
        self.frame = frame
        self.actions = actions
        self.defaults = defaults
        self.escalate = escalate
        self.procedures = procedures
        self.ids = NodeIds([])
        self.origins: dict[str, Origin] = {}
        self.problems: list[Problem] = []
        self._full = False
        self._levels = 0

    def build(self, raw_steps: list[Any], path: Path) -> Steps | None:
        """Build the root; None when anything below it is wrong."""
        self.ids = NodeIds(raw_steps)
        self.origins[ROOT_ID] = Origin(self.frame.document, path)
        children = self.children(raw_steps, path, None)
        return None if children is None else Steps(ROOT_ID, children)

    @contextmanager
    def inside(self, frame: Frame) -> Iterator[None]:
        """Walk on in another frame, and come back."""
        outer, self.frame = self.frame, frame
        try:
            yield
        finally:
            self.frame = outer

    def children(
        self, raw_steps: list[Any], path: Path, inherited: Choice, *, in_dag: bool = False
    ) -> tuple[Node, ...] | None:
        """Build all of a list; None when any is wrong, but only after all were looked at."""
        if self._levels >= LEVELS_MAX:
            self.stop(path, f"steps are nested deeper than {LEVELS_MAX} levels")
            return None
        self._levels += 1
        nodes = [self.step(raw, (*path, place), inherited, in_dag=in_dag) for place, raw in enumerate(raw_steps)]
        self._levels -= 1
        found = tuple(node for node in nodes if node is not None)
        return found if len(found) == len(nodes) else None

    def step(self, raw: object, path: Path, inherited: Choice, *, in_dag: bool = False) -> Node | None:
        """Build one step of whatever kind it is, with its fallback."""
        if len(self.problems) > PROBLEMS_MAX or self._full:
            return None
        kind = self.kind_of(raw, path)
        if kind is None or not isinstance(raw, dict):
            return None
        if len(self.origins) > NODES_MAX:
            self.stop(path, f"more than {NODES_MAX} steps")
            return None
        schema = STEP_KINDS[kind]
        fields = validated(schema, raw, self.frame.document, path, self.frame.context)
        if isinstance(fields, list):
            self.problems.extend(fields)
            if kind != "do" and isinstance(raw[kind], list):
                self.children(raw[kind], (*path, kind), inherited, in_dag=kind == "dag")
            return None
        if fields.needs is not None and not in_dag:
            self.problem((*path, "needs"), "E155", "only a step directly inside a 'dag' has 'needs'")
        node_id = self.identify(fields, path)
        if node_id is None:
            return None
        node = self.builders[schema](self, fields, node_id, path, inherited)
        return node if fields.fallback is None else self.with_fallback(node, fields.fallback, path, inherited)

    def with_fallback(self, node: Node | None, raw: dict[str, Any], path: Path, inherited: Choice) -> Node | None:
        """Build a step's fallback too, also when the step itself is wrong."""
        fallback = self.step(raw, (*path, "fallback"), inherited)
        if isinstance(node, Escalate):
            self.problem((*path, "fallback"), "E156", "an escalation ends the plan and cannot fail; it has no fallback")
            return None
        return None if node is None or fallback is None else replace(node, fallback=fallback)

    def kind_of(self, raw: object, path: Path) -> str | None:
        """Tell a step's kind by its key."""
        if not isinstance(raw, dict):
            self.problem(path, "E112", f"a step is a mapping with one of the keys {_KINDS}, not {shown(raw)}")
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
        prefix = self.frame.prefix
        if fields.id is None:
            is_leaf = isinstance(fields, DoStep)
            stem = fields.do if isinstance(fields, DoStep) else fields.KIND
            node_id = self.ids.derive(prefix + stem, numbered=not is_leaf)
        else:
            node_id = prefix + fields.id
            fault = self.ids.take(node_id)
            if fault is not None:
                self.problem((*path, "id"), "E140", fault)
                return None
        self.origins[node_id] = Origin(self.frame.document, path)
        return node_id

    def stop(self, path: Path, message: str) -> None:
        """Note that the plan is too large; nothing more of it is built."""
        self._full = True
        self.problem(path, "E152", message)

    def problem(self, path: Path, code: str, message: str) -> None:
        """Note what is wrong with the value at `path`."""
        self.problems.append(Problem(self.frame.document.at(path), code, message))
