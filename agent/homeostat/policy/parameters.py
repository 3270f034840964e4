"""Parameters: values that differ by environment, put in whole where `{param: name}` stands.

There is no template language: a parameter is a whole value, never part of a text. In conditions a parameter's name is
a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Scalar
from homeostat.policy.condition_parser import Constants
from homeostat.policy.fields import SIGNAL_NAME_PATTERN, TEXT_MAX, ValidationContext, is_number, shown
from homeostat.policy.parts import Part
from homeostat.policy.schema_errors import validated
from homeostat.policy.units import parse_duration, parse_quantity
from homeostat.policy.yaml_tree import Data, Document, Path

REFERENCE = "param"
"""The one key of a mapping that stands for a parameter's value."""

_NO_CONTEXT = ValidationContext(signals=None)
_NOT_SUBSTITUTED = frozenset({"parameters", "environments", "procedures"})


class ParameterDeclaration(Part):
    """A parameter with its type. Without a `default` every environment gives a value."""

    type: Literal["percent", "integer", "number", "text", "boolean", "duration"]
    default: Annotated[Any, Field()] = None


@dataclass(frozen=True, slots=True)
class Parameters:
    """Values by name. `environment` is the one they were taken from; None where the policy has none."""

    values: Mapping[str, Scalar] = field(default_factory=dict)
    environment: str | None = None

    @property
    def constants(self) -> Constants:
        """What conditions may name: numbers, quantities like `5%`, and texts."""
        return constants_of(self.values)


def constants_of(values: Mapping[str, Scalar]) -> dict[str, float | str]:
    """Give values the form conditions read: a text that is a quantity becomes its number."""
    constants: dict[str, float | str] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, str):
            try:
                constants[name] = parse_quantity(value)
            except ValueError:
                constants[name] = value
        else:
            constants[name] = float(value)
    return constants


def read_parameters(
    data: Mapping[str, Data], document: Document, environment: str | None
) -> tuple[Parameters, list[Problem]]:
    """Read a policy's `parameters` and the values that `environment` gives them."""
    problems: list[Problem] = []
    declared = _mapping(data.get("parameters"), document, ("parameters",), problems)
    environments = _mapping(data.get("environments"), document, ("environments",), problems)
    types: dict[str, str] = {}
    values: dict[str, Scalar] = {}
    for name, declaration in declared.items():
        problems += _declare(name, declaration, document, types, values)
    for name, given in environments.items():
        path = ("environments", name)
        for key, value in _mapping(given, document, path, problems).items():
            fault = (
                _fault(value, types[key])
                if key in types
                else f"no parameter is named '{key}'{did_you_mean(key, types)}"
            )
            if fault is not None:
                problems.append(Problem(document.at((*path, key)), "E160", fault))
    if environment is not None and environments and environment not in environments:
        hint = did_you_mean(environment, environments) or f"; known: {', '.join(environments)}"
        problems.append(Problem(document.key_at(("environments",)), "E161", f"no environment '{environment}'{hint}"))
    if not problems and environment is not None:
        values |= dict(_scalars(environments.get(environment)))
    for name in types.keys() - values.keys() if not problems else ():
        at = document.key_at(("parameters", name))
        problems.append(
            Problem(at, "E161", f"'{name}' has no default, and no environment that gives it a value is chosen")
        )
    chosen = environment if environments and environment is not None else None
    return Parameters(values, chosen), problems


def _mapping(data: object, document: Document, path: Path, problems: list[Problem]) -> Mapping[str, Data]:
    if data is None:
        return {}
    if isinstance(data, dict):
        return data
    problems.append(Problem(document.at(path), "E112", f"a mapping is wanted, not {shown(data)}"))
    return {}


def _scalars(data: object) -> Iterator[tuple[str, Scalar]]:
    if isinstance(data, dict):
        yield from ((key, value) for key, value in data.items() if isinstance(value, str | int | float | bool))


def _declare(
    name: str, declaration: object, document: Document, types: dict[str, str], values: dict[str, Scalar]
) -> Iterator[Problem]:
    path = ("parameters", name)
    if not name.isidentifier() or not name.isascii() or len(name) > 64:
        yield Problem(document.key_at(path), "E160", f"{shown(name)} cannot name a parameter: {SIGNAL_NAME_PATTERN}")
        return
    if isinstance(declaration, dict):
        fields = validated(ParameterDeclaration, declaration, document, path, _NO_CONTEXT)
        if isinstance(fields, list):
            yield from fields
            return
        types[name], default = fields.type, fields.default
    else:
        types[name], default = _type_of(declaration), declaration
    if default is None and isinstance(declaration, dict):
        return
    fault = _fault(default, types[name])
    if fault is not None:
        yield Problem(document.at(path), "E160", f"'{name}': {fault}")
    elif isinstance(default, str | int | float | bool):
        values[name] = default


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str() if value.endswith("%"):
            return "percent"
        case _:
            return "text"


def _fault(value: object, wanted: str) -> str | None:
    """Say why a value is not of the type its parameter has; None when it is."""
    match wanted:
        case "boolean":
            fits = isinstance(value, bool)
        case "integer":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "number":
            fits = is_number(value)
        case "percent":
            fits = isinstance(value, str) and value.endswith("%") and _parses(value, parse_quantity)
        case "duration":
            fits = isinstance(value, str) and _parses(value, parse_duration)
        case _:
            fits = isinstance(value, str) and len(value) <= TEXT_MAX
    return None if fits else f"{shown(value)} is not of its type, {wanted}"


def hides_a_signal(name: str) -> str:
    """What is wrong with a parameter that is named as a signal is: its conditions would read no data."""
    return f"'{name}' is also the name of a signal, which no condition could read any more"


def _parses(text: str, parse: Any) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def put_in(data: Data, values: Mapping[str, Scalar], document: Document, path: Path, problems: list[Problem]) -> Data:
    """Give the data with every `{param: name}` below `path` replaced by its value; note names that have none."""
    if isinstance(data, dict):
        if set(data) == {REFERENCE}:
            name = data[REFERENCE]
            if isinstance(name, str) and name in values:
                return values[name]
            known = did_you_mean(str(name), values) or f"; known: {', '.join(values) or 'none'}"
            problems.append(Problem(document.at(path), "E162", f"no parameter is named {shown(name)}{known}"))
            return None
        skipped = _NOT_SUBSTITUTED if path == () else frozenset()
        return {
            key: value if key in skipped else put_in(value, values, document, (*path, key), problems)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [put_in(value, values, document, (*path, place), problems) for place, value in enumerate(data)]
    return data
