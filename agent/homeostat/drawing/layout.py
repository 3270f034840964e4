"""Where everything of a plan's picture stands: sequences downwards, dags by levels, choices side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homeostat.drawing.boxes import Box, Line, Wire
from homeostat.drawing.labels import details_of, end_text, kind_of, trigger_text
from homeostat.drawing.layers import Place, layered
from homeostat.drawing.states import END, TRIGGER
from homeostat.drawing.text import width, wrapped
from homeostat.model.policy import Choose, Dag, Decide, Escalate, Node, Policy, Steps, Try, children_of

SIZES = {"name": 14.0, "kind": 11.0, "if": 12.0, "detail": 12.0, "proof": 12.0}
LINE_HEIGHT = {"name": 20.0, "kind": 16.0, "if": 17.0, "detail": 17.0, "proof": 17.0}
CARD_WIDTH_MIN, CARD_WIDTH_MAX = 190.0, 310.0
PAD = 14.0
ICON = 26.0
GAP_DOWN, GAP_ACROSS, GAP_FALLBACK, GAP_REJOIN = 34.0, 22.0, 92.0, 14.0
LANE = 18.0
CHOICE_COLUMNS = 3
LINES_MAX = 40
"""Lines that one text is broken into at most: more than the longest condition or instruction needs. None is cut."""


def laid_out(policy: Policy) -> Box:
    """Arrange a whole policy: its trigger, its plan, and how it ends."""
    start = _card(TRIGGER, "start", [Line("when", "kind"), *_wrapped(trigger_text(policy), "detail")])
    ends = [Line("resolved when", "kind"), *_wrapped(end_text(policy), "detail")]
    ends.append(Line(f"else {policy.escalate.to} is called", "proof"))
    plan = [_box(child) for child in policy.root.children]
    ids = [TRIGGER, *(child.id for child in policy.root.children), END]
    return _stack([start, *plan, _card(END, "end", ends)], ids)


def _box(node: Node) -> Box:
    """A node with its fallback at its right side."""
    own = _own(node)
    fallback = None if isinstance(node, Escalate) else node.fallback
    if fallback is None:
        return own
    other = _box(fallback)
    x = own.width + GAP_FALLBACK
    y_own = min(own.height, 80.0) / 2
    y_other = min(other.height, 80.0) / 2
    drop = max(0.0, y_own - y_other)
    wire = Wire(((own.width, y_own), (x, drop + y_other)), (node.id, fallback.id), "if it fails", dashed=True)
    height = max(own.height, drop + other.height)
    parts = [(0.0, 0.0, own), (x, drop, other)]
    # After a call for people the plan does not go on.
    ends = [] if isinstance(fallback, Escalate) else [((other.anchor, other.exit), fallback.id), *other.rejoins]
    rejoins = [((x + across, drop + down), node_id) for (across, down), node_id in ends]
    return Box(x + other.width, height, own.anchor, parts=parts, wires=[wire], bottom=own.exit, rejoins=rejoins)


def _rejoined(box: Box, x: float, y: float, onward: str, *, dashed: bool = False) -> Iterator[Wire]:
    """Wires from the fallbacks in a box at (x, y) to below it, into the line on which its node goes on."""
    merge = y + box.height + GAP_REJOIN
    for (across, down), fallback in box.rejoins:
        points = ((x + across, y + down), (x + across, merge), (x + box.anchor, merge))
        yield Wire(points, (fallback, onward), dashed=dashed)


def _own(node: Node) -> Box:
    match node:
        case Steps() | Try():
            label = "else" if isinstance(node, Try) else ""
            inside = _stack([_box(child) for child in node.children], [child.id for child in node.children], label)
        case Dag():
            inside = _levels(node)
        case Choose():
            inside = _grid([_box(child) for child in node.children])
        case Decide():
            inside = _columns(node)
        case _:
            return _card(node.id, "card", _lines(node), _told(node))
    return _framed(node, inside)


def _lines(node: Node) -> list[Line]:
    lines = [Line(node.id, "name")]
    if node.condition is not None:
        lines += _wrapped(f"if {node.condition.text}", "if")
    kind = kind_of(node)
    if kind != "action":
        lines.append(Line(kind, "kind"))
    for detail in details_of(node):
        lines += _wrapped(detail, "proof" if detail.startswith("proof:") else "detail")
    return lines


def _told(node: Node) -> str:
    condition = f"\nif {node.condition.text}" if node.condition is not None else ""
    return "\n".join([f"{node.id}: {kind_of(node)}{condition}", *details_of(node)])


def _wrapped(text: str, role: str) -> list[Line]:
    return [Line(part, role) for part in wrapped(text, SIZES[role], CARD_WIDTH_MAX - 2 * PAD - 4, LINES_MAX)]


def _text_size(lines: Sequence[Line]) -> tuple[float, float]:
    widths = [width(line.text, SIZES[line.role], bold=line.role == "name") for line in lines]
    return max(widths, default=0.0), sum(LINE_HEIGHT[line.role] for line in lines)


def _card(node_id: str, shape: str, lines: list[Line], told: str = "") -> Box:
    text_width, text_height = _text_size(lines)
    name_width = width(lines[0].text, SIZES[lines[0].role], bold=True) + ICON
    wide = max(text_width, name_width, CARD_WIDTH_MIN - 2 * PAD) + 2 * PAD
    # One line more for what has come of it.
    return Box(wide, text_height + 2 * PAD + 4, wide / 2, node_id, shape, lines, told or lines[0].text)


def _framed(node: Node, inside: Box) -> Box:
    """Put a frame with a heading around what is inside."""
    lines = [Line(node.id, "name"), Line(kind_of(node), "kind")]
    if node.condition is not None:
        told = wrapped(f"if {node.condition.text}", SIZES["if"], max(inside.width, 260.0), LINES_MAX)
        lines[1:1] = [Line(line, "if") for line in told]
    text_width, text_height = _text_size(lines)
    wide = max(inside.width, text_width + ICON) + 2 * PAD
    x, y = (wide - inside.width) / 2, PAD + text_height + 14
    box = Box(wide, y + inside.height + PAD + 4, x + inside.anchor, node.id, "frame", lines, _told(node))
    box.parts.append((x, y, inside))
    return box


def _stack(boxes: list[Box], ids: list[str], label: str = "") -> Box:
    """One below the other, their anchors in one line, a wire from each to the next."""
    cards = [box for box in boxes if box.shape == "card"]
    for box in cards:
        box.width = max(card.width for card in cards)
        box.anchor = box.width / 2
    anchor = max(box.anchor for box in boxes)
    stack = Box(anchor + max(box.width - box.anchor for box in boxes), 0.0, anchor)
    y = 0.0
    for place, box in enumerate(boxes):
        if place:
            before = boxes[place - 1]
            top = y + before.exit
            stack.wires += _rejoined(before, anchor - before.anchor, y, ids[place], dashed=bool(label))
            y += before.height + GAP_DOWN + (10 if label else 0) + (GAP_REJOIN if before.rejoins else 0)
            points = ((anchor, top), (anchor, y))
            stack.wires.append(Wire(points, (ids[place - 1], ids[place]), label, dashed=bool(label)))
        stack.parts.append((anchor - box.anchor, y, box))
    stack.height = y + boxes[-1].height
    return stack


def _grid(boxes: list[Box]) -> Box:
    """Side by side in rows, without wires: the order is not written, it is learnt."""
    columns = min(CHOICE_COLUMNS, len(boxes)) if len(boxes) != 4 else 2
    rows = [boxes[at : at + columns] for at in range(0, len(boxes), columns)]
    widths = [max(row[column].width for row in rows if column < len(row)) for column in range(columns)]
    wide = sum(widths) + GAP_ACROSS * (columns - 1)
    grid = Box(wide, 0.0, wide / 2)
    y = 0.0
    for row in rows:
        x = 0.0
        tall = max(box.height for box in row)
        for column, box in enumerate(row):
            if box.shape == "card":
                box.width, box.height, box.anchor = widths[column], tall, widths[column] / 2
            grid.parts.append((x, y, box))
            x += widths[column] + GAP_ACROSS
        y += tall + GAP_ACROSS
    grid.height = y - GAP_ACROSS
    return grid


def _columns(node: Decide) -> Box:
    """Branches side by side, each under its condition."""
    boxes = [_box(branch.child) for branch in node.branches]
    texts = [f"if {branch.condition.text}" if branch.condition is not None else "else" for branch in node.branches]
    # A branch's wire comes in at its anchor, beside which its fallback may stand: the condition goes above the wire.
    beside = [max(2 * min(box.anchor, box.width - box.anchor), 170.0) for box in boxes]
    heads = [wrapped(text, SIZES["if"], room, LINES_MAX) for text, room in zip(texts, beside, strict=True)]
    lines_max = max(len(head) for head in heads)
    top = lines_max * LINE_HEIGHT["if"] + 12
    columns = Box(0.0, top + 20 + max(box.height for box in boxes), 0.0)
    x = 0.0
    for branch, head, box in zip(node.branches, heads, boxes, strict=True):
        head_width = max(width(line, SIZES["if"]) for line in head)
        at = x + max(0.0, head_width / 2 - box.anchor)
        end = at + box.anchor
        drop = (lines_max - len(head)) * LINE_HEIGHT["if"]
        title = Box(head_width, top - 8 - drop, head_width / 2, None, "head", [Line(line, "if") for line in head])
        columns.parts.append((end - head_width / 2, drop, title))
        columns.parts.append((at, top + 20, box))
        columns.wires.append(Wire(((end, top - 6), (end, top + 20)), (node.id, branch.child.id)))
        x = max(at + box.width, end + head_width / 2) + GAP_ACROSS
    columns.width = x - GAP_ACROSS
    columns.anchor = columns.width / 2
    return columns


def _levels(node: Dag) -> Box:
    """A dag by levels, its edges through lanes of their own where they skip one."""
    boxes = {child.id: _box(child) for child in children_of(node) if child is not node.fallback}
    layers = layered(tuple(boxes), node.needs)
    sizes = [sum(_wide(place, boxes) for place in level) + GAP_ACROSS * (len(level) - 1) for level in layers.levels]
    wide = max(sizes)
    box = Box(wide, 0.0, wide / 2)
    tops: dict[Place, tuple[float, float, float]] = {}
    onward = dict(reversed(layers.chains))
    y = 0.0
    for level, size in zip(layers.levels, sizes, strict=True):
        x = (wide - size) / 2
        tall = max((boxes[place].height for place in level if isinstance(place, str)), default=0.0)
        for place in level:
            if isinstance(place, str):
                part = boxes[place]
                box.parts.append((x, y, part))
                tops[place] = (x + part.anchor, y, y + part.exit)
                if place in onward:
                    box.wires += _rejoined(part, x, y, onward[place])
            else:
                tops[place] = (x + LANE / 2, y, y + tall)
            x += _wide(place, boxes) + GAP_ACROSS
        y += tall + GAP_DOWN + 12
    box.height = y - GAP_DOWN - 12
    for ends, chain in layers.chains.items():
        points = [(tops[chain[0]][0], tops[chain[0]][2])]
        if boxes[ends[0]].rejoins:
            # Straight down to where its fallback's wire comes in.
            points.append((points[0][0], tops[chain[0]][1] + boxes[ends[0]].height + GAP_REJOIN))
        for lane in chain[1:-1]:
            points += [(tops[lane][0], tops[lane][1]), (tops[lane][0], tops[lane][2])]
        points.append((tops[chain[-1]][0], tops[chain[-1]][1]))
        box.wires.append(Wire(tuple(points), ends))
    return box


def _wide(place: Place, boxes: dict[str, Box]) -> float:
    return boxes[place].width if isinstance(place, str) else LANE
