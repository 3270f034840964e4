"""What the actuators of services that run jobs of their own have in common: how their parameters are read."""

from __future__ import annotations

from collections.abc import Mapping

from homeostat.act.http import checked_url
from homeostat.act.secret import FORMS, is_reference
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import Source, secret
from homeostat.model.commands import StartAction

CLOCKS_APART_S_MAX = 3600.0
"""How far the service's clock may be behind the agent's for the search by key to find all that it must."""

REPEATED_AFTER_S_MAX = 7 * 86400.0
"""How long ago an earlier attempt with the same key may have been."""

SETTLE_S = 5.0
"""How long a start whose answer was lost may take to be seen, before it is said to be in doubt."""


def base_url(command: StartAction, name: str = "url") -> str:
    """Where the service is. Raises RefusedError."""
    url = checked_url(as_text(command.action.parameters.get(name), command))
    if "?" in url or "#" in url:
        raise RefusedError(f"{url!r} is no base URL: it has a query or a fragment")
    return url


def secret_of(command: StartAction, name: str) -> Source:
    """A parameter that must be a secret by reference. Raises RefusedError."""
    value = command.action.parameters.get(name)
    if not isinstance(value, Mapping) or set(value) != {"secret"} or not is_reference(value["secret"]):
        raise RefusedError(f"{name} reads {{secret: REFERENCE}}, where a reference is {FORMS}")
    return secret(str(value["secret"]))


def texts_of(command: StartAction, name: str) -> dict[str, str]:
    """A parameter that maps names to text or what is filled in for it. Raises RefusedError."""
    given: object = command.action.parameters.get(name) or {}
    if not isinstance(given, Mapping):
        raise RefusedError(f"{name} is a mapping of names to values")
    return {str(key): as_text(value, command) for key, value in given.items()}


def search_from(command: StartAction, now: float) -> float:
    """Unix seconds from which on all that the service has run must be searched for the key."""
    repeated = command.key_for_target != command.key
    return now - (REPEATED_AFTER_S_MAX if repeated else CLOCKS_APART_S_MAX)
