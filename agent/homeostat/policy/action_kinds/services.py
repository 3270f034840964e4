"""What the actions of services that run jobs of their own have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from homeostat.policy.action_fields import TEXT_SCHEMA
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import ARGV_MAX, check_sign, check_text, check_url

KEY_NAME = "HOMEOSTAT_KEY"
"""The parameter, or option, that takes the idempotency key."""

TEXT_BY_NAME_SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": TEXT_SCHEMA}


def check_base_url(value: object) -> object:
    """The URL that a service's own paths are added to."""
    url = check_url(value)
    if isinstance(url, str) and ("?" in url or "#" in url):
        raise wrong("E133", f"a base URL has no query and no fragment, unlike {shown(url)}")
    return url


def check_secret(value: object) -> object:
    """A secret by reference, and nothing else."""
    if not isinstance(value, dict) or set(value) != {"secret"}:
        raise wrong("E133", "a secret is named, not written out: {secret: env:NAME} or {secret: file:/PATH}")
    return check_sign(value)


def check_texts_by_name(what: str) -> Callable[[object], object]:
    """A mapping of names to text that a service shows to whoever may see its jobs: no secret may stand there."""

    def check(value: object) -> object:
        if not isinstance(value, dict) or len(value) > ARGV_MAX:
            raise wrong("E133", f"a mapping of names to values is wanted, not {shown(value)}")
        for name, content in value.items():
            if not isinstance(name, str) or not name or "\0" in name:
                raise wrong("E133", f"{shown(name)} is not the name of {what}")
            if name == KEY_NAME:
                raise wrong("E133", f"{KEY_NAME} is set by the agent itself; leave it out")
            check_text(content)
        return value

    return check
