import os
from pathlib import Path

import pytest
from tests.unit.policy.policy_texts import (
    FILE,
    RESTART,
    TOP,
    VERIFY,
    load,
    places,
    policy_text,
    problems,
    text_problems,
)

from homeostat.model.errors import PolicyError
from homeostat.policy.load import load_policy
from homeostat.policy.yaml_tree import BYTES_MAX

KINDS = "do, manual, steps, dag, try, choose, decide, wait, use, escalate"

HAPROXY = "actuator: haproxy, socket: /run/haproxy/admin.sock, server: web/one"
JENKINS = "actuator: jenkins, url: https://ci.example, user: agent, token: {secret: env:T}"
RUNDECK = "actuator: rundeck, url: https://rd.example, token: {secret: env:T}"
CLUSTER = "actuator: kubernetes, kind: deployment, name: pay, namespace: shop"
SQL = "actuator: sql, dsn: postgresql://agent@db.example/shop"


def step(rest: str) -> str:
    return f"[{{do: restart, target: a/b, {VERIFY}, {rest}}}]"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (step("tiemout: 5s"), "E110 unknown key 'tiemout'; did you mean 'timeout'?"),
        (step("approval: {from: []}"), "E112 a name or a list of 1 to 20 names is wanted, not an empty list"),
        (step("approval: {from: x, timeout: 0}"), "E113 it must be longer than 0"),
        (step("undo: {do: x}"), "E130 no action is named 'x'"),
        (step("undo: never"), "E112 a mapping {do, with, timeout} or none is wanted, not 'never'"),
        (step("needs: [x]"), "E155 only a step directly inside a 'dag' has 'needs'"),
        (step("fallback: {do: restrat, target: a/b}"), "E130 no action is named 'restrat'; did you mean 'restart'?"),
        ("[{escalate: {}, fallback: {wait: 5s}}]", "E156 an escalation ends the plan"),
        ("[{manual: reboot it}]", "E154 a manual step says what proves it"),
        ("[{manual: reboot it, verify: none}]", "E154 a manual step says what proves it"),
        ("[{wait: 5}]", "E113 5 is not a duration"),
        ("[{wait: {if: rps > 1}}]", "E111 the key 'within' is missing"),
        ("[{use: restart-all}]", "E158 no procedure is named 'restart-all'; known: none, for want of procedures"),
        ("[{dag: []}]", "E112 1 to 2000 steps are wanted, not 0"),
        (
            "[{dag: [{id: one, wait: 5s, needs: [two]}, {id: two, wait: 5s, needs: one}]}]",
            "E157 these steps wait for each other: one -> two -> one",
        ),
        ("[{dag: [{id: one, wait: 5s, needs: [won]}]}]", "E155 no step of this dag has the id 'won'"),
        ("[{dag: [{id: one, wait: 5s, needs: one}]}]", "E155 a step cannot need itself"),
        ("[{tri: []}]", f"E115 a step has one of the keys {KINDS}; did you mean 'try'?"),
        ("[{id: x}]", f"E115 a step has one of the keys {KINDS}"),
        ("[{do: restart, target: a/b, try: []}]", "E115 a step has one kind, not 'do' and 'try' at once"),
        ("[restart]", f"E112 a step is a mapping with one of the keys {KINDS}, not 'restart'"),
        ("[]", "E112 1 to 2000 steps are wanted, not 0"),
        ("{do: restart}", "E112 a list of steps is wanted, not a mapping"),
        ("[{try: {do: restart}}]", "E112 a list of steps is wanted, not a mapping"),
        ("[{do: restart}]", "E111 the key 'target' is missing"),
        ("[{do: restrat, target: a/b}]", "E130 no action is named 'restrat'; did you mean 'restart'?"),
        ("[{do: restart, target: pay}]", "E112 'pay' will not do: a target is written kind/name, like deploy/pay"),
        ("[{do: restart, target: a/--force}]", "E112 'a/--force' will not do: a target is written kind/name"),
        (
            step("timeout: 5"),
            "E113 5 is not a duration; write it with a unit, like 30s, 5m or 1m30s; did you mean '5s'?",
        ),
        (
            step("timeout: 5 minutes"),
            "E113 '5 minutes' is not a duration; write it like 30s, 5m, 2h, 1d, 1m30s or 500ms",
        ),
        (step("timeout: 0"), "E113 it must be longer than 0"),
        (step("timeout: 31d"), "E113 '31d' is longer than 30d, the longest wait a policy may ask for"),
        (step("retry: {times: 11}"), "E112 11 will not do: it is at most 10"),
        (step("retry: {times: true}"), "E112 a whole number is wanted, not true"),
        (step("retry: 3"), "E112 a mapping {times, wait} is wanted, not 3"),
        (step("approval: boss"), "E112 a mapping {from, if, timeout} is wanted, not 'boss'"),
        (step("fallback: broker_restart"), "E112 a step is wanted, like {id: ..., do: ...}, not 'broker_restart'"),
        (step("with: 3"), "E112 a mapping of arguments is wanted, like {replicas: 6}, not 3"),
        ("[{decide: [{else: true}]}]", "E112 a step is wanted, like {id: ..., do: ...}, not true"),
        (step("effect: probe2"), "E112 'probe2' will not do: it is one of safe, keyed, probe, unsafe; did you"),
        (step("if: rps >"), "E120 a value is missing at the end"),
        (step("if: rsp > 1"), "E121 no signal is named 'rsp'; did you mean 'rps'?"),
        (step("if: ~"), "E112 'if' has no value; give it one or leave the key out"),
        (step("if: 5"), "E112 a condition is text, like 'http_5xx > 5%', not 5"),
        (step("if: min(rps, 1) > 3"), "E120 this '(' is never closed"),
        (step("id: a b"), "E112 'a b' will not do: a name has letters, digits"),
        (step("id: plan"), "E140 the id 'plan' is reserved"),
        (step("with: {x: 1}"), "E131 the action has no argument 'x'; it takes none"),
        ("[{do: rollback, target: a/b, effect: safe}]", "E132 'safe' is milder than the action's own 'unsafe'"),
        ("[{do: scale, target: a/b}]", "E131 the argument 'replicas' (integer) is missing"),
        (
            "[{do: scale, target: a/b, with: {replica: 3, replicas: 1}}]",
            "E131 the action has no argument 'replica'; did you mean",
        ),
        (
            "[{do: scale, target: a/b, with: {replicas: 1.5}}]",
            "E131 the argument 'replicas' will not do: a whole number is wanted",
        ),
        (
            "[{do: scale, target: a/b, with: {replicas: 1, by: 50}}]",
            "E131 the argument 'by' will not do: a percentage is wanted",
        ),
        (
            "[{do: scale, target: a/b, with: {replicas: 1, flag: on}}]",
            "E131 the argument 'flag' will not do: true or false is wanted",
        ),
        ("[{do: restart, target: a/b, verify: {if: rps > 1}}]", "E111 the key 'within' is missing"),
        (
            "[{do: restart, target: a/b, verify: nothing}]",
            "E112 a mapping {if, for, within, settle} or none is wanted, not 'nothing'",
        ),
        (
            "[{do: restart, target: a/b, verify: {if: rps > 1, within: 1m, form: 1s}}]",
            "E110 unknown key 'form'; did you mean 'for'?",
        ),
        (f"[{{id: x, try: [{RESTART}]}}, {{id: x, try: [{RESTART}]}}]", "E140 the id 'x' is used twice"),
        (f"[{{choose: [{RESTART}], rank_by: luck}}]", "E112 'luck' will not do: it is one of time_to_recover"),
        ("[{decide: [{do: restart, target: a/b}]}]", "E111 a branch needs an 'if', or is written {else: {...}}"),
        ("[{decide: [{else: {escalate: {}}, id: x}]}]", "E110 unknown key 'id'; the keys here are else"),
        (
            "[{decide: [{else: {escalate: {}}}, {if: rps > 1, escalate: {}}]}]",
            "E150 nothing after 'else' is ever reached; put it last",
        ),
        ("[{escalate: {too: boss}}]", "E110 unknown key 'too'; did you mean 'to'?"),
        ("[{escalate: {severity: dire}}]", "E112 'dire' will not do: it is one of critical, error, warning, info"),
    ],
)
def test_a_wrong_step_is_explained(steps: str, expected: str) -> None:
    (found,) = [problem for problem in problems(steps) if problem.startswith(expected[:4])][:1] or [""]
    assert found.startswith(expected), problems(steps)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("policy", "a b", "E112 'a b' will not do: a name has letters"),
        ("policy", None, "E111 the key 'policy' is missing"),
        ("owner", "5", "E112 text is wanted, not 5; put it in quotes"),
        ("trigger", None, "E111 the key 'trigger' is missing"),
        ("trigger", "{if: rps > 1, form: 1m}", "E110 unknown key 'form'; did you mean 'for'?"),
        ("trigger", "http_5xx > 5%", "E112 a mapping {if, for} is wanted, not 'http_5xx > 5%'"),
        (
            "trigger",
            "{if: min(rps, 1) > 3}",
            "E110 unknown key '1) > 3'; if it belongs to the value before it, put that",
        ),
        ("resolved", "{if: rps > 1, within: ~}", "E112 'within' has no value; give it one or leave the key out"),
        (
            "escalate",
            None,
            "E151 no escalation path: say whom to call, as in escalate: {to: oncall, severity: critical}",
        ),
        ("escalate", "{severity: critical}", "E111 the key 'to' is missing"),
        ("escalates", "{to: x}", "E110 unknown key 'escalates'; did you mean 'escalate'?"),
        ("review_by", "soon", "E112 'soon' is not a date; write it like 2027-03-01"),
        ("review_by", "2027-02-30", "E112 '2027-02-30' is not a date"),
        (
            "mode",
            "sugest",
            "E112 'sugest' will not do: it is one of observe, suggest, approve, auto; did you mean 'suggest'?",
        ),
        ("attempts_max", "0", "E112 0 will not do: it is at least 1"),
        ("covers", "x", "E112 a list is wanted, not 'x'"),
        ("rto", "fast", "E113 'fast' is not a duration"),
        ("signals", None, "E111 the key 'signals' is missing"),
        ("signals", "[a]", "E112 the name of a file or a mapping is wanted, not a list"),
        ("signals", "{http_5xx: 'sum(rate(x[1m]'}", "E134 not usable PromQL: unclosed left parenthesis"),
        ("signals", "{http_5xx: 'x[5m]'}", "E134 not usable PromQL: it yields a range of samples, not one value"),
        ("signals", "{http_5xx: {expr: x, type: text}}", "E135 a signal of type text names the label it reads"),
        ("signals", "{http_5xx: {expr: x, label: l}}", "E135 a signal of type text names the label it reads"),
        ("signals", "{http_5xx: {max_age: 5s}}", "E111 the key 'expr' is missing"),
        ("signals", "{http_5xx: 5}", "E112 a mapping is wanted, not 5"),
        ("signals", "{known: x}", "E112 'known' cannot name a signal: it means something in conditions"),
        ("signals", "{a-b: x}", "E112 'a-b' cannot name a signal: letters, digits and '_'"),
        ("signals", "/etc/passwd", "E100 '/etc/passwd' is absolute; name a file relative to the policy's own folder"),
    ],
)
def test_a_wrong_key_is_explained(key: str, value: str | None, expected: str) -> None:
    found = text_problems(policy_text(**{key: value}))
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("actuator: command", "E111 the key 'argv' is missing"),
        ("argv: [x]", "E111 the key 'actuator' is missing"),
        ("actuator: command, argv: []", "E133 a list of 1 to 100 arguments is wanted"),
        ("actuator: command, argv: x y", "E133 a list of 1 to 100 arguments is wanted"),
        ("actuator: command, argv: [{target: name}]", "E133 the program itself is written out"),
        ("actuator: command, argv: [x, 5]", "E133 text is wanted, not 5; put it in quotes"),
        ("actuator: command, argv: [x, {target: host}]", "E133 a target's part is kind, name or full"),
        ("actuator: command, argv: [x, {with: n}]", "E133 {with: n} is not declared in this action's 'with'"),
        (
            "actuator: command, argv: [x, {secret: env:A}]",
            "E133 a secret may stand in headers and the environment only",
        ),
        ("actuator: command, argv: [x], shell: true", "E110 unknown key 'shell'; the keys here are actuator"),
        (
            "actuator: command, argv: [x, {with: n}], with: {n: {type: text, required: false}}",
            "E133 {with: n} may have no value",
        ),
        ("actuator: command, argv: [x], with: {n: {type: integer, default: x}}", "E133 the default of 'n' will not do"),
        (
            "actuator: command, argv: [x], with: {n: {type: integer, default: 1, required: true}}",
            "E133 'n' is required and has a default",
        ),
        (
            "actuator: command, argv: [x], with: {n: strng}",
            "E112 'strng' will not do: it is one of percent, integer, number, text, boolean",
        ),
        ("actuator: http, method: FETCH, url: http://x", "E112 'FETCH' will not do: it is one of GET"),
        ("actuator: http, method: GET, url: ftp://x", "E133 'ftp://x' is not an http or https URL"),
        (
            "actuator: http, method: POST, url: http://x, json: {}, body: x",
            "E133 a request has either json or body, not both",
        ),
        (
            "actuator: http, method: GET, url: http://x, headers: {A: {secret: TOKEN}}",
            "E133 a secret is named, not written out: env:PAGER_TOKEN",
        ),
        ("actuator: command, argv: [x], cwd: here", "E133 cwd is an absolute path, not 'here'"),
        ("actuator: command, argv: [x], env: [A, B-C]", "E133 'B-C' is not the name of an environment variable"),
        (
            "actuator: command, argv: [x], env: {A: {secret: B}}",
            "E133 a secret is named, not written out: env:PAGER_TOKEN",
        ),
        ("actuator: command, argv: [x], env: {A: ~}", "E133 text is wanted, not nothing"),
        ("actuator: command, argv: [x], env: {A: {with: n}}", "E133 {with: n} is not declared"),
        ("actuator: http, method: GET, url: 'http://me:pw@x/'", "E133 a URL must not hold a user name or password"),
        ("actuator: http, method: GET, url: http://x, headers: {Host: y}", "E133 the header Host is set by the agent"),
        ('actuator: http, method: GET, url: http://x, headers: {A: "b\\nc"}', "E133 the header A holds a line break"),
        ("actuator: http, method: GET, url: http://x, headers: {'A B': x}", "E133 'A B' is not a header's name"),
        (
            "actuator: http, method: GET, url: http://x, expect_status: 99",
            "E133 an HTTP status or a list of them is wanted",
        ),
        ("actuator: http, method: GET, url: http://x, json: {a: {with: n}}", "E133 {with: n} is not declared"),
        (f"{HAPROXY}, operation: dran", "E112"),
        (f"{HAPROXY}, operation: weight", "E133 weight goes with operation: weight, and the other way"),
        (f"{HAPROXY}, operation: drain, weight: 5", "E133 weight goes with operation: weight, and the other way"),
        (f"{HAPROXY}, operation: weight, weight: 257", "E133 a weight is 0 to 256, or 0% to 100%"),
        (f"{HAPROXY}, operation: weight, weight: 101%", "E133 a weight is 0 to 256, or 0% to 100%"),
        (f"{HAPROXY}, operation: ready, wait_idle: true", "E133 wait_idle goes with operation: drain or maint"),
        (f"{HAPROXY}, operation: drain, idle: true", "E110 unknown key 'idle'"),
        (
            "actuator: haproxy, operation: drain, server: web/one, socket: lb.example:9999",
            "E133 an absolute path of at most 107 bytes, or",
        ),
        ("actuator: haproxy, operation: drain, socket: /s, server: web", "E133 a server reads BACKEND/SERVER"),
        ("actuator: haproxy, operation: drain, socket: /s, server: 'a/b; c'", "E133 a server reads BACKEND/SERVER"),
        (f"{JENKINS}, job: a/../b", "E133 the full name of a job is wanted, like folder/job, not 'a/../b'"),
        (f"{JENKINS}, job: a, token: abc", "E133 a secret is named, not written out"),
        (f"{JENKINS}, job: a, user: 'a:b'", "E133 the name of a user has no colon"),
        (f"{JENKINS}, job: a, parameters: {{HOMEOSTAT_KEY: x}}", "E133 HOMEOSTAT_KEY is set by the agent itself"),
        (f"{JENKINS}, job: a, parameters: {{P: {{secret: env:T}}}}", "E133 a secret may stand in headers"),
        (f"{JENKINS}, job: a, expect_result: GREEN", "E133 a result or a list of them is wanted, of SUCCESS"),
        (f"{JENKINS}, jub: a", "E110 unknown key 'jub'; did you mean 'job'?"),
        (f"{RUNDECK}, job: a/b", "E133 the id of a job is wanted"),
        (f"{RUNDECK}, job: a, url: http://x/?y", "E133 a base URL has no query"),
        (f"{RUNDECK}, job: a, api_version: 41", "E112"),
        (f"{RUNDECK}, job: a, options: [x]", "E133 a mapping of names to values is wanted"),
        (f"{CLUSTER}, operation: reboot", "E112"),
        (f"{CLUSTER}, operation: cordon", "E133 operation: cordon goes with kind: node, not deployment"),
        (f"{CLUSTER}, operation: restart, replicas: 2", "E133 replicas goes with operation: scale"),
        (f"{CLUSTER}, operation: scale", "E133 operation: scale takes either replicas or by"),
        (f"{CLUSTER}, operation: scale, replicas: -1", "E133 a whole number from 0 to 100000 is wanted, not -1"),
        (f"{CLUSTER}, operation: scale, by: 0, max: 3", "E133 a whole number other than 0 is wanted"),
        (f"{CLUSTER}, operation: scale, by: 2", "E133 by goes with max"),
        (f"{CLUSTER}, operation: scale, by: 2, min: 4, max: 3", "E133 min is 4, and must not be more than max, 3"),
        (f"{CLUSTER}, operation: scale, replicas: 9, max: 3", "E133 replicas is 9, and must be 0 to 3"),
        (f"{CLUSTER}, operation: scale, by: 1, max: {{with: n}}, with: {{n: integer}}", "E133 a bound is written out"),
        (
            f"{CLUSTER}, operation: scale, by: 1, max: 3, effect: safe",
            "E133 effect: safe does not hold, since a second",
        ),
        (f"{CLUSTER}, operation: undo, effect: safe", "E133 effect: safe does not hold, since a second undo"),
        (f"{CLUSTER}, operation: restart, token: {{secret: env:T}}", "E133 api and token go together"),
        (f"{CLUSTER}, operation: restart, api: http://x, token: {{secret: env:T}}", "E133 the API server is written"),
        (f"{CLUSTER}, operation: restart, api: https://x, token: abc", "E133 a secret is named, not written out"),
        (f"{CLUSTER.replace(', namespace: shop', '')}, operation: undo", "E133 the namespace of the deployment?"),
        (f"{CLUSTER.replace('pay', 'Pay')}, operation: restart", "E133 the name of an object has small letters"),
        (f"{CLUSTER}, operation: restart, waits: none", "E110 unknown key 'waits'; did you mean 'wait'?"),
        (f"{SQL}", "E133 an action has either statement or statements"),
        (f"{SQL}, statement: COMMIT", "E133 COMMIT cannot be used: the agent itself begins and ends the transaction"),
        (f"{SQL}, statement: /* x */ set role x", "E133 SET cannot be used: the agent itself sets the limits"),
        (f"{SQL}, statement: TRUNCATE a, rows_max: 5", "E133 TRUNCATE changes rows that nobody counts"),
        (f"{SQL}, statement: select %(a)s", "E133 no value is given for %(a)s"),
        (f"{SQL}, statement: 'select 5 % 2'", "E133 a percent sign is written %%, and a value %(name)s"),
        (f"{SQL}, statement: select 1, values: {{a: 1}}", "E133 the value a is in no statement; write %(a)s"),
        (f"{SQL}, statement: {{with: s}}, with: {{s: text}}", "E133 a statement is written out"),
        (f"{SQL}, statement: select 1, read_only: true, keyed: true", "E133 read_only and keyed exclude each other"),
        (f"{SQL}, statement: select 1, effect: keyed", "E133 effect: keyed needs keyed: true"),
        (f"{SQL}, statement: select 1, dsn: postgresql://a:b@c/d", "E133 a connection string must not hold a password"),
        (
            f"{SQL}, statement: 'TABLE {{t}}', identifiers: {{t: {{value: order, allowed: [orders]}}}}",
            "E133 'order' is not among what t allows; did you mean 'orders'?",
        ),
        (
            f"{SQL}, statement: 'TABLE {{t}} {{', identifiers: {{t: {{value: orders, allowed: [orders]}}}}",
            "E133 where there are identifiers, a brace is written twice",
        ),
    ],
)
def test_a_wrong_action_is_explained(action: str, expected: str) -> None:
    found = problems(actions=f"{{restart: {{{action}}}}}")
    assert any(problem.startswith(expected) for problem in found), found


def test_right_actions_of_haproxy_are_taken() -> None:
    actions = (
        f"{{restart: {{{HAPROXY}, operation: drain, wait_idle: true, effect: safe}},"
        " other: {actuator: haproxy, socket: '127.0.0.1:9999', server: {with: s, prefix: web/}, operation: weight,"
        " weight: {with: w}, effect: safe, with: {s: text, w: percent}}}"
    )
    steps = "[{do: restart, target: a/b}, {do: other, target: a/b, with: {s: one, w: 50%}}]"
    assert problems(steps, actions=actions) == []


def test_the_right_kinds_of_http_and_plugin_actions_are_taken() -> None:
    actions = (
        "{restart: {actuator: http, method: POST, url: http://x/y, headers: {Authorization: {secret: env:T}},"
        " json: {to: {target: full}, n: {with: n}, deep: [{with: n}]}, expect_status: [200, 202], with: {n: integer}},"
        " other: {actuator: anything.else, its: {own: [keys]}},"
        " local: {actuator: command, argv: [x], cwd: /srv, env: {T: {secret: file:/run/t}, U: {target: name}, V: v}},"
        " plain: {actuator: command, argv: [x], env: [SSL_CERT_FILE]}}"
    )
    assert problems("[{do: restart, target: a/b, with: {n: 1}}, {do: other, target: a/b}]", actions=actions) == []


def test_right_actions_of_kubernetes_are_taken() -> None:
    elsewhere = "api: https://10.0.0.1:6443, token: {secret: env:T}, ca: {secret: file:/etc/ca.crt}"
    actions = (
        f"{{restart: {{{CLUSTER}, operation: restart, effect: safe, wait: none}},"
        f" up: {{{CLUSTER}, operation: scale, by: {{with: by}}, min: 0, max: 9, effect: keyed, with: {{by: integer}}}},"
        f" undo: {{{CLUSTER}, operation: undo, effect: keyed, {elsewhere}}},"
        " cordon: {actuator: kubernetes, operation: cordon, kind: node, name: {target: name}, effect: safe}}"
    )
    steps = (
        "[{do: restart, target: a/b}, {do: up, target: a/b, with: {by: 2}},"
        " {do: undo, target: a/b}, {do: cordon, target: node/b}]"
    )
    assert problems(steps, actions=actions) == []


def test_right_actions_of_jenkins_rundeck_and_sql_are_taken() -> None:
    actions = (
        f"{{restart: {{{JENKINS}, effect: keyed, job: shop/restart, parameters: {{SERVICE: {{target: name}}}}}},"
        f" other: {{{RUNDECK}, effect: keyed, job: 5a9c, options: {{service: {{target: name}}}}}},"
        f" release: {{{SQL}, effect: keyed, keyed: true, password: {{secret: env:P}}, with: {{t: text}},"
        " statements: ['UPDATE {t} SET n = n + %(n)s WHERE name = %(name)s', \"SELECT '{{}}', 5 %% 2\"],"
        " values: {n: 1, name: {target: name}}, rows_max: 5, expect_rows: 1,"
        " identifiers: {t: {value: {with: t}, allowed: [orders, shop.orders]}}}}"
    )
    steps = "[{do: restart, target: a/b}, {do: other, target: a/b}, {do: release, target: a/b, with: {t: orders}}]"
    assert problems(steps, actions=actions) == []


@pytest.mark.parametrize(
    "runbook",
    [
        "wiki/shop",
        "javascript:alert(1)",
        "https://wiki@evil.example.org/",
        "'https://wiki/a b'",
        "7",
        f"https://{'a' * 500}",
    ],
)
def test_a_runbook_is_an_address_that_a_person_may_follow(runbook: str) -> None:
    assert (
        load(runbook="https://wiki.example.org/shop?v=2#restart").runbook == "https://wiki.example.org/shop?v=2#restart"
    )
    (found,) = problems(runbook=runbook)
    assert found.startswith("E112 ")
    assert "an address like https://wiki.example.org/shop is wanted" in found


def test_all_problems_of_all_parts_are_found_at_once() -> None:
    text = policy_text(
        "[{do: restrat, target: a/b}, {try: [{do: restart}, {if: rsp > 1, do: restart, target: a/b}], oops: 1}]",
        trigger="{if: htp_5xx > 5%, for: 1}",
        signals=TOP["signals"].replace("room: free", "room: 'sum('"),
        attempts_max="-1",
    )
    assert [problem[:4] for problem in text_problems(text)] == [
        "E134", "E121", "E113", "E112", "E130", "E111", "E121", "E110",
    ]  # fmt: skip


def test_positions_are_exact() -> None:
    text = "\n".join(
        [
            "policy: p",  # 1
            "owner: team",
            "signals: {http_5xx: errors, rps: rate}",
            "actions: {restart: {actuator: command, argv: [x], effect: safe}}",
            "trigger: {if: http_5xx > 5% and rsp > 1, for: 1m}",  # 5
            "resolved:",
            "  if: >-",
            "    rps > 1 and",
            "    http_5x < 1%",
            "  within: 5",  # 10
            "escalate: {to: oncall}",
            "steps:",
            "- do: restart",
            "  taget: a/b",
            "- {do: restart, target: a/b, if: 'rps > 1 or bad > 2'}",  # 15
        ]
    )
    assert places(text) == ["5:33 E121", "7:7 E121", "10:11 E113", "13:3 E111", "14:3 E110", "15:46 E121"]
    assert any("(character 13 of the condition)" in problem for problem in text_problems(text))


def test_a_broken_catalogue_causes_no_second_complaints() -> None:
    assert [problem[:4] for problem in problems(signals="{http_5xx: 'sum(', rps: x}")] == ["E134"]
    broken = problems("[{do: restart, target: a/b}]", actions="{restart: {actuator: command}}")
    assert [problem[:4] for problem in broken] == ["E111"]
    assert [problem[:4] for problem in problems(signals="nowhere.yaml")] == ["E100"]
    assert [problem[:4] for problem in problems(actions="nowhere.yaml")] == ["E100"]


def test_plans_are_bounded() -> None:
    many = ", ".join(f"{{try: [{', '.join(['{escalate: {}, if: rps > 1}'] * 99)}]}}" for _ in range(21))
    found = problems(f"[{many}]")
    assert [problem for problem in found if problem.startswith("E152")] == ["E152 more than 2000 steps"]


def read(path: Path) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert all(problem.position.file.startswith(str(path.parent)) for problem in caught.value.problems)
    return [f"{problem.code} {problem.message}" for problem in caught.value.problems]


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "payments.homeostat.yaml").write_text("x")
    (found,) = read(tmp_path / "payment.homeostat.yaml")
    assert found.startswith("E100 cannot read ")
    assert found.endswith("there is no such file; did you mean 'payments.homeostat.yaml'?")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "E100 the file is empty"),
        (b"# nothing\n", "E100 the file is empty"),
        (b"\x7fELF\x00\x01\x02", "E101 not YAML text: the character U+"),
        (b"\xff\xfep\x00o\x00", "E100 "),
        (b"policy: caf\xe9\n", "E100 "),
        (b"<html><body>504</body></html>", "E112 a policy is a mapping of keys like 'policy'"),
        (b"- a\n", "E112 a policy is a mapping of keys like 'policy', 'trigger' and 'steps', not a list"),
        (b"a" * (BYTES_MAX + 1), "E100 "),
        (b"[" * 60, "E104 nested deeper than 50"),
    ],
)
def test_whatever_the_file_holds_the_error_is_of_one_kind(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    assert read(path)[0].startswith(expected)


def test_what_is_not_a_readable_file(tmp_path: Path) -> None:
    (tmp_path / "folder.homeostat.yaml").mkdir()
    assert read(tmp_path / "folder.homeostat.yaml")[0].endswith("it is not a file")
    os.mkfifo(tmp_path / "pipe.homeostat.yaml")
    assert read(tmp_path / "pipe.homeostat.yaml")[0].endswith("it is not a file")
    (tmp_path / "loop.homeostat.yaml").symlink_to("loop.homeostat.yaml")
    assert read(tmp_path / "loop.homeostat.yaml")[0].startswith("E100 cannot read ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads any file")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text(policy_text())
    path.chmod(0)
    assert read(path)[0].endswith("permission denied")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text(policy_text(), encoding="utf-8-sig")
    assert load_policy(path).name == "p"


def test_a_message_never_carries_what_a_terminal_would_obey() -> None:
    (found,) = problems('[{do: "\\e[31mred\\a", target: a/b}]')
    assert found.isprintable()
    assert "\\x1b[31m" in found
