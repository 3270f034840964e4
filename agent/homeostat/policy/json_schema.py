"""The JSON Schema of policy files, for editors; exported from the same models that validate them.

Draft 7, which yaml-language-server reads. A step is told by its kind key with `if`/`then`, so that an editor's
message is about the kind that was meant and not about all of them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from homeostat.policy.action_schema import BUILT_IN_ACTUATORS, ActionFields
from homeostat.policy.fields import NAME_PATTERN, SIGNAL_NAME_PATTERN
from homeostat.policy.schema import LINK, STEP_KINDS, ElseBranch, PolicyFile, SignalFields

_REF = "#/definitions/{model}"


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
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Homeostat policy",
        **root,
        "definitions": definitions,
    }
    linked: dict[str, Any] = _linked(policy_file)
    return linked


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
