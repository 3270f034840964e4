"""Which members there are: the built-in ones, and what installed packages add under `homeostat.members`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.members.member import Member
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.model.errors import UsageError

ENTRY_POINTS = "homeostat.members"
MEMBERS: tuple[Member, ...] = (PooledLogistic(), LatentCauses())


def all_members(found: Iterable[EntryPoint] | None = None) -> tuple[Member, ...]:
    """The built-in members and those of plugins, by name; each plugin's entry point names a class without arguments.

    Args:
        found: entry points; those of the installed packages if not given.

    Raises:
        UsageError: a plugin cannot be loaded, or takes the name of another member.
    """
    members = list(MEMBERS)
    plugins = _installed() if found is None else found
    for plugin in sorted(plugins, key=lambda entry: entry.name):
        try:
            member: Member = plugin.load()()
        except Exception as error:
            raise UsageError(f"the member '{plugin.name}' ({plugin.value}) cannot be loaded: {error}") from error
        if member.name in {known.name for known in members}:
            raise UsageError(f"the member '{plugin.name}' ({plugin.value}) is named '{member.name}', as another is")
        members.append(member)
    return tuple(members)


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """Of the packages this process found first: to go through all that are installed takes as long as a fit."""
    return tuple(entry_points(group=ENTRY_POINTS))
