"""The shape of every kind of step.

Each kind is one class here, told by the key that carries its `KIND`; `builders.py` has the builder of each. Steps in
steps stay raw (`RawStep`): `plan.py` walks down and has each validated as its own kind, so that one wrong step hides
nothing of its neighbours.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from homeostat.model.autonomy import EXPLORATION_WINDOW_S_MAX, Mode, levels_between
from homeostat.model.policy import Effect
from homeostat.policy.fields import (
    ConditionField,
    Cooldown,
    Duration,
    Name,
    PositiveDuration,
    Share,
    Target,
    Text,
    Whole,
    wrong,
)
from homeostat.policy.parts import (
    ApprovalFields,
    Arguments,
    EscalateFields,
    Part,
    ProbeChoice,
    RawBranches,
    RawStep,
    RawSteps,
    RetryFields,
    Siblings,
    UndoChoice,
    VerifyChoice,
    mapping_or_not,
)

HARM_MAX = 100
"""A larger harm budget is none."""


class StepFields(Part):
    """What every kind of step has. Its kind is told by the key `KIND`.

    `needs` belongs to a child of a `dag`; `fallback` is carried out when the step has failed for good.
    """

    KIND: ClassVar[str]

    id: Name | None = None
    condition: ConditionField | None = Field(None, alias="if")
    needs: Siblings | None = None
    fallback: RawStep | None = None


class EarnedMode(Part):
    """A mode that is earned: the step begins at `start`, and good attempts lift it to `earned` at the most."""

    start: Annotated[Mode, Field(strict=False)]
    earned: Annotated[Mode, Field(strict=False)] = Mode.AUTO

    @model_validator(mode="after")
    def _leads_up(self) -> Self:
        if self.start is Mode.OBSERVE:
            raise wrong("E112", "what is only observed has no attempts to earn by; 'start' is suggest or approve")
        if levels_between(self.start, self.earned) < 1:
            raise wrong("E112", f"'earned' must be freer than 'start', and '{self.earned}' is not than '{self.start}'")
        return self


ModeChoice = Annotated[
    Annotated[EarnedMode, Tag("<mapping>")] | Annotated[Mode, Field(strict=False), Tag("<other>")],
    Discriminator(mapping_or_not),
]


class DoStep(StepFields):
    """Run one action on one target."""

    KIND = "do"

    do: Name
    target: Target
    arguments: Arguments = Field(default_factory=dict, alias="with")
    effect: Annotated[Effect, Field(strict=False)] | None = None
    probe: ProbeChoice | None = None
    timeout: PositiveDuration | None = None
    takes: PositiveDuration | None = None
    retry: RetryFields | None = None
    verify: VerifyChoice | None = None
    cooldown: Cooldown = 0.0
    approval: ApprovalFields | None = None
    mode: ModeChoice | None = None
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
        Discriminator(mapping_or_not),
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


class ExploreFields(Part):
    """Try, in a `share` of the picks, a candidate that is nearly as good as the best.

    Explored attempts may do harm `harm_max` times `within` that time, over all incidents; then exploring stops.
    """

    share: Share
    harm_max: Annotated[Whole, Field(ge=1, le=HARM_MAX)] = 1
    within: PositiveDuration = EXPLORATION_WINDOW_S_MAX


class ChooseStep(StepFields):
    """Candidates in learnt order, until one verifies."""

    KIND = "choose"

    candidates: RawSteps = Field(alias="choose")
    rank_by: Literal["time_to_recover"] = "time_to_recover"
    explore: ExploreFields | None = None
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
        Discriminator(mapping_or_not),
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
