"""A plan as a Mermaid flowchart, for pages that draw Mermaid: GitHub, GitLab, wikis.

Frames are subgraphs. Ids are ours (`n0`, `n1`, ...), so that no step's name can be one of Mermaid's own words, and
every label is quoted, with what Mermaid or HTML would obey written as entity codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import wrap

from homeostat.drawing.labels import details_of, end_text, kind_of, trigger_text
from homeostat.drawing.states import END, TRIGGER, NodeState, NodeStatus
from homeostat.drawing.style import LIGHT
from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Steps, Try, Wait

LABEL_LINE_MAX = 100

_SHAPES = {Do: ('["', '"]'), Wait: ('(["', '"])'), Escalate: ('[/"', '"/]')}


def to_mermaid(policy: Policy, states: Mapping[str, NodeState] | None = None) -> str:
    """Draw a policy; with `states` (see `states.node_states`), the path of an incident through it."""
    chart = _Chart(policy, states)
    lines = ["flowchart TD", *chart.drawn(policy)]
    if states is not None:
        lines.extend(chart.classes())
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Write a text so that it can stand in a quoted label: letters and harmless marks stay, the rest is a code."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return "".join(char if char.isalnum() or char in " .,:()_-/+=%'→·…" else f"#{ord(char)};" for char in kept)


class _Chart:
    def __init__(self, policy: Policy, states: Mapping[str, NodeState] | None) -> None:
        names = [TRIGGER, *(node.id for node in policy.nodes()), END]
        self.names = {node: f"n{number}" for number, node in enumerate(names)}
        self.states = states

    def drawn(self, policy: Policy) -> Iterator[str]:
        start = self._label(TRIGGER, ["when", trigger_text(policy)])
        end = self._label(END, ["resolved when", end_text(policy), f"else {policy.escalate.to} is called"])
        yield f'  {self.names[TRIGGER]}(["{start}"])'
        children = policy.root.children
        for child in children:
            yield from self._node(child, 1)
        yield f'  {self.names[END]}(["{end}"])'
        yield from self._chain([[TRIGGER], *map(_ways_out, children), [END]], "-->", 1)

    def _node(self, node: Node, depth: int) -> Iterator[str]:
        indent = "  " * depth
        if type(node) in _SHAPES:
            before, after = _SHAPES[type(node)]
            yield f"{indent}{self.names[node.id]}{before}{self._leaf_label(node)}{after}"
        else:
            yield f'{indent}subgraph {self.names[node.id]}["{self._label(node.id, [*_heading(node), kind_of(node)])}"]'
            yield from self._inside(node, depth + 1)
            yield f"{indent}end"
        if not isinstance(node, Escalate) and node.fallback is not None:
            yield from self._node(node.fallback, depth)
            yield f"{indent}{self.names[node.id]} -. if it fails .-> {self.names[node.fallback.id]}"

    def _inside(self, node: Node, depth: int) -> Iterator[str]:
        indent = "  " * depth
        match node:
            case Steps(children=children) | Try(children=children) | Choose(children=children) | Dag(children=children):
                for child in children:
                    yield from self._node(child, depth)
            case Decide(branches=branches):
                # A link cannot run from a frame to what is inside it; a small node of its own carries the branches.
                fork = f"{self.names[node.id]}x"
                yield f'{indent}{fork}{{"which"}}'
                for branch in branches:
                    yield from self._node(branch.child, depth)
                    told = f"if {branch.condition.text}" if branch.condition is not None else "else"
                    yield f'{indent}{fork} -->|"{escaped(told)}"| {self.names[branch.child.id]}'
        match node:
            case Steps():
                yield from self._chain([_ways_out(child) for child in node.children], "-->", depth)
            case Try():
                yield from self._chain([_ways_out(child) for child in node.children], "-. else .->", depth)
            case Dag():
                ways = {child.id: _ways_out(child) for child in node.children}
                for child_id, wanted in node.needs.items():
                    for need in wanted:
                        yield from self._chain([ways[need], [child_id]], "-->", depth)

    def _chain(self, nodes: list[list[str]], arrow: str, depth: int) -> Iterator[str]:
        """Links from each node, and from its fallbacks, to the next."""
        for before, after in pairwise(nodes):
            for way_out in before:
                yield f"{'  ' * depth}{self.names[way_out]} {arrow} {self.names[after[0]]}"

    def _leaf_label(self, node: Node) -> str:
        kind = [] if isinstance(node, Do) and not node.is_manual else [kind_of(node)]
        return self._label(node.id, [*_heading(node), *kind, *details_of(node)])

    def _label(self, node_id: str, lines: list[str]) -> str:
        state = None if self.states is None else self.states.get(node_id)
        if state is not None and state.status is not NodeStatus.NOT_REACHED:
            lines = [*lines, f"{state.status.value.replace('_', ' ')}{f': {state.why}' if state.why else ''}"]
        broken = [part for line in lines for part in wrap(line, LABEL_LINE_MAX) or [line]]
        return "<br/>".join(escaped(line) for line in broken)

    def classes(self) -> Iterator[str]:
        """A class per status that occurs, and which nodes have it."""
        found: dict[NodeStatus, list[str]] = {}
        for node, state in (self.states or {}).items():
            if node in self.names and state.status is not NodeStatus.NOT_REACHED:
                found.setdefault(state.status, []).append(self.names[node])
        for status, names in found.items():
            if status is NodeStatus.PASSED_OVER:
                yield f"  classDef {status} stroke-dasharray:4 4"
            else:
                fill, stroke = LIGHT[f"{status}-card"], LIGHT[status]
                yield f"  classDef {status} fill:{fill},stroke:{stroke},color:{LIGHT['ink']}"
            yield f"  class {','.join(names)} {status}"


def _ways_out(node: Node) -> list[str]:
    """The ids of a node and of its fallback, that one's fallback, and so on: the plan goes on from any of them.

    After a fallback that calls people it does not.
    """
    if isinstance(node, Escalate) or node.fallback is None or isinstance(node.fallback, Escalate):
        return [node.id]
    return [node.id, *_ways_out(node.fallback)]


def _heading(node: Node) -> list[str]:
    return [node.id] if node.condition is None else [node.id, f"if {node.condition.text}"]
