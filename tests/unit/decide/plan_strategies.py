"""Random plans of every kind of step, with all that a step may have."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from tests.unit.decide.builders import above, do

from homeostat.model.policy import (
    MANUAL,
    ActionSpec,
    Approval,
    Branch,
    Choose,
    Dag,
    Decide,
    Do,
    Effect,
    Escalate,
    Mode,
    Node,
    Probe,
    Retry,
    Steps,
    Try,
    Verify,
    Wait,
)
from homeostat.model.signals import Condition

TARGETS = 4
HINT, HARM = above("hint", 5), above("harm", 5)
RETRIES = st.builds(Retry, st.integers(0, 2), st.sampled_from([0.0, 10.0]), st.booleans())
APPROVALS = st.sampled_from([None, None, Approval(("lead",), 60.0), Approval(("ops",), 60.0, HARM)])


class _Plans:
    """Draws nodes with ids of their own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.count = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def condition(self) -> Condition | None:
        return self.draw(st.sampled_from([None, None, None, HINT, HARM]))

    def node(self, depth: int) -> Node:
        kinds = ["do", "do", "manual", "wait", "steps", "dag", "dag", "try", "choose", "decide", "escalate"]
        kind = self.draw(st.sampled_from(kinds[:4] if depth == 0 else kinds))
        node = self.of(kind, depth)
        if depth > 0 and not isinstance(node, Escalate) and self.draw(st.integers(0, 4)) == 0:
            node = replace(node, fallback=self.node(0))
        return node

    def of(self, kind: str, depth: int) -> Node:
        match kind:
            case "do" | "manual":
                return self.leaf(manual=kind == "manual")
            case "wait":
                until = self.draw(st.sampled_from([None, HINT]))
                return Wait(self.name("wait"), 10.0, until, 60.0 if until else 0.0, self.condition())
            case "escalate":
                return Escalate(self.name("escalate"), "people", condition=self.condition())
        children = tuple(self.node(depth - 1) for _ in range(self.draw(st.integers(1, 4 if kind == "dag" else 3))))
        match kind:
            case "dag":
                return self.dag(children)
            case "steps":
                return Steps(self.name("steps"), children, self.condition())
            case "decide":
                return Decide(
                    self.name("decide"),
                    tuple(Branch(self.condition(), replace(child, condition=None)) for child in children),
                )
            case "try":
                return Try(self.name("try"), children, self.condition())
            case _:
                return Choose(self.name("choose"), children, self.condition())

    def dag(self, children: tuple[Node, ...]) -> Dag:
        needs = {}
        for place, child in enumerate(children):
            wanted = [before.id for before in children[:place] if self.draw(st.integers(0, 2)) == 0]
            if wanted:
                needs[child.id] = tuple(wanted)
        limit = self.draw(st.sampled_from([None, None, 1, 2]))
        remaining = {child.id: float(self.draw(st.integers(1, 9))) for child in children}
        return Dag(self.name("dag"), children, needs, limit, remaining, self.condition())

    def leaf(self, *, manual: bool) -> Do:
        effect = Effect.UNSAFE if manual else self.draw(st.sampled_from(Effect))
        name = self.name(MANUAL if manual else "do")
        target = f"svc/{self.draw(st.integers(0, TARGETS - 1))}"
        leaf = do(
            name,
            target=target,
            effect=effect,
            probe=Probe(HINT, 20.0) if effect is Effect.PROBE else None,
            retry=Retry(
                self.draw(st.integers(0, 2)), self.draw(st.sampled_from([0.0, 10.0])), self.draw(st.booleans())
            ),
            cooldown_s=self.draw(st.sampled_from([0.0, 0.0, 0.0, 100.0])),
            verify=self.draw(st.sampled_from([None, Verify(HINT, 5.0, 20.0)])),
            condition=self.condition(),
            timeout_s=self.draw(st.sampled_from([10.0, 1000.0])),
            approval=self.draw(
                st.sampled_from([None, None, Approval(("lead",), 60.0), Approval(("ops",), 60.0, HARM)])
            ),
            mode=self.draw(st.sampled_from([None, None, None, Mode.APPROVE, Mode.SUGGEST, Mode.OBSERVE])),
        )
        if manual:
            parameters = {"instructions": "look", "owner": "ops", "check": "seen"}
            return replace(leaf, action=ActionSpec(MANUAL, MANUAL, parameters, Effect.UNSAFE))
        if self.draw(st.integers(0, 2)) == 0:
            leaf = replace(
                leaf, undo=do(f"{name}.undo", target=target, verify=None, effect=Effect.SAFE, retry=Retry(1))
            )
        return leaf


@st.composite
def plans(draw: st.DrawFn) -> tuple[Node, ...]:
    """One or two steps below the root, of up to three levels."""
    drawn = _Plans(draw)
    return tuple(drawn.node(2) for _ in range(draw(st.integers(1, 2))))
