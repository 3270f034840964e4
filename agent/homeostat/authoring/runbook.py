"""A runbook's steps: what is to be done, by whom, and what is to be looked at afterwards.

What counts as a step:
- an item of a numbered list, or with a box (`- [ ]`); without any of those, every item of a plain list;
- a heading like `Step 2: Restore` or `2. Restore`, with what stands below it.
A step that holds a numbered list or boxes is a group of steps. Below a step, plain bullets, further paragraphs and
code belong to its instructions; a line that begins with verify, check, confirm, ensure, make sure or expected is its
check. The owner is `@name`, `Owner: name`, or a team in brackets at a line's end: `(DBA)`, `(Network team)`.
Text between steps is kept as remarks. "If ... then ..." stays text: what decides is for the author to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from homeostat.authoring.markdown_blocks import (
    CHARACTERS_MAX,
    Block,
    Code,
    Heading,
    Item,
    Listing,
    Paragraph,
    read_markdown,
)
from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.policy.fields import NAME_CHARACTERS_MAX
from homeostat.policy.plan import NODES_MAX

_BOX = re.compile(r"\[[ xX]\](\s+|$)")
_STEP_HEADING = re.compile(r"(?:step\s+)?\d{1,3}(?:[.):]|\s*[-:]|$)\s*|step\s+\d{1,3}\s+", re.IGNORECASE)
_CHECK = re.compile(r"(?:verify|check|confirm|ensure|make sure|expected)\b", re.IGNORECASE)
_OWNER_LINE = re.compile(r"owner\s*:\s*(\S.*)", re.IGNORECASE)
_AT = re.compile(r"(?<![\w.@/])@([A-Za-z][A-Za-z0-9_-]{0,40})", re.ASCII)
_TEAM = re.compile(
    r"\(((?:owner:\s*)?(?:[A-Z]{2,8}|[A-Z][a-z]+(?: [A-Za-z]+){0,2} (?:team|lead|on-?call)|@?[\w-]+-oncall))\)[:.]?$"
)


@dataclass(slots=True)
class Step:
    """One thing that a person does.

    Attributes:
        line: where it is written. remarks: what stood before it, as (line, text).
        code: the code blocks below it; they are part of the instructions too.
    """

    line: int
    title: str
    instructions: list[str] = field(default_factory=list)
    owner: str = ""
    checks: list[str] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """Steps that belong together."""

    line: int
    title: str
    steps: list[Step | Group] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Runbook:
    """A runbook. `owner` is who its opening lines name; `remarks` is what stands after the last step."""

    title: str = ""
    owner: str = ""
    steps: list[Step | Group] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)


def read_runbook(text: str, file: str) -> Runbook:
    """Read a runbook.

    Raises:
        PolicyError: it is too long, holds no step, or more than a policy may have.
    """
    if len(text) > CHARACTERS_MAX:
        raise PolicyError([Problem(Position(file, 1, 1), "E100", f"longer than {CHARACTERS_MAX} characters")])
    blocks = read_markdown(text)
    reader = _Reader(any_item=not any(_is_numbered(block) for block in _all(blocks)))
    runbook = reader.read(blocks)
    count = 0
    for step in steps_of(runbook.steps):
        count += 1
        if count > NODES_MAX:
            raise PolicyError([Problem(Position(file, step.line, 1), "E152", f"more than {NODES_MAX} steps")])
    if not count:
        wanted = "a numbered list, a list with boxes (- [ ]), or headings like '## Step 1: ...'"
        raise PolicyError([Problem(Position(file, 1, 1), "E111", f"no steps were found; they are {wanted}")])
    return runbook


def steps_of(steps: list[Step | Group]) -> Iterator[Step | Group]:
    """All steps and groups, in order."""
    for step in steps:
        yield step
        if isinstance(step, Group):
            yield from steps_of(step.steps)


def _all(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Listing):
            for item in block.items:
                yield from _all(item.blocks)


def _is_numbered(block: Block) -> bool:
    """Whether a block says by itself that it is steps."""
    if isinstance(block, Heading):
        return block.level > 1 and _STEP_HEADING.match(block.text) is not None
    return isinstance(block, Listing) and (block.ordered or any(_BOX.match(item.text) for item in block.items))


class _Reader:
    """Goes through a runbook's blocks; `pending` are the remarks that the next step will carry."""

    def __init__(self, *, any_item: bool) -> None:
        self.any_item = any_item
        self.pending: list[tuple[int, str]] = []

    def read(self, blocks: list[Block]) -> Runbook:
        runbook = Runbook()
        under: Heading | None = None
        below: list[Block] = []
        for block in [*blocks, Heading(0, 0, "")]:
            if isinstance(block, Heading) and under is not None and block.level <= under.level:
                runbook.steps += self.heading_step(under, below)
                under, below = None, []
            if under is not None:
                below.append(block)
            elif isinstance(block, Heading) and _is_numbered(block):
                under = block
            elif isinstance(block, Listing) and (self.any_item or _is_numbered(block)):
                runbook.steps += self.items(block)
            elif isinstance(block, Heading) and block.level == 1 and not runbook.title:
                runbook.title = block.text
            elif block.line:
                if not runbook.steps and isinstance(block, Paragraph):
                    runbook.owner = runbook.owner or _owner_line(block.text)
                self.remark(block)
        runbook.remarks = self.pending
        return runbook

    def heading_step(self, heading: Heading, below: list[Block]) -> list[Step | Group]:
        title = _STEP_HEADING.sub("", heading.text, count=1) or heading.text
        return self.step(Item(heading.line, [Paragraph(heading.line, title), *below]))

    def items(self, listing: Listing) -> list[Step | Group]:
        return [step for item in listing.items for step in self.step(item)]

    def step(self, item: Item) -> list[Step | Group]:
        """Make a step of an item; none where it says nothing, a group where it holds steps of its own."""
        step = Step(item.line, "")
        inner: list[Step | Group] = []
        outer_pending, self.pending = self.pending, []
        for block in item.blocks:
            if isinstance(block, Listing) and _is_numbered(block):
                inner += self.items(block)
            else:
                self.add(step, block, "")
        step.remarks, self.pending = outer_pending, self.pending
        if not inner:
            step.remarks += self.pending
            self.pending = []
            if not step.title:
                self.pending = step.remarks
            return [step] if step.title else []
        return [self.group(step, inner)]

    def group(self, step: Step, inner: list[Step | Group]) -> Group:
        group = Group(step.line, step.title or "steps", remarks=step.remarks)
        step.remarks = []
        for child in steps_of(inner):
            if isinstance(child, Step):
                child.owner = child.owner or step.owner
        checks, step.checks = step.checks, []
        if len(step.instructions) > 1:  # it says more than what its steps have in common
            inner.insert(0, step)
        if checks:
            inner.append(Step(step.line, checks[0], list(checks), step.owner, list(checks)))
        group.steps = inner
        return group

    def add(self, step: Step, block: Block, margin: str) -> None:
        """Add what stands below a step to it."""
        match block:
            case Paragraph():
                for line in block.text.splitlines():
                    self.add_line(step, line.strip(), margin)
            case Heading():
                self.add_line(step, block.text.strip(), margin)
            case Code() if block.text.strip():
                step.code.append(block)
                step.title = step.title or "run"
                step.instructions += [f"{margin}{line}".rstrip() for line in block.text.splitlines()]
            case Listing():
                for number, item in enumerate(block.items, start=1):
                    bullet = f"{number}. " if block.ordered else "- "
                    for place, inner in enumerate(item.blocks):
                        self.add(step, inner, margin + (bullet if place == 0 else "  "))

    def add_line(self, step: Step, line: str, margin: str) -> None:
        is_first = not step.title
        text = _BOX.sub("", line, count=1) if is_first else line
        owner = _owner_line(text)
        if owner and not is_first:
            step.owner = step.owner or owner
            return
        text, found = _without_owner(text)
        step.owner = step.owner or found
        if not text:
            return
        if _CHECK.match(text):
            step.checks.append(text)
            if not is_first:
                return
        step.title = step.title or text
        step.instructions.append(margin + text)

    def remark(self, block: Block) -> None:
        match block:
            case Heading() | Paragraph() | Code():
                self.pending.append((block.line, block.text))
            case Listing():
                for item in block.items:
                    for inner in item.blocks:
                        self.remark(inner)


def _owner_line(text: str) -> str:
    match = next(filter(None, (_OWNER_LINE.match(line.strip()) for line in text.splitlines())), None)
    return match[1].strip().lstrip("@")[:NAME_CHARACTERS_MAX].strip() if match else ""


def _without_owner(text: str) -> tuple[str, str]:
    """A line without the team at its end, and whoever it names; a name with an @ stays where it is."""
    team = _TEAM.search(text)
    if team:
        owner = re.sub(r"owner:\s*", "", team[1]).lstrip("@")
        return text[: team.start()].rstrip(), owner
    at = _AT.search(text)
    return text, at[1] if at else ""
