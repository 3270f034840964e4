"""The JSON Schemas of policy files and of those beside them, for editors; from the same models that validate them.

Draft 7, which yaml-language-server reads. A step is told by its kind key with `if`/`then`, so that an editor's
message is about the kind that was meant and not about all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.policy.action_fields import ActionFields
from homeostat.policy.action_schema import BUILT_IN_ACTUATORS
from homeostat.policy.fields import NAME_PATTERN, SIGNAL_NAME_PATTERN
from homeostat.policy.guards_file import GuardsFile
from homeostat.policy.parameters import REFERENCE
from homeostat.policy.parts import LINK
from homeostat.policy.schema import PolicyFile, SignalFields
from homeostat.policy.step_schema import STEP_KINDS, ElseBranch

DRAFT = "http://json-schema.org/draft-07/schema#"

_REF = "#/definitions/{model}"


def schema_of(kind: str) -> dict[str, Any]:
    """Give the schema of one kind of file as plain data: `policy`, `actions`, `signals` or `guards`.

    Raises:
        UsageError: there is no schema of that kind.
    """
    if kind not in SCHEMAS:
        raise UsageError(f"there is no schema of '{kind}'{did_you_mean(kind, SCHEMAS)}; known: {', '.join(SCHEMAS)}")
    return SCHEMAS[kind]()


def _catalogue_schema(title: str, catalogue: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    root = catalogue(definitions)
    file = {"$schema": DRAFT, "title": title, **root, "definitions": definitions}
    linked: dict[str, Any] = _linked(file)
    return linked


def json_schema() -> dict[str, Any]:
    """Give the schema of a `*.homeostat.yaml` file as plain data."""
    definitions: dict[str, Any] = {}
    root = _schema_of(PolicyFile, definitions)
    for kind, schema in STEP_KINDS.items():
        definitions[_definition(kind)] = _schema_of(schema, definitions)
    definitions["Step"] = _one_of_kinds({kind: _definition(kind) for kind in STEP_KINDS})
    definitions["Else"] = _schema_of(ElseBranch, definitions)
    definitions["Branch"] = {
        "if": {"required": ["else"]},
        "then": {"$ref": "#/definitions/Else"},
        "else": {"allOf": [{"$ref": "#/definitions/Step"}, {"required": ["if"]}]},
    }
    definitions["Signals"] = _signals(definitions)
    definitions["Procedures"] = _procedures()
    definitions["Actions"] = _actions(definitions)
    policy_file = {
        "$schema": DRAFT,
        "title": "Homeostat policy",
        **root,
        "definitions": definitions,
    }
    linked: dict[str, Any] = _linked(_with_parameters(policy_file))
    linked["definitions"]["Parameter"] = {
        "type": "object",
        "properties": {REFERENCE: {"type": "string", "pattern": f"^{SIGNAL_NAME_PATTERN}$"}},
        "required": [REFERENCE],
        "additionalProperties": False,
        "description": "The value of a parameter of this policy.",
    }
    return linked


def _with_parameters(schema: Any) -> Any:
    """Let `{param: name}` stand wherever a plain value may. By `if`, so that what is said of others stays the same."""
    if isinstance(schema, list):
        return [_with_parameters(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    walked = {key: _with_parameters(part) for key, part in schema.items()}
    properties, others = walked.get("properties"), walked.get("additionalProperties")
    if isinstance(properties, dict) and set(properties) != {"actuator"}:
        walked["properties"] = {key: _or_parameter(part) for key, part in properties.items()}
    if isinstance(others, dict):
        walked["additionalProperties"] = _or_parameter(others)
    return walked


def _or_parameter(schema: Any) -> Any:
    if not _is_plain(schema):
        return schema
    is_reference = {"type": "object", "required": [REFERENCE]}
    extra = {key: schema[key] for key in ("description", "default", "title") if key in schema}
    return {**extra, "if": is_reference, "then": {"$ref": "#/definitions/Parameter"}, "else": schema}


def _is_plain(schema: Any) -> bool:
    """Whether a text, a number or a boolean may stand there."""
    if not isinstance(schema, dict):
        return False
    types = schema.get("type", ())
    named = set(types) if isinstance(types, list) else {types} if isinstance(types, str) else set()
    written = any(key in schema for key in ("const", "enum", "pattern"))
    return written or not named.isdisjoint(_PLAIN) or any(_is_plain(part) for part in schema.get("anyOf", ()))


_PLAIN = frozenset({"string", "number", "integer", "boolean"})


def _definition(kind: str) -> str:
    return f"{kind.capitalize()}Step"


def _one_of_kinds(kinds: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "oneOf": [{"required": [kind]} for kind in kinds],
        "allOf": [
            {"if": {"required": [kind]}, "then": {"$ref": f"#/definitions/{name}"}} for kind, name in kinds.items()
        ],
    }


def _signals(definitions: dict[str, Any]) -> dict[str, Any]:
    signal = _schema_of(SignalFields, definitions)
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{SIGNAL_NAME_PATTERN}$"},
        "additionalProperties": {"if": {"type": "string"}, "then": {"minLength": 1}, "else": signal},
    }


def _procedures() -> dict[str, Any]:
    steps = {"type": "array", "minItems": 1, "items": {LINK: "Step"}}
    with_parameters = {
        "type": "object",
        "properties": {"parameters": {"type": "object"}, "steps": steps},
        "required": ["steps"],
        "additionalProperties": False,
    }
    return {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [steps, with_parameters]}}


def _actions(definitions: dict[str, Any]) -> dict[str, Any]:
    definitions["PluginAction"] = _schema_of(ActionFields, definitions)
    known = []
    for actuator, schema in BUILT_IN_ACTUATORS.items():
        name = f"{actuator.capitalize()}Action"
        definitions[name] = _schema_of(schema, definitions)
        told = {"properties": {"actuator": {"const": actuator}}, "required": ["actuator"]}
        known.append({"if": told, "then": {"$ref": f"#/definitions/{name}"}})
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "additionalProperties": {"allOf": [{"$ref": "#/definitions/PluginAction"}, *known]},
    }


def _guards(definitions: dict[str, Any]) -> dict[str, Any]:
    definitions["Signals"] = _signals(definitions)
    return _schema_of(GuardsFile, definitions)


def _schema_of(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """One model's schema; what it refers to goes into `definitions`."""
    schema = model.model_json_schema(ref_template=_REF, by_alias=True)
    definitions.update(schema.pop("$defs", {}))
    schema.pop("title", None)
    return schema


def _linked(schema: Any) -> Any:
    """Turn every `LINK` into a `$ref`."""
    if isinstance(schema, dict):
        if LINK in schema:
            return {"$ref": _REF.format(model=schema[LINK])}
        return {key: _linked(value) for key, value in schema.items()}
    return [_linked(value) for value in schema] if isinstance(schema, list) else schema


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType(
    {
        "policy": json_schema,
        "actions": lambda: _catalogue_schema("Homeostat actions", _actions),
        "signals": lambda: _catalogue_schema("Homeostat signals", _signals),
        "guards": lambda: _catalogue_schema("Homeostat guards", _guards),
    }
)
"""Kind of file -> what makes its schema."""
