"""Findings in the forms that code reviews read: GitHub's workflow commands, and SARIF."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from homeostat.policy.codes import CODES
from homeostat.policy.lint import Finding, Report, Severity
from homeostat.version import __version__

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def github(reports: Iterable[Report]) -> str:
    """Findings as workflow commands, one a line: `::error file=,line=,col=,title=::message`.

    GitHub shows them beside the lines of a pull request. Source: "Workflow commands for GitHub Actions".
    """
    return "".join(f"{_command(finding)}\n" for finding in _findings(reports))


def _findings(reports: Iterable[Report]) -> list[Finding]:
    """Each finding once; policies that share a catalogue share its findings."""
    return sorted({finding for report in reports for finding in report.findings})


def _command(finding: Finding) -> str:
    position = finding.problem.position
    properties = {
        "file": _relative(position.file),
        "line": str(position.line),
        "col": str(position.column),
        "title": finding.problem.code,
    }
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{finding.severity} {told}::{_data(finding.problem.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _relative(file: str) -> str:
    """A file as it is named from here, with forward slashes; whole where it lies elsewhere."""
    relative = os.path.relpath(file)
    return Path(file if relative.startswith("..") else relative).as_posix()


def sarif(reports: Sequence[Report]) -> str:
    """Findings as one SARIF 2.1.0 log with one run (OASIS, "Static Analysis Results Interchange Format")."""
    findings = _findings(reports)
    codes = sorted({finding.problem.code for finding in findings})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code]},
            "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
        }
        for code in codes
    ]
    driver = {"name": "homeostat", "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.problem.code)) for finding in findings],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    position = finding.problem.position
    where = {
        "artifactLocation": {"uri": quote(_relative(position.file))},
        "region": {"startLine": position.line, "startColumn": position.column},
    }
    return {
        "ruleId": finding.problem.code,
        "ruleIndex": rule,
        "level": "error" if finding.severity is Severity.ERROR else "warning",
        "message": {"text": finding.problem.message},
        "locations": [{"physicalLocation": where}],
    }
