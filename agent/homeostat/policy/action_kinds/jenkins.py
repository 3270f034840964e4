"""`actuator: jenkins`: one build of a job with parameters."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.action_kinds.services import (
    TEXT_BY_NAME_SCHEMA,
    check_base_url,
    check_secret,
    check_texts_by_name,
)
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import SECRET_SCHEMA, check_text

RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")


def _check_job(value: object) -> object:
    name = check_text(value)
    if isinstance(name, str) and any(part in ("", ".", "..") for part in name.split("/")):
        raise wrong("E133", f"the full name of a job is wanted, like folder/job, not {shown(name)}")
    return name


def _check_user(value: object) -> object:
    user = check_text(value)
    if isinstance(user, str) and (not user or ":" in user):
        raise wrong("E133", f"the name of a user has no colon and is not empty, unlike {shown(user)}")
    return user


def _check_results(value: object) -> object:
    results = value if isinstance(value, list) else [value]
    if not results or any(result not in RESULTS for result in results):
        raise wrong("E133", f"a result or a list of them is wanted, of {', '.join(RESULTS)}, not {shown(value)}")
    return value


_RESULT_SCHEMA: dict[str, Any] = {"enum": list(RESULTS)}


class JenkinsAction(ActionFields):
    """`actuator: jenkins`: one build. The job must declare the string parameter HOMEOSTAT_KEY."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Any, *checked(check_base_url, TEXT_SCHEMA)]
    job: Annotated[Any, *checked(_check_job, TEXT_SCHEMA)]
    user: Annotated[Any, *checked(_check_user, TEXT_SCHEMA)]
    token: Annotated[Any, *checked(check_secret, SECRET_SCHEMA)]
    build_parameters: Annotated[Any, *checked(check_texts_by_name("a parameter"), TEXT_BY_NAME_SCHEMA)] = Field(
        None, alias="parameters"
    )
    expect_result: Annotated[
        Any, *checked(_check_results, {"anyOf": [_RESULT_SCHEMA, {"type": "array", "items": _RESULT_SCHEMA}]})
    ] = None
