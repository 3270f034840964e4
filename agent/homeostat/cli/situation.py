"""Options that name a situation: an incident's decision, signals' values, and what has failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from homeostat.cli.ranking_history import Logged
    from homeostat.learn.why import Situation
    from homeostat.model.entries import Decided
    from homeostat.model.policy import Choose, Policy
    from homeostat.model.ranking import NodeRanking
    from homeostat.model.signals import Value


def situation_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add --incident, --when and --failed."""
    command = click.option("--failed", multiple=True, metavar="CANDIDATE", help="Has failed in the incident already.")(
        command
    )
    command = click.option(
        "--when", multiple=True, metavar="SIGNAL=VALUE", help="A signal's value; `unknown` for none."
    )(command)
    return click.option("--incident", help="An incident's last ranked decision: its id, or the beginning of it.")(
        command
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What --when and --failed say: signals' values, and candidates of any `choose` node of the policy."""

    values: Mapping[str, Value]
    failed: tuple[str, ...]


def said_of(policy: Policy, when: tuple[str, ...], failed: tuple[str, ...]) -> Said:
    """What the options say, checked also where nothing was learnt that it could change.

    Raises:
        UsageError: there is no such signal or candidate, or a value is none.
    """
    from homeostat.learn.ranker import choose_nodes
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean

    values = {}
    for said in when:
        name, is_said, text = said.partition("=")
        if not is_said:
            raise UsageError(f"--when '{said}' must read SIGNAL=VALUE, such as {_example(policy)}")
        value = _value(policy, name, text)
        if name in values:
            raise UsageError(f"--when {said}: '{name}' has a value already; say it once")
        values[name] = value
    known = {child.id: node.id for node in choose_nodes(policy) for child in node.children}
    for name in failed:
        if name not in known:
            places = ", ".join(sorted({f"'{node}'" for node in known.values()})) or f"policy '{policy.name}'"
            hint = "; say --failed once for each" if "," in name else did_you_mean(name, known)
            raise UsageError(f"{places} has no candidate '{name}'{hint}")
    return Said(values, failed)


def situation_of(logged: Logged, node: Choose, model: NodeRanking, incident: str | None, said: Said) -> Situation:
    """The situation that the options name at a `choose` node.

    Raises:
        UsageError: there is no such incident, or it never came there.
    """
    from homeostat.learn.explain import typical
    from homeostat.learn.why import Situation

    decided = _decision_in(logged, node, incident) if incident is not None else None
    values = {**(decided.context if decided is not None else typical(model)), **said.values}
    own = {child.id for child in node.children}
    before = decided.failed if decided is not None else ()
    failed = dict.fromkeys((*before, *(name for name in said.failed if name in own)))
    eligible = tuple(option.id for option in decided.options if option.eligible) if decided is not None else None
    return Situation(values, tuple(failed), eligible)


def _example(policy: Policy) -> str:
    """A value of a signal of the policy, as --when takes it."""
    return f"{next(iter(policy.signals), 'SIGNAL')}=unknown"


def _decision_in(logged: Logged, node: Choose, incident: str) -> Decided:
    from homeostat.cli.incidents import found_incident
    from homeostat.model.entries import Decided
    from homeostat.model.errors import UsageError

    found = None
    for record in logged.journal.read(found_incident(logged.journal, incident)):
        if isinstance(record.entry, Decided) and record.entry.node == node.id and record.entry.chosen is not None:
            found = record.entry
    if found is None:
        raise UsageError(f"incident '{incident}' never came to '{node.id}'")
    return found


def _value(policy: Policy, name: str, text: str) -> Value:
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean
    from homeostat.model.signals import SignalType
    from homeostat.policy.units import parse_quantity

    if name not in policy.signals:
        raise UsageError(f"policy '{policy.name}' has no signal '{name}'{did_you_mean(name, policy.signals)}")
    if text == "unknown":
        return None
    if policy.signals[name].type is SignalType.TEXT:
        return text
    try:
        return -parse_quantity(text[1:]) if text.startswith("-") else parse_quantity(text)
    except ValueError as error:
        raise UsageError(f"--when {name}={text}: {error}") from error
