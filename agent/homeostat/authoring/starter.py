"""A starter policy for each model: it loads, starts nothing, and says where the author goes on.

Every action is `/bin/false` until it is replaced, so that a policy that goes live too early fails and calls people.
"""

from __future__ import annotations

from collections.abc import Callable

from homeostat.authoring.advice import Advice, Model
from homeostat.authoring.systems import Facts, Team, mermaid
from homeostat.authoring.workspace_files import require_loadable
from homeostat.authoring.yaml_text import comment, joined
from homeostat.policy.load import SUFFIX
from homeostat.policy.units import DURATION_MAX_S, format_seconds

MODES = {Team.BEGINNER: "suggest", Team.INTERMEDIATE: "approve", Team.ADVANCED: "auto"}
"""How far a team lets a new policy act: told what would be done, asked before each step, or left alone."""

SYSTEMS_SPELLED_MAX = 8
"""With more systems the trigger reads one signal for all of them."""

LOWEST = "lowest_up_of_all"

_NEXT = """\
Go on in this order: the expressions in signals.yaml, the argument lists in actions.yaml, then `trigger` and
`resolved` here. `homeostat lint` says what is missing; the mode goes up with the evidence."""


def starter_files(facts: Facts, advice: Advice, *, name: str = "recovery") -> dict[str, str]:
    """Write policy, signals and actions, by file name."""
    files = {
        f"{name}{SUFFIX}": _policy(facts, advice, name),
        "signals.yaml": _signals(facts),
        "actions.yaml": _actions(facts, advice.model),
    }
    require_loadable(files)
    return files


def _policy(facts: Facts, advice: Advice, name: str) -> str:
    down = " or ".join(f"{_up(system)} < 1" for system in facts.systems)
    if len(facts.systems) > SYSTEMS_SPELLED_MAX:
        down = f"{LOWEST} < 1"
    rto = [f"rto: {format_seconds(facts.rto_s)}"] if facts.rto_s else []
    return joined(
        [
            *comment(f"A starter: the {advice.model} model, for {', '.join(facts.systems)}."),
            *(line for _, why in advice.reasons for line in comment(f"- {why}")),
            "#",
            *comment(mermaid(facts)),
            "#",
            *comment(_NEXT),
            f"policy: {name}",
            "owner: oncall",
            "signals: signals.yaml",
            "actions: actions.yaml",
            *comment("suggest: people are told. approve: each step is asked for. auto: the agent acts."),
            f"mode: {MODES[facts.team]}",
            "",
            f"trigger: {{if: {down}, for: 2m}}",
            *comment("REPLACE `served` by requests that are answered: systems that are up may still serve nobody."),
            "resolved: {if: served > 0, for: 2m, within: 10m}",
            "escalate: {to: oncall, severity: critical}",
            *rto,
            "defaults: {retry: {times: 0}}",
            "",
            "steps:",
            *_PLANS[advice.model](facts),
        ]
    )


def _linear(facts: Facts) -> list[str]:
    return [
        *comment("In strict order, each after what it needs; every step proves itself before the next."),
        *(f"- {_restore(system, facts)}" for system in facts.order),
    ]


def _parallel(facts: Facts) -> list[str]:
    return [
        *comment("Each as soon as all it needs is back. After a failure nothing new starts."),
        "- id: restore",
        "  dag:",
        *(f"  - {_restore(system, facts, needs=True)}" for system in facts.order),
    ]


def _adaptive(facts: Facts) -> list[str]:
    return [
        *comment("Cures in learnt order until one helps; before anything is learnt, in the order written here."),
        "- id: remedy",
        "  choose:",
        *(
            f"  - {{id: restart-{system}, do: {system}.restart, target: system/{system}, timeout: 5m}}"
            for system in facts.systems
        ),
        "  rank_by: time_to_recover",
        "  verify: {if: served > 0, for: 1m, within: 5m}",
    ]


def _hybrid(facts: Facts) -> list[str]:
    return [
        *comment("First the cheap cures, in learnt order. If none helps, everything is brought back, at once."),
        "- id: recover",
        "  try:",
        *(f"  {line}" for line in (*_adaptive(facts), *_parallel(facts))),
    ]


_PLANS: dict[Model, Callable[[Facts], list[str]]] = {
    Model.LINEAR: _linear,
    Model.PARALLEL: _parallel,
    Model.ADAPTIVE: _adaptive,
    Model.HYBRID: _hybrid,
}


def _restore(system: str, facts: Facts, *, needs: bool = False) -> str:
    after = facts.needs[system] if needs else ()
    waits = f", needs: [{', '.join(f'restore-{need}' for need in after)}]" if after else ""
    proof = f"verify: {{if: {_up(system)} >= 1, for: 1m, within: 5m}}"
    limit = format_seconds(min(2 * facts.takes_s[system], DURATION_MAX_S))
    return f"{{id: restore-{system}, do: {system}.restore, target: system/{system}, timeout: {limit}, {proof}{waits}}}"


def _up(system: str) -> str:
    return f"{system.replace('-', '_')}_up"


def _signals(facts: Facts) -> str:
    lines = comment(
        "REPLACE the expressions. Each yields at most one series; what is missing is unknown, neither up nor down."
    )
    lines += [f'{_up(system)}: min(up{{job="{system}"}})' for system in facts.systems]
    if len(facts.systems) > SYSTEMS_SPELLED_MAX:
        lines.append(f'{LOWEST}: min(up{{job=~"{"|".join(facts.systems)}"}})')
    lines += comment("PLACEHOLDER: always 0, so that no incident closes. Count requests that are answered.")
    return joined([*lines, "served: vector(0)"])


def _actions(facts: Facts, model: Model) -> str:
    lines = comment("REPLACE each argument list: /bin/false always fails, and people are called.")
    for system, takes_s in facts.takes_s.items():
        if model is not Model.ADAPTIVE:
            lines += _action(f"{system}.restore", takes_s, "unsafe")
        if model in (Model.ADAPTIVE, Model.HYBRID):
            lines += _action(f"{system}.restart", 60.0, "safe")
    return joined(lines)


def _action(name: str, takes_s: float, effect: str) -> list[str]:
    return [
        f"{name}:",
        "  actuator: command",
        "  argv: [/bin/false, {target: name}]",
        f"  effect: {effect}",
        f"  takes: {format_seconds(takes_s)}",
    ]
