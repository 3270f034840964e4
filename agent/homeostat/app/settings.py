"""`homeostat.toml`: one file a workspace, every value with a safe default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Mode
from homeostat.sense.settings import PrometheusSettings

FILE_NAME = "homeostat.toml"
_BYTES_MAX = 1 << 20
_KEY_PARTS_MAX = 50
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgentTable(_Table):
    """How the agent runs. Without `mode` it only observes; `environment` chooses the values of policies' parameters.

    `listen` serves /metrics and /healthz; it is loopback, and asks for the state's token.
    """

    policies: Path = Path("policies")
    state: Path = Path("state")
    poll_interval_s: float = Field(15.0, ge=0.1, le=3600)
    mode: Mode = Mode.OBSERVE
    environment: str | None = None
    listen: str = "127.0.0.1:9464"

    @field_validator("policies", "state")
    @classmethod
    def _is_a_name(cls, folder: Path) -> Path:
        if not str(folder).isprintable():
            raise ValueError("must be the name of a folder, without control characters")
        return folder

    @field_validator("listen")
    @classmethod
    def _is_loopback(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        if not separator or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
            raise ValueError("must read HOST:PORT, for example 127.0.0.1:9464")
        if host not in ("127.0.0.1", "localhost"):
            raise ValueError(
                "must be a loopback address: put a proxy that authenticates in front to reach it from outside"
            )
        return listen


class LearningTable(_Table):
    """When rankings are trained. `promote`: `auto` through the gate, `review` only by `homeostat retrain --promote`."""

    retrain_interval_s: float = Field(3600.0, ge=1.0)
    recurrence_s: float = Field(1800.0, ge=0.0)
    promote: Literal["auto", "review"] = "auto"


class Settings(_Table):
    """The whole file. Relative paths are relative to `root`, the folder the file stands in."""

    prometheus: PrometheusSettings = PrometheusSettings()
    agent: AgentTable = AgentTable()
    learning: LearningTable = LearningTable()
    people: dict[str, list[str]] = Field(default_factory=dict)
    root: Path = Path()

    @field_validator("people")
    @classmethod
    def _has_names(cls, people: dict[str, list[str]]) -> dict[str, list[str]]:
        for role, names in people.items():
            if not names or not all(name.strip() for name in names):
                raise ValueError(f"the role '{role}' names nobody: an empty list permits nobody, leave it out")
        return people

    @property
    def roles(self) -> dict[str, frozenset[str]]:
        """Who has which role, for approvals."""
        return {role: frozenset(names) for role, names in self.people.items()}

    @property
    def everybody(self) -> frozenset[str]:
        """Every role and everybody who has one."""
        return frozenset(self.people).union(*self.people.values())

    @field_validator("prometheus", mode="plain")
    @classmethod
    def _is_prometheus(cls, table: object) -> PrometheusSettings:
        if not isinstance(table, dict):
            raise ValueError("must be a table of settings")  # noqa: TRY004 - pydantic reports ValueErrors only
        try:
            return PrometheusSettings.from_mapping(table)
        except UsageError as error:
            raise ValueError(str(error)) from error

    @property
    def policies(self) -> Path:
        """The folder of policies."""
        return self.root / self.agent.policies

    @property
    def state(self) -> Path:
        """The folder of the journal and of running actions."""
        return self.root / self.agent.state

    @property
    def inbox(self) -> Path:
        """Where people's answers lie until the agent has taken them in."""
        return self.state / "inbox"

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.state / "journal.sqlite"


def policies_folder(settings: Settings) -> Path:
    """The folder of a workspace's policies.

    Raises:
        UsageError: there is none, most often since this is no workspace.
    """
    folder = settings.policies
    if folder.is_dir():
        return folder
    if (settings.root / FILE_NAME).exists():
        raise UsageError(f"{folder}: there is no such folder; policies are there, unless {FILE_NAME} says otherwise")
    raise UsageError(
        f"there is no workspace here: neither {FILE_NAME} nor the folder {folder.name}; `homeostat init DIR` makes one"
    )


def load_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        PolicyError: with every finding and its place.
    """
    text = _read(path)
    _refuse_deep_keys(path, text)
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside TOMLDecodeError: a number of 5,000 digits, 1,000 brackets
        line, column = _toml_place(str(error))
        raise PolicyError([Problem(Position(str(path), line, column), "E001", f"not valid TOML: {error}")]) from error
    if "root" in tables:
        raise PolicyError([Problem(_place(path, text, ("root",)), "E002", "unknown key 'root'")])
    try:
        return Settings.model_validate({**tables, "root": path.parent.absolute()})
    except ValidationError as error:
        raise PolicyError([_problem(path, text, finding) for finding in error.errors()]) from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            raise PolicyError([Problem(Position(str(path), 1, 1), "E003", "larger than 1 MiB; is it the right file?")])
        return content.decode("utf-8")
    except FileNotFoundError as error:
        hint = "no such file; `homeostat init DIR` makes a workspace with one, and -c FILE names another"
        raise PolicyError([Problem(Position(str(path), 1, 1), "E004", hint)]) from error
    except OSError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E004", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E005", "is not UTF-8 text")]) from error


def _refuse_deep_keys(path: Path, text: str) -> None:
    """The parser's memory grows with the square of a dotted key's parts. No key can go over a line's end."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _KEY_PARTS_MAX and _TEXT.sub("", line).count(".") > _KEY_PARTS_MAX:
            raise PolicyError([Problem(Position(str(path), number, 1), "E001", "no key here is nested so deep")])


def _toml_place(message: str) -> tuple[int, int]:
    found = re.search(r"at line (\d+), column (\d+)", message)
    return (int(found[1]), int(found[2])) if found else (1, 1)


def _problem(path: Path, text: str, finding: Mapping[str, Any]) -> Problem:
    keys = tuple(str(part) for part in finding["loc"])
    position = _place(path, text, keys)
    if finding["type"] == "extra_forbidden":
        message = f"unknown key '{keys[-1]}'{_nearest(keys)}"
    else:
        what = str(finding["msg"]).removeprefix("Value error, ")
        shown = "" if isinstance(finding["input"], dict) else f" is {finding['input']!r}, but"
        message = f"'{'.'.join(keys)}'{shown or ':'} {what[0].lower()}{what[1:]}"
    return Problem(position, "E002", message)


def _nearest(keys: tuple[str, ...]) -> str:
    table: type[BaseModel] = Settings
    for key in keys[:-1]:
        annotation = table.model_fields[key].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            table = annotation
    known = [name for name in table.model_fields if name != "root"]
    return did_you_mean(keys[-1], known) or f"; known here: {', '.join(known)}"


def _place(path: Path, text: str, keys: tuple[str, ...]) -> Position:
    """Find a key's line, first its table and then the key itself; TOML parsers keep no positions."""
    in_table = len(keys) == 1
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            in_table = len(keys) > 1 and stripped.strip("[] ") == keys[0]
            if len(keys) == 1 and stripped.strip("[] ") == keys[0]:
                return Position(str(path), number, line.index("[") + 2)
        elif in_table and re.match(rf'"?{re.escape(keys[-1])}"?\s*=', stripped):
            return Position(str(path), number, len(line) - len(line.lstrip()) + 1)
    return Position(str(path), 1, 1)
