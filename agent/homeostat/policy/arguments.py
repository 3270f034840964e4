"""A step's `with`, held against what its action declares."""

from __future__ import annotations

from collections.abc import Mapping

from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Scalar
from homeostat.policy.action_fields import ParameterFields
from homeostat.policy.fields import TEXT_MAX, is_number, shown
from homeostat.policy.units import parse_quantity


class ArgumentError(Exception):
    """A value does not fit its parameter; the message says what would."""


def fitted(
    given: Mapping[str, object], declared: Mapping[str, ParameterFields]
) -> tuple[dict[str, Scalar], list[tuple[str | None, str]]]:
    """Fit arguments to parameters and fill in defaults.

    Returns:
        The arguments, and what is wrong: (key, message) where a given key is at fault, (None, message) where one
        is missing.
    """
    arguments: dict[str, Scalar] = {}
    wrong: list[tuple[str | None, str]] = []
    for key, value in given.items():
        parameter = declared.get(key)
        if parameter is None:
            takes = f"it takes {', '.join(declared)}" if declared else "it takes none"
            wrong.append((key, f"the action has no argument '{key}'{did_you_mean(key, declared) or f'; {takes}'}"))
            continue
        try:
            arguments[key] = fit(value, parameter)
        except ArgumentError as error:
            wrong.append((key, f"the argument '{key}' will not do: {error}"))
    for key, parameter in declared.items():
        if key in given:
            continue
        if parameter.default is not None:
            arguments[key] = fit(parameter.default, parameter)
        elif parameter.is_required:
            wrong.append((None, f"the argument '{key}' ({parameter.type}) is missing"))
    return {key: arguments[key] for key in declared if key in arguments}, wrong


def percents_in(given: Mapping[str, object], declared: Mapping[str, ParameterFields]) -> tuple[str, ...]:
    """The arguments that are written as percentages, by the step or as the default."""
    written = {
        key: given.get(key, parameter.default) for key, parameter in declared.items() if parameter.type != "text"
    }
    return tuple(key for key, value in written.items() if isinstance(value, str) and value.endswith("%"))


def fit(value: object, parameter: ParameterFields) -> Scalar:
    """Give the value as the parameter's type. A percent becomes its fraction: `50%` is 0.5.

    Raises:
        ArgumentError: it is of another type.
    """
    match parameter.type:
        case "percent":
            if isinstance(value, str) and value.endswith("%"):
                return _percent(value)
            raise ArgumentError(f"a percentage is wanted, like 50%, not {shown(value)}")
        case "number":
            if isinstance(value, str) and value.endswith("%"):
                return _percent(value)
            if is_number(value) and isinstance(value, int | float):
                return value
            raise ArgumentError(f"a number or a percentage is wanted, not {shown(value)}")
        case "integer":
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            raise ArgumentError(f"a whole number is wanted, not {shown(value)}")
        case "boolean":
            if isinstance(value, bool):
                return value
            raise ArgumentError(f"true or false is wanted, not {shown(value)}")
        case "text":
            if isinstance(value, str) and len(value) <= TEXT_MAX and "\0" not in value:
                return value
            raise ArgumentError(f"text is wanted, not {shown(value)}")


def _percent(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        return sign * parse_quantity(text.removeprefix("-"))
    except ValueError as error:
        raise ArgumentError(str(error)) from None
