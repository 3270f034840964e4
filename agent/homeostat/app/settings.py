"""`homeostat.toml`: one file a workspace, every value with a safe default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from homeostat.act.allow_list import AllowList
from homeostat.act.secret import is_reference
from homeostat.app.alerts_table import AlertsTable
from homeostat.app.console_table import ConsoleTable
from homeostat.app.heartbeat_table import HeartbeatTable
from homeostat.app.limits import AllowTable, SecretsTable, allow_list
from homeostat.app.notify_table import NotifyTable
from homeostat.app.slack_table import SlackTable
from homeostat.app.table import Table, loopback_address
from homeostat.app.telemetry_table import TelemetryTable
from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Mode
from homeostat.sense.settings import PrometheusSettings

FILE_NAME = "homeostat.toml"
_BYTES_MAX = 1 << 20
_KEY_PARTS_MAX = 50
_SECRETIVE = ("store", "secrets", "audit", "alerts", "notify", "heartbeat", "telemetry", "slack")
"""Tables in which a secret may stand by mistake."""
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'")


class AgentTable(Table):
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
        return loopback_address(listen)


class LearningTable(Table):
    """When rankings are trained, and within which bounds, in a process of its own that is killed when it exceeds them.

    `promote`: `auto` through the gate, `review` only by `homeostat rankings promote` or `homeostat retrain
    --promote`; a policy may be stricter.
    """

    retrain_interval_s: float = Field(3600.0, ge=1.0)
    retrain_timeout_s: float = Field(900.0, ge=1.0, le=86_400.0)
    retrain_memory_mib_max: int = Field(4096, ge=256)
    recurrence_s: float = Field(1800.0, ge=0.0)
    promote: Literal["auto", "review"] = "auto"


class StoreTable(Table):
    """Where the journal is kept: without `url` in the state folder, for one agent; with it in a PostgreSQL for many.

    `password` is a reference (`env:NAME`, `file:/PATH`), never the password itself. An agent that has not been heard of
    for `lease_ttl_s` loses its incidents to the others.
    """

    url: str | None = None
    password: str | None = None
    lease_ttl_s: float = Field(15.0, ge=2.0, le=300.0)
    require_synchronous_standby: bool = False

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise ValueError("must read postgresql://USER@HOST:PORT/DATABASE")
        if parts.password is not None or "password" in parts.query:
            raise ValueError(
                "must not hold a password; name it by reference in the table [store] of homeostat.toml:"
                " password = 'env:NAME' or 'file:/PATH'"
            )
        return url

    @field_validator("password")
    @classmethod
    def _is_reference(cls, password: str | None) -> str | None:
        if password is not None and not is_reference(password):
            raise ValueError("must be a reference, env:NAME or file:/PATH, and never the password itself")
        return password


class AuditTable(Table):
    """How the journal is anchored. Without a key (`homeostat audit keygen`) it is not.

    `key` is a reference (env:NAME or file:PATH) to a private key that is not in the state folder. Anchors are exported
    to a file, by POST to a URL, or both.
    """

    key: str | None = None
    anchor_interval_s: float = Field(300.0, ge=1.0, le=86_400.0)
    export_file: Path | None = None
    export_url: str | None = None

    @field_validator("key")
    @classmethod
    def _is_reference(cls, key: str | None) -> str | None:
        if key is not None and not is_reference(key):
            raise ValueError("must read env:NAME or file:/ABSOLUTE/PATH: a reference, never the key itself")
        return key

    @field_validator("export_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with https:// or http:// and name a host")
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError("must hold no user, no password and no query: settings are no place for secrets")
        return url


class RetentionTable(Table):
    """How long closed incidents stay out of the archive, and their outputs in the journal."""

    archive_after_s: float = Field(90 * 86_400.0, ge=0.0)


class Settings(Table):
    """The whole file. Relative paths are relative to `root`, the folder the file stands in."""

    prometheus: PrometheusSettings = PrometheusSettings()
    agent: AgentTable = AgentTable()
    learning: LearningTable = LearningTable()
    store: StoreTable = StoreTable()
    audit: AuditTable = AuditTable()
    retention: RetentionTable = RetentionTable()
    console: ConsoleTable = ConsoleTable()
    alerts: AlertsTable = AlertsTable()
    notify: NotifyTable = NotifyTable()
    heartbeat: HeartbeatTable = HeartbeatTable()
    telemetry: TelemetryTable = TelemetryTable()
    slack: SlackTable = SlackTable()
    people: dict[str, list[str]] = Field(default_factory=dict)
    secrets: SecretsTable = SecretsTable()
    allow: dict[str, AllowTable] = Field(default_factory=dict)
    root: Path = Path()

    @field_validator("people")
    @classmethod
    def _has_names(cls, people: dict[str, list[str]]) -> dict[str, list[str]]:
        for role, names in people.items():
            if not names or not all(name.strip() for name in names):
                raise ValueError(f"the role '{role}' names nobody: an empty list permits nobody, leave it out")
        return people

    def with_store(self, url: str) -> Settings:
        """The same with its journal in another place. Raises UsageError."""
        try:
            return self.model_copy(update={"store": StoreTable.model_validate({**self.store.model_dump(), "url": url})})
        except ValidationError as error:
            what = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise UsageError(f"--store {what}") from error

    @property
    def allowed(self) -> AllowList:
        """What policies may use."""
        return allow_list(self.allow)

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

    @property
    def archive(self) -> Path:
        """The folder of archives, one folder each."""
        return self.state / "archive"

    @property
    def audit_export(self) -> Path | None:
        """The file that anchors are exported to."""
        file = self.audit.export_file
        return None if file is None else self.root / file


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
        raise PolicyError([Problem(place_in(path, text, ("root",)), "E002", "unknown key 'root'")])
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
    position = place_in(path, text, keys)
    if finding["type"] == "extra_forbidden":
        message = f"unknown key '{keys[-1]}'{_nearest(keys)}"
    else:
        what = str(finding["msg"]).removeprefix("Value error, ")
        # Whoever wrote a secret where a reference belongs must not find it in a log.
        hidden = isinstance(finding["input"], dict) or keys[0] in _SECRETIVE
        shown = "" if hidden else f" is {finding['input']!r}, but"
        message = f"'{'.'.join(keys)}'{shown or ':'} {what[0].lower()}{what[1:]}"
    return Problem(position, "E002", message)


def _nearest(keys: tuple[str, ...]) -> str:
    table: Any = Settings
    for key in keys[:-1]:
        # A table by name, as [allow.NAME], says of all its values what they are.
        is_model = isinstance(table, type) and issubclass(table, Table)
        table = table.model_fields[key].annotation if is_model else get_args(table)[-1]
    known = [name for name in table.model_fields if name != "root"]
    return did_you_mean(keys[-1], known) or f"; known here: {', '.join(known)}"


def place_in(path: Path, text: str, keys: tuple[str, ...]) -> Position:
    """Find a key's line, first its table and then the key itself; TOML parsers keep no positions."""
    table: tuple[str, ...] = ()
    found = Position(str(path), 1, 1)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = _header(stripped)
            if table and table == keys[: len(table)]:
                found = Position(str(path), number, line.index("[") + 2)
                if len(table) == len(keys):
                    return found
        elif table == keys[: len(table)] and _sets(stripped, keys[len(table) :]):
            return Position(str(path), number, len(line) - len(line.lstrip()) + 1)
    return found


def _sets(line: str, keys: tuple[str, ...]) -> bool:
    """Whether a line sets the first of these keys, or something below it."""
    return bool(keys) and re.match(rf"[\"']?{re.escape(keys[0])}[\"']?\s*[=.]", line) is not None


def _header(line: str) -> tuple[str, ...]:
    """The path of a table's header; empty where the line is something else."""
    try:
        here: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(here, dict) and here:
        path.append(next(iter(here)))
        here = here[path[-1]]
    return tuple(path)
