"""Load policies: every problem at once, or a `Policy` with nothing left to look up.

`load_policy` reads a file and those it names; `load_policy_sources` does the same from kept texts and gives the same
hash, so that a journal can bring back the very policy an incident was decided by.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from homeostat.model.entries import Entry, PolicyLoaded
from homeostat.model.errors import PolicyError, Position, Problem, UsageError, printable
from homeostat.model.policy import Escalate, Policy, Steps, Window
from homeostat.policy.bounds import attempts_bound, default_timeout_s
from homeostat.policy.builders import BUILDERS
from homeostat.policy.catalogues import Actions, Signals, read_actions, read_signals
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.fingerprint import fingerprint
from homeostat.policy.naming import ESCALATE_ID
from homeostat.policy.parameters import Parameters, hides_a_signal, put_in, read_parameters
from homeostat.policy.plan import Frame, Origin, Plan, Procedures
from homeostat.policy.procedures import read_procedures
from homeostat.policy.reachability import unreachable
from homeostat.policy.schema import DefaultsFields, PolicyEscalateFields, PolicyFile, ResolvedFields, TriggerFields
from homeostat.policy.schema_errors import validated
from homeostat.policy.signal_problems import signal_problems
from homeostat.policy.sources import FolderSources, GivenSources, SourceError, Sources, beside
from homeostat.policy.usage import signals_used
from homeostat.policy.yaml_tree import Document, read_yaml

SUFFIX = ".homeostat.yaml"
POLICIES_MAX = 1000

_C = TypeVar("_C", Signals, Actions)
_Reader = Callable[..., tuple[_C, list[Problem]]]


@dataclass(slots=True)
class Draft:
    """A policy on its way: what could be made of it, and what is wrong.

    Attributes:
        policy: None when anything is wrong.
        environment: asked for; `parameters` says which one was used.
        origins: by node id, where a step is written.
        texts: every source read, by name.
    """

    document: Document
    environment: str | None = None
    parameters: Parameters = field(default_factory=Parameters)
    fields: PolicyFile | None = None
    policy: Policy | None = None
    signals: Signals | None = None
    actions: Actions | None = None
    procedures: Procedures | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load_policy(path: pathlib.Path, environment: str | None = None) -> Policy:
    """Load a policy file, with the signals, actions and procedures files it names.

    Args:
        path: of the policy.
        environment: whose values its parameters take; None: their defaults.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    return finished(read_draft(FolderSources(path.parent), path.name, environment))


def load_policy_sources(sources: Mapping[str, str], main: str, environment: str | None = None) -> Policy:
    """Load a policy again from its texts by name, as `Policy.sources` keeps them.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    return finished(read_draft(GivenSources(sources), main, environment))


def load_journalled(history: Iterable[Entry], policy_hash: str) -> Policy:
    """Load the version of a policy that its stream in the journal keeps under this hash.

    Raises:
        UsageError: the stream has no such version.
        PolicyError: this release no longer understands it.
    """
    for entry in history:
        if isinstance(entry, PolicyLoaded) and entry.policy_hash == policy_hash:
            mains = [name for name in entry.sources if name.endswith(SUFFIX)]
            main = next((name for name in mains if _names(entry.sources[name], entry.policy)), mains[0])
            return load_policy_sources(entry.sources, main, entry.environment)
    raise UsageError(f"the journal does not hold version {policy_hash[:12]} of this policy")


def _names(text: str, policy: str) -> bool:
    """Whether this is the file of that policy; the journal keeps its files in no order, and any may end like one."""
    data = read_yaml(text, "").data
    return isinstance(data, dict) and data.get("policy") == policy


def load_policies(folder: pathlib.Path, environment: str | None = None) -> tuple[dict[str, Policy], list[Problem]]:
    """Load every `*.homeostat.yaml` of a folder, by policy name. One that is wrong keeps none of the others out."""
    policies: dict[str, Policy] = {}
    problems: list[Problem] = []
    try:
        paths = policy_paths(folder)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        return {}, [Problem(Position(str(folder), 1, 1), "E100", f"cannot read the folder: {reason}")]
    if len(paths) > POLICIES_MAX:
        problems.append(Problem(Position(str(folder), 1, 1), "E104", f"more than {POLICIES_MAX} policies"))
    for path in paths[:POLICIES_MAX]:
        draft = read_draft(FolderSources(path.parent), path.name, environment)
        problems.extend(draft.problems)
        if draft.policy is None:
            continue
        if draft.policy.name in policies:
            message = f"another policy in {folder} is named '{draft.policy.name}' already"
            problems.append(Problem(draft.document.at(("policy",)), "E141", message))
        else:
            policies[draft.policy.name] = draft.policy
    return policies, sorted(set(problems))


def policy_paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """The policy files directly in a folder, sorted by name. Raises OSError if it cannot be listed."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))


def read_draft(sources: Sources, main: str, environment: str | None = None) -> Draft:
    """Read a policy and everything it names, as far as it can be read. Never raises for what is in the files."""
    draft = Draft(Document(sources.display(main), ""), environment=environment)
    _read(draft, sources, main)
    draft.problems = [printable(problem) for problem in draft.problems]
    return draft


def _read(draft: Draft, sources: Sources, main: str) -> None:
    try:
        text = sources.read(main)
    except SourceError as error:
        draft.problems.append(Problem(Position(sources.display(main), 1, 1), "E100", str(error)))
        return
    draft.texts[main] = text
    draft.document = read_yaml(text, sources.display(main))
    draft.problems.extend(draft.document.problems)
    data = draft.document.data
    if not isinstance(data, dict):
        if not draft.problems:
            message = f"a policy is a mapping of keys like 'policy', 'trigger' and 'steps', not {shown(data)}"
            draft.problems.append(Problem(draft.document.at(()), "E112", message))
        return
    draft.parameters, problems = read_parameters(data, draft.document, draft.environment)
    filled = put_in(data, draft.parameters.values, draft.document, (), problems)
    if problems or not isinstance(filled, dict):
        draft.problems.extend(problems)
        return  # what stands where a value is missing would only be complained of again
    data = filled
    draft.signals = _catalogue(draft, sources, main, "signals", data.get("signals"), read_signals)
    if draft.signals is not None:
        draft.problems.extend(
            Problem(draft.document.key_at(("parameters", name)), "E160", hides_a_signal(name))
            for name in draft.parameters.values
            if name in draft.signals.specs
        )
    draft.actions = _catalogue(draft, sources, main, "actions", data.get("actions", "actions.yaml"), read_actions)
    draft.procedures = _procedures(draft, sources, main, data.get("procedures"))
    _build(draft, data, draft.procedures)


def _catalogue(draft: Draft, sources: Sources, main: str, key: str, reference: object, read: _Reader[_C]) -> _C | None:
    """Read a catalogue from its file or from the policy itself; None when there is nothing to go by."""
    if isinstance(reference, dict):
        catalogue, problems = read(reference, draft.document, (key,), inline=True)
        draft.problems.extend(problems)
        return catalogue
    if not isinstance(reference, str) or not reference.strip():
        return None
    document = _file_beside(draft, sources, main, key, reference)
    if document is None:
        return None
    catalogue, problems = read(document.data, document, (), inline=False)
    draft.problems.extend(problems)
    return catalogue


def _file_beside(draft: Draft, sources: Sources, main: str, key: str, reference: str) -> Document | None:
    """Read a file that the policy names; None when it cannot be read as YAML."""
    try:
        name = beside(main, reference)
        text = sources.read(name)
    except SourceError as error:
        draft.problems.append(Problem(draft.document.at((key,)), "E100", str(error)))
        return None
    draft.texts[name] = text
    document = read_yaml(text, sources.display(name))
    draft.problems.extend(document.problems)
    return None if document.data is None else document


def _procedures(draft: Draft, sources: Sources, main: str, reference: object) -> Procedures | None:
    if isinstance(reference, dict):
        lists, problems = read_procedures(reference, draft.document, ("procedures",))
        draft.problems.extend(problems)
        return Procedures(draft.document, ("procedures",), lists)
    document = None
    if isinstance(reference, str) and reference.strip():
        document = _file_beside(draft, sources, main, "procedures", reference)
    if document is None:
        return None
    lists, problems = read_procedures(document.data, document, ())
    draft.problems.extend(problems)
    return Procedures(document, (), lists)


def _build(draft: Draft, data: Mapping[str, object], procedures: Procedures | None) -> None:
    """Validate the file and its steps, and make the policy if nothing is wrong."""
    document = draft.document
    context = ValidationContext(draft.signals.specs if draft.signals else None, draft.parameters.constants)
    fields = validated(PolicyFile, data, document, (), context)
    if isinstance(fields, PolicyFile):
        draft.fields = fields
        defaults, escalate = fields.defaults, fields.escalate
    else:
        draft.problems.extend(fields)
        defaults, escalate = DefaultsFields(), None
    if "escalate" not in data:
        message = "no escalation path: say whom to call, as in escalate: {to: oncall, severity: critical}"
        draft.problems.append(Problem(document.key_at(("policy",)), "E151", message))
    plan = Plan(
        BUILDERS, Frame(document, context, draft.parameters.values), draft.actions, defaults, escalate, procedures
    )
    raw_steps = data.get("steps")
    root = plan.build(raw_steps, ("steps",)) if isinstance(raw_steps, list) else None
    draft.origins = plan.origins
    draft.problems.extend(plan.problems)
    if root is not None:
        for node_id, why in unreachable(root):
            at = plan.origins[node_id].document.at(plan.origins[node_id].path)
            draft.problems.append(Problem(at, "E150", f"'{node_id}' is never reached: {why}"))
    if root is not None and draft.fields is not None:
        draft.problems.extend(signal_problems(document, draft.fields, draft.signals, root, plan.origins))
    if root is not None and draft.fields is not None and escalate is not None and not draft.problems:
        draft.policy = _policy(draft, draft.fields, escalate, root)


def _policy(draft: Draft, fields: PolicyFile, escalate: PolicyEscalateFields, root: Steps) -> Policy:
    trigger, resolved = _window(fields.trigger), _window(fields.resolved)
    bound = attempts_bound(root)
    policy = Policy(
        name=fields.policy,
        owner=fields.owner,
        runbook=fields.runbook,
        hash="",
        signals={},
        trigger=trigger,
        resolved=resolved,
        escalate=Escalate(ESCALATE_ID, escalate.to, escalate.severity, escalate.message or ""),
        root=root,
        timeout_s=fields.timeout or default_timeout_s(trigger, root, resolved, fields.unknown),
        attempts_max=bound if fields.attempts_max is None else min(fields.attempts_max, bound),
        mode=fields.mode,
        unknown_s=fields.unknown,
        rto_s=fields.rto,
        harm=fields.harm.condition if fields.harm else None,
        promotion=fields.learning.promote,
        environment=draft.parameters.environment,
        sources=dict(draft.texts),
    )
    specs = draft.signals.specs if draft.signals else {}
    only_learnt_from = set(fields.learning.signals).difference(signals_used(policy))
    policy = replace(policy, learns_from=tuple(sorted(only_learnt_from)))
    policy = replace(policy, signals={name: specs[name] for name in signals_used(policy)})
    return replace(policy, hash=fingerprint(policy))


def _window(fields: TriggerFields | ResolvedFields) -> Window:
    return Window(fields.condition, fields.hold, fields.within if isinstance(fields, ResolvedFields) else None)


def finished(draft: Draft) -> Policy:
    """The policy that a draft came to.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    if draft.policy is None or draft.problems:
        raise PolicyError(list(dict.fromkeys(draft.problems)))
    return draft.policy
