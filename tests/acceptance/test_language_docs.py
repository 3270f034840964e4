"""Every example of the language reference is loaded and linted, completed by the frame it shows."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from homeostat.model.guards import WINDOW_S_MAX
from homeostat.model.policy import COOLDOWN_S_MAX
from homeostat.policy import condition_parser
from homeostat.policy import parts as policy_parts
from homeostat.policy.guards_file import load_guards
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy
from homeostat.policy.plan import NODES_MAX
from homeostat.policy.schema import PolicyFile
from homeostat.policy.step_schema import STEP_KINDS, DoStep, ManualStep
from homeostat.policy.units import DURATION_MAX_S
from homeostat.simulate.bench.testing import load_suites, run_suites

PAGE = (Path(__file__).parents[2] / "docs/language.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FRAME = BLOCKS[0]
TODAY = dt.date(2026, 11, 27)
OF_THE_FRAME = {"W204", "W228"}
"""No example uses every signal and action that the frame has for all of them."""


def without(frame: str, keys: set[str]) -> str:
    """The frame's text without these root keys and what is under them."""
    kept, dropping = [], False
    for line in frame.splitlines():
        if not line.startswith((" ", "-")):
            dropping = line.partition(":")[0] in keys
        if not dropping:
            kept.append(line)
    return "\n".join(kept) + "\n"


def file_named(block: str) -> str | None:
    """The file that an example says it is; None for a part of a policy."""
    named = re.match(r"# (\w+\.yaml)\n", block)
    return named[1] if named else None


def completed(block: str, folder: Path) -> Path:
    """Write the policy that an example is a part of, and the files beside it; give its path."""
    path = folder / "example.homeostat.yaml"
    named = file_named(block)
    if named is not None:
        (folder / named).write_text(block)
        key = named.removesuffix(".yaml")
        part = "" if key == "guards" else f"{key}: {named}\n"
    elif block.startswith("- "):
        part = f"steps:\n{block}"
    else:
        part = block
    for other in BLOCKS:
        beside = file_named(other)
        if beside is not None and beside in part and not (folder / beside).exists():
            (folder / beside).write_text(other)
    given = {line.partition(":")[0] for line in part.splitlines() if re.match(r"\w+:", line)}
    path.write_text(without(FRAME, given) + part)
    return path


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_is_loaded_and_has_nothing_to_complain_of(number: int, tmp_path: Path) -> None:
    block = BLOCKS[number]
    named = file_named(block)
    if named == "signals.yaml":
        steps = 'steps: [{escalate: {}, if: phase == "open"}]\n'
        path = completed(block, tmp_path)
        path.write_text(without(path.read_text(), {"steps"}) + steps)
    elif named == "procedures.yaml":
        path = completed("procedures: procedures.yaml\nsteps: [{id: shop, use: bounce}]\n", tmp_path)
    else:
        path = completed(block, tmp_path)
    report = lint(path, today=TODAY)
    assert [str(finding) for finding in report.findings if finding.problem.code not in OF_THE_FRAME] == []
    assert load_policy(path).name == "example"
    load_guards(tmp_path)


def test_every_kind_has_its_section_and_every_key_is_told() -> None:
    for kind in STEP_KINDS:
        assert f"\n### {kind}\n" in PAGE
    for fields in (PolicyFile, DoStep, ManualStep):
        for name, field in fields.model_fields.items():
            assert f"`{field.alias or name}`" in PAGE, f"{fields.__name__}.{field.alias or name} is not explained"


def test_every_kind_and_every_guard_has_an_example() -> None:
    examples = "".join(BLOCKS)
    for kind in STEP_KINDS:
        assert re.search(rf"\b{kind}:", examples), kind
    for guard in ("rates", "blast_radius", "storm", "recurrence", "maintenance", "telemetry"):
        assert f"\n{guard}:" in examples


def test_the_bounds_are_the_codes_own() -> None:
    table = PAGE[PAGE.index("## Bounds") :]
    assert f"| retries of an action | {policy_parts.RETRIES_MAX} |" in table
    assert f"| steps in a policy | {NODES_MAX:,} |" in table
    assert f"| approvers of a step | {policy_parts.APPROVERS_MAX} |" in table
    days = [bound_s / 86400 for bound_s in (DURATION_MAX_S, COOLDOWN_S_MAX, WINDOW_S_MAX)]
    assert days == [30.0, 7.0, 7.0]
    assert "| a duration | 30 days; a cooldown and a guard's window 7 days |" in table
    parts = f"{condition_parser.CHARACTERS_MAX:,} characters, {condition_parser.NODES_MAX} parts"
    assert f"| a condition | {parts}, {condition_parser.DEPTH_MAX} levels |" in table


PASSED_OVER = """\
policy: p
owner: team
signals: {errors: sum(errors_total)}
actions: {look: {actuator: command, effect: safe, timeout: 1m, argv: ["true"]}}
trigger: {if: errors > 5, for: 1m}
resolved: {if: errors < 1, for: 3m, within: 10m}
escalate: {to: oncall}
steps:
- {id: cure, do: look, target: s/a, verify: {if: errors < 1, for: 1m, within: 5m}}
- id: passed
  if: errors > 3
  do: look
  target: s/b
  verify: none
  fallback: {id: fallen, do: look, target: s/c, verify: none}
- {id: after, do: look, target: s/d, verify: none}
- id: at_once
  dag:
  - {id: skipped, if: errors > 3, do: look, target: s/e, verify: none}
  - {id: joined, needs: skipped, do: look, target: s/f, verify: none}
"""
PASSED_OVER_TEST = """\
policy: p.homeostat.yaml
defaults: {errors: 9}
tests:
- name: passed over is fine, and a cure ends no sequence
  after: {cure: {errors: 0}}
  expect:
  - {never: [passed, fallen, skipped]}
  - {count: {after: 1, joined: 1}}
  - {result: recovered}
"""


def test_what_the_page_says_of_a_false_if_and_of_a_cure(tmp_path: Path) -> None:
    (tmp_path / "p.homeostat.yaml").write_text(PASSED_OVER)
    (tmp_path / "p.test.yaml").write_text(PASSED_OVER_TEST)
    tested = run_suites(load_suites([tmp_path / "p.homeostat.yaml"]))
    assert [miss.message for outcome in tested.outcomes for miss in outcome.misses] == []
    assert len(tested.outcomes) == 1
