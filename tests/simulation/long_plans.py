"""Policies for a long run: six shapes of plans over any number of services."""

from __future__ import annotations

from homeostat.model.guards import Guards, Rate
from homeostat.model.policy import Policy
from homeostat.policy.load import load_policy_sources

HEAD = """\
policy: {name}
owner: team
signals: {{errors_{name}: {{expr: up, max_age: 45s}}}}
actions:
  restart: {{actuator: fake, effect: safe}}
  rollback: {{actuator: fake, effect: keyed}}
  failover: {{actuator: fake, effect: unsafe}}
  scale: {{actuator: fake, effect: unsafe}}
  unscale: {{actuator: fake, effect: safe}}
  drain: {{actuator: fake, effect: safe}}
trigger: {{if: errors_{name} > 5, for: 30s}}
resolved: {{if: errors_{name} < 1, for: 1m, within: 5m}}
escalate: {{to: oncall}}
timeout: {timeout}
defaults: {{timeout: 3m, verify: {{if: errors_{name} < 1, for: 30s, within: 3m}}}}
steps:
"""
SHAPES = (
    """\
- try:
  - {{id: restart, do: restart, target: svc/{name}, retry: {{times: 1, wait: 30s}}}}
  - {{id: failover, do: failover, target: svc/{name}}}
""",
    """\
- try:
  - {{id: restart, do: restart, target: svc/{name}}}
  - {{id: failover, do: failover, target: svc/{name}}}
  - {{id: rollback, do: rollback, target: svc/{name}}}
""",
    """\
- choose:
  - {{id: restart, do: restart, target: svc/{name}}}
  - {{id: rollback, do: rollback, target: svc/{name}}}
  fallback: {{id: failover, do: failover, target: svc/{name}}}
""",
    """\
- dag:
  - {{id: drain, do: drain, target: lb/main, verify: none}}
  - {{id: rollback, do: rollback, target: cfg/{name}, verify: none}}
  - {{id: failover, do: failover, target: svc/{name}, needs: [drain, rollback]}}
""",
    """\
- try:
  - {{id: scale, do: scale, target: svc/{name}, undo: {{do: unscale}}}}
  - {{id: restart, do: restart, target: svc/{name}}}
  - {{id: failover, do: failover, target: svc/{name}}}
""",
    """\
- try:
  - {{id: failover, do: failover, target: svc/{name}, approval: {{from: lead, timeout: 4m}}}}
  - {{id: restart, do: restart, target: svc/{name}}}
""",
)
CURES = ("restart", "failover", "rollback")
GUARDS = Guards(rates=(Rate(frozenset({"target"}), 8, 3600.0, targets="svc/*"),), hash="rates", text="rates: of a test")
PEOPLE = {"lead": frozenset({"ann"})}


def policies(count: int, changed: frozenset[str] = frozenset()) -> dict[str, Policy]:
    """As many policies, one a service; those named in `changed` in their second version."""
    made = {}
    for number in range(count):
        name = f"s{number}"
        text = (HEAD + SHAPES[number % len(SHAPES)]).format(name=name, timeout="41m" if name in changed else "40m")
        made[name] = load_policy_sources({f"{name}.homeostat.yaml": text}, f"{name}.homeostat.yaml")
    return made
