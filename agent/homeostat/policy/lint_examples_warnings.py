"""Examples of lint's warnings."""

from __future__ import annotations

from homeostat.policy.lint_examples import Example

_V = "verify: {if: http_5xx < 1%, within: 4m}"
_RESTART = f"do: restart, target: deploy/shop, {_V}"
_ACTION = "{actuator: command, argv: [run], effect: safe, timeout: 1m"
_UNSAFE = "{actuator: command, argv: [run], effect: unsafe, timeout: 1m"
_PAIR = (
    "actions:\n  drain: {actuator: command, argv: [drain], effect: safe, timeout: 1m, undo: {do: undrain}}\n"
    "  undrain: {actuator: command, argv: [undrain], effect: safe, timeout: 1m}\n"
)
_CANDIDATES = (
    f"steps:\n- choose:\n  - {{id: restart, {_RESTART}}}\n"
    f"  - {{id: rollback, do: rollback, target: deploy/shop, {_V}}}\n"
)
_CHOICE = f"actions: {{restart: {_ACTION}}}, rollback: {_ACTION}}}}}\n{_CANDIDATES}"

WARNINGS: dict[str, Example] = {
    "W201": Example(
        "When no branch is true, the plan fails there.",
        f"steps:\n- decide:\n  - {{if: rps > 5, {_RESTART}}}\n",
        f"steps:\n- decide:\n  - {{if: rps > 5, {_RESTART}}}\n  - {{else: {{escalate: {{}}}}}}\n",
    ),
    "W202": Example(
        "That an action ran is no proof that it helped. `verify: none` says that this is meant.",
        "steps:\n- {do: restart, target: deploy/shop}\n",
        f"steps:\n- {{{_RESTART}}}\n",
    ),
    "W203": Example(
        "Nobody chose how long the action may hang.",
        "actions: {restart: {actuator: command, argv: [run], effect: safe}}\n",
        "actions: {restart: {actuator: command, argv: [run], effect: safe, timeout: 1m}}\n",
    ),
    "W204": Example(
        "Often a condition that was forgotten.",
        "signals: {http_5xx: error_ratio, rps: request_rate, room: free_ratio}\n",
        "signals: {http_5xx: error_ratio, rps: request_rate}\n",
    ),
    "W205": Example(
        "Systems change; a plan nobody has looked at is for another one.",
        "review_by: 2020-01-01\n",
        "review_by: 2099-01-01\n",
    ),
    "W206": Example("Add up the time-outs: it may not be done in time.", "rto: 10m\n", "rto: 30m\n"),
    "W207": Example("The incident may end before its plan does.", "timeout: 10m\n", "timeout: 30m\n"),
    "W208": Example(
        "Running it twice may do harm.",
        f"actions: {{restart: {_UNSAFE}}}}}\nsteps:\n- {{{_RESTART}, retry: {{times: 1}}}}\n",
        f"actions: {{restart: {_ACTION}}}}}\nsteps:\n- {{{_RESTART}, retry: {{times: 1}}}}\n",
    ),
    "W209": Example(
        "What needs five minutes to be proved cannot be proved within four.",
        "steps:\n- {do: restart, target: deploy/shop, verify: {if: http_5xx < 1%, for: 5m, within: 4m}}\n",
        "steps:\n- {do: restart, target: deploy/shop, verify: {if: http_5xx < 1%, for: 2m, within: 4m}}\n",
    ),
    "W210": Example(
        "An incident that closes on a shorter look than it opened on relapses at once.",
        "resolved: {if: http_5xx < 1% and rps > 1, for: 30s, within: 10m}\n",
        "resolved: {if: http_5xx < 1% and rps > 1, for: 2m, within: 10m}\n",
    ),
    "W211": Example(
        "A signal that is stale after one late scrape flickers.",
        "signals: {http_5xx: error_ratio, rps: {expr: request_rate, max_age: 20s}}\n",
        "signals: {http_5xx: error_ratio, rps: {expr: request_rate, max_age: 60s}}\n",
    ),
    "W212": Example(
        "Arguments and parameters are journalled and shown.",
        "actions: {restart: {actuator: http, method: POST, url: 'https://x.example/', headers: {Authorization: "
        "Bearer 0123456789}, "
        "effect: safe, timeout: 1m}}\n",
        "actions: {restart: {actuator: http, method: POST, url: 'https://x.example/', headers: {Authorization: "
        "{secret: env:TOKEN}}, "
        "effect: safe, timeout: 1m}}\n",
    ),
    "W213": Example(
        "It holds while all is broken.",
        "steps:\n- {do: restart, target: deploy/shop, verify: {if: http_5xx > 5%, within: 4m}}\n",
        "steps:\n- {do: restart, target: deploy/shop, verify: {if: http_5xx < 5%, within: 4m}}\n",
    ),
    "W214": Example("It limits nothing.", "attempts_max: 5\n", "attempts_max: 1\n"),
    "W215": Example(
        "The target's lock keeps them apart, so nothing breaks; but which one goes first is chance, and no time "
        "is saved. "
        "Put them in order with `needs`.",
        f"steps:\n- dag:\n  - {{id: one, {_RESTART}}}\n  - {{id: two, {_RESTART}}}\n",
        f"steps:\n- dag:\n  - {{id: one, {_RESTART}}}\n  - {{id: two, needs: one, {_RESTART}}}\n",
    ),
    "W216": Example(
        "A setting reads as it was set. Decidable where the action says in the catalogue which signals it `sets`; "
        "verify "
        "by what users see.",
        f"actions: {{restart: {_ACTION}, sets: [rps]}}}}\nsteps:\n"
        f"- {{do: restart, target: deploy/shop, verify: {{if: rps > 5, within: 4m}}}}\n",
        f"actions: {{restart: {_ACTION}, sets: [rps]}}}}\nsteps:\n- {{{_RESTART}}}\n",
    ),
    "W217": Example(
        "Its place in the learnt order is a guess. Given with `--history` alone.",
        f"actions: {{restart: {_ACTION}}}, shift: {_ACTION}}}}}\n"
        f"steps:\n- choose:\n  - {{id: restart, {_RESTART}}}\n  - {{id: shift, do: shift, target: route/shop, {_V}}}\n",
        f"actions: {{restart: {_ACTION}}}, rollback: {_ACTION}}}}}\n"
        f"steps:\n- choose:\n  - {{id: restart, {_RESTART}}}\n"
        f"  - {{id: rollback, do: rollback, target: deploy/shop, {_V}}}\n",
    ),
    "W218": Example(
        "An action is taken for destructive if the catalogue says `destructive: true`, or, where it says nothing, "
        "if it is "
        "unsafe and its name has a word like delete, drop, restore or failover. `destructive: false` ends the "
        "discussion.",
        f"actions: {{db.restore: {_UNSAFE}}}}}\nsteps:\n- {{do: db.restore, target: db/shop, {_V}}}\n",
        f"actions: {{db.restore: {_UNSAFE}}}}}\nsteps:\n"
        f"- {{do: db.restore, target: db/shop, {_V}, approval: {{from: dba-oncall}}}}\n",
    ),
    "W219": Example(
        "In strict order `drain`, then `undrain` is a plan; as candidates the second only restores what the first "
        "changed. "
        "Also told of two policies, where an action of one is the undo of the other's on one target, or where the "
        "cure of "
        "each is the trigger of the other.",
        f"{_PAIR}steps:\n- try:\n  - {{do: drain, target: lb/shop, {_V}}}\n"
        f"  - {{do: undrain, target: lb/shop, {_V}}}\n",
        f"{_PAIR}steps:\n- {{do: drain, target: lb/shop, {_V}}}\n- {{do: undrain, target: lb/shop, {_V}}}\n",
    ),
    "W220": Example(
        "A question that reaches nobody is denied by silence. Approvers are people or roles of `[people]` in "
        "homeostat.toml.",
        f"steps:\n- {{{_RESTART}, approval: {{from: dba-oncal}}}}\n",
        f"steps:\n- {{{_RESTART}, approval: {{from: dba-oncall}}}}\n",
    ),
    "W221": Example(
        "The incident is over before the question is.",
        "timeout: 1h\nresolved: {if: http_5xx < 1% and rps > 1, for: 2m}\nattempts_max: 1\n"
        f"steps:\n- {{{_RESTART}, approval: {{from: dba-oncall, timeout: 2h}}}}\n",
        "timeout: 1h\nresolved: {if: http_5xx < 1% and rps > 1, for: 2m}\nattempts_max: 1\n"
        f"steps:\n- {{{_RESTART}, approval: {{from: dba-oncall, timeout: 30m}}}}\n",
    ),
    "W222": Example(
        "Who waits that long has given the objective up.",
        f"rto: 1h\nsteps:\n- {{wait: 2h}}\n- {{{_RESTART}}}\n",
        f"rto: 1h\nsteps:\n- {{wait: 2m}}\n- {{{_RESTART}}}\n",
    ),
    "W223": Example(
        "The needs alone let no more steps run at once.",
        f"steps:\n- concurrency: 2\n  dag:\n  - {{id: one, {_RESTART}}}\n  - {{wait: 1m, needs: one}}\n"
        f"  - {{wait: 2m, needs: one}}\n",
        f"steps:\n- concurrency: 1\n  dag:\n  - {{id: one, {_RESTART}}}\n  - {{wait: 1m, needs: one}}\n"
        f"  - {{wait: 2m, needs: one}}\n",
    ),
    "W224": Example(
        "An undo takes back what its verify found useless, or what did harm; here is neither a verify nor a `harm`.",
        f"{_PAIR}steps:\n- {{do: drain, target: lb/shop, verify: none}}\n",
        f"{_PAIR}steps:\n- {{do: drain, target: lb/shop, {_V}}}\n",
    ),
    "W225": Example(
        "Nothing is ever started, and the plan waits until its time-out. Say `auto` when you trust it.",
        "mode: observe\n",
        "mode: approve\n",
    ),
    "W226": Example(
        "Its value changes nothing, in any environment.",
        "parameters: {limit: 5%}\n",
        "parameters: {limit: 5%}\ntrigger: {if: http_5xx > limit, for: 2m}\n",
    ),
    "W227": Example(
        "Dead lines are read at 3 a.m. too.",
        f"procedures: {{cure: [{{{_RESTART}}}]}}\n",
        f"procedures: {{cure: [{{{_RESTART}}}]}}\nsteps:\n- {{use: cure}}\n",
    ),
    "W228": Example(
        "Dead lines are read at 3 a.m. too.",
        f"actions: {{restart: {_ACTION}}}, rollback: {_ACTION}}}}}\n",
        f"actions: {{restart: {_ACTION}}}}}\n",
    ),
    "W229": Example(
        "A cooldown counts over incidents and does not hold back the step's own retry.",
        f"steps:\n- {{{_RESTART}, cooldown: 10m, retry: {{times: 1, wait: 1m}}}}\n",
        f"steps:\n- {{{_RESTART}, cooldown: 10m, retry: {{times: 1, wait: 10m}}}}\n",
    ),
    "W230": Example(
        "A name that is no signal would silence W216.",
        f"actions: {{restart: {_ACTION}, sets: [rsp]}}}}\n",
        f"actions: {{restart: {_ACTION}, sets: [rps]}}}}\n",
    ),
    "W232": Example(
        "A candidate is explored when it is a single action (no `steps`, no `fallback`) and not the best one, and only "
        "in a policy with `harm`, while that is known and false.",
        f"{_CHOICE}  explore: {{share: 5%}}\n",
        f"harm: {{if: rps < 1}}\n{_CHOICE}  explore: {{share: 5%}}\n",
    ),
    "W233": Example(
        "What is tried to learn of it should be harmless. Take it out of the `choose`, or let people decide.",
        f"harm: {{if: rps < 1}}\nactions: {{restart: {_ACTION}}}, rollback: {_UNSAFE}}}}}\n{_CANDIDATES}"
        "  explore: {share: 5%}\n",
        f"harm: {{if: rps < 1}}\n{_CHOICE}  explore: {{share: 5%}}\n",
    ),
    "W234": Example(
        "An attempt counts where its verify proved it and harm was known to be absent before and after.",
        f"steps:\n- {{{_RESTART}, mode: {{start: suggest}}}}\n",
        f"harm: {{if: rps < 1}}\nsteps:\n- {{{_RESTART}, mode: {{start: suggest}}}}\n",
    ),
    "W235": Example(
        "A candidate whose `if` is unknown is passed over, so one without an `if` after it begins because a signal is "
        "missing. Said of a `try` where that one is unsafe and asks nobody. `homeostat stability` shows what comes of "
        "it in a world with missing samples.",
        f"actions: {{restart: {_ACTION}}}, rebuild: {_UNSAFE}, destructive: false}}}}\nsteps:\n- try:\n"
        f"  - {{id: restart, {_RESTART}, if: rps > 1}}\n"
        f"  - {{id: rebuild, do: rebuild, target: deploy/shop, {_V}}}\n",
        f"actions: {{restart: {_ACTION}}}, rebuild: {_UNSAFE}, destructive: false}}}}\nsteps:\n- try:\n"
        f"  - {{id: restart, {_RESTART}, if: rps > 1}}\n"
        f"  - {{id: rebuild, do: rebuild, target: deploy/shop, {_V}, if: rps <= 1}}\n",
    ),
}
