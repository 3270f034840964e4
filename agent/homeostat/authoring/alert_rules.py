"""Prometheus rule files, as far as a policy can start from them.

Format: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/#syntax, also inside a
`PrometheusRule` of the Prometheus operator. Read by the policies' own YAML reader: no tags, anchors or aliases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.model.nearest import did_you_mean
from homeostat.policy.fields import TEXT_MAX, shown
from homeostat.policy.units import DURATION_MAX_S, parse_duration
from homeostat.policy.yaml_tree import Data, Document, Path, read_yaml

RULES_MAX = 500

_RULE_KEYS = frozenset({"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"})
_TEMPLATE = re.compile(r"{{([^{}]*)}}")
_VARIABLE = re.compile(r"(?:\$labels|\.Labels)\.([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_PROMETHEUS_DURATION = re.compile(
    r"(?=.)(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?((?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?)", re.ASCII
)
_YEAR_D, _WEEK_D = 365, 7
_NAME_CHARACTERS_MAX = 500
_DURATION_CHARACTERS_MAX = 40


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule.

    Attributes:
        position: of its name. expr_at: of its expression.
        hold_s, keep_firing_s: its `for` and `keep_firing_for`.
        every_s: how often its group is evaluated; 0 where the group does not say.
        labels, annotations: their templates made readable.
    """

    name: str
    group: str
    expr: str
    position: Position
    expr_at: Position
    hold_s: float = 0.0
    keep_firing_s: float = 0.0
    every_s: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RuleFile:
    """What a rule file holds, and what was passed over."""

    alerts: list[AlertRule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_rule_file(text: str, file: str, alert: str | None = None) -> RuleFile:
    """Read the alerting rules of a file, or only those of one name.

    Raises:
        PolicyError: it is not a rule file, an alert in it is wrong, or none has that name.
    """
    document = read_yaml(text, file)
    if document.problems:
        raise PolicyError(document.problems)
    reader = _Reader(document, alert)
    reader.read()
    if reader.problems:
        raise PolicyError(reader.problems)
    if not reader.found.alerts:
        known = did_you_mean(alert, reader.names) if alert else ""
        what = f"no alert is named '{alert}'{known}" if alert else "it holds no alerting rule"
        raise PolicyError([Problem(Position(file, 1, 1), "E111", what)])
    return reader.found


def readable(template: str) -> str:
    """Put words where a template of Prometheus stands: `{{ $labels.pod }}` is `<pod>`, `{{ $value }}` is `<value>`."""

    def word(match: re.Match[str]) -> str:
        variable = _VARIABLE.search(match[1])
        if variable:
            return f"<{variable[1]}>"
        return "<value>" if "$value" in match[1] or ".Value" in match[1] else "<...>"

    return _TEMPLATE.sub(word, template).strip()


class _Reader:
    """Walks a rule file and collects every problem on the way."""

    def __init__(self, document: Document, alert: str | None) -> None:
        self.document = document
        self.only = alert
        self.found = RuleFile()
        self.names: list[str] = []
        self.problems: list[Problem] = []
        self.rules = 0

    def read(self) -> None:
        data, path = self.document.data, ()
        base: Path = path
        if isinstance(data, dict) and isinstance(data.get("spec"), dict):
            data, base = data["spec"], ("spec",)
        groups = data.get("groups") if isinstance(data, dict) else None
        if not isinstance(groups, list):
            self.problem(base, "E111", "a rule file has a list of 'groups', each with a 'name' and a list of 'rules'")
            return
        for place, group in enumerate(groups):
            self.group(group, (*base, "groups", place))

    def group(self, group: Data, path: Path) -> None:
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(group, dict) or not isinstance(rules, list | None):
            self.problem(path, "E112", f"a group is a mapping with a 'name' and a list of 'rules', not {shown(group)}")
            return
        every_s = self.duration(group, "interval", path)
        for place, rule in enumerate(rules or ()):
            self.rules += 1
            if self.rules > RULES_MAX:
                self.problem((*path, "rules", place), "E104", f"more than {RULES_MAX} rules; split the file")
                return
            self.rule(rule, str(group.get("name", "")), every_s, (*path, "rules", place))

    def rule(self, rule: Data, group: str, every_s: float, path: Path) -> None:
        if not isinstance(rule, dict):
            self.problem(path, "E112", f"a rule is a mapping with 'alert' and 'expr', not {shown(rule)}")
            return
        at = self.document.key_at((*path, "alert"))
        name = rule.get("alert")
        if "record" in rule and name is None:
            place = self.document.key_at((*path, "record"))
            self.found.notes.append(f"{place}: the recording rule {shown(rule['record'])} is passed over")
            return
        if not isinstance(name, str) or not name.strip():
            self.problem((*path, "alert"), "E111", f"an alerting rule has a name under 'alert', not {shown(name)}")
            return
        if len(name) > _NAME_CHARACTERS_MAX:
            self.problem((*path, "alert"), "E112", f"an alert's name has at most {_NAME_CHARACTERS_MAX} characters")
            return
        self.names.append(name)
        if self.only is not None and name != self.only:
            return
        for key in rule:
            if key not in _RULE_KEYS:
                known = did_you_mean(key, _RULE_KEYS)
                self.problems.append(
                    Problem(self.document.key_at((*path, key)), "E110", f"an alerting rule has no key '{key}'{known}")
                )
        expr = self.expression(rule, path)
        hold_s, keep_s = self.duration(rule, "for", path), self.duration(rule, "keep_firing_for", path)
        labels, annotations = self.texts(rule, "labels", path), self.texts(rule, "annotations", path)
        expr_at = self.document.at((*path, "expr"))
        self.found.alerts.append(
            AlertRule(name, group, expr, at, expr_at, hold_s, keep_s, every_s, labels, annotations)
        )

    def expression(self, rule: dict[str, Data], path: Path) -> str:
        expr = rule.get("expr")
        if isinstance(expr, int | float) and not isinstance(expr, bool):
            return str(expr)  # Prometheus takes a bare number for the text of one
        if not isinstance(expr, str) or not expr.strip():
            self.problem((*path, "expr"), "E111", f"a rule has PromQL under 'expr', not {shown(expr)}")
            return ""
        return expr.strip()

    def duration(self, where: dict[str, Data], key: str, path: Path) -> float:
        """Seconds of `5m`, `1w2d`, and also of units that policies do without."""
        given = where.get(key)
        if given is None or given == 0:
            return 0.0
        is_short = isinstance(given, str) and len(given) <= _DURATION_CHARACTERS_MAX
        match = _PROMETHEUS_DURATION.fullmatch(str(given)) if is_short else None
        if match is None:
            self.problem((*path, key), "E113", f"{shown(given)} is not a duration of Prometheus, like 30s, 5m or 1h30m")
            return 0.0
        years, weeks, days, rest = match.groups()
        whole_s = 86400.0 * (int(years or 0) * _YEAR_D + int(weeks or 0) * _WEEK_D + int(days or 0))
        try:
            seconds = whole_s + (parse_duration(rest) if rest else 0.0)
        except ValueError as error:
            self.problem((*path, key), "E113", str(error))
            return 0.0
        if seconds > DURATION_MAX_S:
            longest = f"{DURATION_MAX_S / 86400:g}d"
            self.problem((*path, key), "E113", f"'{given}' is longer than {longest}, the longest wait of a policy")
        return seconds

    def texts(self, rule: dict[str, Data], key: str, path: Path) -> dict[str, str]:
        given = rule.get(key)
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.problem((*path, key), "E112", f"'{key}' is a mapping of texts, not {shown(given)}")
            return {}
        texts = {}
        for name, value in given.items():
            if isinstance(value, dict | list):
                self.problem((*path, key, name), "E112", f"text is wanted, not {shown(value)}")
            elif value is not None:
                texts[name] = readable(str(value)[: 4 * TEXT_MAX])[:TEXT_MAX]
        return texts

    def problem(self, path: Path, code: str, message: str) -> None:
        self.problems.append(Problem(self.document.at(path), code, message))
