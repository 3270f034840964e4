"""A report as Markdown with tables (GitHub's flavour). All text is escaped, and no more of it than has to be."""

from __future__ import annotations

import re

from homeostat.app.review.report import Report, Section, visible

_ALWAYS = r"[\\`*\[|~$#]"
_UNDERSCORE = r"(?<![^\W_])_|_(?![^\W_])"
"""Between letters and digits it is not emphasis: ids stay as they are."""
_TAG = r"<(?=[a-zA-Z/!?])"
_ENTITY = r"&(?=#?\w{1,40};)"
_LINK = r":(?=//)|(?<=[wW]{3})\.|@(?=[\w-]+\.)"
"""What GitHub would make a link of without being asked."""
_MARKUP = re.compile("|".join((_ALWAYS, _UNDERSCORE, _TAG, _ENTITY, _LINK)))
_BLOCK = re.compile(r"^(\d{0,9})([-+=>.)])")
_LINE_ENDS = re.compile(r"\s*\n\s*")


def as_markdown(report: Report) -> str:
    """Render it."""
    sections = (_section(section) for section in report.sections)
    return "\n\n".join([f"# {plain(report.title)}", paragraph(report.summary), *sections]) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}"]
    if section.note:
        parts.append(paragraph(section.note))
    if section.rows:
        heads = section.columns or tuple("" for _ in section.rows[0])
        lines = [heads, tuple("---" for _ in heads), *(tuple(map(plain, row)) for row in section.rows)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """The text so that Markdown shows it as it is inside a line; lines of it are put apart by semicolons."""
    return _MARKUP.sub(r"\\\g<0>", _LINE_ENDS.sub("; ", visible(text).strip()))


def paragraph(text: str) -> str:
    """The text so that it stands on a line of its own and is neither a list, nor a quotation, nor a heading."""
    return _BLOCK.sub(r"\1\\\2", plain(text))
