"""The workspace's policies as they lie there, and whether they want a review. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from homeostat.app.clock import SystemClock
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.authoring.drift import stale_policies
from homeostat.console.kept import Kept
from homeostat.console.views import entries_of
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.streams import POLICY_STREAMS
from homeostat.policy.load import load_journalled, load_policies, policy_paths

STALENESS_S = 60.0
"""How old what git says may be: it is asked a few times for each policy."""
FILES_S = 3.0


@dataclass(frozen=True, slots=True)
class Stale:
    """Whether a policy wants a review, as `homeostat drift` says.

    Attributes:
        causes: why, a sentence each; none: it is in order.
        unknown: why that cannot be said; "" where it can.
    """

    causes: tuple[str, ...] = ()
    unknown: str = ""


_files: Kept[tuple[dict[str, Policy], list[str]]] = Kept(4, FILES_S)
_stale: Kept[dict[str, Stale]] = Kept(4, STALENESS_S)


def workspace_policies(settings: Settings) -> tuple[dict[str, Policy], list[str]]:
    """The policies by name, and what is wrong with others; one that cannot be read is as an agent loaded it last."""
    return _files.get((settings.policies, settings.agent.environment), lambda: _read_policies(settings))


def policy_of(settings: Settings, name: str) -> Policy:
    """A policy by its name. Raises UsageError with the nearest."""
    policies, _ = workspace_policies(settings)
    if name not in policies:
        hint = did_you_mean(name, policies) or f"; there are: {', '.join(sorted(policies)) or 'none'}"
        raise UsageError(f"no policy '{name}'{hint}")
    return policies[name]


def _read_policies(settings: Settings) -> tuple[dict[str, Policy], list[str]]:
    policies, problems = load_policies(settings.policies, settings.agent.environment)
    found = dict(policies)
    if problems and has_journal(settings):
        with journal_to_read(settings) as journal:
            for stream in journal.streams(POLICY_STREAMS):
                history = entries_of(journal, stream)
                loaded = [entry for entry in history if isinstance(entry, e.PolicyLoaded)]
                name = stream.removeprefix(POLICY_STREAMS)
                if name not in found and loaded:
                    found[name] = load_journalled(history, loaded[-1].policy_hash)
    return dict(sorted(found.items())), [str(problem) for problem in problems]


def staleness(settings: Settings) -> dict[str, Stale]:
    """By policy, whether it wants a review."""
    return _stale.get(settings.policies, lambda: _read_staleness(settings))


def _read_staleness(settings: Settings) -> dict[str, Stale]:
    """One policy at a time: one that cannot be judged must not hide what there is to say of the others."""
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    policies, _ = workspace_policies(settings)
    by_file = {source: policy.name for policy in policies.values() for source in policy.sources}
    found: dict[str, Stale] = {}
    try:
        paths = policy_paths(settings.policies)
    except OSError as error:
        return dict.fromkeys(policies, Stale(unknown=f"{settings.policies}: {error.strerror}"))
    for path in paths:
        try:
            for one in stale_policies([path], today=today):
                found[one.policy] = Stale(tuple(sentence for _, sentence in one.causes))
        except HomeostatError as error:
            if path.name in by_file:
                found[by_file[path.name]] = Stale(unknown=str(error))
    return found
