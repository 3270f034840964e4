from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.drawing.drawn_policies import TOP, drawn

from homeostat.drawing.boxes import Box
from homeostat.drawing.layers import layered
from homeostat.drawing.layout import PAD, SIZES, laid_out
from homeostat.drawing.mermaid import escaped, to_mermaid
from homeostat.drawing.states import END, TRIGGER, NodeState, NodeStatus
from homeostat.drawing.svg import to_svg
from homeostat.drawing.text import ELLIPSIS, shortened, width, wrapped
from homeostat.policy.load import load_policy_sources

NAMES = ("linear", "dag", "nested")
SVG = "{http://www.w3.org/2000/svg}"
LABEL = r'"[^"`<>\\]*(?:<br/>[^"`<>\\]*)*"'
LINES = [
    r"flowchart TD",
    rf"n\d+\(\[{LABEL}\]\)|n\d+\[{LABEL}\]|n\d+\[/{LABEL}/\]|n\d+x\{{{LABEL}\}}",
    rf"subgraph n\d+\[{LABEL}\]|end",
    rf"n\d+x? (?:-->|-\. [a-z ]+ \.->) n\d+|n\d+x -->\|{LABEL}\| n\d+",
    r"classDef [a-z_]+ [a-z-]+:[#0-9a-f ]+(?:,[a-z-]+:[#0-9a-f]+)*",
    r"class n\d+(?:,n\d+)* [a-z_]+",
]
"""The forms of the flowchart grammar that are used: nodes, subgraphs, links, classes."""


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_mermaid_is_one_of_its_forms(name: str) -> None:
    policy = drawn(name)
    lit = {node.id: NodeState(NodeStatus.RUNNING, 'a "why"') for node in policy.nodes()}
    for text in (to_mermaid(policy), to_mermaid(policy, lit)):
        for line in text.splitlines():
            assert any(re.fullmatch(form, line.strip()) for form in LINES), line
        assert text.count("subgraph ") == sum(line.strip() == "end" for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_mermaid_joins_nodes_that_are_there(name: str) -> None:
    text = to_mermaid(drawn(name))
    made = set(re.findall(r"^\s*(?:subgraph )?(n\d+x?)[\[({]", text, re.MULTILINE))
    linked = set(re.findall(r"(n\d+x?) (?:-->|-\.)", text)) | set(re.findall(r"(?:>|\|) (n\d+)$", text, re.MULTILINE))
    assert linked <= made
    assert len(made) >= len(list(drawn(name).nodes()))


@given(st.text(max_size=200))
def test_no_text_escapes_from_a_label(text: str) -> None:
    assert re.fullmatch(r"[^\"`<>\[\]{}|;\\\n]*(?:#\d+;[^\"`<>\[\]{}|;\\\n]*)*", escaped(text))


@pytest.mark.parametrize("name", NAMES)
def test_svg_is_xml_with_a_title_and_every_step_and_nothing_from_outside(name: str) -> None:
    policy = drawn(name)
    text = to_svg(policy)
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == policy.name
    assert (
        root.get("aria-labelledby") == f"{title.get('id')} {description.get('id') if description is not None else ''}"
    )
    written = {element.text for element in root.iter(f"{SVG}text")}
    assert {node.id for node in policy.nodes()} - {"plan"} <= written
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"href|url\(|<script|<foreignObject|@import", text)


def test_svg_escapes_what_an_author_wrote() -> None:
    text = to_svg(drawn("linear"))
    assert "<b>" not in text
    assert "&lt;b&gt;yourself&lt;/b&gt; &amp; say" in text
    ET.fromstring(to_svg(replace(drawn("linear"), name="a\0b\x07<&")))


def test_the_path_is_lit_and_the_rest_is_dim() -> None:
    policy = drawn("linear")
    states = {
        TRIGGER: NodeState(NodeStatus.SUCCEEDED, "confirmed"),
        "isolate": NodeState(NodeStatus.SUCCEEDED, "effective"),
        "restore": NodeState(NodeStatus.WAITING, "asks dba"),
        "settle": NodeState(NodeStatus.NOT_REACHED),
        END: NodeState(NodeStatus.NOT_REACHED),
    }
    text = to_svg(policy, states)
    assert text.count('class="wire lit"') == 2
    assert text.count('class="card succeeded"') == 1
    assert text.count('class="card waiting"') == 1
    assert 'class="card not_reached dim"' in text
    assert "restore waiting (asks dba)" in text
    assert 'class="wire lit"' not in to_svg(policy)


def cards(box: Box, x: float = 0.0, y: float = 0.0) -> list[tuple[str, float, float, float, float]]:
    here = [(box.node, x, y, x + box.width, y + box.height)] if box.node and box.shape != "frame" else []
    return here + [card for left, top, part in box.parts for card in cards(part, x + left, y + top)]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_cards_overlap_and_all_are_on_the_page(name: str) -> None:
    root = laid_out(drawn(name))
    placed = cards(root)
    assert len(placed) >= 7
    for one, other in combinations(placed, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, (one, other)
    for _, left, top, right, bottom in placed:
        assert left >= -0.01
        assert top >= -0.01
        assert right <= root.width + 0.01
        assert bottom <= root.height + 0.01


def boxes(box: Box) -> list[Box]:
    return [box, *(inner for _, _, part in box.parts for inner in boxes(part))]


LONG = "errors > 5% and " * 12 + "deploy_age > limit"
LONG_STEPS = f"""\
parameters: {{limit: 20M}}
steps:
- id: a_group_with_quite_a_long_name_of_its_own
  if: {LONG}
  steps:
  - id: a_step_whose_name_is_longer_than_any_card_is_wide
    do: restart
    target: svc/a
    verify: {{if: {LONG}, for: 15s, within: 3m}}
  - {{id: by_hand, manual: "{"Look at all of it. " * 12}", check: all of it is well}}
"""


def test_nothing_that_decides_is_cut_and_every_text_fits_its_box() -> None:
    file = "long.homeostat.yaml"
    policy = load_policy_sources({file: TOP.format(name="long").replace("steps:\n", LONG_STEPS)}, file)
    root = laid_out(policy)
    for box in boxes(root):
        for line in box.lines:
            assert ELLIPSIS not in line.text
            assert width(line.text, SIZES[line.role], bold=line.role == "name") <= box.width - 2 * PAD
    text = re.sub(r"\s+", " ", " ".join(line.text for box in boxes(root) for line in box.lines))
    assert "deploy_age > limit for 15s, within 3m, where limit = 20M" in text
    assert "if errors > 5% and" in text
    assert "limit for 15s, within 3m, where limit = 20M" in re.sub("#62;", ">", to_mermaid(policy)).replace(
        "<br/>", " "
    )
    assert ELLIPSIS not in to_mermaid(policy)


BRANCHES = """\
steps:
- id: which
  decide:
  - id: fresh
    if: deploy_age < 2h and errors > 10%
    do: rollback
    target: svc/a
    fallback: {id: again, do: restart, target: svc/a, fallback: {id: moved, do: shift, target: svc/a}}
  - else: {id: other, do: restart, target: svc/a}
- {id: settle, wait: 30s}
"""


ARGUMENTS = """\
actions:
  scale:
    actuator: command
    argv: [scale]
    with: {by: percent, share: number, rows: integer, gently: boolean, note: text, factor: number}
steps:
- id: more
  do: scale
  target: svc/a
  with: {by: 57%, share: 5%, rows: 20000000, gently: true, note: 5%, factor: 0.5}
"""


def test_arguments_are_drawn_as_authors_write_them() -> None:
    file = "arguments.homeostat.yaml"
    text = re.sub(r"actions:\n(  .*\n)*", "", TOP.format(name="arguments")).replace("steps:\n", ARGUMENTS)
    policy = load_policy_sources({file: text}, file)
    assert "(by 57%, share 5%, rows 20M, gently true, note 5%, factor 0.5)" in to_mermaid(policy)
    as_fraction = load_policy_sources({file: text.replace("share: 5%", "share: 0.05")}, file)
    assert "share 0.05" in to_mermaid(as_fraction)
    assert as_fraction.hash == policy.hash, "how it is written decides nothing"


def test_a_branch_is_headed_by_its_condition_above_its_wire() -> None:
    file = "branches.homeostat.yaml"
    policy = load_policy_sources({file: TOP.format(name="branches").replace("steps:\n", BRANCHES)}, file)
    (columns,) = [box for box in boxes(laid_out(policy)) if any(part.shape == "head" for _, _, part in box.parts)]
    middles = [left + part.width / 2 for left, _, part in columns.parts if part.shape == "head"]
    assert middles == pytest.approx([wire.points[0][0] for wire in columns.wires])
    placed = [(left, left + part.width) for left, _, part in columns.parts if part.shape != "head"]
    assert all(left <= middle <= right for (left, right), middle in zip(placed, middles, strict=True))


FALLBACKS = """\
steps:
- id: first
  do: rollback
  target: svc/a
  fallback: {id: again, do: restart, target: svc/a, fallback: {id: moved, do: shift, target: svc/a}}
- id: all
  dag:
  - {id: warm, do: restart, target: cache/a, fallback: {id: cold, do: shift, target: cache/a}}
  - {id: switch, do: shift, target: dns/a, needs: warm}
- {id: last_try, do: restart, target: svc/a, fallback: {id: people, escalate: {to: lead}}}
"""


def test_a_fallback_goes_on_where_its_step_does() -> None:
    file = "fallbacks.homeostat.yaml"
    policy = load_policy_sources({file: TOP.format(name="fallbacks").replace("steps:\n", FALLBACKS)}, file)
    every = boxes(laid_out(policy))
    wires = {wire.ends: wire.points for box in every for wire in box.wires}
    assert [ends for ends in wires if ends[0] == "people"] == [], "after a call for people the plan does not go on"
    for fallback, onward, step in (("again", "all", "first"), ("moved", "all", "first"), ("cold", "switch", "warm")):
        end, line = wires[fallback, onward][-1], wires[step, onward]
        assert end[0] == pytest.approx(line[0][0]), "it comes in on the step's own line"
        assert line[0][1] < end[1] < line[-1][1]
        assert line[1][0] == pytest.approx(end[0])
        assert line[1][1] >= end[1] - 0.01, "which runs straight down until there"
    ET.fromstring(to_svg(policy))
    text = to_mermaid(policy)
    names = {name: re.search(rf'(n\d+)\["{name}[<"]', text) for name in ("again", "moved", "cold", "all", "switch")}
    ids = {name: found[1] for name, found in names.items() if found}
    for fallback, onward in (("again", "all"), ("moved", "all"), ("cold", "switch")):
        assert f"{ids[fallback]} --> {ids[onward]}\n" in text


NEEDS = st.integers(2, 12).flatmap(
    lambda count: st.lists(st.lists(st.integers(0, count - 1), max_size=4), min_size=count, max_size=count)
)


@given(NEEDS)
def test_every_edge_of_a_dag_runs_down_one_level_at_a_time(drawn_needs: list[list[int]]) -> None:
    children = [f"c{number}" for number in range(len(drawn_needs))]
    needs = {
        f"c{number}": tuple(sorted({f"c{need}" for need in wanted if need < number}))
        for number, wanted in enumerate(drawn_needs)
    }
    layers = layered(children, needs)
    level = {place: number for number, row in enumerate(layers.levels) for place in row}
    assert {place for place in level if isinstance(place, str)} == set(children)
    for child, wanted in needs.items():
        assert all(level[need] < level[child] for need in wanted)
    for chain in layers.chains.values():
        assert all(level[lower] == level[upper] + 1 for upper, lower in pairwise(chain))


@given(st.text(max_size=300), st.integers(1, 3))
def test_wrapped_lines_fit_and_are_few(text: str, lines_max: int) -> None:
    lines = wrapped(text, 12.0, 200.0, lines_max)
    assert 1 <= len(lines) <= lines_max
    assert all(width(line, 12.0) <= 200.0 for line in lines)
    assert shortened(text, 12.0, 1e9) == text
