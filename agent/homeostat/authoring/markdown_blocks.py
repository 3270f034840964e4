"""A Markdown text as blocks with their lines: headings, paragraphs, code and lists, nested as they were written.

The block structure is CommonMark's, by markdown-it-py; what stands inside a line is left as it is but for links and
bold. Tables and HTML come out as paragraphs, quotes as what they quote. Twenty levels of nesting are followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

CHARACTERS_MAX = 256 * 1024

_LINK = re.compile(r"!?\[([^\]\[]*)\]\(([^()\s]*)\)")
_BOLD = re.compile(r"\*\*([^*]+)\*\*|__([^_]+)__")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6."""

    line: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code block and the language it says it is in."""

    line: int
    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list, with everything inside it."""

    line: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its first paragraph, where it begins with one."""
        first = self.blocks[0] if self.blocks else None
        return first.text if isinstance(first, Paragraph) else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    line: int
    ordered: bool
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Section:
    """A title with what stands below it, as one block. `read_markdown` gives none; who reads its blocks may."""

    line: int
    level: int
    text: str
    blocks: list[Block] = field(default_factory=list)


Block = Heading | Paragraph | Code | Listing | Section


def read_markdown(text: str) -> list[Block]:
    """Give the blocks of a text of at most `CHARACTERS_MAX` characters. Lines count from 1."""
    # Without the inline rules: their time grows with the square of the length where brackets never close.
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)
    blocks: list[Block] = []
    open_lists: list[list[Block]] = [blocks]
    listings: list[Listing] = []
    for place, token in enumerate(tokens):
        line = token.map[0] + 1 if token.map else 0
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                listing = Listing(line, ordered=token.type.startswith("ordered"))
                open_lists[-1].append(listing)
                listings.append(listing)
            case "bullet_list_close" | "ordered_list_close":
                listings.pop()
            case "list_item_open":
                item = Item(line)
                listings[-1].items.append(item)
                open_lists.append(item.blocks)
            case "list_item_close":
                open_lists.pop()
            case _:
                block = _block(tokens, place, line)
                if block is not None:
                    open_lists[-1].append(block)
    return blocks


def _block(tokens: Sequence[Token], place: int, line: int) -> Block | None:
    token = tokens[place]
    match token.type:
        case "inline":
            opened = tokens[place - 1]
            text = _plain(token.content)
            return Heading(line, int(opened.tag[1:]), text) if opened.type == "heading_open" else Paragraph(line, text)
        case "fence" | "code_block":
            return Code(line, token.content.rstrip(), token.info.split(" ")[0].strip().lower())
        case "html_block":
            return Paragraph(line, token.content.strip())
        case _:
            return None


def _plain(text: str) -> str:
    """Text without bold, and with links written out."""
    linked = _LINK.sub(lambda match: f"{match[1]} <{match[2]}>" if match[2] != match[1] else match[2], text)
    return _BOLD.sub(lambda match: match[1] or match[2], linked)
