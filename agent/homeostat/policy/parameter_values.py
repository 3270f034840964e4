"""What the parameters of built-in actuators may hold, and where values may be filled in.

There is no template language and no shell. A value is a literal, or a mapping that stands for a whole value:
`{target: kind|name|full}` for the step's target, `{with: key}` (with an optional literal `prefix`) for an argument,
and in headers, `sign` and the environment `{secret: env:NAME | file:/PATH | k8s:NAMESPACE/NAME/KEY | command:NAME}`,
which only the runner ever looks up. In JSON such mappings are reserved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from homeostat.policy.fields import shown, wrong

ARGV_MAX = 100
JSON_DEPTH_MAX = 20
TARGET_PARTS = ("kind", "name", "full")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DNS = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_SECRET = re.compile(
    rf"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]+|k8s:{_DNS}/{_DNS}/[A-Za-z0-9._-]{{1,253}}|command:[A-Za-z0-9._-]{{1,64}}",
    re.ASCII,
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_OWN_HEADERS = frozenset({"idempotency-key", "host", "content-length", "transfer-encoding", "connection"})
"""Set by the actuator itself."""
SIGNED_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
"""Set by it where the request is signed."""

SUBSTITUTION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"target": {"enum": list(TARGET_PARTS)}},
            "required": ["target"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"with": {"type": "string"}, "prefix": {"type": "string"}},
            "required": ["with"],
            "additionalProperties": False,
        },
    ]
}
SECRET_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"secret": {"type": "string", "pattern": f"^({_SECRET.pattern})$"}},
    "required": ["secret"],
    "additionalProperties": False,
}


def is_substitution(value: object) -> bool:
    """Whether a mapping stands for a value that is only known when the action starts."""
    return isinstance(value, dict) and set(value) in ({"target"}, {"with"}, {"with", "prefix"}, {"secret"})


def arguments_used(value: object) -> Iterator[str]:
    """Name every argument that a parameter's value refers to."""
    if isinstance(value, dict):
        if is_substitution(value) and isinstance(value.get("with"), str):
            yield value["with"]
        else:
            for inner in value.values():
                yield from arguments_used(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from arguments_used(inner)


def _substitution(value: Mapping[str, Any], *, secrets: bool = False) -> Mapping[str, Any]:
    match dict(value):
        case {"target": part, **rest} if not rest:
            if part not in TARGET_PARTS:
                raise wrong("E133", f"a target's part is kind, name or full, not {shown(part)}")
        case {"with": str(), **rest} if set(rest) <= {"prefix"} and isinstance(rest.get("prefix", ""), str):
            pass
        case {"secret": name, **rest} if not rest and secrets:
            if not isinstance(name, str) or _SECRET.fullmatch(name) is None:
                forms = "env:PAGER_TOKEN, file:/run/secrets/pager, k8s:shop/pager/token or command:vault"
                raise wrong("E133", f"a secret is named, not written out: {forms}")
        case {"secret": _}:
            raise wrong("E133", "a secret may stand in headers and the environment only")
        case _:
            keys = ", ".join(str(key) for key in value)
            raise wrong("E133", f"a value is text, {{target: name}} or {{with: key, prefix: text}}, not {{{keys}}}")
    return value


def check_text(value: object, *, secrets: bool = False) -> object:
    """Text, or what is filled in for it; a secret only where one may stand."""
    if isinstance(value, dict):
        return _substitution(value, secrets=secrets)
    if not isinstance(value, str):
        quote = "; put it in quotes" if isinstance(value, int | float) else ""
        raise wrong("E133", f"text is wanted, not {shown(value)}{quote}")
    if "\0" in value:
        raise wrong("E133", "a NUL character cannot be passed on")
    return value


def check_argv(value: object) -> list[object]:
    """A command line: the program written out, then arguments that may be filled in."""
    if not isinstance(value, list) or not 1 <= len(value) <= ARGV_MAX:
        raise wrong(
            "E133", f"a list of 1 to {ARGV_MAX} arguments is wanted, like [systemctl, restart, {{target: name}}]"
        )
    if not isinstance(value[0], str) or not value[0].strip():
        raise wrong("E133", "the program itself is written out; only its arguments may be filled in")
    return [check_text(element) for element in value]


def check_cwd(value: object) -> str:
    """An absolute path."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise wrong("E133", f"cwd is an absolute path, not {shown(value)}")
    return value


def check_env(value: object) -> object:
    """Names to pass on from the agent's environment, or names with values."""
    if not isinstance(value, dict | list) or len(value) > ARGV_MAX:
        raise wrong("E133", f"env is a list of names or a mapping of names to values, not {shown(value)}")
    for name in value:
        if not isinstance(name, str) or _VARIABLE.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} is not the name of an environment variable")
        if isinstance(value, dict):
            check_text(value[name], secrets=True)
    return value


def check_url(value: object) -> object:
    """An http or https URL without a user or password, or what is filled in for it."""
    checked = check_text(value)
    if isinstance(checked, str):
        if re.fullmatch(r"https?://[\x21-\x7e]+", checked) is None:
            raise wrong("E133", f"{shown(checked)} is not an http or https URL in ASCII")
        if "@" in checked.split("://", 1)[1].split("/", 1)[0]:
            raise wrong("E133", "a URL must not hold a user name or password; use a header with a secret")
    return checked


def check_headers(value: object) -> dict[str, object]:
    """Names of HTTP headers with values; those that the actuator sets itself are refused."""
    if not isinstance(value, dict) or len(value) > ARGV_MAX:
        raise wrong("E133", f"headers are a mapping, not {shown(value)}")
    for name, content in value.items():
        if _HEADER.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} is not a header's name (RFC 9110, section 5.1)")
        if name.lower() in _OWN_HEADERS:
            raise wrong("E133", f"the header {name} is set by the agent itself")
        checked = check_text(content, secrets=True)
        if isinstance(checked, str) and _HEADER_VALUE.fullmatch(checked) is None:
            raise wrong("E133", f"the header {name} holds a line break or a character that no header may hold")
    return value


def check_sign(value: object) -> object:
    """The secret that a request is signed with."""
    if not isinstance(value, dict) or set(value) != {"secret"}:
        raise wrong("E133", f"sign reads {{secret: env:NAME}} or {{secret: file:/PATH}}, not {shown(value)}")
    return _substitution(value, secrets=True)


def check_json(value: object, depth: int = 1) -> object:
    """Any JSON with values filled in at its leaves, nested at most `JSON_DEPTH_MAX` deep."""
    if depth > JSON_DEPTH_MAX:
        raise wrong("E133", f"nested deeper than {JSON_DEPTH_MAX}")
    if is_substitution(value) and isinstance(value, dict):
        return _substitution(value)
    inner: list[object] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inner:
        check_json(part, depth + 1)
    return value


def check_status(value: object) -> object:
    """An HTTP status, or a list of them."""
    codes = value if isinstance(value, list) else [value]
    if not codes or not all(
        isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599 for code in codes
    ):
        raise wrong("E133", f"an HTTP status or a list of them is wanted, like 202 or [200, 409], not {shown(value)}")
    return value


def check_image(value: object) -> str:
    """The name of a container image."""
    if not isinstance(value, str) or not value or value != value.strip() or "\0" in value:
        raise wrong("E133", f"the name of a container image is wanted, like shop/tools:1.4, not {shown(value)}")
    return value


def check_account(value: object) -> str:
    """The name of a Kubernetes service account."""
    if not isinstance(value, str) or re.fullmatch(_DNS, value, re.ASCII) is None:
        raise wrong("E133", f"the name of a service account is wanted, not {shown(value)}")
    return value


def check_job_env(value: object) -> object:
    """Names with values. A Job's secrets are read by the cluster itself, so they are of one kind."""
    if not isinstance(value, dict):
        raise wrong("E133", f"env is a mapping of names to values, not {shown(value)}")
    for name, content in value.items():
        is_secret = isinstance(content, dict) and set(content) == {"secret"}
        if is_secret and not str(content["secret"]).startswith("k8s:"):
            raise wrong("E133", f"the secret of {name} must be one of the cluster: k8s:NAMESPACE/NAME/KEY")
    return check_env(value)
