"""The settings tables `[secrets.commands]` and `[allow]`: what the agent may use."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from homeostat.act.allow_list import AllowList, AllowRule
from homeostat.act.context import SecretCommand
from homeostat.app.table import Table

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class SecretCommandTable(Table):
    """A command that prints a secret: an argument list, and the agent's variables that it is given by name."""

    argv: list[str]
    env: list[str] = Field(default_factory=list)

    @field_validator("argv")
    @classmethod
    def _has_a_program(cls, argv: list[str]) -> list[str]:
        if not argv or not argv[0] or any("\0" in argument for argument in argv):
            raise ValueError('must be a list that begins with the program, like ["vault", "kv", "get", "shop/db"]')
        return argv

    @field_validator("env")
    @classmethod
    def _has_names(cls, names: list[str]) -> list[str]:
        for name in names:
            if _VARIABLE.fullmatch(name) is None:
                raise ValueError("must be names of environment variables; their values are not written here")
        return names


class SecretsTable(Table):
    """Where secrets come from beside variables, files and the cluster: `command:NAME` runs `commands.NAME`."""

    commands: dict[str, SecretCommandTable] = Field(default_factory=dict)

    @field_validator("commands", mode="before")
    @classmethod
    def _lists_are_arguments(cls, commands: object) -> object:
        if not isinstance(commands, dict):
            return commands
        for name in commands:
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"'{name}' cannot name a command: letters, digits, '.', '_' and '-', at most 64")
        return {name: {"argv": form} if isinstance(form, list) else form for name, form in commands.items()}

    def for_lookup(self) -> dict[str, dict[str, list[str]]]:
        """The same for `act.secret.resolve`, where the agent itself needs a secret."""
        return {name: {"argv": list(table.argv), "env": list(table.env)} for name, table in self.commands.items()}

    def by_name(self) -> dict[str, SecretCommand]:
        """The commands as actuators take them."""
        return {name: SecretCommand(tuple(table.argv), tuple(table.env)) for name, table in self.commands.items()}


class AllowTable(Table):
    """What the policies that a glob names may use. A list left out allows all of its kind, an empty one nothing."""

    actuators: list[str] | None = None
    targets: list[str] | None = None
    programs: list[str] | None = None
    images: list[str] | None = None
    units: list[str] | None = None
    playbooks: list[str] | None = None
    configurations: list[str] | None = None


def allow_list(tables: dict[str, AllowTable]) -> AllowList:
    """The rules of `[allow]`, by the globs of policies' names."""

    def globs(given: list[str] | None) -> tuple[str, ...] | None:
        return None if given is None else tuple(given)

    return AllowList(
        [
            AllowRule(policies, **{name: globs(given) for name, given in table.model_dump().items()})
            for policies, table in tables.items()
        ]
    )
