"""Alerting rules to policies: signals, trigger and resolved are the rule's; the plan asks a person at first.

A policy made here starts nothing but a manual step, and closes nothing without evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from homeostat.authoring.alert_expression import NEGATIONS, Form, Reading, read_alert_expression
from homeostat.authoring.alert_rules import AlertRule, RuleFile
from homeostat.authoring.names import policy_name, signal_name, unused
from homeostat.authoring.workspace_files import Written, require_loadable
from homeostat.authoring.yaml_text import block, comment, joined, scalar
from homeostat.model.errors import PolicyError, Problem
from homeostat.policy.fields import TEXT_MAX
from homeostat.policy.load import SUFFIX
from homeostat.policy.units import DURATION_MAX_S, format_seconds

SIGNALS_FILE = "signals.yaml"
MAX_AGE_S = 60.0
"""What a signal has where nothing is said."""

PROOF_S_MIN = 60.0
"""`resolved` holds at least this long: an alert without `for` flickers."""

_SEVERITIES = {
    "critical": {"critical", "crit", "page", "pager", "emergency", "fatal", "disaster", "p1", "sev1"},
    "error": {"error", "high", "major", "ticket", "p2", "sev2"},
    "warning": {"warning", "warn", "minor", "medium", "average", "p3", "sev3"},
    "info": {"info", "information", "informational", "notice", "low", "none", "p4", "sev4"},
}
_HEAD = """\
The signals of alerting rules, brought over by `homeostat import rules`. Every expression yields at most one series.
An alert's expression yields nothing while all is well. Nothing is MISSING here, so that a condition on it would be
unknown, never false. Where a limit could not be taken off, the signal therefore counts:
`count(expr) or vector(0)` is 0 while the series behind it are there and none of them fires, and still missing, and
so unknown, when not one of them is there."""
_NO_EVIDENCE = """\
PLACEHOLDER: the rule reads no series that could be counted. Until this signal is what proves health, 'resolved'
stays false and the incident goes to people."""


@dataclass(frozen=True, slots=True)
class _Import:
    """One rule on its way to a policy."""

    rule: AlertRule
    reading: Reading
    policy: str
    signal: str

    @property
    def seen(self) -> str:
        """The name of the evidence signal."""
        return f"{self.signal}_seen"


def policies_of_rules(found: RuleFile, *, source: str, signals_file: str = SIGNALS_FILE) -> Written:
    """Write a policy for every alert, and one signals file for all.

    Args:
        found: the rules.
        source: their file, as people know it.
        signals_file: what the file of their signals is to be called.

    Raises:
        PolicyError: of an expression no signal can be made.
    """
    imports: list[_Import] = []
    problems: list[Problem] = []
    policies: set[str] = set()
    signals: set[str] = set()
    for rule in found.alerts:
        try:
            reading = read_alert_expression(rule.expr)
        except ValueError as error:
            problems.append(Problem(rule.expr_at, "E134", f"not usable PromQL: {error}"))
            continue
        one = _Import(rule, reading, _policy_name(rule, policies), _signal_name(rule, signals))
        policies.add(one.policy)
        signals |= {one.signal, one.seen}
        imports.append(one)
    if problems:
        raise PolicyError(problems)
    files = {f"{one.policy}{SUFFIX}": _policy(one, source, signals_file) for one in imports}
    files[signals_file] = joined([*comment(_HEAD), *(line for one in imports for line in _signals(one))])
    require_loadable(files)
    return Written(files, (*found.notes, *(note for one in imports for note in _notes(one))))


def _policy_name(rule: AlertRule, taken: Collection[str]) -> str:
    name = policy_name(rule.name, "alert")
    severity = rule.labels.get("severity")
    if name in taken and severity:  # one alert in several severities is the usual reason for a second rule
        name = policy_name(f"{name}-{severity}", name)
    return unused(name, taken)


def _signal_name(rule: AlertRule, taken: Collection[str]) -> str:
    name = signal_name(rule.name)
    number, candidate = 1, name
    while candidate in taken or f"{candidate}_seen" in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _signals(one: _Import) -> list[str]:
    reading, max_age_s = one.reading, max(MAX_AGE_S, 2 * one.rule.every_s)
    lines = ["", *comment(f"{one.rule.name}: {_how(reading)}")]
    lines += _signal(one.signal, reading.expr, max_age_s)
    if reading.seen is None:
        return [*lines, *comment(_NO_EVIDENCE), f"{one.seen}: vector(0)"]
    lines += comment(
        (
            "The product of the counts of what it reads: above 0 while all of them are there."
            if reading.seen_is_product
            else "How many series it reads."
        )
        + " Series that only exist while things are broken prove nothing when they are gone:"
        " for those, count what is there in good times."
    )
    return lines + _signal(one.seen, reading.seen, max_age_s)


def _signal(name: str, expr: str, max_age_s: float) -> list[str]:
    if max_age_s <= MAX_AGE_S and "\n" not in expr:
        return [f"{name}: {scalar(expr)}"]
    lines = [f"{name}:", f"  expr: {block(expr, 2)}"]
    return [*lines, f"  max_age: {format_seconds(max_age_s)}"] if max_age_s > MAX_AGE_S else lines


def _how(reading: Reading) -> str:
    if reading.form is Form.COUNT:
        how = "how many series fire"
        if reading.has_absent:
            how += (
                ". What is absent has no sample that could prove it; `up` stands witness that Prometheus does scrape,"
                " and without it the signal is unknown"
            )
        return how
    if not reading.yields_many:
        how = "the value that the rule compares"
    elif reading.comparison in (">", ">="):
        how = "the largest of the values that the rule compares: it is over the limit when any is"
    else:
        how = "the smallest of the values that the rule compares: it is under the limit when any is"
    if reading.divides:
        how += ". x/0 is no value: the signal is unknown then, where Prometheus compares infinity"
    return how


def _policy(one: _Import, source: str, signals_file: str) -> str:
    rule, reading = one.rule, one.reading
    limit = _number(reading.limit)
    calms = NEGATIONS[reading.comparison] if reading.form is Form.VALUE else "=="
    proof_s = max(rule.hold_s, rule.keep_firing_s, PROOF_S_MIN)
    owner = rule.labels.get("team") or rule.labels.get("owner") or "oncall"
    summary = rule.annotations.get("summary") or rule.annotations.get("description") or f"{rule.name} fires"
    hold = f", for: {format_seconds(rule.hold_s)}" if rule.hold_s else ""
    window = f"for: {format_seconds(proof_s)}, within: {format_seconds(min(max(600.0, 2 * proof_s), DURATION_MAX_S))}"
    lines = [
        *comment(f"From the alerting rule {rule.name} of {source}, group {rule.group or 'without a name'}."),
        *(line for note in _notes(one) for line in comment(note.partition(": ")[2])),
        f"policy: {scalar(one.policy)}",
        f"owner: {scalar(owner)}",
        f"signals: {scalar(signals_file)}",
        "actions: {}",
        "",
        f"trigger: {{if: {one.signal} {reading.comparison} {limit}{hold}}}",
        *comment(
            f"REPLACE '{one.seen} > 0' by what proves health: requests that are answered, or as many series as there"
            " should be. A series that is gone fires no alert either."
        ),
        f"resolved: {{if: {one.signal} {calms} {limit} and {one.seen} > 0, {window}}}",
        "escalate:",
        f"  to: {scalar(owner)}",
        f"  severity: {_severity(rule.labels)}",
        f"  message: {block(summary, 2)}",
        "",
        *comment("REPLACE by what is to be done. A person is asked until then; nothing is started."),
        "steps:",
        "- id: follow-runbook",
        f"  manual: {block(_instructions(rule, summary), 2)}",
        f"  check: {scalar(f'{one.policy} does not fire any more, and users are served')[:TEXT_MAX]}",
        "  timeout: 30m",
    ]
    return joined(lines)


def _instructions(rule: AlertRule, summary: str) -> str:
    parts = [summary]
    description = rule.annotations.get("description")
    if description and description != summary:
        parts.append(description)
    where = rule.annotations.get("runbook_url") or rule.annotations.get("runbook")
    parts.append(f"Runbook: {where}" if where else "The rule names no runbook.")
    return "\n".join(parts)[:TEXT_MAX].strip()


def _severity(labels: Mapping[str, str]) -> str:
    given = labels.get("severity", "").lower()
    return next((severity for severity, words in _SEVERITIES.items() if given in words), "critical")


def _notes(one: _Import) -> list[str]:
    """What is not as it was under Prometheus."""
    rule, reading = one.rule, one.reading
    notes = []
    if reading.yields_many:
        notes.append(
            "the rule fires for each of several series, a policy for all together: 'for' counts while any of them is"
            " over the limit, not always the same one; a policy for one target wants label matchers in its signals"
        )
    if reading.divides:
        notes.append("x/0 is infinity for Prometheus, and no value here: then the trigger is unknown, not true")
    if reading.has_absent:
        notes.append("the rule fires on what is missing; here that needs `up` as a witness that Prometheus scrapes")
    if reading.always_fires:
        notes.append(
            "this always fires, like a Watchdog, which proves that alerting works: here it would open one incident"
            " after the other; leave it to the alerting"
        )
    elif reading.has_bool:
        notes.append("a comparison with 'bool' always yields a series: this rule fires whenever its series are there")
    if reading.seen is None:
        notes.append("it reads no series, or too many to count: replace the placeholder that 'resolved' waits for")
    given = rule.labels.get("severity", "")
    if not any(given.lower() in words for words in _SEVERITIES.values()):
        said = f"severity '{given}' is none that pagers know" if given else "it has no label 'severity'"
        notes.append(f"{said}; critical is taken")
    return [f"{rule.position}: {rule.name}: {note}" for note in notes]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
