"""A policy as the loop sees it: resolved, typed, with every default filled in.

`policy/` builds these from YAML. All durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from homeostat.model.signals import Condition, SignalSpec

COOLDOWN_S_MAX = 7 * 86400.0
"""How far back guards look over incidents; no cooldown may be longer."""

Scalar = str | int | float | bool
"""An argument's value in a step's `with`."""


class Effect(StrEnum):
    """What running an action a second time would do.

    safe: nothing worse (idempotent). keyed: the target itself deduplicates by the idempotency key.
    probe: only the signals can tell whether it happened. unsafe: it may do harm (the default).
    """

    SAFE = "safe"
    KEYED = "keyed"
    PROBE = "probe"
    UNSAFE = "unsafe"

    @property
    def repeatable(self) -> bool:
        """Whether an action whose outcome is in doubt may be run again."""
        return self in (Effect.SAFE, Effect.KEYED)


class Mode(StrEnum):
    """How far the agent may go by itself. `observe` decides and journals, and starts nothing."""

    OBSERVE = "observe"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action from the catalogue: which actuator runs it, and with what.

    Attributes:
        parameters: the actuator's own settings (`argv`, `url`, ...), checked by the actuator's schema.
        takes_s: how long it usually takes, as declared; the prior of the learnt cost.
    """

    name: str
    actuator: str
    parameters: Mapping[str, object]
    effect: Effect = Effect.UNSAFE
    timeout_s: float = 300.0
    takes_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Window:
    """A condition that must hold without a break for `for_s`, at the latest by `within_s` (None: no deadline)."""

    condition: Condition
    for_s: float = 0.0
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """How an attempt proves that it worked. Counted from the end of the action; the first `settle_s` do not count."""

    condition: Condition
    for_s: float
    within_s: float
    settle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed leaf may run again. `explicit`: the step itself asked for it, not the policy's defaults."""

    times_max: int = 0
    wait_s: float = 0.0
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Do:
    """A leaf: run one action on one target and verify it."""

    id: str
    action: ActionSpec
    target: str
    arguments: Mapping[str, Scalar]
    effect: Effect
    timeout_s: float
    verify: Verify | None
    retry: Retry = Retry()
    cooldown_s: float = 0.0
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """Children in strict order; the first failure fails the node."""

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """Children in written order until one succeeds. A child whose `if` is false or unknown is passed over."""

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Choose:
    """Like `Try`, in the order the ranking gives."""

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One arm of a `Decide`; `condition` is None for `else`."""

    condition: Condition | None
    child: Node


@dataclass(frozen=True, slots=True)
class Decide:
    """The first branch whose condition is true. An unknown one is waited for, then escalated."""

    id: str
    branches: tuple[Branch, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hand the incident to people. Ends the plan."""

    id: str
    to: str
    severity: str = "critical"
    message: str = ""
    condition: Condition | None = None


Node = Do | Steps | Try | Choose | Decide | Escalate


def children_of(node: Node) -> tuple[Node, ...]:
    """Give the direct children of any node, in written order."""
    match node:
        case Steps() | Try() | Choose():
            return node.children
        case Decide():
            return tuple(branch.child for branch in node.branches)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One recovery plan.

    Attributes:
        hash: SHA-256 of everything that can change a decision: the policy, its signals, its actions.
        resolved: when the incident counts as over; it must hold for its window.
        harm: true means users are being hurt more than by the incident itself.
        unknown_s: how long an unknown condition is waited for before people are called.
        attempts_max: bound on attempts in one incident, over all leaves.
        timeout_s: bound on the whole incident, from its opening.
        sources: file name -> text, from which this policy can be loaded again.
        leaves: every `Do` by id, derived.
    """

    name: str
    owner: str
    hash: str
    signals: Mapping[str, SignalSpec]
    trigger: Window
    resolved: Window
    escalate: Escalate
    root: Steps
    timeout_s: float
    attempts_max: int
    mode: Mode = Mode.AUTO
    unknown_s: float = 60.0
    rto_s: float | None = None
    harm: Condition | None = None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    leaves: Mapping[str, Do] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the leaves once; every step needs them."""
        object.__setattr__(self, "leaves", {node.id: node for node in self.nodes() if isinstance(node, Do)})

    @property
    def dedup_key(self) -> str:
        """Only one incident may be open under this key."""
        return self.name

    def nodes(self) -> Iterator[Node]:
        """Walk all nodes, parents first, in written order."""
        pending: list[Node] = [self.root]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(children_of(node)))
