"""The policies of a workspace: by name, by file, all of them."""

from __future__ import annotations

from pathlib import Path

from homeostat.app.settings import Settings, policies_folder
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.policy.load import SUFFIX, load_policies, load_policy


def policy_named(settings: Settings, name: str) -> Policy:
    """Find a policy by its name, or by the path of its file.

    Raises:
        UsageError: there is none. PolicyError: it is invalid.
    """
    if Path(name).suffix == ".yaml":
        return load_policy(Path(name), settings.agent.environment)
    policies, problems = load_policies(policies_folder(settings), settings.agent.environment)
    if name in policies:
        return policies[name]
    if problems:
        raise PolicyError(problems)
    known = did_you_mean(name, policies) or f"; known: {', '.join(sorted(policies)) or 'none'}"
    raise UsageError(f"no policy '{name}' in {settings.policies}{known}")


def all_policies(settings: Settings) -> list[Policy]:
    """Every policy of the workspace.

    Raises:
        PolicyError: any of them is invalid.
    """
    policies, problems = load_policies(policies_folder(settings), settings.agent.environment)
    if problems:
        raise PolicyError(problems)
    return list(policies.values())


def policy_file(settings: Settings, policy: Policy) -> Path:
    """The file of a policy of the workspace."""
    return settings.policies / next((name for name in policy.sources if name.endswith(SUFFIX)), "")
