"""Named step lists that several policies share: `use: name` puts one in.

A procedure is a list of steps, or `{parameters: {...}, steps: [...]}`. It is put in when the policy is loaded, so that
a plan holds nothing that has to be looked up later, and its bounds are known.
"""

from __future__ import annotations

from dataclasses import replace

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Scalar, Steps
from homeostat.policy.fields import shown
from homeostat.policy.parameters import constants_of, hides_a_signal, put_in, read_parameters
from homeostat.policy.parts import CHILDREN_MAX
from homeostat.policy.plan import Choice, Frame, Plan
from homeostat.policy.step_schema import UseStep
from homeostat.policy.yaml_tree import Data, Document, Path

ENTRIES_MAX = 1000


def read_procedures(data: Data, document: Document, base: Path) -> tuple[dict[str, Data], list[Problem]]:
    """Read the lists by name; what is in them is looked at where they are used."""
    if not isinstance(data, dict) or not data:
        return {}, [
            Problem(document.at(base), "E112", f"a mapping of names to lists of steps is wanted, not {shown(data)}")
        ]
    if len(data) > ENTRIES_MAX:
        return {}, [Problem(document.at(base), "E104", f"{len(data)} entries; at most {ENTRIES_MAX} are allowed")]
    return dict(data), []


def put_procedure_in(plan: Plan, fields: UseStep, node_id: str, path: Path, inherited: Choice) -> Steps | None:
    """Build the steps of a procedure where it is used; its ids begin with the id of the `use`."""
    procedures, frame = plan.procedures, plan.frame
    if procedures is None or fields.use not in procedures.lists:
        known = procedures.lists if procedures else {}
        hint = did_you_mean(fields.use, known) or f"; known: {', '.join(known) or 'none, for want of procedures'}"
        plan.problem((*path, "use"), "E158", f"no procedure is named '{fields.use}'{hint}")
        return None
    if fields.use in frame.using:
        told = " -> ".join((*frame.using, fields.use))
        plan.problem((*path, "use"), "E159", f"a procedure cannot use itself: {told}")
        return None
    document, at = procedures.document, (*procedures.base, fields.use)
    raw = procedures.lists[fields.use]
    values = dict(frame.values)
    if isinstance(raw, dict):
        declared, problems = _arguments(plan, fields, raw, path)
        at_use = frame.document.at(path)
        hiding = [name for name in declared if name in (frame.context.signals or ())]
        problems += [
            Problem(at_use, "E160", f"the procedure '{fields.use}': {hides_a_signal(name)}") for name in hiding
        ]
        plan.problems.extend(problems)
        if problems:
            return None
        values |= declared
        raw, at = raw.get("steps"), (*at, "steps")
    elif fields.arguments:
        plan.problem((*path, "with"), "E131", f"the procedure '{fields.use}' takes no arguments")
        return None
    missing: list[Problem] = []
    steps = put_in(raw, values, document, at, missing)
    plan.problems.extend(missing)
    if not isinstance(steps, list) or not 1 <= len(steps) <= CHILDREN_MAX:
        plan.problems.append(Problem(document.at(at), "E112", f"a list of steps is wanted, not {shown(steps)}"))
        return None
    context = replace(frame.context, constants={**frame.context.constants, **constants_of(values)})
    with plan.inside(Frame(document, context, values, f"{node_id}.", (*frame.using, fields.use))):
        children = plan.children(steps, at, fields.verify or inherited)
    return None if children is None or missing else Steps(node_id, children, fields.condition)


def _arguments(
    plan: Plan, fields: UseStep, raw: dict[str, Data], path: Path
) -> tuple[dict[str, Scalar], list[Problem]]:
    """What the procedure declares, with what the `use` gives: the arguments are one more environment."""
    document, here = Document(plan.frame.document.file, plan.frame.document.text), plan.frame.document
    call: dict[str, Data] = {"parameters": raw.get("parameters") or {}, "environments": {"use": dict(fields.arguments)}}
    parameters, problems = read_parameters(call, document, "use")
    unknown = [key for key in raw if key not in ("parameters", "steps")]
    if unknown:
        problems.append(
            Problem(here.at(path), "E110", f"the procedure '{fields.use}' has an unknown key '{unknown[0]}'")
        )
    at = here.key_at((*path, "with"))
    return dict(parameters.values), [Problem(at, problem.code, problem.message) for problem in problems]
