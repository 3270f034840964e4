"""What git says of reviewed policies, beside what `lint` finds in their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from homeostat.authoring.drift import stale_policies, warnings_of
from homeostat.authoring.reviews import FILE_NAME
from homeostat.model.errors import HomeostatError
from homeostat.policy.lint import Finding, Report


def with_covered_changes(reports: Sequence[Report], today: date) -> list[Report]:
    """Add W240 to the reports of policies whose covered files changed since their last review.

    Where there is no review on record, no git, or not enough of it, nothing is added: `drift` says so when it is asked.
    """
    return [_looked_at(report, today) for report in reports]


def _looked_at(report: Report, today: date) -> Report:
    if report.has_errors or not (report.path.parent / FILE_NAME).exists():
        return report
    try:
        found = stale_policies([report.path], today=today)
    except HomeostatError:
        return report
    changed = [Finding(problem) for one in found if one.review is not None for problem in warnings_of([one])]
    return replace(report, findings=tuple(sorted({*report.findings, *changed})))
