"""The shape of a policy file and of its steps: the one source of validation and of the JSON Schema.

Each kind of step is one class here, told by the key that carries its `KIND`; `plan.py` has the builder of each.
Steps inside steps stay raw (`RawStep`): `plan.py` walks down and has each one validated as its own kind, so that one
wrong step hides nothing of its neighbours.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from homeostat.model.policy import Effect, Mode
from homeostat.model.signals import SignalType
from homeostat.policy.fields import (
    ConditionField,
    Cooldown,
    Day,
    Duration,
    Name,
    PositiveDuration,
    PromqlField,
    Target,
    Text,
    Whole,
    shown,
    wrong,
)

RETRIES_MAX = 10
CHILDREN_MAX = 100

LINK = "x-homeostat-definition"
"""Stands for a `$ref` in a field's JSON Schema, since pydantic knows only its own; `json_schema.py` resolves it."""

FUTURE_KINDS = frozenset({"dag", "wait"})
FUTURE_KEYS = frozenset({"approval", "fallback", "needs", "undo"})
"""In the language's design, not in this release; whoever uses them is told so."""


class Part(BaseModel):
    """A mapping in a policy file. Unknown keys are errors, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def _is_mapping(value: object) -> str:
    return "<mapping>" if isinstance(value, dict) else "<other>"


def _raw_steps(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise wrong("E112", f"a list of steps is wanted, not {shown(value)}")
    if not 1 <= len(value) <= CHILDREN_MAX:
        raise wrong("E112", f"1 to {CHILDREN_MAX} steps are wanted, not {len(value)}")
    return value


def _reference(value: object) -> str | dict[str, Any]:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, dict):
        return value
    raise wrong("E112", f"the name of a file or a mapping is wanted, not {shown(value)}")


def _arguments(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("E112", f"a mapping of arguments is wanted, like {{replicas: 6}}, not {shown(value)}")
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


class VerifyFields(Part):
    """How an attempt proves that it worked: counted from its end, `if` held for `for`, by `within`."""

    condition: ConditionField = Field(alias="if")
    hold: Duration = Field(0.0, alias="for")
    within: PositiveDuration
    settle: Duration = 0.0


VerifyChoice = Annotated[
    Annotated[VerifyFields, Tag("<mapping>")] | Annotated[Literal["none"], Tag("<other>")], Discriminator(_is_mapping)
]
"""A proof, or `none`: the action's own word is enough."""


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


class StepFields(Part):
    """What every kind of step has. Its kind is told by the key `KIND`."""

    KIND: ClassVar[str]

    id: Name | None = None
    condition: ConditionField | None = Field(None, alias="if")


class DoStep(StepFields):
    """Run one action on one target."""

    KIND = "do"

    do: Name
    target: Target
    arguments: Annotated[
        dict[str, Any],
        PlainValidator(_arguments),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
    ] = Field(default_factory=dict, alias="with")
    effect: Annotated[Effect, Field(strict=False)] | None = None
    timeout: PositiveDuration | None = None
    retry: RetryFields | None = None
    verify: VerifyChoice | None = None
    cooldown: Cooldown = 0.0


class StepsStep(StepFields):
    """Steps in strict order."""

    KIND = "steps"

    steps: RawSteps
    verify: VerifyChoice | None = None


class TryStep(StepFields):
    """Candidates in written order, until one verifies."""

    KIND = "try"

    candidates: RawSteps = Field(alias="try")
    verify: VerifyChoice | None = None


class ChooseStep(StepFields):
    """Candidates in learnt order, until one verifies."""

    KIND = "choose"

    candidates: RawSteps = Field(alias="choose")
    rank_by: Literal["time_to_recover"] = "time_to_recover"
    verify: VerifyChoice | None = None


class DecideStep(StepFields):
    """The first branch whose `if` is true."""

    KIND = "decide"

    branches: RawBranches = Field(alias="decide")


class ElseBranch(Part):
    """The last branch of a `decide`."""

    step: Annotated[dict[str, Any], PlainValidator(_arguments), WithJsonSchema({LINK: "Step"})] = Field(alias="else")


class EscalateStep(StepFields):
    """Call people; ends the plan."""

    KIND = "escalate"

    escalate: Annotated[
        Annotated[EscalateFields, Tag("<mapping>")] | Annotated[Text | None, Tag("<other>")],
        Discriminator(_is_mapping),
    ]


STEP_KINDS: dict[str, type[StepFields]] = {
    step.KIND: step for step in (DoStep, StepsStep, TryStep, ChooseStep, DecideStep, EscalateStep)
}
"""Every kind of step by its key. A new kind is a class here and a builder in `plan.py`."""


class PolicyFile(Part):
    """A policy file's root."""

    policy: Name
    owner: Text
    review_by: Day | None = None
    covers: list[Text] = Field(default_factory=list, max_length=CHILDREN_MAX)
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
