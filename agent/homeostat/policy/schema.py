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
    NAME_CHARACTERS_MAX,
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
CHILDREN_MAX = 2000
APPROVERS_MAX = 20
PARAMETERS_MAX = 200

LINK = "x-homeostat-definition"
"""Stands for a `$ref` in a field's JSON Schema, since pydantic knows only its own; `json_schema.py` resolves it."""


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


RawStep = Annotated[dict[str, Any], PlainValidator(_arguments), WithJsonSchema({LINK: "Step"})]
Arguments = Annotated[
    dict[str, Any],
    PlainValidator(_arguments),
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
    Annotated[UndoFields, Tag("<mapping>")] | Annotated[Literal["none"], Tag("<other>")], Discriminator(_is_mapping)
]
"""An action that takes back, or `none`: not even the one the catalogue declares."""


class StepFields(Part):
    """What every kind of step has. Its kind is told by the key `KIND`.

    `needs` belongs to a child of a `dag`; `fallback` is carried out when the step has failed for good.
    """

    KIND: ClassVar[str]

    id: Name | None = None
    condition: ConditionField | None = Field(None, alias="if")
    needs: Siblings | None = None
    fallback: RawStep | None = None


class DoStep(StepFields):
    """Run one action on one target."""

    KIND = "do"

    do: Name
    target: Target
    arguments: Arguments = Field(default_factory=dict, alias="with")
    effect: Annotated[Effect, Field(strict=False)] | None = None
    timeout: PositiveDuration | None = None
    takes: PositiveDuration | None = None
    retry: RetryFields | None = None
    verify: VerifyChoice | None = None
    cooldown: Cooldown = 0.0
    approval: ApprovalFields | None = None
    mode: Annotated[Mode, Field(strict=False)] | None = None
    undo: UndoChoice | None = None


class ManualStep(StepFields):
    """A step that people carry out; they say when it is done.

    It names what to look at before saying so (`check`), or is verified by the signals (`verify`), or both.
    """

    KIND = "manual"

    manual: Text
    owner: Text | None = None
    check: Text | None = None
    target: Target | None = None
    timeout: PositiveDuration = 3600.0
    takes: PositiveDuration | None = None
    retry: RetryFields | None = None
    verify: VerifyChoice | None = None
    cooldown: Cooldown = 0.0
    approval: ApprovalFields | None = None

    @model_validator(mode="after")
    def _has_a_check(self) -> Self:
        if self.check is None and self.verify in (None, "none"):
            raise wrong(
                "E154",
                "a manual step says what proves it: a 'check' that a person looks at, or a 'verify' over signals",
            )
        return self


class WaitFields(Part):
    """Wait until `if` has held for `for`, at the latest `within`; then the wait has failed."""

    condition: ConditionField = Field(alias="if")
    hold: Duration = Field(0.0, alias="for")
    within: PositiveDuration


class WaitStep(StepFields):
    """Do nothing for a while, or until a condition holds."""

    KIND = "wait"

    wait: Annotated[
        Annotated[WaitFields, Tag("<mapping>")] | Annotated[PositiveDuration, Tag("<other>")],
        Discriminator(_is_mapping),
    ]


class UseStep(StepFields):
    """A named list of steps from `procedures`, carried out here in strict order."""

    KIND = "use"

    use: Name
    arguments: Arguments = Field(default_factory=dict, alias="with")
    verify: VerifyChoice | None = None


class DagStep(StepFields):
    """Steps at once, each as soon as all it `needs` has succeeded; at most `concurrency` of them at a time."""

    KIND = "dag"

    dag: RawSteps
    concurrency: Annotated[Whole, Field(ge=1)] | None = None
    verify: VerifyChoice | None = None


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

    step: RawStep = Field(alias="else")


class EscalateStep(StepFields):
    """Call people; ends the plan."""

    KIND = "escalate"

    escalate: Annotated[
        Annotated[EscalateFields, Tag("<mapping>")] | Annotated[Text | None, Tag("<other>")],
        Discriminator(_is_mapping),
    ]


STEP_KINDS: dict[str, type[StepFields]] = {
    step.KIND: step
    for step in (
        DoStep,
        ManualStep,
        StepsStep,
        DagStep,
        TryStep,
        ChooseStep,
        DecideStep,
        WaitStep,
        UseStep,
        EscalateStep,
    )
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
    parameters: Annotated[
        dict[str, Any],
        PlainValidator(_arguments),
        WithJsonSchema({"type": "object", "maxProperties": PARAMETERS_MAX}),
    ] = Field(default_factory=dict)
    environments: Annotated[
        dict[str, Any],
        PlainValidator(_arguments),
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
