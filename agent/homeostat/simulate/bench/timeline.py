"""A run in a few lines, for people who look for what happened instead."""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.model import entries as e
from homeostat.model.reasons import Reason
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.course import Course

LINES_MAX = 40


def timeline(course: Course) -> list[str]:
    """One line for everything that happened, signals and windows left out."""
    lines = [f"{format_seconds(course.after_s(entry)):>8}  {told}" for entry, told in _told(course)]
    lines += [f"          {trouble}" for trouble in course.troubles]
    if len(lines) > LINES_MAX:
        half = LINES_MAX // 2
        lines = [*lines[:half], f"          ... {len(lines) - LINES_MAX} more ...", *lines[-half:]]
    return lines or ["          nothing happened"]


def _told(course: Course) -> Iterator[tuple[e.Entry, str]]:
    for entry in course.of_incidents():
        told = said_of(entry)
        if told is not None:
            yield entry, told


def said_of(entry: e.Entry) -> str | None:
    """An entry in a few words; None where it says nothing by itself."""
    for say in (_say_of_incident, _say_of_action, _say_of_people):
        told = say(entry)
        if told is not None:
            return told
    return None


def _say_of_incident(entry: e.Entry) -> str | None:
    match entry:
        case e.Suspected():
            return "suspected"
        case e.Confirmed():
            return "confirmed"
        case e.Dismissed():
            return f"dismissed: {entry.reason}"
        case e.Escalated():
            return f"escalated to {entry.to}: {entry.reason}{f' ({entry.detail})' if entry.detail else ''}"
        case e.Recovered():
            return "recovered"
        case e.Closed():
            return f"closed: {entry.result}"
        case e.Decided():
            return _decision(entry)
        case _:
            return None


def _say_of_action(entry: e.Entry) -> str | None:
    match entry:
        case e.DecisionWithheld(reason=reason) if reason is not None:
            return f"{entry.node or 'all'} waits: {reason}"
        case e.ActionIntended():
            return f"start {entry.node}: {entry.action} on {entry.target}{_nth(entry.number)}"
        case e.ActionEnded():
            return f"{_step_of(entry.key)} ended: {entry.status}"
        case e.AttemptEnded():
            return f"{_step_of(entry.key)}: {entry.verdict}"
        case e.ActionInDoubt():
            return f"{_step_of(entry.key)}: nobody knows whether it ran"
        case e.ActionProbed(happened=happened):
            told = {True: "it has happened", False: "it has not happened", None: "nothing"}[happened]
            return f"{_step_of(entry.key)}: the signals say {told}"
        case e.CancelRequested():
            return f"{_step_of(entry.key)} is told to stop: {entry.reason}"
        case e.WaitStarted():
            return f"{entry.node}: waits"
        case e.WaitEnded():
            return f"{entry.node}: {'has waited' if entry.succeeded else 'waited in vain'}"
        case _:
            return None


def _say_of_people(entry: e.Entry) -> str | None:
    match entry:
        case e.ApprovalRequested():
            return f"{entry.node}: asks {', '.join(entry.approvers)}"
        case e.ApprovalGranted():
            return f"{entry.node}: {entry.by} agrees"
        case e.ApprovalDenied():
            return f"{entry.node}: {entry.by} says no"
        case e.ApprovalExpired():
            return f"{entry.node}: the question lapses ({entry.detail})"
        case e.StepRequested():
            return f"{entry.node}: requested by {entry.by}"
        case e.TakenOver():
            return f"taken over by {entry.by}"
        case e.StepCrossChecked():
            return f"{entry.node}: read by {entry.by}"
        case e.IncidentAcknowledged():
            return f"{entry.by} is on it"
        case e.AnswerRefused():
            return f"{entry.node}: the answer of {entry.by} is refused: {entry.reason}"
        case _:
            return None


def _decision(entry: e.Decided) -> str:
    refused = [
        f"not {option.id}: {option.reason}"
        for option in entry.options
        if option.reason not in (None, Reason.ALREADY_TRIED)
    ]
    why = f" ({', '.join(refused)})" if refused else ""
    return f"{entry.node}: {entry.chosen or 'none'}{why}"


def _step_of(key: str) -> str:
    return key.split("/")[1]


def _nth(number: int) -> str:
    return f", attempt {number}" if number > 1 else ""
