"""Sets apart what a runbook holds for a failure: `## Rollback` and all below it becomes one `Section`."""

from __future__ import annotations

from homeostat.authoring.markdown_blocks import Block, Code, Heading, Item, Listing, Paragraph, Section
from homeostat.authoring.runbook_lines import BOX, STEP_HEADING, is_aside, takes_back


def set_apart(blocks: list[Block]) -> list[Block]:
    """Give the blocks with every part for a failure as one `Section`.

    A heading takes what stands below it up to the next of its level; a line `Rollback:` the lists and code that follow.
    In a runbook whose own title is about taking back, headings of that kind are its steps.
    """
    first = blocks[0] if blocks else None
    is_rollback = isinstance(first, Heading) and first.level == 1 and takes_back(first.text)
    return _set_apart(blocks, is_rollback=is_rollback, is_top=True)


def title_of(item: Item) -> str:
    """The first line of an item, without its box."""
    first, _, _ = BOX.sub("", item.text, count=1).partition("\n")
    return first.strip()


def is_numbered(block: Block) -> bool:
    """Whether a block says by itself that it is steps."""
    if isinstance(block, Heading):
        return block.level > 1 and STEP_HEADING.match(block.text) is not None
    return isinstance(block, Listing) and (block.ordered or any(BOX.match(item.text) for item in block.items))


def _set_apart(blocks: list[Block], *, is_rollback: bool, is_top: bool = False) -> list[Block]:
    found: list[Block] = []
    section: Section | None = None
    for place, block in enumerate(blocks):
        if section is not None and _ends(section, block):
            section = None
        if section is not None:
            section.blocks.append(block)
            continue
        is_title = place == 0 and isinstance(block, Heading if is_top else Paragraph)
        section = None if is_title else _begun(block, is_rollback=is_rollback)
        if section is not None:
            found.append(section)
        elif isinstance(block, Listing):
            items = [Item(item.line, _set_apart(item.blocks, is_rollback=is_rollback)) for item in block.items]
            found.append(Listing(block.line, block.ordered, items))
        else:
            found.append(block)
    return found


def _begun(block: Block, *, is_rollback: bool) -> Section | None:
    """The section that a block begins, if it does."""
    if isinstance(block, Heading):
        title = STEP_HEADING.sub("", block.text, count=1)
        is_step = is_numbered(block)
    elif isinstance(block, Paragraph) and block.text.rstrip().endswith(":"):
        title, is_step = block.text, True
    else:
        return None
    if not is_aside(title, is_step=is_step) or (is_rollback and takes_back(title)):
        return None
    return Section(block.line, block.level if isinstance(block, Heading) else 0, block.text)


def _ends(section: Section, block: Block) -> bool:
    if section.level:
        return isinstance(block, Heading) and block.level <= section.level
    return not isinstance(block, Listing | Code)
