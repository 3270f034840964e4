"""The `sql` actuator: statements in one transaction of PostgreSQL, by a runner that outlives the agent.

Parameters: `dsn` (libpq's keywords or URL, without a password), `password` (`{secret: REFERENCE}`), `statement` or
`statements` (with `%(name)s` where a value is bound), `values` (names to text, numbers, `{target: ...}` or
`{with: ...}`), `identifiers` (names to `{value, allowed}`: `{name}` in a statement becomes the identifier, quoted, if
the list `allowed` has it), `rows_max` (more changed rows are rolled back), `expect_rows` (how many the
last statement must change or return, else it is rolled back), `read_only`, `keyed`.

With `keyed`, the same transaction writes the idempotency key to the table `homeostat_actions`, so that an action under
one key is committed at most once, and it can be told afterwards whether it was.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homeostat.act.detached import DetachedActuator
from homeostat.act.service_parameters import secret_of
from homeostat.act.substitution import RefusedError, as_json, as_text
from homeostat.act.values import timeout_of
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.sql_statement import STATEMENTS_MAX, holds_password, names_used, objection

APPLICATION_NAME_MAX = 63
"""PostgreSQL cuts what is longer (NAMEDATALEN)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PACKAGES = ("psycopg", "psycopg_binary", "psycopg_c", "typing_extensions")


class SqlActuator(DetachedActuator):
    """Runs SQL. Cancelled, or over its time, a statement is cancelled, and its transaction rolled back."""

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        del action
        return None if importlib.util.find_spec("psycopg") else "sql needs psycopg: pip install 'psycopg[binary]'"

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        read_only, keyed = _flag(parameters, "read_only"), _flag(parameters, "keyed")
        if read_only and keyed:
            raise RefusedError("read_only and keyed exclude each other: what changes nothing needs no key")
        rows_max, expect_rows = _count(parameters, "rows_max"), _count(parameters, "expect_rows")
        values, identifiers = _bound(command), _identifiers(command)
        return {
            "kind": "sql",
            "resumable": keyed,
            "dsn": _dsn(parameters.get("dsn")),
            "values": {} if parameters.get("password") is None else {"password": secret_of(command, "password")},
            "statements": _statements(parameters, values, identifiers, counts_rows=rows_max is not None),
            "bound": values,
            "identifiers": identifiers,
            "rows_max": rows_max,
            "expect_rows": expect_rows,
            "read_only": read_only,
            "keyed": keyed,
            "remote_key": command.key_for_target,
            "application_name": application_name(command.key),
            "import_from": _folders(),
            "timeout_s": timeout_of(command),
        }


def application_name(key: str) -> str:
    """What the server shows of a key (`pg_stat_activity`): the key itself, or its digest where it would be cut."""
    if len(key) <= APPLICATION_NAME_MAX and re.fullmatch(r"[\x20-\x7e]+", key):
        return key
    return f"homeostat-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def _folders() -> list[str]:
    """Where the agent has psycopg from; a runner has no site-packages by itself."""
    found = [importlib.util.find_spec(name) for name in _PACKAGES]
    paths = [Path(spec.origin) for spec in found if spec is not None and spec.origin is not None]
    return sorted({str(path.parents[1] if path.name == "__init__.py" else path.parent) for path in paths})


def _dsn(dsn: object) -> str:
    if not isinstance(dsn, str) or not dsn.strip() or "\0" in dsn:
        raise RefusedError("dsn is written out, like postgresql://agent@db.shop.example/shop")
    if holds_password(dsn):
        raise RefusedError("a dsn must not hold a password; use password: {secret: REFERENCE}")
    return dsn


def _statements(
    parameters: Mapping[str, Any], values: Mapping[str, Any], identifiers: Mapping[str, Any], *, counts_rows: bool
) -> list[str]:
    one, many = parameters.get("statement"), parameters.get("statements")
    if (one is None) == (many is None):
        raise RefusedError("an action has either statement or statements")
    given = [one] if many is None else list(many) if isinstance(many, list | tuple) else []
    if not 1 <= len(given) <= STATEMENTS_MAX or not all(isinstance(statement, str) for statement in given):
        raise RefusedError(f"statements are a list of 1 to {STATEMENTS_MAX} texts")
    statements = [str(statement) for statement in given]
    for statement in statements:
        why = objection(statement, values, identifiers, counts_rows=counts_rows)
        if why is not None:
            raise RefusedError(why)
    for name in values:
        if not any(name in names_used(statement, identifiers=False) for statement in statements):
            raise RefusedError(f"the value {name} is in no statement; write %({name})s")
    return statements


def _bound(command: StartAction) -> dict[str, Any]:
    given: object = command.action.parameters.get("values") or {}
    if not isinstance(given, Mapping):
        raise RefusedError("values are a mapping of names to values")
    bound = {}
    for name, value in given.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise RefusedError(f"{name!r} is not the name of a value")
        found = as_json(value, command)
        if not isinstance(found, str | int | float | bool | None) or (isinstance(found, str) and "\0" in found):
            raise RefusedError(f"the value {name} is text, a number, true, false or null")
        if isinstance(found, float) and not math.isfinite(found):
            raise RefusedError(f"the value {name} is not a finite number")
        bound[name] = found
    return bound


def _identifiers(command: StartAction) -> dict[str, list[str]]:
    given: object = command.action.parameters.get("identifiers") or {}
    if not isinstance(given, Mapping):
        raise RefusedError("identifiers are a mapping of names to {value, allowed}")
    found = {}
    for name, choice in given.items():
        if not isinstance(choice, Mapping) or set(choice) != {"value", "allowed"}:
            raise RefusedError(f"the identifier {name} reads {{value: ..., allowed: [...]}}")
        value, allowed = as_text(choice["value"], command), choice["allowed"]
        if not isinstance(allowed, list | tuple) or value not in allowed:
            raise RefusedError(f"{value!r} is not among the identifiers that {name} allows")
        found[str(name)] = value.split(".")
    return found


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError(f"{name} is true or false, not {value!r}")
    return value


def _count(parameters: Mapping[str, Any], name: str) -> int | None:
    value = parameters.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise RefusedError(f"{name} is a whole number from 0 on, not {value!r}")
    return value
