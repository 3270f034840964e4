"""Policies worth drawing: five steps in a row, a dag of eight, and a nested adaptive one."""

from __future__ import annotations

from homeostat.model.policy import Policy
from homeostat.policy.load import load_policy_sources

TOP = """\
policy: {name}
owner: team
signals: {{errors: error_ratio, rps: request_rate, deploy_age: age, auth_up: up, lag: replica_lag}}
actions:
  restart: {{actuator: command, argv: [restart], effect: safe, timeout: 2m}}
  rollback: {{actuator: command, argv: [rollback], effect: unsafe, timeout: 2m, undo: {{do: restart}}}}
  shift: {{actuator: command, argv: [shift], effect: safe, timeout: 2m}}
trigger: {{if: errors > 5%, for: 10s}}
resolved: {{if: errors < 1%, for: 20s, within: 2m}}
escalate: {{to: oncall}}
defaults: {{verify: {{if: errors < 1%, for: 10s, within: 1m}}}}
steps:
"""

LINEAR = """\
- {id: isolate, do: shift, target: lb/shop}
- {id: restore, do: rollback, target: db/shop, approval: {from: [dba, lead], timeout: 5m}}
- {id: settle, wait: 30s}
- {id: start_app, do: restart, target: deploy/app, retry: {times: 1, wait: 10s}}
- {id: look, manual: "Look at the shop <b>yourself</b> & say", check: 'it "sells" {#1}'}
"""

DAG = """\
- id: failover
  concurrency: 3
  dag:
  - {id: replica, do: restart, target: db/dr}
  - {id: servers, do: restart, target: deploy/dr}
  - {id: mirror, do: shift, target: mq/dr}
  - {id: cache, do: restart, target: cache/dr, needs: servers, fallback: {id: cold, do: shift, target: cache/dr}}
  - {id: schema, wait: 10s, needs: replica}
  - {id: settle, wait: 20s, needs: [replica, mirror]}
  - {id: switch, do: shift, target: dns/shop, needs: [servers, cache, schema, settle]}
  - {id: tell, wait: {if: errors < 1%, within: 5m}, needs: switch}
"""

NESTED = """\
- id: first
  try:
  - {id: pool, if: auth_up > 90%, do: restart, target: db/pool}
  - id: which
    decide:
    - id: fresh
      if: deploy_age < 2h
      steps:
      - {id: back, do: rollback, target: deploy/pay}
      - {id: kick, do: restart, target: deploy/pay}
    - id: gone
      if: auth_up < 50%
      dag:
      - {id: auth, do: restart, target: deploy/auth}
      - {id: degrade, do: shift, target: route/pay}
    - else: {id: people, escalate: {to: lead, message: "neither \\"fresh\\" nor gone"}}
  - id: remedy
    choose:
    - {id: hot, do: restart, target: deploy/a}
    - {id: cold, do: rollback, target: deploy/b}
    - {id: away, do: shift, target: route/c, if: rps > 5}
"""


def drawn(name: str) -> Policy:
    """Load one of them: linear, dag or nested."""
    steps = {"linear": LINEAR, "dag": DAG, "nested": NESTED}[name]
    file = f"{name}.homeostat.yaml"
    return load_policy_sources({file: TOP.format(name=name) + steps}, file)
