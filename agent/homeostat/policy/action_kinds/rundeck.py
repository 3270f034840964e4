"""`actuator: rundeck`: one execution of a job with options."""

from __future__ import annotations

import re
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

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def _check_job(value: object) -> object:
    identity = check_text(value)
    if isinstance(identity, str) and _ID.fullmatch(identity) is None:
        raise wrong("E133", f"the id of a job is wanted, as its page or `rd jobs list` shows it, not {shown(identity)}")
    return identity


class RundeckAction(ActionFields):
    """`actuator: rundeck`: one execution. The job must declare the plain text option HOMEOSTAT_KEY."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Any, *checked(check_base_url, TEXT_SCHEMA)]
    job: Annotated[Any, *checked(_check_job, TEXT_SCHEMA)]
    token: Annotated[Any, *checked(check_secret, SECRET_SCHEMA)]
    options: Annotated[Any, *checked(check_texts_by_name("an option"), TEXT_BY_NAME_SCHEMA)] = None
    api_version: Annotated[int, Field(ge=44, le=999)] = 44
