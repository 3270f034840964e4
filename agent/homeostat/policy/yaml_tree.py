"""YAML text to plain data in which every value knows its position.

Built on PyYAML's event stream with our own constructor, because `safe_load` reads YAML 1.1 (`on` is True, `1:30` is
90), keeps the last of two equal keys and forgets where things stood. Accepted is a small, plain YAML 1.2: the core
schema's scalars (YAML 1.2.2, section 10.3), text keys, one document; no tags, no anchors or aliases, no merge keys.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import yaml

from homeostat.model.errors import Position, Problem

BYTES_MAX = 1024 * 1024
DEPTH_MAX = 50
VALUES_MAX = 50_000
PROBLEMS_MAX = 100
"""Of one file, or of one part of it, no more are told; who has so many corrects some and looks again."""
NUMBER_CHARACTERS_MAX = 40
INTEGER_MAX = 2**53
"""Beyond this a JSON reader may change an integer's value (RFC 8259, section 6)."""

Path = tuple[str | int, ...]
"""Where a value is: mapping keys and list indices from the root."""

Data = str | int | float | bool | list["Data"] | dict[str, "Data"] | None

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Document:
    """One file's data and positions.

    Attributes:
        data: the root value; None when the file could not be read as YAML.
        positions: of every value, by path. keys: of every mapping key, by the path of its value.
        problems: everything wrong with the file as YAML.
    """

    file: str
    text: str
    data: Data = None
    positions: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def at(self, path: Path) -> Position:
        """The position of the value at `path`, or of the nearest thing around it."""
        while path not in self.positions and path:
            path = path[:-1]
        return self.positions.get(path, Position(self.file, 1, 1))

    def key_at(self, path: Path) -> Position:
        """The position of the key whose value is at `path`; of the value where it has no key."""
        return self.keys.get(path) or self.at(path)

    def inside(self, path: Path, offset: int) -> Position | None:
        """The position of a character of the text at `path`; None where it is not written out on one line."""
        at = self.at(path)
        value: Data = self.data
        for part in path:
            if isinstance(value, dict) and part in value:
                value = value[str(part)]
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        lines = self.text.splitlines()
        if not isinstance(value, str) or at.line > len(lines):
            return None
        for quote in (0, 1):
            if lines[at.line - 1].startswith(value, at.column - 1 + quote):
                return Position(self.file, at.line, at.column + quote + offset)
        return None


def read_yaml(text: str, file: str) -> Document:
    """Read one document. Never raises: what is wrong is in `Document.problems`.

    Duplicate keys leave `data` in place, so that the rest can still be checked; anything worse leaves it None.
    """
    document = Document(file, text)
    builder = _Builder(document)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _Stopped:
        pass
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error, document))
    except (RecursionError, ValueError) as error:
        document.problems.append(Problem(Position(file, 1, 1), "E101", f"this is not YAML text: {error}"))
    if any(problem.code != "E103" for problem in document.problems):
        document.data = None
    elif document.data is None:
        document.problems.append(Problem(Position(file, 1, 1), "E100", "the file is empty"))
    return document


class _Stopped(Exception):
    """Nothing more can be made of the file; the reason is noted."""


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet. `key` is the mapping key that waits for its value."""

    path: Path
    value: list[Data] | dict[str, Data]
    key: str | None = None


class _Builder:
    """Folds events into a document. Works with a stack of its own, so that depth costs no recursion."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.stack: list[_Open] = []
        self.documents = 0
        self.values = 0

    def take(self, event: yaml.Event) -> None:
        """Take in one event."""
        match event:
            case yaml.DocumentStartEvent():
                self.start_document(event)
            case yaml.AliasEvent():
                alias = _short(str(event.anchor))
                self.problem(event, "E102", f"aliases are not allowed (*{alias}); repeat the value instead")
                raise _Stopped
            case yaml.ScalarEvent():
                self.check_plain(event)
                self.scalar(event)
            case yaml.MappingStartEvent():
                self.check_plain(event)
                self.open(event, {})
            case yaml.SequenceStartEvent():
                self.check_plain(event)
                self.open(event, [])
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.stack.pop()

    def start_document(self, event: yaml.DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            self.problem(event, "E102", "a second document begins here; a file holds one")
            raise _Stopped
        if event.tags:
            self.problem(event, "E102", "%TAG directives are not allowed")

    def check_plain(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self.problem(event, "E102", f"anchors are not allowed (&{_short(event.anchor)}); repeat the value instead")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self.problem(event, "E102", f"tags are not allowed ({_short(tag)})")

    def waiting_for_key(self) -> _Open | None:
        """The innermost mapping, if a key comes next in it."""
        top = self.stack[-1] if self.stack else None
        return top if top is not None and isinstance(top.value, dict) and top.key is None else None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        mapping = self.waiting_for_key()
        if mapping is not None:
            self.take_key(event, mapping)
            return
        value: Data = event.value
        if not event.style:
            try:
                value = _resolve(event.value)
            except ValueError as error:
                self.problem(event, "E112", str(error))
        self.place(event, value)

    def take_key(self, event: yaml.ScalarEvent, mapping: _Open) -> None:
        key: str = event.value
        if not event.style:
            if key == "<<":
                self.problem(event, "E102", "merge keys are not allowed (<<); write the keys out")
            elif not _is_plain_text(key):
                self.problem(event, "E112", f"the key {_short(key)} is not text; put it in quotes")
        path = (*mapping.path, key)
        if key in mapping.value:
            first = self.document.keys[path]
            self.problem(event, "E103", f"the key '{_short(key)}' is here twice; first at line {first.line}")
        mapping.key = key
        self.document.keys[path] = self.position(event)

    def open(self, event: yaml.CollectionStartEvent, value: list[Data] | dict[str, Data]) -> None:
        if self.waiting_for_key() is not None:
            self.problem(event, "E112", "a key is text, not a list or a mapping")
            raise _Stopped
        if len(self.stack) >= DEPTH_MAX:
            self.problem(event, "E104", f"nested deeper than {DEPTH_MAX}")
            raise _Stopped
        self.stack.append(_Open(self.place(event, value), value))

    def place(self, event: yaml.NodeEvent, value: Data) -> Path:
        """Put a value where it belongs and give its path."""
        self.values += 1
        if self.values > VALUES_MAX:
            self.problem(event, "E104", f"more than {VALUES_MAX} values")
            raise _Stopped
        path: Path = ()
        if not self.stack:
            self.document.data = value
        else:
            top = self.stack[-1]
            if isinstance(top.value, list):
                path = (*top.path, len(top.value))
                top.value.append(value)
            elif top.key is not None:
                path = (*top.path, top.key)
                top.value[top.key] = value
                top.key = None
        self.document.positions[path] = self.position(event)
        return path

    def position(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        return Position(self.document.file, line + 1, column + 1)

    def problem(self, event: yaml.Event, code: str, message: str) -> None:
        if len(self.document.problems) == PROBLEMS_MAX:
            code, message = "E104", f"more than {PROBLEMS_MAX} problems"
        self.document.problems.append(Problem(self.position(event), code, message))
        if len(self.document.problems) > PROBLEMS_MAX:
            raise _Stopped


def _resolve(text: str) -> str | int | float | bool | None:
    """Give a plain scalar its value by the core schema.

    Raises:
        ValueError: it is a number that JSON could not carry.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    is_int = _INT.fullmatch(text) is not None
    if not is_int and _FLOAT.fullmatch(text) is None:
        if _NOT_FINITE.fullmatch(text):
            raise ValueError(f"{text} is not a finite number")
        return text
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise ValueError(f"the number {_short(text)} is too long")
    number = _integer(text) if is_int else float(text)
    if not math.isfinite(number) or (is_int and abs(number) > INTEGER_MAX):
        raise ValueError(f"the number {text} is too large")
    return number


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _is_plain_text(key: str) -> bool:
    try:
        return isinstance(_resolve(key), str)
    except ValueError:
        return False


def _syntax_problem(error: yaml.YAMLError, document: Document) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        line, column = (mark.line, mark.column) if mark else (0, 0)
        lines = document.text.splitlines()
        if line < len(lines) and lines[line][column : column + 1] == "\t":
            said += "; indent with spaces, not tabs"
        elif "flow" in (error.context or "") and "expected ','" in (error.problem or ""):
            said += "; put text with braces, commas or colons in quotes"
        return Problem(Position(document.file, line + 1, column + 1), "E101", f"not YAML: {said}")
    if isinstance(error, yaml.reader.ReaderError):
        before = document.text[: error.position]
        ends = [found.end() for found in _LINE_BREAK.finditer(before)]
        line, column = len(ends) + 1, len(before) - (ends[-1] if ends else 0) + 1
        number = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"not YAML text: the character U+{number:04X} is not allowed"
        return Problem(Position(document.file, line, column), "E101", message)
    return Problem(Position(document.file, 1, 1), "E101", f"not YAML: {_short(str(error))}")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
