"""The shape of a policy file and of a signal: the one source of validation and of the JSON Schema.

`step_schema.py` has the kinds of steps, `parts.py` what both are made of.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from homeostat.model.drill_schedule import DrillKind, DrillSchedule
from homeostat.model.policy import Mode, Promotion
from homeostat.model.signals import SignalType
from homeostat.policy.fields import (
    ConditionField,
    Day,
    Duration,
    Name,
    PositiveDuration,
    PromqlField,
    Text,
    Whole,
    shown,
    wrong,
)
from homeostat.policy.parts import (
    CHILDREN_MAX,
    LINK,
    Part,
    RawSteps,
    RetryFields,
    Severity,
    VerifyChoice,
    raw_arguments,
)

PARAMETERS_MAX = 200
ADDRESS_LENGTH_MAX = 500

_ADDRESS = re.compile(r"https?://[A-Za-z0-9][\x21-\x3f\x41-\x7e]*")
"""Without an @, so that nobody is sent to another host than the one that stands first."""


def _reference(value: object) -> str | dict[str, Any]:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, dict):
        return value
    raise wrong("E112", f"the name of a file or a mapping is wanted, not {shown(value)}")


def _web_address(value: object) -> str:
    """One that a person may follow: nothing that a browser would run, no password, nothing that looks like another."""
    if isinstance(value, str) and len(value) <= ADDRESS_LENGTH_MAX and _ADDRESS.fullmatch(value):
        return value
    raise wrong("E112", f"an address like https://wiki.example.org/shop is wanted, not {shown(value)}")


class TriggerFields(Part):
    """When an incident begins: `if` held for `for`."""

    condition: ConditionField = Field(alias="if")
    hold: Duration = Field(0.0, alias="for")


class ResolvedFields(Part):
    """When an incident is over: `if` held for `for`, at the latest `within` after the plan's end."""

    condition: ConditionField = Field(alias="if")
    hold: Duration = Field(0.0, alias="for")
    within: PositiveDuration | None = None


class HarmFields(Part):
    """What must not get true because of an action."""

    condition: ConditionField = Field(alias="if")


class PolicyEscalateFields(Part):
    """Whom to call when the plan does not say otherwise."""

    to: Text
    severity: Severity = "critical"
    message: Text | None = None


class DefaultsFields(Part):
    """What holds for every leaf that does not say otherwise."""

    timeout: PositiveDuration | None = None
    retry: RetryFields | None = None
    verify: VerifyChoice | None = None


class LearningFields(Part):
    """How rankings are learnt.

    Attributes:
        promote: who lets a new ranking of this policy rule: `auto` the gate alone, `review` a person after it.
        signals: what rankings may go by besides the signals that conditions read.
    """

    promote: Annotated[Promotion, Field(strict=False)] = Promotion.AUTO
    signals: list[Name] = Field(default_factory=list, max_length=CHILDREN_MAX)


DRILL_DAYS_MAX = 3650


def _days(value: object) -> int:
    digits = value.removesuffix("d") if isinstance(value, str) and value.endswith("d") else ""
    if digits.isascii() and digits.isdigit() and len(digits) < 5 and 1 <= int(digits) <= DRILL_DAYS_MAX:
        return int(digits)
    raise wrong("E112", f"{shown(value)} is no number of days; write 1d to {DRILL_DAYS_MAX}d, like 90d")


class DrillsFields(Part):
    """How often the policy is to be drilled. A passed drill of any of the `kinds` counts."""

    every: Annotated[
        int,
        PlainValidator(_days),
        WithJsonSchema({"type": "string", "pattern": r"^[1-9]\d{0,3}d$", "description": "Whole days: 90d"}),
    ]
    kinds: Annotated[list[Annotated[DrillKind, Field(strict=False)]], Field(min_length=1)] = Field(
        default_factory=lambda: list(DrillKind)
    )

    @property
    def schedule(self) -> DrillSchedule:
        """The same, as a schedule."""
        return DrillSchedule(self.every, frozenset(self.kinds))


class PolicyFile(Part):
    """A policy file's root."""

    policy: Name
    owner: Text
    review_by: Day | None = None
    runbook: (
        Annotated[
            str,
            PlainValidator(_web_address),
            WithJsonSchema({"type": "string", "pattern": "^https?://", "maxLength": ADDRESS_LENGTH_MAX}),
        ]
        | None
    ) = None
    covers: list[Text] = Field(default_factory=list, max_length=CHILDREN_MAX)
    drills: DrillsFields | None = None
    signals: Annotated[
        str | dict[str, Any],
        PlainValidator(_reference),
        WithJsonSchema({"anyOf": [{"type": "string"}, {LINK: "Signals"}]}),
    ]
    actions: Annotated[
        str | dict[str, Any],
        PlainValidator(_reference),
        WithJsonSchema({"anyOf": [{"type": "string"}, {LINK: "Actions"}]}),
    ] = "actions.yaml"
    parameters: Annotated[
        dict[str, Any],
        PlainValidator(raw_arguments),
        WithJsonSchema({"type": "object", "maxProperties": PARAMETERS_MAX}),
    ] = Field(default_factory=dict)
    environments: Annotated[
        dict[str, Any],
        PlainValidator(raw_arguments),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": "object"}}),
    ] = Field(default_factory=dict)
    procedures: Annotated[
        str | dict[str, Any] | None,
        PlainValidator(_reference),
        WithJsonSchema({"anyOf": [{"type": "string"}, {LINK: "Procedures"}]}),
    ] = None
    trigger: TriggerFields
    resolved: ResolvedFields
    harm: HarmFields | None = None
    escalate: PolicyEscalateFields | None = None
    rto: PositiveDuration | None = None
    timeout: PositiveDuration | None = None
    unknown: Duration = 60.0
    mode: Annotated[Mode, Field(strict=False)] = Mode.AUTO
    attempts_max: Annotated[Whole, Field(ge=1)] | None = None
    defaults: DefaultsFields = DefaultsFields()
    learning: LearningFields = LearningFields()
    steps: RawSteps


class SignalFields(Part):
    """One signal of the signals file. A plain string is short for its `expr`."""

    expr: PromqlField
    max_age: PositiveDuration = 60.0
    type: Annotated[SignalType, Field(strict=False)] = SignalType.NUMBER
    label: Text | None = None

    @model_validator(mode="after")
    def _label_goes_with_text(self) -> Self:
        if (self.type is SignalType.TEXT) != (self.label is not None):
            raise wrong(
                "E135",
                "a signal of type text names the label it reads, as in {type: text, label: version}, "
                "and only such a signal has a label",
            )
        return self
