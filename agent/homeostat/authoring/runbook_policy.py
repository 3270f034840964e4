"""A runbook to a policy: its steps in strict order, each done by a person who says when it is done."""

from __future__ import annotations

import json
import re
import shlex

from homeostat.authoring.markdown_blocks import Code
from homeostat.authoring.names import policy_name, slug, unused
from homeostat.authoring.runbook import Group, Runbook, Step, steps_of
from homeostat.authoring.runbook_lines import IF, is_for_failure
from homeostat.authoring.workspace_files import Written, require_loadable
from homeostat.authoring.yaml_text import block, comment, joined, scalar
from homeostat.policy.fields import TEXT_MAX
from homeostat.policy.load import SUFFIX
from homeostat.policy.naming import RESERVED_IDS
from homeostat.sense.excerpt import excerpt

ACTIONS_SUGGESTED_MAX = 5
"""Of one step, in its comments."""

_SHELLS = frozenset({"", "sh", "bash", "shell", "zsh", "console", "shell-session", "terminal"})
_NEEDS_A_SHELL = re.compile(r"[|&;<>$`*?(){}~#\\]|^\w+=")
_CHECK_WANTED = "PLACEHOLDER: say what shows that this is done"
_HEAD = """\
From the runbook {source}. Every step asks a person, who says when it is done:
`homeostat done INCIDENT STEP --as NAME`. Nothing of the runbook was run, and nothing of it is run by the agent."""
_SIGNALS = """\
PLACEHOLDERS. A runbook does not say which metric calls for it: `runbook_wanted` is always 0, so that no incident is
opened. Replace it by a PromQL expression, or start from an alert: `homeostat import rules`. `recovered` is always 0
too: until it is what proves health (requests that are answered), incidents go to people at the end."""


def policy_of_runbook(runbook: Runbook, *, source: str, name: str = "") -> Written:
    """Write the policy of a runbook, in one file.

    Args:
        runbook: as it was read.
        source: its file, as people know it.
        name: of the policy; by default its title's.
    """
    policy = policy_name(name or slug(runbook.title, "runbook"), "runbook")
    owner = runbook.owner or "oncall"
    lines = [
        *comment(_HEAD.format(source=source)),
        f"policy: {scalar(policy)}",
        f"owner: {scalar(owner)}",
        *comment(_SIGNALS),
        "signals:",
        "  runbook_wanted: vector(0)",
        "  recovered: vector(0)",
        "actions: {}",
        "",
        "trigger: {if: runbook_wanted > 0, for: 1m}",
        "resolved: {if: recovered > 0, for: 2m, within: 15m}",
        "escalate:",
        f"  to: {scalar(owner)}",
        f"  message: {scalar((runbook.title or policy)[:TEXT_MAX])}",
        "",
        "steps:",
    ]
    taken = set(RESERVED_IDS)
    for step in runbook.steps:
        lines += _step(step, source, "", taken, 0)
    lines += [line for remark in runbook.remarks for line in _remark(remark, source, 0)]
    files = {f"{policy}{SUFFIX}": joined(lines)}
    require_loadable(files)
    return Written(files, tuple(_notes(runbook, source)))


def _step(step: Step | Group, source: str, within: str, taken: set[str], indent: int, bullet: str = "- ") -> list[str]:
    """Write a step as an item of a list; with a `bullet` of spaces as a mapping, two spaces in."""
    margin = " " * indent
    step_id = unused(slug(step.title, f"line-{step.line}"), taken)
    taken.add(step_id)
    lines = [line for remark in step.remarks for line in _remark(remark, source, indent)]
    if isinstance(step, Group):
        title = step.title.rstrip(":")
        lines += [f"{margin}{bullet}id: {scalar(step_id)}", f"{margin}  steps:"]
        for child in step.steps:
            lines += _step(child, source, title, taken, indent + 2)
        return lines + _fallback(step, source, within, taken, indent)
    lines += _advice(step, indent)
    lines += [
        f"{margin}{bullet}id: {scalar(step_id)}",
        f"{margin}  manual: {block(_instructions(step, source, within), indent + 2)}",
    ]
    if step.owner:
        lines.append(f"{margin}  owner: {scalar(step.owner)}")
    check = _cut("\n".join(step.checks), f" ... ({source}:{step.line})") if step.checks else _CHECK_WANTED
    lines.append(f"{margin}  check: {block(check, indent + 2)}")
    return lines + _fallback(step, source, within, taken, indent)


def _fallback(step: Step | Group, source: str, within: str, taken: set[str], indent: int) -> list[str]:
    if step.fallback is None:
        return []
    return [f"{' ' * indent}  fallback:", *_step(step.fallback, source, within, taken, indent + 2, bullet="  ")]


def _instructions(step: Step, source: str, within: str) -> str:
    text = "\n".join(step.instructions).strip()
    if within and within != step.title:
        text = f"{within}: {text}"
    return _cut(text, f"\n... (goes on in {source}, line {step.line})")


def _cut(text: str, rest: str) -> str:
    """Text as long as the language allows; `rest` says where the other part is."""
    return text if len(text) <= TEXT_MAX else text[: max(TEXT_MAX - len(rest), 0)].rstrip() + rest[:TEXT_MAX]


def _remark(remark: tuple[int, str], source: str, indent: int) -> list[str]:
    line, text = remark
    return comment(f"{source}:{line}: {text}", indent)


def _advice(step: Step, indent: int) -> list[str]:
    """Comments on what the step could become."""
    lines = []
    branches = [line for line in (line.lstrip("- ") for line in step.instructions[1:]) if IF.match(line)]
    if any(map(is_for_failure, branches)):
        lines += comment("For a failure? Write it as the `fallback` of this step: {fallback: {id: ..., ...}}.", indent)
    if any(not is_for_failure(line) for line in [*branches, *filter(IF.match, step.instructions[:1])]):
        lines += comment(
            "A branch? Once a signal tells it, write it as {decide: [{if: ..., ...}, {else: ...}]}.", indent
        )
    argvs = [argv for code in step.code for argv in commands_in(code)][:ACTIONS_SUGGESTED_MAX]
    for argv in argvs:
        lines += comment(f"As an action: {{actuator: command, argv: {json.dumps(argv)}}}", indent)
    if step.code and not argvs:
        lines += comment(
            "As an action: put the code into a script of its own, {actuator: command, argv: [it]}.", indent
        )
    return lines


def commands_in(code: Code) -> list[list[str]]:
    """The lines of a code block that are one program with its arguments, and need no shell."""
    found = []
    for line in code.text.splitlines() if code.language in _SHELLS else ():
        command = re.sub(r"^\s*[$>]\s+", "", line).strip()
        if not command or not command.isprintable() or _NEEDS_A_SHELL.search(command):
            continue
        try:
            argv = shlex.split(command)
        except ValueError:
            continue
        if argv:
            found.append(argv)
    return found


def _notes(runbook: Runbook, source: str) -> list[str]:
    steps = [step for step in steps_of(runbook.steps) if isinstance(step, Step)]
    notes = [
        f"{source}:{line}:1: '{excerpt(title, 60)}' is only for a failure and became no step; it is kept as a comment:"
        " write it as the `fallback` of the step it belongs to, or as an `undo`"
        for line, title in runbook.asides
    ]
    notes += [
        f"{source}:{step.line}:1: '{excerpt(step.title, 60)}' does not say what proves it; replace its placeholder"
        for step in steps
        if not step.checks
    ]
    notes += [
        f"{source}:{step.line}:1: '{excerpt(step.title, 60)}' is longer than {TEXT_MAX} characters and was cut"
        for step in steps
        if len("\n".join(step.instructions)) > TEXT_MAX
    ]
    return [*notes, "trigger and resolved stand on placeholder signals: nothing starts until they are replaced"]
