"""The probe of a step: how the signals tell whether an action in doubt has happened."""

from __future__ import annotations

from homeostat.model.policy import Effect, Probe
from homeostat.policy.catalogues import Action
from homeostat.policy.parts import PROBE_WITHIN_S, Probed, ProbeFields
from homeostat.policy.plan import Plan
from homeostat.policy.schema_errors import validated
from homeostat.policy.step_schema import DoStep
from homeostat.policy.yaml_tree import Path


def probe_of(
    plan: Plan, action: Action, effect: Effect, at: Path, fields: DoStep | None = None, path: Path = ()
) -> Probe | None:
    """The step's own probe, else its action's, read with the signals of this policy; None where there is none to have.

    Args:
        plan: what is being built.
        action: whose probe it is.
        effect: of the step.
        at: where it is said that the effect is probed.
        fields: the step, if it may have a probe of its own.
        path: of the step.
    """
    own = fields.probe if fields is not None else None
    if effect is not Effect.PROBE:
        if own is not None:
            message = f"the effect is '{effect}': only one that is 'probe' is probed"
            plan.problem((*path, "probe"), "E136", message)
        return None
    chosen = own
    if own is None and action.probe is not None and plan.actions is not None:
        catalogue = plan.actions
        where = (*catalogue.base, action.spec.name)
        read = validated(Probed, {"probe": action.probe}, catalogue.document, where, plan.frame.context)
        if isinstance(read, list):
            plan.problems.extend(problem for problem in read if problem not in plan.problems)
            return None
        chosen = read.probe
    if chosen is None:
        message = f"nothing tells whether '{action.spec.name}' happened: give it, or this step, a 'probe' over signals"
        plan.problem(at, "E136", message)
        return None
    return Probe(chosen.condition, chosen.within) if isinstance(chosen, ProbeFields) else Probe(chosen, PROBE_WITHIN_S)
