"""Every code that `lint` and the loader may give, with one line of what it means. Codes never change their meaning.

`E...` keeps a policy from being loaded; `W...` is advice that only `lint` gives.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "E100": "a file is missing, empty, too large, or not readable as UTF-8 text",
    "E101": "the file is not YAML",
    "E102": "a part of YAML that policies do without: tags, anchors, aliases, merge keys, several documents",
    "E103": "the same key twice in one mapping",
    "E104": "nested too deeply, or too many values",
    "E110": "an unknown key",
    "E111": "a required key is missing",
    "E112": "a value of the wrong kind",
    "E113": "not a duration",
    "E115": "a step has no kind, two kinds, or an unknown one",
    "E116": "in the language's design, but not in this release",
    "E120": "a condition cannot be read",
    "E121": "a condition names an unknown signal",
    "E122": "a condition mixes types, or is not one",
    "E123": "a condition is too long, too large or too deep",
    "E130": "an unknown action",
    "E131": "arguments in `with` that do not fit the action",
    "E132": "a step claims a milder effect than its action has",
    "E133": "an actuator's parameters are wrong",
    "E134": "a signal's PromQL is wrong",
    "E135": "a signal's type and label do not fit",
    "E140": "an id is used twice or reserved",
    "E141": "two policies have one name",
    "E150": "a branch or step that can never be reached",
    "E151": "no escalation path: nobody would be called",
    "E152": "too many steps",
    "W201": "a `decide` without `else`",
    "W202": "an action without verify",
    "W203": "an action without a time-out of its own, of the policy or of the catalogue",
    "W204": "a signal that no condition reads",
    "W205": "past its review_by",
    "W206": "the worst case takes longer than the rto",
    "W207": "the worst case takes longer than the time-out",
    "W208": "retry of an unsafe action",
    "W209": "a verify window longer than its deadline",
    "W210": "the windows that open and close an incident do not match",
    "W211": "max_age under two scrapes",
    "W212": "a secret in clear text",
    "W213": "the proof of recovery says no more than the trigger",
    "W214": "attempts_max is above what the plan can ever use",
}
