"""From pydantic's errors to problems at positions, in words an author can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.policy.condition_scanner import Fault
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.parts import Part
from homeostat.policy.yaml_tree import PROBLEMS_MAX, Document, Path

P = TypeVar("P", bound=Part)

_WANTED = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
}
_QUOTED = re.compile(r"'([^']*)'")
_KEY = re.compile(r"[\w.-]+", re.ASCII)


def validated(
    schema: type[P], data: object, document: Document, path: Path, context: ValidationContext
) -> P | list[Problem]:
    """Validate the data at `path` of a document; give the model, or every problem with it.

    A key with nothing behind it is a problem and never a default: `if:` left empty must not lift a condition.
    """
    found = list(_empty_values(schema, data, document, path))
    empty = {problem.position for problem in found}
    try:
        fields = schema.model_validate(data, context=context)
    except ValidationError as error:
        for details in error.errors(include_url=False)[:PROBLEMS_MAX]:
            problems = _problems(details, schema, data, document, path)
            found.extend(problem for problem in problems if problem.position not in empty)
    else:
        if not found:
            return fields
    return list(dict.fromkeys(found))


def _empty_values(schema: type[BaseModel], data: object, document: Document, path: Path) -> Iterator[Problem]:
    if not isinstance(data, dict):
        return
    for key, is_required, nested in _fields_of(schema):
        if key not in data:
            continue
        if data[key] is None and not is_required:
            message = f"'{key}' has no value; give it one or leave the key out"
            yield Problem(document.at((*path, key)), "E112", message)
        elif nested is not None:
            yield from _empty_values(nested, data[key], document, (*path, key))


@cache
def _fields_of(schema: type[BaseModel]) -> list[tuple[str, bool, type[BaseModel] | None]]:
    """Per field: its key, whether it must be there, and the model in it. The same for every step of a kind."""
    return [
        (field.alias or name, field.is_required(), _model_in(field.annotation))
        for name, field in schema.model_fields.items()
    ]


def condition_problems(faults: Iterable[Fault], document: Document, path: Path) -> list[Problem]:
    """Give a condition's faults their places in the file."""
    problems = []
    for fault in faults:
        exact = document.inside(path, fault.column)
        where = "" if exact or fault.column == 0 else f" (character {fault.column + 1} of the condition)"
        problems.append(Problem(exact or document.at(path), fault.code, fault.message + where))
    return problems


def _problems(
    details: ErrorDetails, schema: type[BaseModel], data: object, document: Document, base: Path
) -> list[Problem]:
    place = _existing(details["loc"], data)
    kind, context = details["type"], details.get("ctx", {})
    if "faults" in context:
        return condition_problems(context["faults"], document, base + place)
    if kind == "missing":
        message = f"the key '{details['loc'][-1]}' is missing"
        return [Problem(document.at(base + place), "E111", message)]
    if kind == "extra_forbidden":
        code, message = _unknown_key(str(place[-1]) if place else "", _keys_at(schema, details["loc"][:-1]))
        return [Problem(document.key_at(base + place), code, message)]
    code = kind if re.fullmatch(r"E\d{3}", kind) else "E112"
    message = str(context["message"]) if code == kind else _wrong_value(kind, details, schema)
    return [Problem(document.at(base + place), code, message)]


def _existing(loc: Sequence[str | int], data: object) -> Path:
    """Keep what of pydantic's location is in the data; the tags of unions are not, nor are missing keys."""
    path: Path = ()
    for part in loc:
        here = data if isinstance(data, dict) else dict(enumerate(data)) if isinstance(data, list) else {}
        if part in here:
            data = here[part]
            path = (*path, part)
    return path


def _unknown_key(key: str, known: Sequence[str]) -> tuple[str, str]:
    hint = did_you_mean(key, known)
    if not _KEY.fullmatch(key):
        hint = "; if it belongs to the value before it, put that whole value in quotes"
    elif not hint:
        hint = f"; the keys here are {', '.join(known)}"
    return "E110", f"unknown key {shown(key)}{hint}"


def _keys_at(schema: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that the mapping at `loc` may have."""
    return _keys_of(_schema_at(schema, loc))


def _keys_of(schema: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in schema.model_fields.items()]


def _schema_at(schema: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """The innermost model on the way to `loc`; `schema` itself where there is none."""
    for part in loc:
        for name, field in schema.model_fields.items():
            inner = _model_in(field.annotation) if part == (field.alias or name) else None
            if inner is not None:
                schema = inner
    return schema


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _wrong_value(kind: str, details: ErrorDetails, schema: type[BaseModel]) -> str:
    value, context = details["input"], details.get("ctx", {})
    wanted = _schema_at(schema, details["loc"])
    if kind == "model_type" and wanted is not schema:
        return f"a mapping {{{', '.join(_keys_of(wanted))}}} is wanted, not {shown(value)}"
    if kind in _WANTED:
        return f"{_WANTED[kind]} is wanted, not {shown(value)}"
    if kind in ("literal_error", "enum"):
        allowed = _QUOTED.findall(str(context["expected"]))
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        if allowed == ["none"]:
            keys = "do, with, timeout" if "undo" in details["loc"] else "if, for, within, settle"
            return f"a mapping {{{keys}}} or none is wanted, not {shown(value)}"
        return f"{shown(value)} will not do: it is one of {', '.join(allowed)}{hint}"
    if kind in ("less_than_equal", "greater_than_equal"):
        bound = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
        return f"{shown(value)} will not do: it is {bound}"
    return f"{shown(value)} will not do: {details['msg'].lower()}"
