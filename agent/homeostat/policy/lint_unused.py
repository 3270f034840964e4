"""Rules about what is declared and never used: often something that was meant to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from homeostat.model.errors import Problem
from homeostat.policy.bounds import attempts_bound
from homeostat.policy.linted import Linted
from homeostat.policy.load import Draft
from homeostat.policy.parameters import REFERENCE
from homeostat.policy.usage import conditions_of, signals_used
from homeostat.policy.yaml_tree import Data, Document, Path

_NOT_PLAN = frozenset({"parameters", "environments"})

Used = Callable[[Draft], set[str]]


def idle_attempts_max(linted: Linted) -> Iterator[Problem]:
    """W214: a limit that limits nothing."""
    given, bound = linted.fields.attempts_max, attempts_bound(linted.policy.root)
    if given is not None and given > bound:
        message = f"attempts_max is {given}, but the plan never makes more than {bound} attempts"
        yield linted.warn_key("attempts_max", "W214", message)


def unused(draft: Draft, neighbours: Sequence[Draft]) -> Iterator[Problem]:
    """W204, W226, W227, W228. What is shared is unused only when no policy of the folder uses it.

    Args:
        draft: one that has loaded.
        neighbours: every policy of its folder, itself included.
    """
    yield from _unused_parameters(draft)
    signals, actions, procedures = draft.signals, draft.actions, draft.procedures
    kinds: list[tuple[str, str, Document, Path, Iterable[str], Used]] = []
    if signals is not None:
        kinds.append(("W204", "signal", signals.document, signals.base, signals.specs, _signals))
    if actions is not None:
        kinds.append(("W228", "action", actions.document, actions.base, actions.actions, _actions))
    if procedures is not None:
        kinds.append(("W227", "procedure", procedures.document, procedures.base, procedures.lists, _procedures))
    for code, kind, document, base, names, used_by in kinds:
        used = _used(draft, neighbours, used_by, document)
        whose = "this policy" if document is draft.document else "any policy beside it"
        verb = "read by a condition of" if kind == "signal" else "used by"
        for name in names if used is not None else ():
            if used is not None and name not in used:
                yield Problem(document.key_at((*base, name)), code, f"the {kind} '{name}' is not {verb} {whose}")


def _used(draft: Draft, neighbours: Sequence[Draft], used_by: Used, catalogue: Document) -> set[str] | None:
    """Names that the policy, or any of the folder that shares the catalogue, uses; None when that cannot be said."""
    used = used_by(draft)
    if catalogue is draft.document:
        return used
    for other in neighbours:
        files = [part.document.file for part in (other.signals, other.actions, other.procedures) if part is not None]
        if other.policy is None and (catalogue.file in files or len(files) < 2):
            return None
        if other.policy is not None and catalogue.file in files:
            used |= used_by(other)
    return used


def _signals(draft: Draft) -> set[str]:
    return set(signals_used(draft.policy)) if draft.policy is not None else set()


def _actions(draft: Draft) -> set[str]:
    """What steps run, what takes steps back, and what the catalogue names to take back one that is used."""
    policy = draft.policy
    if policy is None:
        return set()
    used = {leaf.action.name for leaf in (*policy.leaves.values(), *policy.undos.values())}
    declared = draft.actions.actions if draft.actions is not None else {}
    return used | {action.undo.do for name in used if (action := declared.get(name)) is not None and action.undo}


def _procedures(draft: Draft) -> set[str]:
    """What steps use, and what the procedures they use use themselves."""
    data, lists = draft.document.data, draft.procedures.lists if draft.procedures is not None else {}
    pending = list(_named(data.get("steps"), "use")) if isinstance(data, dict) else []
    used: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending.extend(_named(lists.get(name), "use"))
    return used


def _unused_parameters(draft: Draft) -> Iterator[Problem]:
    """W226: nothing reads it, so its value changes nothing in any environment."""
    data, policy = draft.document.data, draft.policy
    declared = data.get("parameters") if isinstance(data, dict) else None
    if policy is None or not isinstance(data, dict) or not isinstance(declared, dict):
        return
    used = {name for condition in conditions_of(policy) for name in condition.parameters}
    used.update(_named({key: value for key, value in data.items() if key not in _NOT_PLAN}, REFERENCE))
    if draft.procedures is not None:
        used.update(_named(dict(draft.procedures.lists), REFERENCE))
    for name in declared:
        if name not in used:
            at = draft.document.key_at(("parameters", name))
            yield Problem(at, "W226", f"the parameter '{name}' is not read by this policy")


def _named(data: Data, key: str) -> Iterator[str]:
    """Every text that stands under `key` anywhere in the data."""
    pending: list[Data] = [data]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            name = part.get(key)
            if isinstance(name, str):
                yield name
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
