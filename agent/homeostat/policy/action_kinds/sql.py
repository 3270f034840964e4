"""`actuator: sql`: statements in one transaction of PostgreSQL."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Effect
from homeostat.model.sql_statement import STATEMENTS_MAX, holds_password, names_used, objection
from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.action_kinds.services import check_secret
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import (
    ARGV_MAX,
    SECRET_SCHEMA,
    SUBSTITUTION_SCHEMA,
    check_json,
    check_text,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_IDENTIFIER = re.compile(r"[^\0.\"]{1,63}(\.[^\0.\"]{1,63})?")


def _check_dsn(value: object) -> object:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong("E133", "a connection string is written out, like postgresql://agent@db.shop.example/shop")
    if holds_password(value):
        raise wrong("E133", "a connection string must not hold a password; use password: {secret: env:NAME}")
    return value


def _check_statements(value: object) -> object:
    if not isinstance(value, list) or not 1 <= len(value) <= STATEMENTS_MAX:
        raise wrong("E133", f"a list of 1 to {STATEMENTS_MAX} statements is wanted, not {shown(value)}")
    for statement in value:
        _check_statement(statement)
    return value


def _check_statement(value: object) -> object:
    if not isinstance(value, str):
        raise wrong("E133", f"a statement is written out, with %(name)s for values, not {shown(value)}")
    return value


def _names(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > ARGV_MAX:
        raise wrong("E133", f"{what} are a mapping, not {shown(value)}")
    for name in value:
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} cannot stand in a statement: letters, digits and '_'")
    return value


def _check_values(value: object) -> object:
    for name, content in _names(value, "values").items():
        check_json(content)
        if isinstance(content, list) or (isinstance(content, dict) and not set(content) & {"target", "with"}):
            raise wrong("E133", f"the value {name} is text, a number, {{target: name}} or {{with: key}}")
    return value


def _check_identifiers(value: object) -> object:
    for name, content in _names(value, "identifiers").items():
        if not isinstance(content, dict) or set(content) != {"value", "allowed"}:
            raise wrong("E133", f"the identifier {name} reads {{value: {{with: key}}, allowed: [orders, payments]}}")
        chosen, allowed = check_text(content["value"]), content["allowed"]
        if not isinstance(allowed, list) or not 1 <= len(allowed) <= ARGV_MAX:
            raise wrong("E133", f"what {name} allows is a list of identifiers, like [orders, shop.payments]")
        for one in allowed:
            if not isinstance(one, str) or _IDENTIFIER.fullmatch(one) is None:
                raise wrong("E133", f"{shown(one)} is not an identifier: a name, or a schema and a name")
        if isinstance(chosen, str) and chosen not in allowed:
            raise wrong("E133", f"{shown(chosen)} is not among what {name} allows{did_you_mean(chosen, allowed)}")
    return value


_VALUE_SCHEMA = {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, SUBSTITUTION_SCHEMA]}
_IDENTIFIER_SCHEMA = {
    "type": "object",
    "properties": {"value": TEXT_SCHEMA, "allowed": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
    "required": ["value", "allowed"],
    "additionalProperties": False,
}
_STATEMENTS_SCHEMA = {"type": "array", "minItems": 1, "maxItems": STATEMENTS_MAX, "items": {"type": "string"}}
_BY_NAME: dict[str, Any] = {"type": "object"}


class SqlAction(ActionFields):
    """`actuator: sql`: statements in one transaction of PostgreSQL, with bound values alone."""

    model_config = ConfigDict(extra="forbid")

    dsn: Annotated[Any, *checked(_check_dsn, {"type": "string", "minLength": 1})]
    password: Annotated[Any, *checked(check_secret, SECRET_SCHEMA)] = None
    statement: Annotated[Any, *checked(_check_statement, {"type": "string", "minLength": 1})] = None
    statements: Annotated[Any, *checked(_check_statements, _STATEMENTS_SCHEMA)] = None
    bound: Annotated[Any, *checked(_check_values, {**_BY_NAME, "additionalProperties": _VALUE_SCHEMA})] = Field(
        None, alias="values"
    )
    identifiers: Annotated[
        Any, *checked(_check_identifiers, {**_BY_NAME, "additionalProperties": _IDENTIFIER_SCHEMA})
    ] = None
    rows_max: Annotated[int, Field(ge=0)] | None = None
    expect_rows: Annotated[int, Field(ge=0)] | None = None
    read_only: bool = False
    keyed: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.statement is None) == (self.statements is None):
            raise wrong("E133", "an action has either statement or statements")
        if self.read_only and self.keyed:
            raise wrong("E133", "read_only and keyed exclude each other: what changes nothing needs no key")
        if self.effect is Effect.KEYED and not self.keyed:
            raise wrong("E133", "effect: keyed needs keyed: true, which writes the key to the table homeostat_actions")
        self._check_what_is_filled_in(self.statements or [self.statement])
        return self

    def _check_what_is_filled_in(self, statements: list[str]) -> None:
        values, identifiers = self.bound or {}, self.identifiers or {}
        for statement in statements:
            why = objection(statement, values, identifiers, counts_rows=self.rows_max is not None)
            if why is not None:
                raise wrong("E133", why)
        for name in values:
            if not any(name in names_used(statement, identifiers=False) for statement in statements):
                raise wrong("E133", f"the value {name} is in no statement; write %({name})s")
        for name in identifiers:
            if not any(name in names_used(statement, identifiers=True) for statement in statements):
                raise wrong("E133", f"the identifier {name} is in no statement; write {{{name}}}")
