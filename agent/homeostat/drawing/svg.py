"""A plan as SVG: no script, no font, no reference to anything outside, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from homeostat.drawing.boxes import Box, Wire
from homeostat.drawing.layout import LINE_HEIGHT, PAD, SIZES, laid_out
from homeostat.drawing.states import NodeState, NodeStatus
from homeostat.drawing.style import ICONS, style_sheet
from homeostat.drawing.text import shortened, width
from homeostat.model.policy import Policy

MARGIN = 28.0
WHY_SIZE = 11.0
NO_STATE = NodeState(NodeStatus.NOT_REACHED)


def to_svg(policy: Policy, states: Mapping[str, NodeState] | None = None, *, with_style: bool = True) -> str:
    """Draw a policy; with `states` (see `states.node_states`), the path of an incident through it.

    Without its style the page that it stands in must have `style.style_sheet`.
    """
    root = laid_out(policy)
    wide, tall = root.width + 2 * MARGIN, root.height + 2 * MARGIN
    name = f"plan-{_visible(policy.name)}"
    told = described(policy, states)
    style = f"<style>\n{style_sheet()}\n</style>\n" if with_style else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" '
        f'height="{tall:.0f}" role="img" aria-labelledby={quoteattr(f"{name}-title {name}-desc")}>\n'
        f"<title id={quoteattr(f'{name}-title')}>{_text(policy.name)}</title>\n"
        f"<desc id={quoteattr(f'{name}-desc')}>{_text(told)}</desc>\n"
        f"{style}"
        f'<rect class="paper" width="100%" height="100%"/>\n'
    )
    pen = _Pen(states)
    return head + "\n".join(pen.drawn(root)) + "\n</svg>\n"


def described(policy: Policy, states: Mapping[str, NodeState] | None) -> str:
    """The picture in words, for who cannot see it."""
    leaves = [leaf.id for leaf in policy.leaves.values()]
    plan = f"Recovery plan of {policy.name}: {len(leaves)} actions: {', '.join(leaves)}."
    if states is None:
        return plan
    told = [
        f"{node.strip('()')} {state.status.value.replace('_', ' ')}{f' ({state.why})' if state.why else ''}"
        for node, state in states.items()
        if state.status is not NodeStatus.NOT_REACHED and node != policy.root.id
    ]
    return f"{plan} So far: {'; '.join(told) or 'nothing'}."


def _text(text: str) -> str:
    return escape(_visible(text))


def _visible(text: str) -> str:
    """Leave out what XML 1.0 cannot hold, and what nobody would see."""
    return "".join(char for char in text if char.isprintable() or char in "\n\u00a0")


class _Pen:
    """Draws boxes: first its body, then the wires inside, then the parts, so that nothing hides what matters."""

    def __init__(self, states: Mapping[str, NodeState] | None) -> None:
        self.states = states

    def drawn(self, root: Box) -> Iterator[str]:
        """Everything, from the outside in."""
        yield from self._box(root, MARGIN, MARGIN, inner=False)

    def _box(self, box: Box, x: float, y: float, *, inner: bool) -> Iterator[str]:
        if box.node is not None or box.lines:
            yield from self._node(box, x, y)
        inner = inner or box.node is not None
        for wire in box.wires:
            yield from self._wire(wire, x, y, inner=inner)
        for left, top, part in box.parts:
            yield from self._box(part, x + left, y + top, inner=inner)

    def _state(self, node: str | None) -> NodeState:
        if self.states is None or node is None:
            return NO_STATE
        return self.states.get(node, NO_STATE)

    def _node(self, box: Box, x: float, y: float) -> Iterator[str]:
        state = self._state(box.node)
        dim = " dim" if self.states is not None and box.shape != "head" and not state.status.is_lit else ""
        yield f'<g class="{box.shape} {state.status.value}{dim}" transform="translate({x:.1f} {y:.1f})">'
        if box.told:
            why = f"\n{state.status.value.replace('_', ' ')}: {state.why}" if state.why else ""
            yield f"<title>{_text(box.told + why)}</title>"
        if box.shape != "head":
            radius = 9 if box.shape == "card" else 14
            yield f'<rect class="body" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.0f}"/>'
        yield from self._lines(box)
        if state.status is not NodeStatus.NOT_REACHED:
            yield self._icon(state.status, box.width - 19)
        if state.why:
            yield self._why(box, state)
        yield "</g>"

    def _lines(self, box: Box) -> Iterator[str]:
        y = PAD if box.shape != "head" else 0.0
        for line in box.lines:
            y += LINE_HEIGHT[line.role]
            middle = box.shape == "head"
            place = f'x="{box.width / 2:.1f}" text-anchor="middle"' if middle else f'x="{PAD:.0f}"'
            size = SIZES[line.role]
            yield f'<text class="{line.role}" font-size="{size:g}" {place} y="{y - 4:.1f}">{_text(line.text)}</text>'

    def _why(self, box: Box, state: NodeState) -> str:
        """What has come of it: on a tab at its lower edge."""
        text = shortened(state.why, WHY_SIZE, box.width - 2 * PAD)
        wide = width(text, WHY_SIZE, bold=True) + 16
        x = box.width - PAD - wide
        tab = f'<rect class="body tab" x="{x:.1f}" y="{box.height - 9:.1f}" width="{wide:.1f}" height="18" rx="9"/>'
        place = f'x="{x + wide / 2:.1f}" y="{box.height + 4:.1f}" text-anchor="middle"'
        return f'{tab}<text class="why" font-size="{WHY_SIZE:g}" {place}>{_text(text)}</text>'

    def _icon(self, status: NodeStatus, x: float) -> str:
        return f'<g class="icon" transform="translate({x:.1f} 22)"><circle r="8"/><path d="{ICONS[status]}"/></g>'

    def _wire(self, wire: Wire, x: float, y: float, *, inner: bool) -> Iterator[str]:
        lit = " lit" if all(self._lit(node) for node in wire.ends) else ""
        dashes = ' stroke-dasharray="5 4"' if wire.dashed else ""
        points = [(x + px, y + py) for px, py in wire.points]
        yield f'<path class="wire{lit}" d="{_path(points)}"{dashes}/>'
        (before_x, before_y), (end_x, end_y) = points[-2], points[-1]
        sideways = abs(end_y - before_y) < 1 or (wire.dashed and end_x - before_x > 40)
        turn = 0 if not sideways else 90 if end_x < before_x else -90
        place = f"translate({end_x:.1f} {end_y:.1f}) rotate({turn})"
        yield f'<path class="tip{lit}" d="M-5 -8 L5 -8 L0 0.5 Z" transform="{place}"/>'
        if wire.label:
            middle_x, middle_y = (points[0][0] + end_x) / 2, (points[0][1] + end_y) / 2
            place = f'x="{middle_x:.1f}" y="{middle_y - 5:.1f}" text-anchor="middle"'
            if not sideways:
                place = f'x="{middle_x + 9:.1f}" y="{middle_y + 1:.1f}"'
            group = ' class="inner"' if inner else ""
            yield f'<g{group}><text class="label" font-size="11" {place}>{_text(wire.label)}</text></g>'

    def _lit(self, node: str) -> bool:
        return self.states is not None and self._state(node).status.is_lit


def _path(points: list[tuple[float, float]]) -> str:
    """Straight where it goes straight, a smooth bend where it does not."""
    x, y = points[0]
    parts = [f"M{x:.1f} {y:.1f}"]
    for (from_x, from_y), (to_x, to_y) in pairwise(points):
        if abs(from_x - to_x) < 1 or abs(from_y - to_y) < 1:
            parts.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (from_y + to_y) / 2
            parts.append(f"C{from_x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
    return " ".join(parts)
