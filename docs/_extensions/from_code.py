"""Reference pages that the code itself says: settings, metrics and the console's API."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_METRICS = ("counter", "gauge", "histogram", "summary", "info")
_METRICS_START = "homeostat_"
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_STAR = re.compile(r"(?<!\*)\*(?!\*)")
_NAME_AND_MEANING = 2
"""Where a metric's labels stand among the arguments: after its name and its help."""


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in row) + " |"
    yield ""


def _toml(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f'`"{value.value}"`'
        case str() | Path():
            return f'`"{value}"`'
        case list() | tuple() | dict() if not value:
            return "empty"
        case float():
            return f"`{value:g}`" if value < 1e6 else f"`{value:.0f}`"
        case _:
            return f"`{value}`"


def _kind(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f'`"{one.value}"`' for one in annotation)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", type(None): ""}
    if isinstance(annotation, type) and annotation in names:
        return names[annotation]
    arguments = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if get_origin(annotation) is Annotated:
        return _kind(arguments[0])
    if origin is list or origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if isinstance(origin, type) and arguments:
        return f"table of {_kind(arguments[-1])}"
    if arguments and all(isinstance(one, str) for one in arguments):
        return " or ".join(f'`"{one}"`' for one in arguments)
    return " or ".join(filter(None, map(_kind, arguments))) or "table"


def _bounds(metadata: list[Any]) -> str:
    said = []
    for name, word in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        said += [f"{word} {getattr(one, name):g}" for one in metadata if getattr(one, name, None) is not None]
    return ", ".join(said)


def _rows(table: type) -> list[tuple[str, ...]]:
    """Name, default, kind and bounds of every key of a settings table."""
    if is_dataclass(table):
        kinds = inspect.get_annotations(table, eval_str=True)
        return [
            (
                f"`{one.name}`",
                _toml(one.default if one.default is not MISSING else None if one.default_factory is MISSING else {}),
                _kind(kinds[one.name]),
                "",
            )
            for one in fields(table)
        ]
    return [
        (
            f"`{name}`",
            "**required**" if one.is_required() else _toml(one.get_default(call_default_factory=True)),
            _kind(one.annotation),
            _bounds(one.metadata),
        )
        for name, one in table.model_fields.items()
        if not _tables_in(one.annotation)
    ]


def _tables_in(annotation: object) -> list[type]:
    """The settings tables that an annotation speaks of."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return [annotation]
    return [table for one in get_args(annotation) for table in _tables_in(one)]


def _said(table: type) -> Iterator[str]:
    """A table's docstring; what it says of its attributes becomes a list."""
    text, _, attributes = (inspect.getdoc(table) or "").partition("\nAttributes:\n")
    yield text
    yield ""
    for line in attributes.partition("\nRaises:")[0].splitlines():
        if line.startswith("    ") and not line.startswith("        "):
            name, _, meaning = line.strip().partition(": ")
            yield f"- {', '.join(f'`{one}`' for one in name.split(', '))}: {meaning}"
        elif line.strip():
            yield f"  {line.strip()}"
    yield ""


def settings() -> Iterator[str]:
    """Every table of homeostat.toml."""
    from homeostat.app.settings import Settings

    def walk(table: type, path: str, *, in_list: bool = False) -> Iterator[str]:
        rows = _rows(table)
        if path:
            yield f"## `[[{path}]]`" if in_list else f"## `[{path}]`"
            yield ""
            yield from _said(table)
            if rows:
                yield from _table(("key", "default", "value", "bounds"), rows)
        for name, one in getattr(table, "model_fields", {}).items():
            below = f"{path}.{name}" if path else name
            for inner in _tables_in(one.annotation):
                kind = get_origin(one.annotation)
                yield from walk(inner, f"{below}.NAME" if kind is dict else below, in_list=kind is list)

    yield from walk(Settings, "")


def _declared(node: ast.AST) -> tuple[str, str, str, str] | None:
    """The metric that a call declares, whichever of the ways to do so it is: name, kind, labels, meaning."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    kind = next((kind for kind in _METRICS if kind in node.func.id.lower()), "counter")
    texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if len(texts) < _NAME_AND_MEANING or not texts[0].startswith(_METRICS_START):
        return None
    listed = [one for one in (*node.args, *(it.value for it in node.keywords if it.arg == "labels")) if _is_list(one)]
    labels = ast.literal_eval(listed[0]) if listed else texts[_NAME_AND_MEANING:]
    name = f"{texts[0]}_total" if kind == "counter" else texts[0]
    return f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), texts[1]


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple) and all(isinstance(one, ast.Constant) for one in node.elts)


def metrics() -> Iterator[str]:
    """Every metric that the agent serves, as its source declares it."""
    import homeostat

    found = set()
    for path in sorted(Path(homeostat.__file__).parent.rglob("*.py")):
        if "rig" in path.parts or "sandbox" in path.parts:
            continue  # the metrics of what drills break, and not the agent's
        text = path.read_text()
        if _METRICS_START in text:  # to parse all the others takes seconds
            found |= {row for node in ast.walk(ast.parse(text)) if (row := _declared(node))}
    yield from _table(("metric", "kind", "labels", "meaning"), sorted(found))


def api() -> Iterator[str]:
    """Every operation of the console's API."""
    from homeostat.app.settings import Settings
    from homeostat.console.app import console

    with TemporaryDirectory() as folder:  # the console keeps its key in the state folder
        gated = console(Settings(root=Path(folder)), frozenset)
        document = gated._app.openapi()  # noqa: SLF001 - nothing else hands the document out without a server
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"## {method.upper()} `{path}`"
            yield ""
            yield str(operation.get("description") or operation.get("summary") or "")
            yield ""
            given = [
                (f"`{one['name']}`", one["in"], "yes" if one.get("required") else "no", _schema(one.get("schema", {})))
                for one in operation.get("parameters", [])
            ]
            body = operation.get("requestBody", {}).get("content", {})
            for content, said in body.items():
                given += _body(content, said.get("schema", {}), document)
            if given:
                yield from _table(("parameter", "in", "required", "value"), given)
            answers = [(f"`{code}`", str(said.get("description", ""))) for code, said in operation["responses"].items()]
            yield from _table(("answer", "meaning"), answers)


def _schema(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(_schema, schema["anyOf"]))
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    kind = str(schema.get("type", "any"))
    if kind == "array":
        kind = f"array of {_schema(schema.get('items', {}))}"
    return ", ".join([kind, *bounds])


_BOUNDS = {"minimum": "at least", "maximum": "at most", "minLength": "length at least", "maxLength": "length at most"}


def _body(content: str, schema: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, ...]]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    where = f"body, {content}"
    return [
        (f"`{name}`", where, "yes" if name in required else "no", _schema(one))
        for name, one in schema.get("properties", {}).items()
    ]


def _directive(source: Callable[[], Iterator[str]]) -> type[SphinxDirective]:
    class FromCode(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes("\n".join(source()), allow_section_headings=True)

    return FromCode


def _as_rst(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Help texts are plain: what stands between backticks is code there, and a star is a star."""
    for number, line in enumerate(lines):
        if not line.startswith(".. "):
            lines[number] = _STAR.sub(r"\\*", _CODE.sub(r"``\1``", line))


def setup(app: Sphinx) -> dict[str, bool]:
    """Name the directives, and lexers for what is shown as it is written."""
    from pygments.lexers.special import TextLexer

    for source in (settings, metrics, api):
        app.add_directive(f"{source.__name__}-from-code", _directive(source))
    for plain in ("mermaid", "csv"):
        app.add_lexer(plain, TextLexer)
    app.setup_extension("sphinx_click")
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", _as_rst)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
