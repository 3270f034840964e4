"""Each alert has a section that says what to do, and each section an alert."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/operations/alerts.md").read_text()
RULES = yaml.safe_load((ROOT / "deploy/mixin/alerts.yaml").read_text())["groups"][0]["rules"]


def test_alerts_and_sections_are_in_step() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
    assert list(sections) == [rule["alert"] for rule in RULES]
    for name, section in sections.items():
        assert "**Do:** " in section, name


def test_each_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "none")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/operations/alerts.md#{rule['alert'].lower()}"
