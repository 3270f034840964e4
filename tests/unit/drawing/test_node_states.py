from __future__ import annotations

from tests.unit.decide.builders import FAILED, OK, Driver
from tests.unit.drawing.drawn_policies import drawn

from homeostat.decide.projection import fold
from homeostat.drawing.states import END, TRIGGER, NodeState, NodeStatus, node_states, refusals
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.signals import Value

ILL: dict[str, Value] = {"errors": 0.5, "rps": 10.0, "deploy_age": 1e6, "auth_up": 1.0, "lag": 1.0}


def driver(name: str, **signals: Value) -> Driver:
    return Driver(drawn(name), signals={**ILL, **signals})


def states(incident: Driver) -> dict[str, NodeState]:
    """From the fold of the journal, not from what the driver holds."""
    return node_states(incident.policy, fold(incident.entries), refusals(incident.entries))


def statuses(incident: Driver, *nodes: str) -> list[str]:
    told = states(incident)
    return [told[node].status.value for node in nodes]


def confirmed(name: str, **signals: Value) -> Driver:
    made = driver(name, **signals)
    made.ticks(4)
    return made


def succeed(incident: Driver) -> None:
    """Let everything that runs end well, and the proof hold; the trouble comes back after."""
    for command in incident.started:
        incident.reports[command.key] = OK
    incident.ticks(4, errors=0.0)
    incident.ticks(1, errors=0.5)


def test_before_it_is_confirmed_only_the_trigger_is_lit() -> None:
    made = driver("linear")
    made.ticks(2)
    told = states(made)
    assert told[TRIGGER].status is NodeStatus.RUNNING
    assert {state.status for node, state in told.items() if node != TRIGGER} == {NodeStatus.NOT_REACHED}


def test_a_dismissed_incident_has_a_failed_trigger() -> None:
    made = driver("linear")
    made.ticks(1)
    made.ticks(3, errors=0.0)
    assert states(made)[TRIGGER] == NodeState(NodeStatus.FAILED, "dismissed")


def test_a_sequence_lights_up_step_by_step() -> None:
    made = confirmed("linear")
    assert statuses(made, TRIGGER, "isolate", "restore", END) == ["succeeded", "running", "not_reached", "not_reached"]
    succeed(made)
    told = states(made)
    assert told["isolate"] == NodeState(NodeStatus.SUCCEEDED, "effective")
    assert told["restore"] == NodeState(NodeStatus.WAITING, "asks dba or lead")


def test_a_no_is_a_refusal_and_the_end_is_lit() -> None:
    made = confirmed("linear")
    succeed(made)
    made.answers.append(Answer("1", AnswerKind.DENY, "dba", made.now, incident=made.incident.id, node="restore"))
    made.ticks(2)
    told = states(made)
    assert told["restore"] == NodeState(NodeStatus.REFUSED, "not approved by dba or lead")
    assert told[END] == NodeState(NodeStatus.FAILED, "escalated: plan failed")
    assert told["settle"].status is NodeStatus.NOT_REACHED


def test_a_failed_step_that_may_run_again_waits() -> None:
    made = confirmed("nested", auth_up=0.1, rps=0.0)
    for command in made.started:
        made.reports[command.key] = FAILED
    made.ticks(2)
    assert statuses(made, "first", "which", "gone", "auth") == ["running", "failed", "failed", "failed"]


def test_in_a_dag_what_is_ready_runs_at_once() -> None:
    made = confirmed("dag")
    begun = statuses(made, "failover", "replica", "servers", "mirror", "cache", "switch")
    assert begun == ["running", "running", "running", "running", "not_reached", "not_reached"]
    made.reports[next(command.key for command in made.started if "mirror" in command.key)] = FAILED
    made.ticks(3)
    told = statuses(made, "failover", "mirror", "replica", "cache")
    assert told == ["running", "failed", "running", "not_reached"]


def test_a_fallback_is_lit_when_its_step_has_failed() -> None:
    made = confirmed("dag")
    succeed(made)
    cache = next(command for command in made.started if command.key.endswith("/cache/1"))
    made.reports[cache.key] = FAILED
    made.ticks(3)
    assert statuses(made, "servers", "cache", "cold", "failover") == ["succeeded", "failed", "running", "running"]


def test_passed_over_candidates_say_why() -> None:
    made = confirmed("nested", auth_up=0.8)
    told = states(made)
    assert told["pool"] == NodeState(NodeStatus.PASSED_OVER, "condition false")
    assert told["people"] == NodeState(NodeStatus.SUCCEEDED, "called lead")
    assert told["fresh"].status is told["gone"].status is NodeStatus.PASSED_OVER
    assert told["back"].status is NodeStatus.NOT_REACHED


def test_a_choice_shows_what_was_tried_and_what_was_refused() -> None:
    made = confirmed("nested", auth_up=0.1, rps=0.0)
    for _ in range(3):
        for command in made.started:
            made.reports.setdefault(command.key, FAILED)
            made.reports[command.key] = FAILED
        made.ticks(3)
    told = states(made)
    assert told["hot"].status is NodeStatus.FAILED
    assert told["away"] == NodeState(NodeStatus.PASSED_OVER, "condition false")


def test_recovery_lights_the_end() -> None:
    made = confirmed("nested")
    made.finish(OK)
    made.ticks(10, errors=0.0)
    told = states(made)
    assert told[END] == NodeState(NodeStatus.SUCCEEDED, "recovered")
    assert told["pool"].status is told["first"].status is NodeStatus.SUCCEEDED


def test_every_node_has_a_state() -> None:
    for name in ("linear", "dag", "nested"):
        made = confirmed(name)
        assert set(states(made)) == {TRIGGER, END, *(node.id for node in made.policy.nodes())}
