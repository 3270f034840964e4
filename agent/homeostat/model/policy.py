"""A policy as the loop sees it: resolved, typed, with every default filled in.

`policy/` builds these from YAML. All durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from homeostat.model.autonomy import Earning as Earning
from homeostat.model.autonomy import Exploration as Exploration
from homeostat.model.autonomy import Mode as Mode
from homeostat.model.autonomy import Promotion as Promotion
from homeostat.model.autonomy import strictest as strictest
from homeostat.model.signals import Condition, SignalSpec

COOLDOWN_S_MAX = 7 * 86400.0
"""How far back guards look over incidents; no cooldown may be longer."""

Scalar = str | int | float | bool
"""An argument's value in a step's `with`."""


class Effect(StrEnum):
    """What running an action a second time would do.

    safe: nothing worse (idempotent). keyed: the target itself deduplicates by the idempotency key.
    probe: the signals tell whether it happened (`Do.probe`). unsafe: it may do harm (the default).
    """

    SAFE = "safe"
    KEYED = "keyed"
    PROBE = "probe"
    UNSAFE = "unsafe"

    @property
    def repeatable(self) -> bool:
        """Whether an action whose outcome is in doubt may be run again."""
        return self in (Effect.SAFE, Effect.KEYED)


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
class Probe:
    """How the signals tell whether an action whose outcome is in doubt has happened.

    Attributes:
        condition: true of a world in which it has.
        within_s: how long its effect may take to show; before that, not seeing it says nothing.
    """

    condition: Condition
    within_s: float


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed leaf may run again. `explicit`: the step itself asked for it, not the policy's defaults."""

    times_max: int = 0
    wait_s: float = 0.0
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """A start that people must agree to. Silence is a denial.

    Attributes:
        approvers: names of people or roles, at least one. Who asked for the start is never among them.
        condition: ask only while it is true or unknown; None: always.
        timeout_s: how long the question stands, and how long a yes may wait for its start.
    """

    approvers: tuple[str, ...]
    timeout_s: float
    condition: Condition | None = None


MANUAL = "manual"
"""The actuator and the action of a step that people carry out."""


@dataclass(frozen=True, slots=True)
class Do:
    """A leaf: run one action on one target and verify it.

    Attributes:
        mode: no freer than this, whatever policy and agent allow.
        earning: set where `mode` is earned; `mode` is then the freest it can get.
        undo: what takes the action back when it did not help; a leaf of its own without verification.
        takes_s: how long this step usually takes, where its author knows better than the catalogue.
        percents: names of the arguments that are fractions written as percentages; only for showing them so.
        fallback: carried out when this leaf has failed for good; then its success counts.
        probe: set where `effect` is probe.
    """

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
    approval: Approval | None = None
    mode: Mode | None = None
    undo: Do | None = None
    takes_s: float | None = None
    fallback: Node | None = None
    percents: tuple[str, ...] = field(default=(), compare=False)
    probe: Probe | None = None
    earning: Earning | None = None

    @property
    def is_manual(self) -> bool:
        """Whether people carry it out."""
        return self.action.actuator == MANUAL


@dataclass(frozen=True, slots=True)
class Steps:
    """Children in strict order; the first failure fails the node."""

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None
    fallback: Node | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """Children as soon as all they need has succeeded; all that are ready run at once.

    After a failure nothing new starts and what runs is finished; then the node fails.

    Attributes:
        needs: child id -> ids of the siblings it waits for. Has no cycle.
        concurrency_max: how many children may be at work at once; None: all.
        remaining_s: child id -> expected seconds from its start to the end of the longest chain that begins with it.
            With a limit, the ready child with the longest chain starts first (Graham, "Bounds on multiprocessing
            timing anomalies", 1969: any list schedule is within 2 - 1/m of the optimum).
    """

    id: str
    children: tuple[Node, ...]
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    concurrency_max: int | None = None
    remaining_s: Mapping[str, float] = field(default_factory=dict)
    condition: Condition | None = None
    fallback: Node | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """Children in written order until one succeeds. A child whose `if` is false or unknown is passed over."""

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None
    fallback: Node | None = None


@dataclass(frozen=True, slots=True)
class Choose:
    """Like `Try`, in the order the ranking gives.

    Attributes:
        explore: None: always the best.
    """

    id: str
    children: tuple[Node, ...]
    condition: Condition | None = None
    fallback: Node | None = None
    explore: Exploration | None = None


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
    fallback: Node | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a while, or until a condition holds.

    Attributes:
        for_s: how long to wait; with `until`, how long that must hold without a break.
        until: unknown counts as not true.
        within_s: with `until`: the wait fails when it has not held by then.
    """

    id: str
    for_s: float
    until: Condition | None = None
    within_s: float = 0.0
    condition: Condition | None = None
    fallback: Node | None = None


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hand the incident to people. Ends the plan."""

    id: str
    to: str
    severity: str = "critical"
    message: str = ""
    condition: Condition | None = None


Node = Do | Steps | Dag | Try | Choose | Decide | Wait | Escalate


def children_of(node: Node) -> tuple[Node, ...]:
    """Give the direct children of any node in written order, its fallback last."""
    children: tuple[Node, ...] = ()
    match node:
        case Steps() | Dag() | Try() | Choose():
            children = node.children
        case Decide():
            children = tuple(branch.child for branch in node.branches)
        case Escalate():
            return ()
    return children if node.fallback is None else (*children, node.fallback)


def walk_nodes(root: Node) -> Iterator[Node]:
    """Walk a node and all below it, parents first, in written order."""
    pending: list[Node] = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children_of(node)))


@dataclass(frozen=True, slots=True)
class Policy:
    """One recovery plan.

    Attributes:
        hash: SHA-256 of everything that can change a decision: the policy, its signals, its actions.
        resolved: when the incident counts as over; it must hold for its window.
        runbook: address of what people go by who take over; None: it has none.
        harm: true means users are being hurt more than by the incident itself.
        unknown_s: how long an unknown condition is waited for before people are called.
        attempts_max: bound on attempts in one incident, over all leaves.
        timeout_s: bound on the whole incident, from its opening.
        promotion: who lets a new ranking rule; the settings may be stricter.
        learns_from: signals that no condition reads and rankings go by all the same, sorted.
        environment: the one its parameters were taken from; None where it has none.
        sources: file name -> text, from which this policy can be loaded again.
        leaves: every `Do` by id, derived. `undos`: every undo by its own id, derived.
        parallel: whether any node may have several children at work, derived.
        explorations: by id of the `choose` that explores, derived.
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
    promotion: Promotion = Promotion.AUTO
    runbook: str | None = None
    learns_from: tuple[str, ...] = ()
    environment: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    leaves: Mapping[str, Do] = field(init=False, repr=False, compare=False)
    undos: Mapping[str, Do] = field(init=False, repr=False, compare=False)
    parallel: bool = field(init=False, repr=False, compare=False)
    explorations: Mapping[str, Exploration] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the leaves once; every step needs them."""
        leaves = {node.id: node for node in self.nodes() if isinstance(node, Do)}
        object.__setattr__(self, "leaves", leaves)
        object.__setattr__(self, "undos", {leaf.undo.id: leaf.undo for leaf in leaves.values() if leaf.undo})
        object.__setattr__(self, "parallel", any(isinstance(node, Dag) for node in self.nodes()))
        explorations = {node.id: node.explore for node in self.nodes() if isinstance(node, Choose) and node.explore}
        object.__setattr__(self, "explorations", explorations)

    @property
    def dedup_key(self) -> str:
        """Only one incident may be open under this key."""
        return self.name

    def nodes(self) -> Iterator[Node]:
        """Walk all nodes, parents first, in written order."""
        return walk_nodes(self.root)

    def leaf(self, node_id: str) -> Do:
        """The leaf or undo that has attempts under this id. Raises KeyError."""
        found = self.leaves.get(node_id)
        return self.undos[node_id] if found is None else found
