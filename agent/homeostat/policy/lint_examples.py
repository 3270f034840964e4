"""The page of all codes: what each means, with a wrong and a right example, drawn from the code for `docs/lint.md`.

An example shows the keys of a policy that differ from `BASE`. A test lints every one of them: the wrong one gives
exactly its code, the right one nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from homeostat.policy.codes import CODES

BASE = """\
policy: shop
owner: shop-sre
signals: {http_5xx: error_ratio, rps: request_rate}
actions:
  restart: {actuator: command, argv: [systemctl, restart, shop], effect: safe, timeout: 1m}
trigger: {if: http_5xx > 5%, for: 2m}
resolved: {if: http_5xx < 1% and rps > 1, for: 2m, within: 10m}
escalate: {to: shop-oncall}
steps:
- {id: restart, do: restart, target: deploy/shop, verify: {if: http_5xx < 1%, within: 4m}}
"""
"""A policy without a finding."""

PEOPLE = frozenset({"shop-oncall", "dba-oncall"})
"""Who can be asked where the examples are linted."""

TRIED = {"shop": {"restart": 12, "rollback": 3}}
"""What recorded incidents have tried where the examples are linted."""

ELSEWHERE = {
    **dict.fromkeys(("E190", "E191", "E192"), "Said by `homeostat test` of tests and worlds."),
    "W231": "Said where `[allow]` of the workspace's `homeostat.toml` does not name the step's actuator, target, "
    "program or image for this policy: the agent will not load it for acting, and its executor would refuse the start.",
    "W240": "Said where the policy has a review on record (`homeostat review-policy`) and git shows later commits to "
    "files that its `covers` names: look whether the plan still fits, and record a new review. "
    "`homeostat drift` lists the commits.",
    "W241": "Said with `--journal`, where the policy has `drills: {every: 90d}` and the journal of the workspace tells "
    "of no passed drill in that time, of the `kinds` that count: hold one. `homeostat drill due` lists them all.",
}
"""Codes that no text of a policy alone calls for: why each is said. They have no example here."""

_KEY = re.compile(r"^(# )?([a-z_]+):", re.MULTILINE)
"""A key at the margin, or one that is commented out and so left out."""


@dataclass(frozen=True, slots=True)
class Example:
    """What is wrong about a code's subject, a policy that has it wrong, and one that has it right.

    Attributes:
        why: why it is a problem, and what to do.
        bad, good: keys of a policy, as text; they take the place of `BASE`'s. Empty: `BASE` as it is.
        files: what stands beside the policy, by name.
    """

    why: str
    bad: str
    good: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def policy_text(keys: str) -> str:
    """Give `BASE` with the keys of an example in the place of its own; keys it has not come before the steps."""
    blocks = {**dict(_blocks(BASE)), **dict(_blocks(keys))}
    steps = blocks.pop("steps")
    return "".join(blocks.values()) + steps


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each key at the margin with its lines."""
    starts = [*_KEY.finditer(text)]
    for start, after in zip(starts, [*starts[1:], None], strict=False):
        yield start[2], text[start.start() : after.start() if after else len(text)]


def page(examples: Mapping[str, Example]) -> str:
    """The whole of `docs/lint.md`."""
    parts = [_HEAD, f"```yaml\n{BASE}```\n"]
    for code, meaning in CODES.items():
        why = ELSEWHERE[code] if code in ELSEWHERE else examples[code].why
        parts.append(f"\n## {code}\n\n**{meaning[0].upper()}{meaning[1:]}.** {why}\n")
        parts.extend(() if code in ELSEWHERE else _shown(examples[code]))
    return "".join(parts)


def _shown(example: Example) -> Iterator[str]:
    for title, keys in (("Wrong", example.bad), ("Right", example.good)):
        if keys:
            yield f"\n{title}:\n\n```yaml\n{keys}```\n"
    for name, text in example.files.items():
        yield f"\nwith `{name}`:\n\n```yaml\n{text}```\n"


_HEAD = """\
# What `homeostat lint` says

`E` codes keep a policy from being loaded, by `lint` and by the agent alike. `W` codes are advice: `lint` alone gives
them, and fails for them with `--strict`. Codes never change their meaning.

A policy that declares environments is looked at in each of them and without any (`--env NAME`: in that one alone); a
finding that only some of them have says which. `--history DIR` adds W217, `--journal` W241. `-o github` prints
annotations for a pull request, `-o sarif` SARIF 2.1.0, `-o json` rows.

This page is drawn from the code (`agent/homeostat/policy/lint_examples.py`), and a test lints every example: a wrong
one gives exactly its code, a right one nothing. Examples show only the keys that differ from this policy:

"""
