"""Write the report: in the order in which somebody who was not there would ask."""

from __future__ import annotations

from homeostat.app.explain import explain, value_text
from homeostat.app.review.facts import Facts
from homeostat.app.review.learnt import learnt
from homeostat.app.review.people import feedback, follow_ups, people
from homeostat.app.review.report import Report, Section, after, clock, duration, moment
from homeostat.app.review.similar import Past, Similar, past_of
from homeostat.app.review.steps import course, decisions, steps_done, steps_not_done, time_spent
from homeostat.drawing.labels import end_text, trigger_text
from homeostat.learn.labels import last_effective
from homeostat.model.reasons import AttemptVerdict


def review(facts: Facts) -> Report:
    """Write it."""
    drill = "Drill: incident" if facts.drill is not None else "Incident"
    return Report(
        f"{drill} {facts.trace.id}, {facts.trace.policy}",
        f"{_what_happened(facts)} {_what_was_done(facts)}",
        course(facts),
        (
            _at_a_glance(facts),
            follow_ups(facts),
            time_spent(facts),
            steps_done(facts),
            steps_not_done(facts),
            decisions(facts),
            people(facts),
            feedback(facts),
            learnt(facts),
            _similar(facts),
            _time_line(facts),
        ),
    )


def _what_happened(facts: Facts) -> str:
    trace = facts.trace
    trigger = f" ({trigger_text(facts.policy)})" if facts.policy else ""
    drill = f", in the drill {facts.drill.fault}" if facts.drill is not None else ""
    return f"On {moment(trace.opened_at)}{drill} the trigger of {trace.policy} became true{trigger}."


def _what_was_done(facts: Facts) -> str:
    trace = facts.trace
    if trace.confirmed_at is None:
        return "It never held for its whole window, so nothing was done." if trace.closed_at else "It is not confirmed."
    runs = list(trace.attempts.values())
    said = ", ".join(f"{run.node} ({run.verdict or 'no verdict yet'})" for run in runs)
    tried = f"{len(runs)} step{'' if len(runs) == 1 else 's'} ran: {said}" if runs else "No step ran"
    taken_back = f", {len(trace.undos)} undo{'' if len(trace.undos) == 1 else 's'} ran" if trace.undos else ""
    return f"{tried}{taken_back}; {_end(facts)}."


def _end(facts: Facts) -> str:
    trace = facts.trace
    called = ""
    if trace.escalated_at is not None:
        called = f"people were called after {duration(trace.escalated_at - trace.opened_at)} ({trace.escalation})"
    if trace.recovered_at is not None:
        took_s = trace.recovered_at - trace.opened_at
        healed = f"it recovered after {duration(took_s)}{_against_rto(facts, took_s)}"
        return f"{called}, and {healed}" if called else healed
    ended = f"it closed as {trace.result}" if trace.result else "it is still open"
    return f"{called}, and {ended}" if called else ended


def _against_rto(facts: Facts, took_s: float) -> str:
    rto_s = facts.policy.rto_s if facts.policy else None
    if rto_s is None:
        return ""
    return f", {'within' if took_s <= rto_s else 'past'} its RTO of {duration(rto_s)}"


def _at_a_glance(facts: Facts) -> Section:
    trace, policy = facts.trace, facts.policy
    cure = last_effective(trace.attempts.values())
    harm = any(run.verdict is AttemptVerdict.HARMFUL for run in trace.attempts.values())
    rows = [
        ("result", str(trace.result) if trace.result else "still open"),
        ("plan", f"{trace.policy}, version {trace.policy_hash[:12]}"),
        ("opened", moment(trace.opened_at)),
    ]
    rows += [
        (name, f"{moment(at)}, {after(at - trace.opened_at)}")
        for name, at in (
            ("confirmed", trace.confirmed_at),
            ("people called", trace.escalated_at),
            ("recovered", trace.recovered_at),
            ("closed", trace.closed_at),
        )
        if at is not None
    ]
    if policy is not None:
        rows.insert(2, ("owner", policy.owner))
        if policy.runbook:
            rows.insert(3, ("runbook", policy.runbook))
        rows += [("recovered means", end_text(policy)), ("RTO", duration(policy.rto_s) if policy.rto_s else "none")]
    if trace.seen_confirmed is not None:
        seen = trace.seen_confirmed.readings
        said = [f"{name} {value_text(reading.value)}" for name, reading in seen.items()]
        rows.append(("signals at confirmation", ", ".join(said)))
    rows += [("cured by", cure.node if cure else "no step that is known"), ("harm", "yes" if harm else "none known")]
    if facts.drill is not None:
        rows.append(("drill", f"{facts.drill.fault}: {'passed' if facts.drill.passed else 'did not pass'}"))
    return Section("At a glance", (), tuple(rows))


def _similar(facts: Facts) -> Section:
    title = "Similar incidents before"
    if facts.trace.confirmed_at is not None and facts.trace.seen_confirmed is None:
        return Section(title, note="Its signals at confirmation are not in the journal, so there is nothing to go by.")
    if not facts.similar:
        return Section(title, note="None of this plan is known that was confirmed and was no drill.")
    rows = tuple(_past_row(one, past_of(facts.trace)) for one in facts.similar)
    note = (
        "Alike in the signals at confirmation: 100% is the same in every one. After the nearest come those that the"
        " same step cured."
    )
    columns = ("incident", "opened", "alike", "differs most in", "result", "took", "cured by")
    return Section(title, columns, rows, note)


def _past_row(one: Similar, here: Past) -> tuple[str, ...]:
    past, differs_in = one.past, one.differs_in
    same = " (as here)" if past.cured_by == here.cured_by else ""
    differs = "-"
    if differs_in is not None:
        there, this = (value_text(of.signals.get(differs_in)) for of in (past, here))
        differs = f"{differs_in}: {there}, here {this}"
    return (
        past.incident,
        moment(past.opened_at),
        f"{one.alike:.0%}",
        differs,
        str(past.result or "open"),
        "-" if past.took_s is None else duration(past.took_s),
        f"{past.cured_by}{same}" if past.cured_by else "no step that is known",
    )


def _time_line(facts: Facts) -> Section:
    opened_at = facts.entries[0].at
    rows = tuple(
        (after(line.after_s), clock(opened_at + line.after_s, opened_at), line.headline, "\n".join(line.details))
        for line in explain(facts.entries)
    )
    return Section("Time line", ("after", "UTC", "what", "details"), rows)
