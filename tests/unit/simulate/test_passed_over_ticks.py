"""Ticks at which nothing can happen are passed over: nothing of an incident may be different for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from homeostat.model import entries as e
from homeostat.policy.load import load_policy
from homeostat.simulate.bench.stage import Stage
from homeostat.simulate.bench.trial import measured, play
from homeostat.simulate.bench.world import world_of

SHIPPED = Path(__file__).parents[3] / "policies"
ROUGH = """
faults:
  missing: 5%
  slow: {share: 20%, factor: 3}
  failing: 10%
  late: {share: 20%, by: 90s}
  lying: {share: 10%}
  restarts: {share: 70%, after: {mean: 3m, spread: 0.5}, down: 30s}
  relapses: {probability: 20%, after: 10m}
"""
PEOPLE = "people: {answer: {mean: 3m, spread: 0.5}, agree: 80%}\n"
MET = [
    pytest.param(policy, world, id=f"{policy.name.split('.')[0]} in {world.name.split('.')[0]}")
    for world in sorted(SHIPPED.rglob("*.world.yaml"))
    for policy in sorted(world.parent.glob("*.homeostat.yaml"))
    if world.parent != SHIPPED or world.name.startswith(policy.name.split(".")[0])
]


def worlds_of(text: str) -> list[str]:
    """The world as it is, and one in which everything goes wrong that can."""
    rough = re.sub(r"^faults:.*?(?=^\S|\Z)", "", text, flags=re.MULTILINE | re.DOTALL).rstrip() + ROUGH
    return [text, rough if "\npeople:" in rough else rough + PEOPLE]


@pytest.mark.parametrize(("policy_path", "world_path"), MET)
def test_every_tick_or_only_those_that_matter_comes_to_the_same(policy_path: Path, world_path: Path) -> None:
    policy = load_policy(policy_path)
    for text in worlds_of(world_path.read_text()):
        world = world_of(text, str(world_path), [policy])
        for number in (1, 2):
            all_ticks, few = (play(policy, world, number, 11, every_tick=every) for every in (True, False))
            assert few[1] == all_ticks[1]
            assert measured(policy, number, *few) == measured(policy, number, *all_ticks)


def test_most_ticks_of_a_long_wait_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load_policy(SHIPPED / "payments-5xx.homeostat.yaml")
    world = world_of((SHIPPED / "payments-5xx.world.yaml").read_text(), "w", [policy])
    ticks = 0
    tick = Stage.tick

    def counted(stage: Stage) -> None:
        nonlocal ticks
        ticks += 1
        tick(stage)

    monkeypatch.setattr(Stage, "tick", counted)
    courses = [play(policy, world, number, 1)[1] for number in range(1, 11)]
    looks = sum(isinstance(entry, e.Observed) for course in courses for entry in course.of_incidents())
    assert ticks < 0.75 * looks
