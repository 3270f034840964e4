"""Label matchers: `=`, `!=`, `=~`, `!~`. A label that a series does not have matches as ""."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from homeostat.simulate.sandbox.promql.labels import Labels, label_value
from homeostat.simulate.sandbox.promql.regex import compile_anchored


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; `operator` is as PromQL writes it.

    Raises:
        QueryError: on construction, when the operator is a regular expression's and `value` is none.
    """

    name: str
    operator: str
    value: str
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.operator in ("=~", "!~"):
            object.__setattr__(self, "_pattern", compile_anchored(self.value))

    def matches(self, text: str) -> bool:
        """Whether a label with this value passes."""
        if self._pattern is None:
            return (text == self.value) is (self.operator == "=")
        return (self._pattern.fullmatch(text) is not None) is (self.operator == "=~")


def all_match(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether labels pass every matcher."""
    return all(matcher.matches(label_value(labels, matcher.name)) for matcher in matchers)
