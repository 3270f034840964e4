"""`[slack]` of the settings file."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from homeostat.app.table import Reference, Table
from homeostat.model.errors import UsageError
from homeostat.notify.options import checked_url
from homeostat.notify.slack_web import API_URL
from homeostat.record.inbox import check_name

_TEAM = re.compile("[TE][A-Z0-9]{2,30}", re.ASCII)
_USER = re.compile("[UW][A-Z0-9]{2,30}", re.ASCII)


class SlackTable(Table):
    """How `homeostat serve` hears clicks in Slack, and who is who there.

    `app_token` (xapp-) and `bot_token` (xoxb-) are references, env:NAME or file:/PATH. `team` is the workspace's id:
    clicks from another one are refused. `people` gives people's names here their member ids there; what they may do,
    `homeostat access` says. Without the tokens nothing is heard.
    """

    app_token: Reference | None = None
    bot_token: Reference | None = None
    team: str | None = None
    people: dict[str, str] = Field(default_factory=dict)
    api_url: str = API_URL

    _is_url = field_validator("api_url")(checked_url)

    @field_validator("team")
    @classmethod
    def _is_a_team(cls, team: str | None) -> str | None:
        if team is not None and _TEAM.fullmatch(team) is None:
            raise ValueError("must be a workspace's id, like T012AB3CD; it stands in Slack's address in a browser")
        return team

    @field_validator("people")
    @classmethod
    def _are_bound_one_to_one(cls, people: dict[str, str]) -> dict[str, str]:
        names: dict[str, str] = {}
        for name, user in people.items():
            try:
                check_name(name)
            except UsageError as error:
                raise ValueError(f"binds no person: {error}") from None
            if _USER.fullmatch(user) is None:
                raise ValueError(f"binds '{name}' to what is no member id, like U012AB3CD; a profile in Slack shows it")
            if user in names:
                raise ValueError(f"binds {user} to '{names[user]}' and to '{name}': nobody has two voices")
            names[user] = name
        return people

    @model_validator(mode="after")
    def _is_whole(self) -> SlackTable:
        given = [self.app_token, self.bot_token, self.team]
        if any(given) and not all(given):
            raise ValueError("needs all three of app_token, bot_token and team, or none")
        return self

    def person(self, user: str) -> str | None:
        """The name of the person with a member id; None: nobody is bound to it."""
        return next((name for name, bound in self.people.items() if bound == user), None)
