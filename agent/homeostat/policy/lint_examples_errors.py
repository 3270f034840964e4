"""Examples of the loader's errors."""

from __future__ import annotations

from homeostat.policy.lint_examples import Example

_VERIFY = "verify: {if: http_5xx < 1%, within: 4m}"
_RESTART = f"do: restart, target: deploy/shop, {_VERIFY}"
_SLOW = "{actuator: command, argv: [slow], timeout: 1m"

ERRORS: dict[str, Example] = {
    "E100": Example("A policy names the files it needs, relative to its own folder.", "signals: signal.yaml\n"),
    "E101": Example(
        "The parser says where it lost its way; a value with `: ` or `#` in it wants quotes.", "owner: [\n"
    ),
    "E102": Example(
        "Files are read without them, so that what is written is what is meant, and no file can blow up.",
        "owner: &team shop-sre\n",
        "owner: shop-sre\n",
    ),
    "E103": Example(
        "YAML readers would keep the last one in silence.",
        "harm: {if: rps < 1, if: rps < 2}\n",
        "harm: {if: rps < 1}\n",
    ),
    "E104": Example("A file has bounds, so that none can hang the agent.", f"owner: {'[' * 51}{']' * 51}\n"),
    "E110": Example("A key that nobody reads is a wish that nobody hears.", "onwer: shop-sre\n", "owner: shop-sre\n"),
    "E111": Example(
        "Without it there is nothing to go by.", "trigger: {for: 2m}\n", "trigger: {if: http_5xx > 5%, for: 2m}\n"
    ),
    "E112": Example("The message says what is wanted there.", "owner: 7\n", "owner: team-7\n"),
    "E113": Example("A duration has a unit.", "rto: 90\n", "rto: 90m\n"),
    "E115": Example(
        "A step has exactly one of the keys that tell its kind.",
        f"steps:\n- {{wait: 30s, {_RESTART}}}\n",
        f"steps:\n- {{wait: 30s}}\n- {{{_RESTART}}}\n",
    ),
    "E120": Example(
        "Conditions are comparisons of signals, joined by `and`, `or`, `not`.",
        "harm: {if: http_5xx >}\n",
        "harm: {if: http_5xx > 90%}\n",
    ),
    "E121": Example(
        "A condition reads signals by the names they are declared under, and so does `learning`.",
        "harm: {if: http_5x > 90%}\n",
        "harm: {if: http_5xx > 90%}\n",
    ),
    "E122": Example(
        "Numbers are compared with numbers, texts with texts, and the whole is true or false.",
        'harm: {if: http_5xx == "high"}\n',
        "harm: {if: http_5xx > 90%}\n",
    ),
    "E123": Example(
        "Compute part of it in a signal's PromQL.",
        f"harm: {{if: '{'not ' * 31}rps < 1'}}\n",
        "harm: {if: rps < 1}\n",
    ),
    "E130": Example(
        "Actions are declared in the catalogue.",
        f"steps:\n- {{do: restrat, target: deploy/shop, {_VERIFY}}}\n",
        f"steps:\n- {{{_RESTART}}}\n",
    ),
    "E131": Example(
        "An action declares the arguments it takes in its own `with`.",
        f"steps:\n- {{{_RESTART}, with: {{delay: 5}}}}\n",
        f"steps:\n- {{{_RESTART}}}\n",
    ),
    "E132": Example(
        "A step may only be more careful than its action.",
        f"actions: {{slow: {_SLOW}, effect: unsafe}}}}\nsteps:\n"
        f"- {{do: slow, target: deploy/shop, effect: safe, {_VERIFY}}}\n",
        f"actions: {{slow: {_SLOW}, effect: safe}}}}\nsteps:\n"
        f"- {{do: slow, target: deploy/shop, effect: unsafe, {_VERIFY}}}\n",
    ),
    "E133": Example(
        "There is no shell: a command is a list of arguments.",
        "actions: {restart: {actuator: command, argv: systemctl restart shop, effect: safe, timeout: 1m}}\n",
        "actions: {restart: {actuator: command, argv: [systemctl, restart, shop], effect: safe, timeout: 1m}}\n",
    ),
    "E134": Example(
        "It is parsed when the policy is loaded, and not when it is needed.",
        "signals: {http_5xx: 'sum(error_ratio', rps: request_rate}\n",
        "signals: {http_5xx: sum(error_ratio), rps: request_rate}\n",
    ),
    "E135": Example(
        "A text signal is the value of a label, and names it.",
        "signals: {http_5xx: error_ratio, rps: request_rate, phase: {expr: phase_info, type: text}}\n"
        'harm: {if: phase == "red"}\n',
        "signals: {http_5xx: error_ratio, rps: request_rate, phase: {expr: phase_info, type: text, label: "
        'phase}}\nharm: {if: phase == "red"}\n',
    ),
    "E136": Example(
        "After doubt only a probe tells whether the action has happened; without one, say `unsafe`.",
        f"actions: {{slow: {_SLOW}, effect: probe}}}}\nsteps:\n- {{do: slow, target: deploy/shop, {_VERIFY}}}\n",
        f"actions: {{slow: {_SLOW}, effect: probe, probe: http_5xx < 1%}}}}\nsteps:\n"
        f"- {{do: slow, target: deploy/shop, {_VERIFY}}}\n",
    ),
    "E140": Example(
        "The journal keeps what was done by the step's id.",
        f"steps:\n- {{id: again, {_RESTART}}}\n- {{id: again, {_RESTART}}}\n",
        f"steps:\n- {{id: first, {_RESTART}}}\n- {{id: second, {_RESTART}}}\n",
    ),
    "E141": Example(
        "The agent keeps incidents by the policy's name; the file that comes first has it.",
        "policy: shop-errors\n",
        "policy: shop\n",
        {
            "another.homeostat.yaml": "policy: shop-errors\nowner: shop-sre\nsignals: {rps: request_rate}\n"
            "actions: {slow: {actuator: command, argv: [slow], timeout: 1m}}\ntrigger: {if: rps < 1}\n"
            "resolved: {if: rps > 1}\nescalate: {to: shop-oncall}\n"
            "steps: [{do: slow, target: deploy/shop, verify: none}]\n"
        },
    ),
    "E150": Example(
        "What stands behind a step that always ends the plan, or under a condition that is never true, is never done.",
        f"steps:\n- {{escalate: {{}}}}\n- {{{_RESTART}}}\n",
        f"steps:\n- {{{_RESTART}}}\n- {{escalate: {{}}}}\n",
    ),
    "E151": Example(
        "When the plan fails, somebody must be called.",
        "# escalate: {to: shop-oncall}\n",
        "escalate: {to: shop-oncall}\n",
    ),
    "E152": Example(
        "A plan has at most 2,000 steps; a policy of its own for the rest is easier to read, too. (No example: it "
        "would "
        "be a long one.)",
        "",
    ),
    "E154": Example(
        "People say that they are done; `check` says what they look at before, `verify` lets the signals say it.",
        "steps:\n- {manual: Call the bank}\n- {do: restart, target: deploy/shop, verify: none}\n",
        "steps:\n- {manual: Call the bank, check: They confirm the transfer}\n"
        "- {do: restart, target: deploy/shop, verify: none}\n",
    ),
    "E155": Example(
        "`needs` names siblings in the same `dag`.",
        f"steps:\n- dag:\n  - {{id: one, {_RESTART}}}\n  - {{wait: 30s, needs: won}}\n",
        f"steps:\n- dag:\n  - {{id: one, {_RESTART}}}\n  - {{wait: 30s, needs: one}}\n",
    ),
    "E156": Example(
        "It hands the incident to people, and cannot fail.",
        f"steps:\n- {{escalate: {{}}, fallback: {{{_RESTART}}}}}\n",
        f"steps:\n- {{{_RESTART}, fallback: {{escalate: {{}}}}}}\n",
    ),
    "E157": Example(
        "None of them could ever begin.",
        f"steps:\n- dag:\n  - {{id: one, needs: two, {_RESTART}}}\n  - {{id: two, needs: one, wait: 30s}}\n",
        f"steps:\n- dag:\n  - {{id: one, {_RESTART}}}\n  - {{id: two, needs: one, wait: 30s}}\n",
    ),
    "E158": Example(
        "A procedure is declared under `procedures`, in the policy or in the file it names.",
        f"procedures: {{cure: [{{{_RESTART}}}]}}\nsteps:\n- {{use: cury}}\n",
        f"procedures: {{cure: [{{{_RESTART}}}]}}\nsteps:\n- {{use: cure}}\n",
    ),
    "E159": Example(
        "A plan has no loops: that is what bounds it.",
        "procedures: {cure: [{use: cure}]}\nsteps:\n- {use: cure}\n",
        f"procedures: {{cure: [{{{_RESTART}}}]}}\nsteps:\n- {{use: cure}}\n",
    ),
    "E160": Example(
        "A parameter has a type, and every environment's value is of it.",
        "parameters: {limit: 5%}\nenvironments: {staging: {limit: high}}\ntrigger: {if: http_5xx > limit, for: 2m}\n",
        "parameters: {limit: 5%}\nenvironments: {staging: {limit: 20%}}\ntrigger: {if: http_5xx > limit, for: 2m}\n",
    ),
    "E161": Example(
        "A parameter without a default has a value in every environment.",
        "parameters: {limit: {type: percent}, floor: 1%}\nenvironments: {live: {limit: 5%}, staging: {floor: 2%}}\n"
        "trigger: {if: http_5xx > limit + floor, for: 2m}\n",
        "parameters: {limit: {type: percent}, floor: 1%}\nenvironments: {live: {limit: 5%}, staging: {limit: 20%}}\n"
        "trigger: {if: http_5xx > limit + floor, for: 2m}\n",
    ),
    "E162": Example(
        "`{param: name}` stands for the value of a parameter that the policy declares.",
        "parameters: {goal: 90m}\nrto: {param: gaol}\n",
        "parameters: {goal: 90m}\nrto: {param: goal}\n",
    ),
    "E163": Example(
        "A trigger, a `resolved`, a `verify` or the condition of a `wait` must look at the world. One over numbers or "
        "parameters alone is always the same.",
        "parameters: {limit: 5%}\ntrigger: {if: limit > 1%, for: 2m}\n",
        "parameters: {limit: 5%}\ntrigger: {if: http_5xx > limit, for: 2m}\n",
    ),
}
