"""A runbook's steps: what is to be done, by whom, and what is to be looked at afterwards.

What counts as a step:
- an item of a numbered list, or with a box (`- [ ]`); without any of those, every item of a plain list;
- a heading like `Step 2: Restore` or `2. Restore`, with what stands below it.
A step that holds a numbered list or boxes is a group of steps. Below a step, plain bullets, further paragraphs and
code belong to its instructions; a line that begins with verify, check, confirm, ensure, make sure or expect is its
check; a title is not. The owner is `@name`, `Owner: name`, or a team in brackets at its end: `(DBA)`.
Text between steps is kept as remarks. "If ... then ..." stays text: what decides is for the author to say.

What is for a failure is never the next step: a part `Rollback` or `If it fails` is kept as remarks, and a step "If the
restore fails, ..." is the fallback of the step before it, or a remark where it is not certain that it belongs to it.
"""

from __future__ import annotations

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
    Section,
    read_markdown,
)
from homeostat.authoring.runbook_asides import is_numbered, set_apart, title_of
from homeostat.authoring.runbook_lines import (
    BOX,
    CHECK,
    STEP_HEADING,
    is_aside,
    is_fallback_of,
    is_for_failure,
    is_owner_alone,
    owner_line,
    without_owner,
)
from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.policy.plan import NODES_MAX
from homeostat.sense.excerpt import excerpt

_ASIDE = (
    "Only for a failure, and so no step here: write it as the `fallback` of the step it belongs to, or as an `undo`."
)
FALLBACKS_MAX = 3
"""Of one another; what is to be done after so many failures is kept as a comment."""


@dataclass(slots=True)
class Step:
    """One thing that a person does.

    Attributes:
        line: where it is written. remarks: what stood before it, as (line, text).
        code: the code blocks below it; they are part of the instructions too.
        fallback: what is done when it fails.
    """

    line: int
    title: str
    instructions: list[str] = field(default_factory=list)
    owner: str = ""
    checks: list[str] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    fallback: Step | Group | None = None


@dataclass(slots=True)
class Group:
    """Steps that belong together."""

    line: int
    title: str
    steps: list[Step | Group] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    fallback: Step | Group | None = None


@dataclass(slots=True)
class Runbook:
    """A runbook.

    Attributes:
        owner: who its opening lines name, or else a line `Contact @name` between its steps.
        remarks: what stands after the last step.
        asides: what is for a failure and became no step, as (line, title); it is among the remarks.
    """

    title: str = ""
    owner: str = ""
    steps: list[Step | Group] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    asides: list[tuple[int, str]] = field(default_factory=list)


def read_runbook(text: str, file: str) -> Runbook:
    """Read a runbook.

    Raises:
        PolicyError: it is too long, holds no step, or more than a policy may have.
    """
    if len(text) > CHARACTERS_MAX:
        raise PolicyError([Problem(Position(file, 1, 1), "E100", f"longer than {CHARACTERS_MAX} characters")])
    blocks = set_apart(read_markdown(text))
    reader = _Reader(any_item=not any(is_numbered(block) for block in _all(blocks)))
    runbook = reader.read(blocks)
    count = 0
    for step in steps_of(runbook.steps):
        count += 1
        if count > NODES_MAX:
            raise PolicyError([Problem(Position(file, step.line, 1), "E152", f"more than {NODES_MAX} steps")])
    if not count:
        if runbook.asides:
            line, title = runbook.asides[0]
            only = (
                f"all that could be steps is for a failure, below '{excerpt(title, 60)}'; give the part another title"
            )
            raise PolicyError([Problem(Position(file, line, 1), "E111", only)])
        wanted = "a numbered list, a list with boxes (- [ ]), or headings like '## Step 1: ...'"
        raise PolicyError([Problem(Position(file, 1, 1), "E111", f"no steps were found; they are {wanted}")])
    return runbook


def steps_of(steps: list[Step | Group]) -> Iterator[Step | Group]:
    """All steps and groups, in order, fallbacks included."""
    for step in steps:
        yield step
        if isinstance(step, Group):
            yield from steps_of(step.steps)
        if step.fallback is not None:
            yield from steps_of([step.fallback])


def _all(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Listing):
            for item in block.items:
                yield from _all(item.blocks)


class _Reader:
    """Goes through a runbook's blocks; `pending` are the remarks of the next step."""

    def __init__(self, *, any_item: bool) -> None:
        self.any_item = any_item
        self.pending: list[tuple[int, str]] = []
        self.asides: list[tuple[int, str]] = []

    def read(self, blocks: list[Block]) -> Runbook:
        runbook = Runbook()
        under: Heading | None = None
        below: list[Block] = []
        for block in [*blocks, Heading(0, 0, "")]:
            if isinstance(block, Heading | Section) and under is not None and block.level <= under.level:
                runbook.steps += self.heading_step(under, below)
                under, below = None, []
            if under is not None:
                below.append(block)
            elif isinstance(block, Heading) and is_numbered(block):
                under = block
            elif isinstance(block, Listing) and (self.any_item or is_numbered(block)):
                runbook.steps += self.items(block)
            elif isinstance(block, Heading) and block.level == 1 and not runbook.title:
                runbook.title = block.text
            elif block.line:
                if isinstance(block, Paragraph):
                    runbook.owner = runbook.owner or owner_line(block.text)
                self.remark(block)
        runbook.remarks, runbook.asides = self.pending, self.asides
        return runbook

    def heading_step(self, heading: Heading, below: list[Block]) -> list[Step | Group]:
        title = STEP_HEADING.sub("", heading.text, count=1) or heading.text
        return self.step(Item(heading.line, [Paragraph(heading.line, title), *below]))

    def items(self, listing: Listing) -> list[Step | Group]:
        steps: list[Step | Group] = []
        for item in listing.items:
            title = title_of(item)
            if self.is_fallback(title, steps):
                *_, failing = _chain(steps[-1])
                failing.fallback = next(iter(self.step(item)), None)
            elif is_for_failure(title) or is_aside(title, is_step=True):
                self.remark(Section(item.line, 0, item.text, item.blocks[1:]))
            else:
                steps += self.step(item)
        return steps

    def is_fallback(self, title: str, steps: list[Step | Group]) -> bool:
        """Whether a line certainly says what to do when the last of `steps` has failed."""
        if not steps or not is_for_failure(title):
            return False
        chain = list(_chain(steps[-1]))
        return len(chain) <= FALLBACKS_MAX and is_fallback_of(title, _said(chain[-1]), only_pointing=len(chain) > 1)

    def step(self, item: Item) -> list[Step | Group]:
        """Make a step of an item; none where it says nothing, a group where it holds steps."""
        step = Step(item.line, "")
        inner: list[Step | Group] = []
        outer_pending, self.pending = self.pending, []
        for block in item.blocks:
            if isinstance(block, Section):
                self.remark(block)
            elif isinstance(block, Listing) and is_numbered(block):
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
        text = BOX.sub("", line, count=1) if is_first else line
        if not is_first:
            step.owner = step.owner or owner_line(text)
            if is_owner_alone(text):
                return
        text, found = without_owner(text)
        step.owner = step.owner or found
        if not text:
            return
        if CHECK.match(text) and not is_first:
            step.checks.append(text)
            return
        step.title = step.title or text
        step.instructions.append(margin + text)

    def remark(self, block: Block) -> None:
        match block:
            case Heading() | Paragraph() | Code():
                self.pending.append((block.line, block.text))
            case Section():
                self.asides.append((block.line, block.text))
                self.pending.append((block.line, f"{block.text}\n{_ASIDE}"))
                for inner in block.blocks:
                    self.remark(inner)
            case Listing():
                for item in block.items:
                    for inner in item.blocks:
                        self.remark(inner)


def _chain(step: Step | Group) -> Iterator[Step | Group]:
    """A step, its fallback, the fallback's fallback, and so on."""
    here: Step | Group | None = step
    while here is not None:
        yield here
        here = here.fallback


def _said(step: Step | Group) -> str:
    """All that a step says."""
    inner = [_said(child) for child in step.steps] if isinstance(step, Group) else step.instructions
    return "\n".join([step.title, *inner])
