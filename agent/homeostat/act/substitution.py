"""Fill a step's target and arguments into an action's parameters.

A mapping stands for a whole value, never for a part of one: `{target: kind|name|full}` and `{with: key, prefix: text}`.
There is no template language, so nothing that is filled in can become syntax.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from homeostat.model.commands import StartAction
from homeostat.model.policy import Scalar

_DEPTH_MAX = 30
_INTEGRAL_MAX = 1e15


class RefusedError(Exception):
    """The action must not be started as it stands; the message says why and what would help."""


def is_substitution(value: object) -> bool:
    """Whether a mapping stands for a value that is known only now."""
    return isinstance(value, Mapping) and set(value) in ({"target"}, {"with"}, {"with", "prefix"})


def as_argument(value: object, command: StartAction) -> str:
    """Give one argument of a command line.

    A value that is filled in without a prefix must not begin with `-`: the program would take it for an option.

    Raises:
        RefusedError: it cannot be filled in, or must not be.
    """
    text = as_text(value, command)
    if is_substitution(value) and text.startswith("-") and "prefix" not in dict(value):  # type: ignore[call-overload]  # a mapping, as is_substitution found
        raise RefusedError(f"the value {text!r} would be read as an option; give it a prefix, like --name=")
    return text


def as_text(value: object, command: StartAction) -> str:
    """Give a text parameter's value. Raises RefusedError."""
    if isinstance(value, Mapping):
        filled = _filled(value, command)
        prefix = value.get("prefix", "")
        text = f"{prefix}{_spelled(filled)}"
    elif isinstance(value, str):
        text = value
    else:
        raise RefusedError(f"text is wanted, not {value!r}")
    if "\0" in text:
        raise RefusedError("a NUL character cannot be passed on")
    return text


def as_json(value: object, command: StartAction, depth: int = 0) -> object:
    """Give a JSON parameter's value; a number stays a number. Raises RefusedError."""
    if depth > _DEPTH_MAX:
        raise RefusedError(f"the JSON is nested deeper than {_DEPTH_MAX}")
    if is_substitution(value) and isinstance(value, Mapping):
        filled = _filled(value, command)
        return f"{value['prefix']}{_spelled(filled)}" if "prefix" in value else _finite(filled)
    if isinstance(value, Mapping):
        return {str(key): as_json(inner, command, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner, command, depth + 1) for inner in value]
    return value


def _filled(value: Mapping[str, object], command: StartAction) -> Scalar:
    match dict(value):
        case {"target": "full", **rest} if not rest:
            return command.target
        case {"target": "kind" | "name" as part, **rest} if not rest:
            kind, slash, name = command.target.partition("/")
            if not (kind and slash and name):
                raise RefusedError(f"the target {command.target!r} has no {part}; it must read kind/name")
            return kind if part == "kind" else name
        case {"with": str(key), **rest} if set(rest) <= {"prefix"}:
            if key not in command.arguments:
                raise RefusedError(f"the step gives no argument {key!r}")
            return command.arguments[key]
        case _:
            raise RefusedError(f"{dict(value)!r} stands for nothing; known: target, with (and prefix)")


def _spelled(value: Scalar) -> str:
    """Spell a scalar as command lines have it: true, 6, 0.5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        finite = float(_finite(value))
        return str(int(finite)) if finite.is_integer() and abs(finite) < _INTEGRAL_MAX else repr(finite)
    return str(value)


def _finite(value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise RefusedError(f"{value} is not a finite number")
    return value
