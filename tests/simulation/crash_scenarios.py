"""Plans of every shape, and for each a world in which it has something to do."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.crash_world import Behaviour, Scenario
from tests.unit.decide.builders import above, below, do, policy

from homeostat.decide.attempts import INTENT_AGE_MAX_S
from homeostat.model.answers import AnswerKind
from homeostat.model.policy import Approval, Choose, Dag, Do, Effect, Node, Policy, Probe, Retry, Try, Verify, Window

PROOF = Verify(below("errors", 1), for_s=10.0, within_s=30.0)
CURES, USELESS, FAILS, HANGS = Behaviour.CURES, Behaviour.USELESS, Behaviour.FAILS, Behaviour.HANGS
PEOPLE = {"lead": frozenset({"ann"})}


def step(
    name: str,
    effect: Effect = Effect.UNSAFE,
    *,
    target: str | None = None,
    retry: Retry = Retry(),  # noqa: B008 - frozen
    undo: Do | None = None,
    verify: Verify | None = PROOF,
    approval: Approval | None = None,
    timeout_s: float = 100.0,
    probe: Probe | None = None,
) -> Do:
    return do(
        name,
        effect=effect,
        target=target,
        retry=retry,
        undo=undo,
        verify=verify,
        approval=approval,
        timeout_s=timeout_s,
        probe=probe,
    )


def undo(name: str, effect: Effect) -> Do:
    return do(f"{name}.undo", target=f"svc/{name}", verify=None, effect=effect, retry=Retry(1))


def plan(*children: Node, name: str = "p") -> Policy:
    made = policy(*children, timeout_s=900.0)
    resolved = Window(below("errors", 1), for_s=10.0, within_s=60.0)
    return replace(made, name=name, hash=f"hash of {name}", resolved=resolved)


def scenario(name: str, *children: Node, **behaviours: tuple[Behaviour, ...]) -> Scenario:
    return Scenario(name, {"p": plan(*children)}, {k.replace("_", "."): v for k, v in behaviours.items()})


def _two_policies() -> Scenario:
    plans = {
        "p": plan(step("drain", target="svc/shared")),
        "q": plan(step("restart", Effect.SAFE, target="svc/shared"), name="q"),
    }
    return Scenario("two policies, one target", plans, {"drain": (CURES,), "restart": (CURES,)}, needed=2)


def _approval() -> Scenario:
    asked = step("a", approval=Approval(("lead",), 120.0))
    denied = step("b", approval=Approval(("lead",), 120.0))
    answers = {"a": AnswerKind.APPROVE, "b": AnswerKind.DENY}
    tried = Try("try", (denied, asked))
    return Scenario("approval", {"p": plan(tried)}, {"a": (CURES,), "b": (CURES,)}, answers=answers, people=PEOPLE)


ONE_UNSAFE = scenario("one unsafe step", step("a"), a=(CURES,))
SCENARIOS = (
    ONE_UNSAFE,
    scenario(
        "a retry of every kind",
        step("safe", Effect.SAFE, retry=Retry(1), verify=None),
        step("keyed", Effect.KEYED, verify=None),
        step("asked", retry=Retry(1, explicit=True)),
        safe=(FAILS, USELESS),
        keyed=(USELESS,),
        asked=(USELESS, CURES),
    ),
    scenario("keyed", step("a", Effect.KEYED), step("b", Effect.KEYED, retry=Retry(1)), a=(CURES,), b=(FAILS, CURES)),
    scenario(
        "the signals can tell",
        Try("try", (step("a", Effect.PROBE, probe=Probe(above("hint", 5), 20.0)), step("b"))),
        a=(CURES,),
        b=(CURES,),
    ),
    scenario("probe", Try("try", (step("a", Effect.PROBE), step("b"))), a=(CURES,), b=(CURES,)),
    scenario("try", Try("try", (step("a", Effect.SAFE), step("b"))), a=(USELESS,), b=(CURES,)),
    scenario("choose", Choose("choose", (step("a"), step("b", Effect.KEYED))), a=(FAILS,), b=(CURES,)),
    replace(
        scenario(
            "dag",
            Dag("dag", (step("a", verify=None), step("b", Effect.SAFE, verify=None), step("c")), {"c": ("a", "b")}),
            a=(CURES,),
            b=(CURES,),
            c=(CURES,),
        ),
        needed=3,
    ),
    scenario(
        "undo",
        Try("try", (step("a", undo=undo("a", Effect.UNSAFE)), step("b"))),
        a=(USELESS,),
        a_undo=(USELESS,),
        b=(CURES,),
    ),
    scenario("nothing helps", step("a"), step("b", Effect.SAFE), a=(USELESS,), b=(USELESS,)),
    scenario(
        "a step that hangs",
        Try("try", (step("a", timeout_s=20.0, retry=Retry(1, explicit=True)), step("b"))),
        a=(HANGS,),
        b=(CURES,),
    ),
    replace(
        scenario("an agent that is away for long", Try("try", (step("a"), step("b"))), a=(USELESS,), b=(CURES,)),
        restart_s=INTENT_AGE_MAX_S + 15.0,
    ),
    _approval(),
    _two_policies(),
)
