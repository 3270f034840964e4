"""`homeostat.toml`: one file a workspace, every value with a safe default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError, field_validator

from homeostat.act.allow_list import AllowList
from homeostat.app.agent_table import AgentTable
from homeostat.app.alerts_table import AlertsTable
from homeostat.app.audit_table import AuditTable
from homeostat.app.console_table import ConsoleTable
from homeostat.app.heartbeat_table import HeartbeatTable
from homeostat.app.learning_table import LearningTable
from homeostat.app.limits import AllowTable, SecretsTable, allow_list
from homeostat.app.notify_table import NotifyTable
from homeostat.app.settings_file import FILE_NAME, place_in, read_tables
from homeostat.app.slack_table import SlackTable
from homeostat.app.store_table import StoreTable
from homeostat.app.table import Table
from homeostat.app.telemetry_table import TelemetryTable
from homeostat.model.errors import PolicyError, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.sense.settings import PrometheusSettings

_SECRETIVE = ("store", "secrets", "audit", "alerts", "notify", "heartbeat", "telemetry", "slack")
"""Tables in which a secret may stand by mistake."""


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
    text, tables = read_tables(path)
    if "root" in tables:
        raise PolicyError([Problem(place_in(path, text, ("root",)), "E002", "unknown key 'root'")])
    try:
        return Settings.model_validate({**tables, "root": path.parent.absolute()})
    except ValidationError as error:
        raise PolicyError([_problem(path, text, finding) for finding in error.errors()]) from error


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
