"""How the options of a channel are read: strictly, with errors that name the option and never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Options(BaseModel):
    """The options of one kind of channel: unknown ones are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


_Kind = TypeVar("_Kind", bound=Options)


def read_options(kind: type[_Kind], name: str, given: Mapping[str, object]) -> _Kind:
    """Read the options of the channel `name`. Raises UsageError."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        finding = error.errors()[0]
        option = ".".join(str(part) for part in finding["loc"]) or "options"
        if finding["type"] == "extra_forbidden":
            known = did_you_mean(option, kind.model_fields) or f"; known: {', '.join(sorted(kind.model_fields))}"
            raise UsageError(f"channel '{name}' has no option '{option}'{known}") from None
        what = str(finding["msg"]).removeprefix("Value error, ")
        raise UsageError(f"channel '{name}': '{option}' {what[0].lower()}{what[1:]}") from None


def checked_url(url: str) -> str:
    """The same, if secrets are safe on the way there and none stands in it. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must begin with https:// and name a host")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must begin with https://; http:// is for this host alone")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, no password and no query: settings are no place for secrets")
    return url


def checked_reference(text: str) -> str:
    """The same, if it is a reference to a secret and not the secret. Raises ValueError."""
    if not text.startswith(("env:", "file:/", "k8s:", "command:")):
        raise ValueError("must be a reference, env:NAME or file:/PATH, and never the secret itself")
    return text
