"""What steps and policy files are made of: the mappings that several of them share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from homeostat.policy.fields import (
    NAME_CHARACTERS_MAX,
    ConditionField,
    Duration,
    Name,
    PositiveDuration,
    Text,
    Whole,
    shown,
    wrong,
)

RETRIES_MAX = 10
CHILDREN_MAX = 2000
APPROVERS_MAX = 20
LINK = "x-homeostat-definition"
"""Stands for a `$ref` in a field's JSON Schema, since pydantic knows only its own; `json_schema.py` resolves it."""


class Part(BaseModel):
    """A mapping in a policy file. Unknown keys are errors, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def mapping_or_not(value: object) -> str:
    """Tell the two forms of a value apart, for a pydantic discriminator: a mapping, or something short."""
    return "<mapping>" if isinstance(value, dict) else "<other>"


def _raw_steps(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise wrong("E112", f"a list of steps is wanted, not {shown(value)}")
    if not 1 <= len(value) <= CHILDREN_MAX:
        raise wrong("E112", f"1 to {CHILDREN_MAX} steps are wanted, not {len(value)}")
    return value


def raw_arguments(value: object) -> dict[str, Any]:
    """Take a mapping as it is; what is in it is checked by whom it is for."""
    if not isinstance(value, dict):
        raise wrong("E112", f"a mapping of arguments is wanted, like {{replicas: 6}}, not {shown(value)}")
    return value


def _raw_step(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("E112", f"a step is wanted, like {{id: ..., do: ...}}, not {shown(value)}")
    return value


RawSteps = Annotated[
    list[Any],
    PlainValidator(_raw_steps),
    WithJsonSchema({"type": "array", "minItems": 1, "maxItems": CHILDREN_MAX, "items": {LINK: "Step"}}),
]
RawBranches = Annotated[
    list[Any],
    PlainValidator(_raw_steps),
    WithJsonSchema({"type": "array", "minItems": 1, "maxItems": CHILDREN_MAX, "items": {LINK: "Branch"}}),
]


class VerifyFields(Part):
    """How an attempt proves that it worked: counted from its end, `if` held for `for`, by `within`."""

    condition: ConditionField = Field(alias="if")
    hold: Duration = Field(0.0, alias="for")
    within: PositiveDuration
    settle: Duration = 0.0


VerifyChoice = Annotated[
    Annotated[VerifyFields, Tag("<mapping>")] | Annotated[Literal["none"], Tag("<other>")],
    Discriminator(mapping_or_not),
]
"""A proof, or `none`: the action's own word is enough."""


PROBE_WITHIN_S = 60.0
"""How long an action's effect may take to show in the signals where nobody says."""


class ProbeFields(Part):
    """How the signals tell whether an action in doubt has happened: `if` is true of a world in which it has.

    Its effect shows `within` that time: one that is not seen by then has not happened.
    """

    condition: ConditionField = Field(alias="if")
    within: PositiveDuration = PROBE_WITHIN_S


ProbeChoice = Annotated[
    Annotated[ProbeFields, Tag("<mapping>")] | Annotated[ConditionField, Tag("<other>")],
    Discriminator(mapping_or_not),
]
"""A probe, or its condition alone."""


class Probed(Part):
    """An action's probe on its own, to be read again where its signals are known."""

    probe: ProbeChoice


class RetryFields(Part):
    """How often a failed leaf may run again, and after what wait."""

    times: Annotated[Whole, Field(ge=0, le=RETRIES_MAX)]
    wait: Duration = 0.0


Severity = Literal["critical", "error", "warning", "info"]
"""As pagers know it (PagerDuty Events API v2, `payload.severity`)."""


class EscalateFields(Part):
    """Whom to call. What is left out comes from the policy's own `escalate`."""

    to: Text | None = None
    severity: Severity | None = None
    message: Text | None = None


RawStep = Annotated[dict[str, Any], PlainValidator(_raw_step), WithJsonSchema({LINK: "Step"})]
Arguments = Annotated[
    dict[str, Any],
    PlainValidator(raw_arguments),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]


def _names(value: object, count_max: int = APPROVERS_MAX) -> list[str]:
    """One name or a list of them."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not 1 <= len(names) <= count_max:
        raise wrong("E112", f"a name or a list of 1 to {count_max} names is wanted, not {shown(value)}")
    for name in names:
        if not isinstance(name, str) or not name.strip() or len(name) > NAME_CHARACTERS_MAX:
            raise wrong("E112", f"a name is wanted, not {shown(name)}")
    return list(dict.fromkeys(names))


_NAMES_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}
)
Names = Annotated[list[str], PlainValidator(_names), _NAMES_SCHEMA]
Siblings = Annotated[list[str], PlainValidator(lambda value: _names(value, CHILDREN_MAX)), _NAMES_SCHEMA]
"""Steps of the same `dag`: one that joins hundreds of branches names them all."""


class ApprovalFields(Part):
    """Who must agree before a step starts. No answer within `timeout` is a no; who asked cannot agree."""

    approvers: Names = Field(alias="from")
    condition: ConditionField | None = Field(None, alias="if")
    timeout: PositiveDuration = 900.0


class UndoFields(Part):
    """What takes an action back: another action, on the same target."""

    do: Name
    arguments: Arguments = Field(default_factory=dict, alias="with")
    timeout: PositiveDuration | None = None


UndoChoice = Annotated[
    Annotated[UndoFields, Tag("<mapping>")] | Annotated[Literal["none"], Tag("<other>")], Discriminator(mapping_or_not)
]
"""An action that takes back, or `none`: not even the one the catalogue declares."""
