"""`actuator: terraform`: a plan, or the apply of one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.model.policy import Effect
from homeostat.policy.action_fields import (
    ENVIRONMENT_SCHEMA,
    PATH_SCHEMA,
    SECRET_OR_TEXT_BY_NAME_SCHEMA,
    TEXTS_SCHEMA,
    ActionFields,
    checked,
)
from homeostat.policy.action_kinds.checks import (
    PROGRAM_PATTERN,
    check_path,
    check_program,
    check_texts,
    check_variables,
)
from homeostat.policy.fields import wrong
from homeostat.policy.parameter_values import check_env

_OF_AN_APPLY = ("plan", "destroys_max", "changes_max")


class TerraformAction(ActionFields):
    """`actuator: terraform`: a plan, or the apply of exactly one plan. An apply is destructive unless it says not."""

    model_config = ConfigDict(extra="forbid")

    operation: Literal["plan", "apply"]
    cwd: Annotated[Any, *checked(check_path, PATH_SCHEMA)]
    program: Annotated[Any, *checked(check_program, {"type": "string", "pattern": f"^({PROGRAM_PATTERN})$"})] = (
        "terraform"
    )
    plan: Literal["new", "saved"] = "new"
    targets: Annotated[Any, *checked(check_texts, TEXTS_SCHEMA)] = None
    vars: Annotated[Any, *checked(check_variables, SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    env: Annotated[Any, *checked(check_env, ENVIRONMENT_SCHEMA)] = None
    destroys_max: Annotated[int, Field(ge=0, le=10_000)] = 0
    changes_max: Annotated[int, Field(ge=0, le=10_000)] = 10
    lock_timeout_s: Annotated[int, Field(ge=0, le=3600)] = 60

    def presumed_effect(self) -> Effect:
        """A plan changes nothing."""
        return Effect.SAFE if self.operation == "plan" else Effect.UNSAFE

    def presumed_destructive(self) -> bool | None:
        """An apply may destroy what cannot be got back, so that `lint` asks for an approval."""
        return True if self.operation == "apply" else None

    @model_validator(mode="after")
    def _said_of_the_right_operation(self) -> Self:
        for key in _OF_AN_APPLY:
            if self.operation == "plan" and key in self.model_fields_set:
                raise wrong("E133", f"'{key}' is said of an apply; a plan changes nothing")
        for key in ("targets", "vars"):
            if self.plan == "saved" and key in self.model_fields_set:
                raise wrong("E133", f"'{key}' was settled when the plan was made; say it of the action that plans")
        return self
