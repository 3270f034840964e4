"""What mutated policies are made from: texts that are right, and words and values that are wrong somewhere."""

from __future__ import annotations

from typing import Any

GUARDS = """\
rates:
- {per: [policy, target], max: 2, within: 15m}
- {per: [], max: 20, within: 1h}
blast_radius:
- {targets: "node/*", max: 3, max_percent: 10%, eligible: nodes_total, within: 1h}
storm: {incidents: 5, within: 10m}
recurrence: [{incidents: 2, within: 6h}]
maintenance:
- {name: weekly, days: [sun], from: "02:00", to: "04:00", policies: ["*"], targets: ["*"]}
- {name: move, from: 2026-12-01T22:00:00Z, to: 2026-12-02T02:00:00Z}
telemetry: {known_min: 60%, if: prometheus_up == 1}
signals: {nodes_total: 'count(up{job="node"})', prometheus_up: 'up{job="prometheus"}'}
"""

EVERY_KIND = """\
policy: every-kind
owner: team
review_by: 2030-01-01
covers: [infra/**]
parameters: {replicas: 6, limit: 5%, grace: {type: duration, default: 30s}, who: dba}
environments: {staging: {replicas: 2}}
signals: {errors: 'rate(errors_total[1m])', ready: ready, phase: {expr: info, type: text, label: phase}}
actions:
  restart: {actuator: command, effect: safe, timeout: 1m, argv: [systemctl, restart, {target: name}]}
  scale:
    actuator: command
    effect: safe
    takes: 20s
    argv: [scale, {with: replicas, prefix: --to=}]
    with: {replicas: integer, by: {type: percent, default: 50%}}
    undo: {do: scale, with: {replicas: 1}}
  call: {actuator: http, method: POST, url: https://x.example/y, json: {a: {target: full}}, expect_status: [200]}
procedures:
  bounce: [{id: off, do: restart, target: svc/a, verify: none}, {id: pause, wait: {param: grace}}]
  grow: {parameters: {count: {type: integer, default: 3}}, steps: [{do: scale, target: svc/b,
    with: {replicas: {param: count}}, verify: {if: ready >= count, for: 10s, within: 1m}}]}
trigger: {if: errors > limit, for: 1m}
resolved: {if: errors < 1%, for: 2m, within: 10m}
harm: {if: errors > 95%}
escalate: {to: on-call, severity: critical, message: help}
rto: 2h
timeout: 9h
unknown: 90s
defaults: {timeout: 5m, retry: {times: 1, wait: 30s}, verify: {if: errors < limit, for: 1m, within: 5m}}
steps:
- id: together
  concurrency: 2
  dag:
  - {id: one, do: restart, target: svc/one}
  - {id: two, do: scale, target: svc/two, with: {replicas: {param: replicas}}, undo: none, mode: approve,
     approval: {from: [dba, lead], if: errors > 10%, timeout: 10m}, takes: 10s, cooldown: 10m}
  - {id: three, use: bounce, needs: [one, two]}
  - {id: four, use: grow, with: {count: 4}, needs: three, fallback: {manual: do it, check: it is done, owner: ops}}
- {id: rest, wait: {if: ready > 0, for: 10s, within: 2m}}
- id: which
  decide:
  - {if: phase == "open", do: call, target: site/x, verify: none}
  - {if: not known(ready) or ready < 2, escalate: boss}
  - {else: {try: [{if: ready < 3, do: restart, target: svc/a, retry: {times: 2, wait: 10s}},
                  {choose: [{do: restart, target: svc/b}, {do: restart, target: svc/c}], rank_by: time_to_recover}]}}
- {steps: [{manual: look, verify: {if: ready > 1, within: 1m}}], if: 'max(errors, 0) >= 0'}
"""

CONDITIONS = (
    "http_5xx > 5%",
    "http_5xx < 1% and payments_rps > 1",
    "not (a + b * 2 >= -3.5e2 or known(auth_up)) and phase == 'open'",
    "max(a, b, 0) - min(a, 1) / 2 != abs(-b)",
    "a > limit and phase != market or b < 2h30m",
    "1 < a <= 5 and (b == 0 or (a == 1))",
)

_TOKENS = """
policy owner signals actions trigger resolved escalate steps dag try choose decide else wait use do manual
needs fallback undo approval mode verify retry cooldown takes timeout with target if for within settle id
param parameters environments procedures concurrency none auto null ~ true false yes on 0 -1 1 1e999
0x10 1:30 .nan .inf 5% 50ms 2h 9999999999999999999999 <<: *a &a !!int --- ... ? - [ ] { } , : | > # % @ ` ' "
and or not known max min abs ( ) + - * / < <= == != => && || ! = ** // lambda _ __class__ a.b a[0]
"""
_STRANGE = ("\t", "\r", "\x00", "\x1b[31m", "\ufeff", "\u2028", "\u202e", "é", "😀", "\ud800", "\\", "\n", "\n\n  ")
_LONG = ("a" * 70, "9" * 60, "(" * 60, "[" * 80, "{" * 80, "- " * 60, "not " * 60, "1+" * 150 + "1", " " * 40)
WORDS = (*_TOKENS.split(), *_STRANGE, *_LONG)
KEYS = WORDS[:60]
_PLAIN = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3.5,
    1e300,
    2**53,
    10**30,
    "",
    " ",
    "x",
    "5%",
    "1h",
    "-5m",
    "0s",
    "99999d",
    "none",
)
_NAMED = ("errors > limit", "errors >", "svc/x", "a/b/c", "x" * 2000, "restart", "together", "one", "\x1b[2J", "é/ü")
_NESTED: tuple[Any, ...] = (
    *([], {}, [[]], [{}], {"": ""}, {"if": "a > 1"}, {"param": "limit"}, {"param": "nope"}, {"param": 1}, ["a"] * 30),
    *({"else": {}}, {"do": "restart"}, {"use": "bounce"}, {"a": {"b": {"c": {"d": {}}}}}, [1, "a", None, {}]),
)
VALUES: tuple[Any, ...] = (*_PLAIN, *_NAMED, *_NESTED)
