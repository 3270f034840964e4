from __future__ import annotations

from collections.abc import Callable

import pytest

from homeostat.model.entries import (
    ActionEnded,
    ActionIntended,
    ActionStarted,
    AttemptEnded,
    Closed,
    ConditionChanged,
    Confirmed,
    Decided,
    Entry,
    Observed,
    Option,
    Recovered,
    Suspected,
)
from homeostat.model.policy import Effect
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus, Reason, Result
from homeostat.model.signals import Absence, Reading, Snapshot

MakeIncident = Callable[[str], list[Entry]]


@pytest.fixture(scope="session")
def make_incident() -> MakeIncident:
    """A whole incident of one attempt: 12 entries from suspected to closed."""

    def make(stream: str) -> list[Entry]:
        key = f"{stream}/restart/1"
        sick = Snapshot(
            at=0.0, readings={"errors": Reading(value=0.25, sampled_at=-1.0), "pods": Reading(absence=Absence.NAN)}
        )
        well = Snapshot(at=60.0, readings={"errors": Reading(value=0.0, sampled_at=59.5)}, warnings=("slow",))
        options = (
            Option(id="restart", eligible=True, probability=0.5, cost_s=30.0, index=1 / 60, propensity=1.0),
            Option(id="scale", eligible=False, condition="pods > 1", truth=None, reason=Reason.SIGNAL_UNKNOWN),
        )
        return [
            Suspected(at=0.0, incident=stream, policy="shop", policy_hash="ab", dedup_key=f"shop {stream}", seed=7),
            Observed(at=0.0, snapshot=sick),
            ConditionChanged(at=0.0, watch="trigger", truth=True),
            Confirmed(at=30.0),
            Decided(at=30.0, node="remedy", kind="choose", chosen="restart", options=options, context={"errors": 0.25}),
            ActionIntended(
                at=30.0, incident=stream, key=key, node="restart", action="k8s.restart", target="deploy/shop",
                arguments={"grace": 5}, effect=Effect.SAFE, number=1, deadline_at=90.0, held_before=False,
            ),
            ActionStarted(at=31.0, key=key, handle="4711"),
            ActionEnded(at=40.0, key=key, status=OutcomeStatus.OK, duration_s=9.0, exit_code=0, output="grün\n"),
            Observed(at=60.0, snapshot=well),
            AttemptEnded(at=60.0, key=key, verdict=AttemptVerdict.EFFECTIVE, succeeded=True),
            Recovered(at=61.0),
            Closed(at=61.0, result=Result.RECOVERED),
        ]  # fmt: skip

    return make
