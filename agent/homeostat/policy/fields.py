"""Field types of the schema: the small values that policies are written in, and what is said of wrong ones.

A validator raises `PydanticCustomError` whose type is a code of `codes.py`; `schema_errors.py` gives it its position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from homeostat.model.policy import COOLDOWN_S_MAX
from homeostat.model.signals import Condition, SignalSpec
from homeostat.policy.condition_parser import CHARACTERS_MAX, Constants, parse_condition
from homeostat.policy.condition_scanner import ConditionFaults
from homeostat.policy.conditions import condition_from
from homeostat.policy.promql import PROMQL_CHARACTERS_MAX, promql_fault
from homeostat.policy.units import DURATION_PATTERN, format_number, parse_duration, parse_quantity

NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
"""Policies, steps, actions. Safe in a file name, a label and a URL."""

SIGNAL_NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
"""What can stand in a condition."""

TARGET_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.:/@-]*"
"""`kind/name`. Never starts with a dash, so that no command takes it for an option."""

TEXT_MAX = 1000
NAME_CHARACTERS_MAX = 64
"""Of a person, a role or a team."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What validators know beside the value.

    Attributes:
        signals: the signals a condition may read; None when they could not be loaded, and then names go unchecked.
        constants: parameters that a condition may name.
    """

    signals: Mapping[str, SignalSpec] | None
    constants: Constants = field(default_factory=dict)


def wrong(code: str, message: str, **facts: Any) -> PydanticCustomError:
    """Make the error that a validator raises."""
    return PydanticCustomError(code, "{message}", {"message": message, **facts})


def shown(value: object) -> str:
    """A wrong value as an error shows it: short, and as the author wrote it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return str(value)


def _duration(value: object) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str):
        unit = f"; did you mean '{value}s'?" if isinstance(value, int) and not isinstance(value, bool) else ""
        raise wrong("E113", f"{shown(value)} is not a duration; write it with a unit, like 30s, 5m or 1m30s{unit}")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise wrong("E113", str(error)) from None


def _positive_duration(value: object) -> float:
    seconds = _duration(value)
    if seconds <= 0:
        raise wrong("E113", "it must be longer than 0")
    return seconds


def _cooldown(value: object) -> float:
    seconds = _duration(value)
    if seconds > COOLDOWN_S_MAX:
        raise wrong("E113", f"guards look back {COOLDOWN_S_MAX / 86400:g}d over incidents, no longer")
    return seconds


def _condition(value: object, info: ValidationInfo) -> Condition:
    if not isinstance(value, str):
        raise wrong("E112", f"a condition is text, like 'http_5xx > 5%', not {shown(value)}")
    context = info.context
    if not isinstance(context, ValidationContext) or context.signals is None:
        return Condition(value, (), lambda _: None)
    try:
        tree = parse_condition(value, context.signals, context.constants)
    except ConditionFaults as error:
        raise wrong("E120", "the condition is wrong", faults=error.faults) from None
    named = named_constants(value, context.constants)
    return condition_from(with_constants(value, named), tree, tuple(named))


def named_constants(text: str, constants: Constants) -> dict[str, float | str]:
    """The parameters that a condition names, with their values."""
    return {word: constants[word] for word in _WORD.findall(text) if word in constants}


def with_constants(text: str, named: Constants) -> str:
    """A condition's text with the values of its parameters: what is hashed, journalled and shown."""
    if not named:
        return text
    return f"{text.strip()} where {', '.join(f'{name} = {_exactly(value)}' for name, value in named.items())}"


def _exactly(value: float | str) -> str:
    """A value such that no other one is written the same: it goes into the policy's hash."""
    return repr(value) if isinstance(value, str) else format_number(value)


def _share(value: object) -> float:
    if isinstance(value, str) and value.endswith("%"):
        try:
            share = parse_quantity(value)
        except ValueError as error:
            raise wrong("E112", str(error)) from None
        if 0.0 <= share <= 1.0:
            return share
    raise wrong("E112", f"a percentage from 0% to 100% is wanted, not {shown(value)}")


def _promql(value: object) -> str:
    text = _text(value, characters_max=PROMQL_CHARACTERS_MAX)
    fault = promql_fault(text)
    if fault is not None:
        raise wrong("E134", f"not usable PromQL: {fault}")
    return text


def _matching(pattern: str, what: str) -> BeforeValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise wrong("E112", f"{what}, not {shown(value)}")
        if len(value) > TEXT_MAX or compiled.fullmatch(value) is None:
            raise wrong("E112", f"{shown(value)} will not do: {what}")
        return value

    return BeforeValidator(check)


def _text(value: object, characters_max: int = TEXT_MAX) -> str:
    if not isinstance(value, str):
        quote = "; put it in quotes" if isinstance(value, int | float) else ""
        raise wrong("E112", f"text is wanted, not {shown(value)}{quote}")
    if not value.strip() or len(value) > characters_max:
        raise wrong("E112", f"text of 1 to {characters_max} characters is wanted")
    return value


def _date(value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == len("2027-03-01"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise wrong("E112", f"{shown(value)} is not a date; write it like 2027-03-01")


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong("E112", f"a whole number is wanted, not {shown(value)}")
    return value


_DURATION_SCHEMA = {
    "description": "A duration: 30s, 5m, 2h, 1d, 1m30s, 500ms.",
    "anyOf": [{"type": "string", "pattern": f"^(0|{DURATION_PATTERN})$"}, {"const": 0}],
}

Duration = Annotated[float, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds; 0 and up."""

Cooldown = Annotated[float, PlainValidator(_cooldown), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds; as far back as guards look."""

PositiveDuration = Annotated[float, PlainValidator(_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds; more than 0."""

ConditionField = Annotated[
    Condition,
    PlainValidator(_condition),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": CHARACTERS_MAX,
            "description": "A condition over named signals, like: http_5xx > 5% and db_pool_used > 90%",
        }
    ),
]

PromqlField = Annotated[
    str,
    PlainValidator(_promql),
    WithJsonSchema({"type": "string", "minLength": 1, "description": "PromQL that yields at most one series."}),
]

Name = Annotated[
    str,
    _matching(NAME_PATTERN, "a name has letters, digits, '_', '.' and '-', at most 64, and starts with none of '.-'"),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"}),
]

Target = Annotated[
    str,
    _matching(TARGET_PATTERN, "a target is written kind/name, like deploy/pay"),
    WithJsonSchema({"type": "string", "pattern": f"^{TARGET_PATTERN}$"}),
]

Text = Annotated[
    str,
    PlainValidator(lambda value: _text(value)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TEXT_MAX}),
]

Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]

Share = Annotated[float, PlainValidator(_share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$"})]
"""A fraction, written as a percentage from 0% to 100%."""

Day = Annotated[
    date,
    PlainValidator(_date),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "A day: 2027-03-01"}),
]


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
