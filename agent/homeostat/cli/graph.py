"""`graph`: a plan as a picture, with the path an incident has taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import write_file
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.drawing.states import NodeState
    from homeostat.model.policy import Policy


@click.command()
@click.argument("policy")
@click.option("--format", "form", type=click.Choice(("mermaid", "svg")), default="mermaid", show_default=True)
@click.option("--incident", help="Light the path that this incident has taken: its id or the beginning of it.")
@click.option("--env", "environment", help="Take the parameters' values from this environment.")
@click.option("--out", type=click.Path(path_type=Path), help="Write into this file instead of printing.")
@pass_workspace
def graph(
    workspace: Workspace, policy: str, form: str, incident: str | None, environment: str | None, out: Path | None
) -> None:
    """Draw POLICY, a file or the name of a policy of this workspace. With --incident, as it was decided by then."""
    from homeostat.drawing.mermaid import to_mermaid
    from homeostat.drawing.svg import to_svg

    found, states = _drawn(workspace, policy, incident, environment)
    text = to_svg(found, states) if form == "svg" else to_mermaid(found, states)
    if out is None:
        click.echo(text, nl=False)
        return
    write_file(out, text)
    workspace.output.say(f"wrote {out}")


def _drawn(
    workspace: Workspace, policy: str, incident: str | None, environment: str | None
) -> tuple[Policy, Mapping[str, NodeState] | None]:
    if incident is None:
        return _policy(workspace, policy, environment), None
    from homeostat.app.store import journal_to_read
    from homeostat.cli.incidents import entries_of, found_incident
    from homeostat.decide.projection import fold
    from homeostat.drawing.states import node_states, refusals
    from homeostat.model.errors import UsageError
    from homeostat.model.streams import policy_stream
    from homeostat.policy.load import load_journalled

    with journal_to_read(workspace.settings) as journal:
        entries = entries_of(journal, found_incident(journal, incident))
        state = fold(entries)
        version = load_journalled(entries_of(journal, policy_stream(state.policy)), state.policy_hash)
    if policy not in (version.name, Path(policy).name.removesuffix(".homeostat.yaml")):
        raise UsageError(f"incident {state.id} was decided by the policy '{version.name}', not by '{policy}'")
    return version, node_states(version, state, refusals(entries))


def _policy(workspace: Workspace, policy: str, environment: str | None) -> Policy:
    """Load a policy by its file, or by its name from the workspace's folder."""
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean
    from homeostat.policy.load import SUFFIX, load_policies, load_policy

    path = Path(policy)
    environment = environment or workspace.settings.agent.environment
    if path.exists() or policy.endswith(SUFFIX) or "/" in policy:
        return load_policy(path, environment)
    policies, _ = load_policies(workspace.settings.policies, environment)
    if policy not in policies:
        beside = workspace.settings.policies / f"{policy}{SUFFIX}"
        if beside.exists():
            return load_policy(beside, environment)
        hint = did_you_mean(policy, policies) or f"; known: {', '.join(policies) or 'none'}"
        raise UsageError(f"no policy is named '{policy}' in {workspace.settings.policies}{hint}")
    return policies[policy]
