from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.act.act_world import KEY, ActWorld, shell
from tests.unit.decide.builders import do, policy, undo_of

from homeostat.act.allow_list import AllowList, AllowRule
from homeostat.act.executor import Executor
from homeostat.model.commands import Done, NeverStarted
from homeostat.model.policy import MANUAL, ActionSpec
from homeostat.model.reasons import OutcomeStatus

RESTART = ActionSpec("restart", "command", {"argv": ["systemctl", "restart", {"target": "name"}]})
PAGE = ActionSpec("page", "http", {"method": "POST", "url": "http://x/"})
RULES = AllowList(
    [
        AllowRule(
            "shop-*", actuators=("command",), targets=("service/shop", "service/cache-*"), programs=("systemctl",)
        ),
        AllowRule("shop-paging", actuators=("http",)),
        AllowRule("closed", actuators=()),
    ]
)


@pytest.mark.parametrize(
    ("name", "action", "target", "objection"),
    [
        ("shop-web", RESTART, "service/shop", None),
        ("shop-web", RESTART, "service/cache-2", None),
        ("shop-web", RESTART, "service/db", "target 'service/db'"),
        ("shop-web", RESTART, "service/Shop", "target 'service/Shop'"),
        ("shop-web", PAGE, "service/shop", "actuator 'http'"),
        ("shop-paging", PAGE, "anything/at-all", None),
        ("shop-web", replace(RESTART, parameters={"argv": ["rm", "-r", "/"]}), "service/shop", "program 'rm'"),
        (
            "shop-web",
            replace(RESTART, parameters={"argv": ["/tmp/systemctl"]}),
            "service/shop",
            "program '/tmp/systemctl'",
        ),
        ("bank", RESTART, "service/shop", "no [allow] rule of homeostat.toml names policy 'bank'"),
        ("closed", RESTART, "service/shop", "actuator 'command'"),
        ("closed", ActionSpec(MANUAL, MANUAL, {}), "people/ops", None),
    ],
)
def test_what_no_rule_names_is_refused(name: str, action: ActionSpec, target: str, objection: str | None) -> None:
    found = RULES.objection(name, action, target)
    assert (found is None) is (objection is None)
    assert objection is None or objection in str(found)


def test_without_a_rule_everything_is_allowed() -> None:
    assert not AllowList()
    assert AllowList().objection("any", RESTART, "service/db") is None


def test_every_step_and_undo_of_a_policy_is_looked_at() -> None:
    allowed = AllowList([AllowRule("p", actuators=("other",))])
    assert set(allowed.objections(policy(do("grow", undo=undo_of("grow"))))) == {"grow", "grow.undo"}


def test_the_executor_refuses_what_got_past_the_loading(world: ActWorld) -> None:
    effect = world.note("effect")
    rules = AllowList([AllowRule("shop-*", programs=("systemctl",))])
    executor = Executor({"command": world.agent()}, allowed=rules.refusal)
    assert executor.report(KEY, "command") == NeverStarted()
    executor.carry_out(replace(shell(f"touch {effect}"), policy="shop-web"))
    report = executor.report(KEY, "command")
    assert isinstance(report, Done)
    assert report.status is OutcomeStatus.ERROR
    assert report.detail == "nothing was run: not allowed: [allow] names no program 'sh' for policy 'shop-web'"
    assert not effect.exists()
