"""`actuator: ansible`: one playbook."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import ConfigDict

from homeostat.model.policy import Effect
from homeostat.policy.action_fields import (
    ENVIRONMENT_SCHEMA,
    PATH_SCHEMA,
    SECRET_OR_TEXT_BY_NAME_SCHEMA,
    TEXT_SCHEMA,
    TEXTS_SCHEMA,
    ActionFields,
    checked,
)
from homeostat.policy.action_kinds.checks import check_path, check_texts, check_variables
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import check_env, check_text

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*", re.ASCII)


def _check_tags(value: object) -> object:
    tags = check_texts(value)
    for tag in tags:
        if isinstance(tag, str) and _TAG.fullmatch(tag) is None:
            raise wrong("E133", f"the name of one tag is wanted, not {shown(tag)}; several are a list")
    return tags


class AnsibleAction(ActionFields):
    """`actuator: ansible`: one playbook, on the hosts that its limit names. With `check` nothing is changed."""

    model_config = ConfigDict(extra="forbid")

    playbook: Annotated[Any, *checked(check_path, PATH_SCHEMA)]
    inventory: Annotated[Any, *checked(check_path, PATH_SCHEMA)]
    limit: Annotated[Any, *checked(check_text, TEXT_SCHEMA)] = None
    extra_vars: Annotated[Any, *checked(check_variables, SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    tags: Annotated[Any, *checked(_check_tags, TEXTS_SCHEMA)] = None
    check: bool = False
    env: Annotated[Any, *checked(check_env, ENVIRONMENT_SCHEMA)] = None

    def presumed_effect(self) -> Effect:
        """A run that only tells what it would change can be repeated."""
        return Effect.SAFE if self.check else Effect.UNSAFE
