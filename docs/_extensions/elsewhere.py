"""Pages that stand outside of docs/ are read in by pages here; links to them lead to those."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_INCLUDED = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)


def _shown_by(source: Path) -> dict[str, str]:
    """What is read in from outside, and the page that reads it in; both relative to docs/."""
    found = {}
    for page in sorted(source.rglob("*.md")):
        folder = page.parent.relative_to(source)
        for included in _INCLUDED.findall(page.read_text()):
            found[normpath(str(PurePosixPath(folder, included)))] = page.relative_to(source).as_posix()
    return found


def _redirect(text: str, folder: str, to_folder: str, shown_by: dict[str, str]) -> str:
    """Links as they are right in `to_folder`, where the text has them right in `folder`."""

    def changed(link: re.Match[str]) -> str:
        target = normpath(f"{folder}/{link[1]}")
        target = shown_by.get(target, target)
        return f"]({relpath(target, to_folder)}{link[2] or ''})"

    parts, end = [], 0
    for code in _FENCED.finditer(text):
        parts += [_LINK.sub(changed, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(changed, text[end:])])


def setup(app: Sphinx) -> dict[str, bool]:
    """Mend the links of every page as it is read, and of what it reads in."""
    source = Path(app.srcdir)
    shown_by = _shown_by(source)

    def folder_of(name: str | Path) -> str:
        return str(PurePosixPath(name).parent)

    def page_read(_: Sphinx, page: str, content: list[str]) -> None:
        content[0] = _redirect(content[0], folder_of(page), folder_of(page), shown_by)

    def part_read(_: Sphinx, part: Path, _stem: str, content: list[str]) -> None:
        page = app.env.current_document.docname
        content[0] = _redirect(content[0], folder_of(normpath(part)), folder_of(page), shown_by)

    app.connect("source-read", page_read)
    app.connect("include-read", part_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
