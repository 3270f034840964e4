"""`simulate --telemetry` and `incidents import`: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat

POLICY = """
policy: load
owner: team
signals: signals.yaml
actions: actions.yaml
trigger: {if: load > 5, for: 1m}
resolved: {if: load < 5, for: 1m}
escalate: {to: people}
steps:
- {do: restart, target: deploy/x, verify: {if: load < 5, for: 1m, within: 5m}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "load.homeostat.yaml").write_text(POLICY)
    (tmp_path / "signals.yaml").write_text("load: {expr: max(load), max_age: 90s}\nlost: day_of_week(load)\n")
    (tmp_path / "actions.yaml").write_text("restart: {actuator: plant, effect: safe, takes: 30s, timeout: 2m}\n")
    values = [1, 9, 9, 9, 1, 1, 1, 9, 9, 9, 1, 1]
    rows = "".join(f"{60 * (place + 1)},{value}\n" for place, value in enumerate(values))
    (tmp_path / "one.csv").write_text(f"timestamp,load\n{rows}")
    (tmp_path / "faults.csv").write_text(
        "incident_id,recording,fault_type,target,start_unix,end_unix\na,one.csv,cpu,x,100,250\nb,one.csv,cpu,y,700,720\n"
    )
    return tmp_path


def test_incidents_faults_and_misses_are_rows(folder: Path) -> None:
    said = homeostat(
        folder, "--json", "simulate", "load.homeostat.yaml", "--telemetry", "one.csv", "--labels", "faults.csv"
    )
    rows = json.loads(said.stdout)
    assert [(row["noticed"], row.get("fault"), row.get("delay_s")) for row in rows] == [
        ("fault", "cpu of x", 80.0),
        ("false alarm", None, None),
        ("missed", "cpu of y", None),
    ]
    assert {row["verdict"] for row in rows[:2]} == {"UNKNOWN"}


def test_a_pattern_that_no_label_is_of_is_told_with_the_types_there_are(folder: Path) -> None:
    words = ("simulate", "load.homeostat.yaml", "--telemetry", "one.csv", "--labels", "faults.csv", "--faults")
    said = homeostat(folder, *words, "mem*")
    assert "no labelled fault is of a type like 'mem*'; there are: cpu" in said.stderr
    assert "no labelled fault" not in homeostat(folder, *words, "cp*").stderr


def test_without_labels_nothing_is_judged(folder: Path) -> None:
    said = homeostat(folder, "simulate", "load.homeostat.yaml", "--telemetry", "one.csv")
    assert "load: 2 incidents confirmed, 0 not, in 12 ticks" in said.stdout
    assert "recall" not in said.stdout


def test_a_signal_outside_the_subset_is_told(folder: Path) -> None:
    text = POLICY.replace("load > 5", "load > 5 or lost > 5")
    (folder / "load.homeostat.yaml").write_text(text)
    said = homeostat(folder, "simulate", "load.homeostat.yaml", "--telemetry", "one.csv")
    assert "load: lost is unknown throughout: not supported by the sandbox" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--labels", "faults.csv"), "go with --telemetry"),
        (("--summary",), "go with --telemetry"),
        (("--telemetry", "one.csv", "--incidents", "history"), "goes without --incidents"),
        (("--telemetry", "one.csv", "--estimate"), "are for recorded incidents alone"),
        (("--telemetry", "one.csv", "--every", "-1"), "make no sense"),
        (("--telemetry", "nothing.csv"), "R101"),
        (("--telemetry", "one.xls"), "telemetry is read from files named"),
        (("--telemetry", "one.csv", "--labels", "one.csv"), "R114"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], told: str, folder: Path) -> None:
    said = homeostat(folder, "simulate", "load.homeostat.yaml", *arguments)
    assert said.returncode != 0
    assert told in said.stderr


def test_nothing_is_imported_of_a_file_that_is_wrong(folder: Path) -> None:
    (folder / "one.csv").write_text("timestamp,load\n60,1\n60,2\n")
    said = homeostat(folder, "incidents", "import", "one.csv", "--labels", "faults.csv")
    assert said.returncode != 0
    assert "one.csv:3:1: R112 the timestamp 60 is there twice" in said.stderr
    assert not (folder / "history").exists()
