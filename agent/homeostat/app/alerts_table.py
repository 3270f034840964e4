"""`[alerts.sources.NAME]` of the settings file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from homeostat.app.table import Reference, Table
from homeostat.model.nearest import did_you_mean
from homeostat.sense.alerts.generic import AlertMapping
from homeostat.sense.alerts.parse import Format
from homeostat.sense.alerts.places import Place
from homeostat.sense.alerts.ready_made import READY_MADE

SOURCES_MAX = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Places = Annotated[list[str], BeforeValidator(_listed), Field(max_length=8)]
"""One place or several, of which the first that holds something counts."""


class MappingTable(Table):
    """Where an alert's parts stand in a payload; places are like `payload.title`, or `alert.id` in a list of alerts.

    `fingerprint`: all of these together tell an alert from the others; without it, the name and all labels do.
    `states`: the source's words for firing, acknowledged, resolved, and those to be ignored.
    """

    alerts: str | None = None
    name: _Places
    state: _Places = Field(default_factory=list)
    states: dict[str, Literal["firing", "acknowledged", "resolved", "ignored"]] = Field(default_factory=dict)
    state_if_absent: Literal["firing", "acknowledged", "resolved"] | None = None
    fingerprint: _Places = Field(default_factory=list)
    severity: _Places = Field(default_factory=list)
    summary: _Places = Field(default_factory=list)
    starts_at: _Places = Field(default_factory=list)
    ends_at: _Places = Field(default_factory=list)
    url: _Places = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict, max_length=40)
    tags: _Places = Field(default_factory=list)

    @field_validator("name", "state", "fingerprint", "severity", "summary", "starts_at", "ends_at", "url", "tags")
    @classmethod
    def _are_places(cls, texts: list[str]) -> list[str]:
        for text in texts:
            Place.parse(text)
        return texts

    @field_validator("alerts")
    @classmethod
    def _is_a_place(cls, text: str | None) -> str | None:
        if text is not None and Place.parse(text).root != "payload":
            raise ValueError("must be a place in the whole payload, as payload.alerts is")
        return text

    @field_validator("labels")
    @classmethod
    def _have_places(cls, labels: dict[str, str]) -> dict[str, str]:
        for text in labels.values():
            Place.parse(text)
        return labels

    @model_validator(mode="after")
    def _says_a_state(self) -> MappingTable:
        if self.state_if_absent is None and not (self.state and self.states):
            raise ValueError("needs the place and the words of the state (`state`, `states`), or `state_if_absent`")
        return self

    @property
    def mapping(self) -> AlertMapping:
        """The same for the parser."""

        def at(texts: list[str]) -> tuple[Place, ...]:
            return tuple(map(Place.parse, texts))

        return AlertMapping(
            name=at(self.name),
            state=at(self.state),
            states=dict(self.states),
            state_if_absent=self.state_if_absent or "",
            alerts=None if self.alerts is None else Place.parse(self.alerts),
            fingerprint=at(self.fingerprint),
            severity=at(self.severity),
            summary=at(self.summary),
            starts_at=at(self.starts_at),
            ends_at=at(self.ends_at),
            url=at(self.url),
            labels={label: Place.parse(text) for label, text in self.labels.items()},
            tags=at(self.tags),
        )


class AlertSourceTable(Table):
    """Who may post alerts to `/alerts/NAME` of the agent's listener, and what they mean.

    Callers show the bearer token of `token`, or `user` and the password of `password`, or sign with one of
    `signing_secrets` (PagerDuty): references (env:NAME, file:/PATH), never the secrets themselves. Without any of
    them it is the listener's own token. `policies`: a value of the label `policy_label` (without it: the alert's
    name) -> the policy it is about.
    """

    kind: Format
    ready_made: str | None = None
    mapping: MappingTable | None = None
    token: Reference | None = None
    user: str | None = None
    password: Reference | None = None
    signing_secrets: list[Reference] = Field(default_factory=list, max_length=8)
    policy_label: str | None = None
    policies: dict[str, str] = Field(default_factory=dict)

    @field_validator("ready_made")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        if name is not None and name not in READY_MADE:
            hint = did_you_mean(name, READY_MADE) or f"; ready made are: {', '.join(READY_MADE)}"
            raise ValueError(f"must be a provider with a ready-made mapping{hint}")
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> AlertSourceTable:
        maps = (self.ready_made is not None) + (self.mapping is not None)
        if self.kind is Format.GENERIC and maps != 1:
            raise ValueError("a generic source needs a mapping: either ready_made or a table [...mapping]")
        if self.kind is not Format.GENERIC and maps:
            raise ValueError(f"a source of kind '{self.kind}' needs no mapping; kind = 'generic' has one")
        if (self.user is None) != (self.password is None):
            raise ValueError("user needs password, and the other way")
        if (self.token is not None) + (self.user is not None) + bool(self.signing_secrets) > 1:
            raise ValueError("one of token, user with password, and signing_secrets says who may call, and not two")
        if self.signing_secrets and self.kind is not Format.PAGERDUTY:
            raise ValueError("signing_secrets are PagerDuty's; other sources have token, or user and password")
        return self

    @property
    def read_by(self) -> AlertMapping | None:
        """The mapping that its payloads are read by; None where its format is fixed."""
        return READY_MADE[self.ready_made] if self.ready_made else self.mapping.mapping if self.mapping else None


def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a source: small letters, digits, '-' and '_', at most 40")
    return name


class AlertsTable(Table):
    """Where alerts come from."""

    sources: dict[Annotated[str, AfterValidator(_name)], AlertSourceTable] = Field(
        default_factory=dict, max_length=SOURCES_MAX
    )
