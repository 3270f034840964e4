"""How `simulate --telemetry` tells what policies noticed: rows for programs, sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.model.policy import Policy
    from homeostat.simulate.telemetry.detection import Detection, Detections
    from homeostat.simulate.telemetry.scoring import Score

COLUMNS = (
    "policy",
    "incident",
    "suspected",
    "confirmed",
    "over",
    "verdict",
    "decision",
    "noticed",
    "fault",
    "delay_s",
    "why",
)
SUMMARY_COLUMNS = (
    "policy",
    "faults",
    "recall",
    "precision",
    "f1",
    "delay_s",
    "false_alarms",
    "unlabelled",
    "repeats",
    "missed",
    "ticks",
    "blind_ticks",
)


def tell_detections(
    workspace: Workspace,
    policies: Sequence[Policy],
    path: Path,
    *,
    labels: Path | None,
    faults: str,
    every_s: float | None,
    summary: bool,
) -> None:
    """Look for incidents in a telemetry recording, and print what was found.

    Args:
        workspace: where to print.
        policies: what looks.
        path: of the recording.
        labels: of its faults; None: those beside it, if there are any.
        faults: shell pattern of the fault types that the policies are for.
        every_s: seconds between ticks; None: as recorded.
        summary: print one row a policy instead of one an incident.

    Raises:
        PolicyError, UsageError: a file or a number is wrong.
    """
    from homeostat.record.fault_labels import read_fault_labels
    from homeostat.record.telemetry_files import labels_path, read_telemetry
    from homeostat.simulate.telemetry.detection import detect
    from homeostat.simulate.telemetry.scoring import score
    from homeostat.simulate.telemetry.sensing import read_frame

    telemetry = read_telemetry(path)
    if labels is None and labels_path(path).is_file():
        labels = labels_path(path)
    known = None if labels is None else read_fault_labels(labels, path.name)
    types = {label.fault_type for label in known or ()}
    if types and not any(fnmatchcase(one, faults) for one in types):
        click.echo(f"no labelled fault is of a type like '{faults}'; there are: {', '.join(sorted(types))}", err=True)
    rows: list[Row] = []
    told: list[str] = []
    for policy in policies:
        frame = read_frame(telemetry, policy.signals, every_s)
        found = detect(policy, frame)
        scored = None if known is None else score(found.found, known, faults)
        rows += [_summary(policy.name, found, scored)] if summary else _rows(policy.name, found.found, scored)
        told += _told(policy.name, found, scored)
        for note in frame.notes:
            click.echo(f"{policy.name}: {note}", err=True)
    workspace.output.rows(rows, SUMMARY_COLUMNS if summary else COLUMNS)
    for sentence in [] if summary else told:
        workspace.output.say(sentence)


def _rows(policy: str, found: Sequence[Detection], scored: Score | None) -> list[Row]:
    noticed = {} if scored is None else {one.detection.incident: one for one in scored.noticed}
    rows: list[Row] = []
    for one in found:
        match = noticed.get(one.incident)
        fault = None if match is None else match.fault or match.during
        rows.append(
            {
                "policy": policy,
                "incident": one.incident,
                "suspected": _time(one.suspected_s),
                "confirmed": _time(one.confirmed_s),
                "over": _time(one.over_s),
                "verdict": None if one.verdict is None else one.verdict.value,
                "decision": one.decision,
                "noticed": None if match is None else match.kind,
                "fault": None if fault is None else _said(fault.fault_type, fault.target),
                "delay_s": None if match is None else match.delay_s,
                "why": one.why,
            }
        )
    missed = () if scored is None else scored.missed
    rows += [{"policy": policy, "noticed": "missed", "fault": _said(one.fault_type, one.target),
              "why": f"{one.id}, from {_time(one.start_s)}"} for one in missed]  # fmt: skip
    return rows


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _said(fault_type: str, target: str) -> str:
    return f"{fault_type} of {target}" if target else fault_type


def _summary(policy: str, found: Detections, scored: Score | None) -> Row:
    row: dict[str, str | int | float | None] = {"policy": policy, "ticks": found.ticks}
    row["blind_ticks"] = found.blind_ticks
    if scored is not None:
        row |= {
            "faults": scored.hits + len(scored.missed),
            "recall": scored.recall,
            "precision": scored.precision,
            "f1": scored.f1,
            "delay_s": scored.delay_s,
            "false_alarms": scored.false_alarms,
            "unlabelled": scored.unlabelled,
            "repeats": scored.repeats,
            "missed": len(scored.missed),
        }
    return row


def _told(policy: str, found: Detections, scored: Score | None) -> list[str]:
    confirmed = len(found.confirmed())
    others = len(found.found) - confirmed
    told = [
        (
            f"\n{policy}: {confirmed} incidents confirmed, {others} not, in {found.ticks} ticks;"
            f" at {found.blind_ticks} its trigger could not be evaluated"
        )
    ]
    if scored is None:
        return told
    told.append(
        f"recorded, against labels: {scored.hits} of {scored.hits + len(scored.missed)} faults noticed,"
        f" {scored.false_alarms} false alarms ({scored.unlabelled} while nothing was labelled),"
        f" {scored.repeats} incidents of a fault that had one"
    )
    delay = "-" if scored.delay_s is None else f"{scored.delay_s:.0f} s"
    told.append(f"recall {_share(scored.recall)}, precision {_share(scored.precision)}, F1 {_share(scored.f1)},"
                f" median delay {delay}")  # fmt: skip
    return told


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
