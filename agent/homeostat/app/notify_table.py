"""`[notify]` of the settings file: channels, chains and routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from homeostat.app.table import Table
from homeostat.model.nearest import did_you_mean
from homeostat.notify.message import Topic
from homeostat.notify.routing import Chain, ChainStep, Route, Routing
from homeostat.policy.units import parse_duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
DIGEST_S_MAX = 86_400.0
WAIT_S_MIN, WAIT_S_MAX = 10.0, 86_400.0
GATHER_S_MAX = 60.0
CHANNELS_MAX = 50
STEPS_MAX = 20
ROUTES_MAX = 100


def _between(text: str, least_s: float, most_s: float) -> str:
    seconds = parse_duration(text)
    if not least_s <= seconds <= most_s:
        raise ValueError(f"must be from {least_s:g}s to {most_s:g}s")
    return text


Wait = Annotated[str, AfterValidator(lambda text: _between(text, WAIT_S_MIN, WAIT_S_MAX))]
Gather = Annotated[str, AfterValidator(lambda text: _between(text, 0.0, GATHER_S_MAX))]
Digest = Annotated[str, AfterValidator(lambda text: _between(text, 1.0, DIGEST_S_MAX))]


class ChannelTable(Table):
    """One channel; what it has beside `kind` and `timeout_s` is for its kind to read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    timeout_s: float = Field(10.0, ge=0.1, le=60.0)

    @property
    def options(self) -> Mapping[str, object]:
        """What its kind reads."""
        return dict(self.model_extra or {})


class ChainStepTable(Table):
    """Channels that are told at once, and how long they are waited for."""

    to: list[str] = Field(min_length=1, max_length=CHANNELS_MAX)
    wait: Wait = "5m"


class ChainTable(Table):
    """Steps in turn; `repeat_max`: how often it begins anew."""

    steps: list[ChainStepTable] = Field(min_length=1, max_length=STEPS_MAX)
    repeat_max: int = Field(0, ge=0, le=20)


class RouteTable(Table):
    """Which news goes where. What is left out means all; without `digest` it is told at once."""

    to: list[str] = Field(min_length=1, max_length=CHANNELS_MAX)
    topics: list[Topic] = Field(default_factory=list)
    policies: list[str] = Field(default_factory=list)
    severities: list[str] = Field(default_factory=list)
    digest: Digest | None = None


class NotifyTable(Table):
    """Who is told what. Without channels nobody is.

    What wants somebody (asked, manual, escalated) goes to the chain or channel of the name that the policy says, else
    to `default`. News goes where a route says, and nowhere without one.
    """

    channels: dict[str, ChannelTable] = Field(default_factory=dict, max_length=CHANNELS_MAX)
    chains: dict[str, ChainTable] = Field(default_factory=dict)
    routes: list[RouteTable] = Field(default_factory=list, max_length=ROUTES_MAX)
    default: str | None = None
    console_url: str = ""
    gather: Gather = "5s"
    per_minute_max: int = Field(6, ge=1, le=60)
    attempts_max: int = Field(5, ge=1, le=20)

    @field_validator("channels", "chains")
    @classmethod
    def _has_names(cls, named: dict[str, Table], info: ValidationInfo) -> dict[str, Table]:
        for name in named:
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"'{name}' is no name: letters, digits, '.', '_' and '-', at most 64")
            if info.field_name == "chains" and name in info.data.get("channels", {}):
                raise ValueError(f"'{name}' is a channel and a chain: a policy that says it must mean one of them")
        return named

    @field_validator("chains")
    @classmethod
    def _chains_lead_somewhere(cls, chains: dict[str, ChainTable], info: ValidationInfo) -> dict[str, ChainTable]:
        for name, chain in chains.items():
            for step in chain.steps:
                _require_channels(step.to, info, f"chain '{name}'")
        return chains

    @field_validator("routes")
    @classmethod
    def _routes_lead_somewhere(cls, routes: list[RouteTable], info: ValidationInfo) -> list[RouteTable]:
        for number, route in enumerate(routes, start=1):
            _require_channels(route.to, info, f"route {number}")
        return routes

    @field_validator("default")
    @classmethod
    def _default_leads_somewhere(cls, default: str | None, info: ValidationInfo) -> str | None:
        known = [*info.data.get("channels", {}), *info.data.get("chains", {})]
        if default is not None and default not in known and "channels" in info.data and "chains" in info.data:
            hint = did_you_mean(default, known) or f"; known: {', '.join(sorted(known)) or 'none'}"
            raise ValueError(f"'{default}' is no channel and no chain{hint}")
        return default

    @field_validator("console_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username):
            raise ValueError("must read https://HOST or https://HOST/PATH, without a user or a query")
        return url.rstrip("/")

    def routing(self, singly: Iterable[str] = ()) -> Routing:
        """The same as the notifications' own room takes it."""
        return Routing(
            channels=frozenset(self.channels),
            chains={name: _chain(name, chain) for name, chain in self.chains.items()},
            routes=[
                Route(
                    tuple(route.to),
                    tuple(route.topics),
                    tuple(route.policies),
                    tuple(severity.lower() for severity in route.severities),
                    0.0 if route.digest is None else parse_duration(route.digest),
                )
                for route in self.routes
            ],
            default=self.default,
            gather_s=parse_duration(self.gather),
            per_minute_max=self.per_minute_max,
            console_url=self.console_url,
            singly=frozenset(singly),
        )


def _chain(name: str, chain: ChainTable) -> Chain:
    steps = tuple(ChainStep(tuple(dict.fromkeys(step.to)), parse_duration(step.wait)) for step in chain.steps)
    return Chain(name, steps, chain.repeat_max)


def _require_channels(names: Iterable[str], info: ValidationInfo, where: str) -> None:
    if "channels" not in info.data:
        return  # they are wrong themselves, and that is said
    known = info.data["channels"]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"; known: {', '.join(sorted(known)) or 'none'}"
            raise ValueError(f"{where} leads to '{name}', which is no channel{hint}")
