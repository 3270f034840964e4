"""Policies in one text, for tests that look at a single rule."""

from __future__ import annotations

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Policy
from homeostat.policy.load import load_policy_sources

FILE = "p.homeostat.yaml"

TOP: dict[str, str] = {
    "policy": "p",
    "owner": "team",
    "signals": "{http_5xx: errors, rps: 'rate(x[1m])', room: free, phase: {expr: info, type: text, label: phase}}",
    "actions": (
        "{restart: {actuator: command, argv: [systemctl, restart], effect: safe, timeout: 1m}, "
        "rollback: {actuator: command, argv: [rollback], effect: unsafe, timeout: 2m}, "
        "scale: {actuator: command, argv: [scale, {with: replicas}], effect: safe, timeout: 1m, "
        "with: {replicas: integer, by: {type: percent, default: 50%}, flag: {type: boolean, required: false}}}, "
        "slow: {actuator: plant, effect: keyed}}"
    ),
    "trigger": "{if: http_5xx > 5%, for: 1m}",
    "resolved": "{if: http_5xx < 1% and rps > 1, for: 2m, within: 10m}",
    "escalate": "{to: oncall}",
}
VERIFY = "verify: {if: http_5xx < 1%, for: 1m, within: 4m}"
RESTART = f"{{do: restart, target: deploy/pay, {VERIFY}}}"


def policy_text(steps: str | None = f"[{RESTART}]", **top: str | None) -> str:
    """Give a policy's text: `TOP` with some keys replaced (None: left out), then `steps`, one key a line."""
    keys = {**TOP, **top, "steps": steps}
    return "".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None)


def load(steps: str = f"[{RESTART}]", **top: str | None) -> Policy:
    """Load such a policy."""
    return load_policy_sources({FILE: policy_text(steps, **top)}, FILE)


def problems(steps: str = f"[{RESTART}]", **top: str | None) -> list[str]:
    """Give what is wrong with such a policy, without file and line; an empty list if nothing is."""
    return text_problems(policy_text(steps, **top))


def text_problems(text: str) -> list[str]:
    """Give what is wrong with a policy text as `CODE message`."""
    try:
        load_policy_sources({FILE: text}, FILE)
    except PolicyError as error:
        return [f"{problem.code} {problem.message}" for problem in error.problems]
    return []


def places(text: str) -> list[str]:
    """Give what is wrong with a policy text as `line:column CODE`."""
    try:
        load_policy_sources({FILE: text}, FILE)
    except PolicyError as error:
        return [f"{found.position.line}:{found.position.column} {found.code}" for found in error.problems]
    return []
