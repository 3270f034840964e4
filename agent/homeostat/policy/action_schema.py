"""The shape of one action in the catalogue, and of the parameters that built-in actuators take.

There is no template language and no shell. A value is a literal, or a mapping that stands for a whole value:
`{target: kind|name|full}` for the step's target, `{with: key}` (with an optional literal `prefix`) for an argument,
and in headers, `sign` and the environment `{secret: env:NAME | file:/PATH}`, which only the runner ever looks up. In
JSON such mappings are reserved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from homeostat.model.policy import Effect
from homeostat.policy.fields import Name, PositiveDuration, shown, wrong
from homeostat.policy.parts import Part, UndoFields

ARGV_MAX = 100
JSON_DEPTH_MAX = 20
TARGET_PARTS = ("kind", "name", "full")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]+", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_OWN_HEADERS = frozenset({"idempotency-key", "host", "content-length", "transfer-encoding", "connection"})
"""Set by the actuator itself."""
_SIGNED_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
"""Set by it where the request is signed."""

_SUBSTITUTION_SCHEMA: dict[str, Any] = {
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
_SECRET_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"secret": {"type": "string", "pattern": f"^({_SECRET.pattern})$"}},
    "required": ["secret"],
    "additionalProperties": False,
}


class ParameterFields(Part):
    """One argument that an action takes in a step's `with`. A plain string is short for its `type`.

    It is required, unless it has a `default` or says `required: false`.
    """

    type: Literal["percent", "integer", "number", "text", "boolean"]
    default: str | int | float | bool | None = None
    required: bool | None = None

    @property
    def is_required(self) -> bool:
        """Whether every step must give it."""
        return self.default is None and self.required is not False


ParameterChoice = Annotated[
    Annotated[ParameterFields, Tag("<mapping>")]
    | Annotated[Literal["percent", "integer", "number", "text", "boolean"], Tag("<other>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<other>"),
]


class ActionFields(Part):
    """What every action has, whichever actuator runs it. Keys not named here are the actuator's parameters.

    `destructive` and `sets` are for `lint` alone: that it destroys what cannot be got back (nothing said: `lint` goes
    by effect and name), and the signals that it writes itself, which therefore prove nothing.
    """

    model_config = ConfigDict(extra="allow")

    actuator: Name
    effect: Annotated[Effect, Field(strict=False)] = Effect.UNSAFE
    timeout: PositiveDuration | None = None
    takes: PositiveDuration = 30.0
    undo: UndoFields | None = None
    destructive: bool | None = None
    sets: list[Name] = Field(default_factory=list, max_length=50)
    arguments: dict[str, ParameterChoice] = Field(default_factory=dict, alias="with", max_length=50)

    @property
    def parameters(self) -> dict[str, ParameterFields]:
        """The declared arguments, by name."""
        return {
            name: choice if isinstance(choice, ParameterFields) else ParameterFields(type=choice)
            for name, choice in self.arguments.items()
        }


COMMON_KEYS = frozenset(field.alias or name for name, field in ActionFields.model_fields.items())


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
                raise wrong("E133", "a secret is named, not written out: env:PAGER_TOKEN or file:/run/secrets/pager")
        case {"secret": _}:
            raise wrong("E133", "a secret may stand in headers and the environment only")
        case _:
            keys = ", ".join(str(key) for key in value)
            raise wrong("E133", f"a value is text, {{target: name}} or {{with: key, prefix: text}}, not {{{keys}}}")
    return value


def _text_or_substitution(value: object, *, secrets: bool = False) -> object:
    if isinstance(value, dict):
        return _substitution(value, secrets=secrets)
    if not isinstance(value, str):
        quote = "; put it in quotes" if isinstance(value, int | float) else ""
        raise wrong("E133", f"text is wanted, not {shown(value)}{quote}")
    if "\0" in value:
        raise wrong("E133", "a NUL character cannot be passed on")
    return value


def _argv(value: object) -> list[object]:
    if not isinstance(value, list) or not 1 <= len(value) <= ARGV_MAX:
        raise wrong(
            "E133", f"a list of 1 to {ARGV_MAX} arguments is wanted, like [systemctl, restart, {{target: name}}]"
        )
    if not isinstance(value[0], str) or not value[0].strip():
        raise wrong("E133", "the program itself is written out; only its arguments may be filled in")
    return [_text_or_substitution(element) for element in value]


def _cwd(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise wrong("E133", f"cwd is an absolute path, not {shown(value)}")
    return value


def _env(value: object) -> object:
    """Names to pass on from the agent's environment, or names with values."""
    if not isinstance(value, dict | list) or len(value) > ARGV_MAX:
        raise wrong("E133", f"env is a list of names or a mapping of names to values, not {shown(value)}")
    for name in value:
        if not isinstance(name, str) or _VARIABLE.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} is not the name of an environment variable")
        if isinstance(value, dict):
            _text_or_substitution(value[name], secrets=True)
    return value


def _url(value: object) -> object:
    checked = _text_or_substitution(value)
    if isinstance(checked, str):
        if re.fullmatch(r"https?://[\x21-\x7e]+", checked) is None:
            raise wrong("E133", f"{shown(checked)} is not an http or https URL in ASCII")
        if "@" in checked.split("://", 1)[1].split("/", 1)[0]:
            raise wrong("E133", "a URL must not hold a user name or password; use a header with a secret")
    return checked


def _headers(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or len(value) > ARGV_MAX:
        raise wrong("E133", f"headers are a mapping, not {shown(value)}")
    for name, content in value.items():
        if _HEADER.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} is not a header's name (RFC 9110, section 5.1)")
        if name.lower() in _OWN_HEADERS:
            raise wrong("E133", f"the header {name} is set by the agent itself")
        checked = _text_or_substitution(content, secrets=True)
        if isinstance(checked, str) and _HEADER_VALUE.fullmatch(checked) is None:
            raise wrong("E133", f"the header {name} holds a line break or a character that no header may hold")
    return value


def _sign(value: object) -> object:
    if not isinstance(value, dict) or set(value) != {"secret"}:
        raise wrong("E133", f"sign reads {{secret: env:NAME}} or {{secret: file:/PATH}}, not {shown(value)}")
    return _substitution(value, secrets=True)


def _json(value: object, depth: int = 1) -> object:
    if depth > JSON_DEPTH_MAX:
        raise wrong("E133", f"nested deeper than {JSON_DEPTH_MAX}")
    if is_substitution(value) and isinstance(value, dict):
        return _substitution(value)
    inner: list[object] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inner:
        _json(part, depth + 1)
    return value


def _status(value: object) -> object:
    codes = value if isinstance(value, list) else [value]
    if not codes or not all(
        isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599 for code in codes
    ):
        raise wrong("E133", f"an HTTP status or a list of them is wanted, like 202 or [200, 409], not {shown(value)}")
    return value


def _checked(check: Callable[[Any], object], schema: dict[str, Any]) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(check), WithJsonSchema(schema)


_TEXT_SCHEMA = {"anyOf": [{"type": "string"}, _SUBSTITUTION_SCHEMA]}
_SECRET_OR_TEXT_BY_NAME_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "string"}, _SUBSTITUTION_SCHEMA, _SECRET_SCHEMA]},
}


class CommandAction(ActionFields):
    """`actuator: command`: one program with its arguments, no shell. It sees only the environment that `env` names."""

    model_config = ConfigDict(extra="forbid")

    argv: Annotated[
        Any, *_checked(_argv, {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": _TEXT_SCHEMA})
    ]
    cwd: Annotated[Any, *_checked(_cwd, {"type": "string", "pattern": "^/"})] = None
    env: Annotated[
        Any,
        *_checked(_env, {"anyOf": [{"type": "array", "items": {"type": "string"}}, _SECRET_OR_TEXT_BY_NAME_SCHEMA]}),
    ] = None


class HttpAction(ActionFields):
    """`actuator: http`: one request."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: Annotated[Any, *_checked(_url, _TEXT_SCHEMA)]
    headers: Annotated[Any, *_checked(_headers, _SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    json_body: Annotated[Any, *_checked(_json, {})] = Field(None, alias="json")
    body: Annotated[Any, *_checked(_text_or_substitution, _TEXT_SCHEMA)] = None
    expect_status: Annotated[
        Any, *_checked(_status, {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]})
    ] = None
    sign: Annotated[Any, *_checked(_sign, _SECRET_SCHEMA)] = None

    @model_validator(mode="after")
    def _signs_alone(self) -> Self:
        twice = sorted(name for name in self.headers or () if name.lower() in _SIGNED_HEADERS)
        if self.sign is not None and twice:
            raise wrong("E133", f"the header {twice[0]} is set by the agent itself where a request is signed")
        return self

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if {"json_body", "body"} <= self.model_fields_set:
            raise wrong("E133", "a request has either json or body, not both")
        return self


BUILT_IN_ACTUATORS: dict[str, type[ActionFields]] = {"command": CommandAction, "http": HttpAction}
"""Actuators whose parameters are known here. A plugin checks its own when it is loaded."""
