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


def play(**more: object) -> ActionSpec:
    given = {"playbook": "/srv/plays/restart.yml", "inventory": "/srv/plays/hosts", **more}
    return ActionSpec("a", "ansible", given)


def tofu(**more: object) -> ActionSpec:
    return ActionSpec("a", "terraform", {"cwd": "/srv", "program": "tofu", **more})


def run_with(argv0: str, **more: object) -> ActionSpec:
    return ActionSpec("run", "command", {"argv": [argv0], **more})


@pytest.mark.parametrize(
    ("action", "objection"),
    [
        (run_with("/opt/tools/restart"), None),
        (run_with("/opt/tools/a..b"), None),
        (run_with("/opt/tools/../../tmp/evil"), "program '/opt/tools/../../tmp/evil'"),
        (run_with("/opt/tools/sub/.."), "program '/opt/tools/sub/..'"),
        (run_with("bin/restart", cwd="/tmp"), "program 'bin/restart'"),
        (run_with("restart"), None),
        (run_with("restart", env=["PATH", "LD_LIBRARY_PATH"]), None),
        (run_with("restart", env={"PATH": None, "LEVEL": "3"}), None),
        (run_with("restart", env={"PATH": "/tmp"}), "program 'restart' with a PATH of the policy's own"),
        (run_with("restart", env={"LD_PRELOAD": {"with": "so"}}), "'restart' with a LD_PRELOAD of the policy's own"),
    ],
)
def test_an_allowed_name_is_no_way_to_another_program(action: ActionSpec, objection: str | None) -> None:
    found = AllowList([AllowRule("*", programs=("restart", "bin/*", "/opt/tools/*"))]).objection("p", action, "a/b")
    assert (found is None) is (objection is None)
    assert objection is None or objection in str(found)


def test_a_program_is_known_by_the_image_it_is_in() -> None:
    rules = AllowList([AllowRule("*", programs=("/bin/restart",), images=("registry.example/shop/*",))])
    job = ActionSpec("restart", "kubernetes_job", {"image": "registry.example/shop/tools:1", "argv": ["/bin/restart"]})
    assert rules.objection("p", job, "a/b") is None
    other = replace(job, parameters={**job.parameters, "image": "elsewhere.example/shop"})
    assert "names no image 'elsewhere.example/shop'" in str(rules.objection("p", other, "a/b"))


@pytest.mark.parametrize(
    ("action", "objection"),
    [
        (ActionSpec("a", "systemd", {"unit": "shop-web.service"}), None),
        (ActionSpec("a", "systemd", {"unit": {"target": "name"}}), None),
        (ActionSpec("a", "systemd", {"unit": "sshd.service"}), "unit 'sshd.service'"),
        (ActionSpec("a", "systemd", {"unit": {"target": "kind"}}), "unit 'service.service'"),
        (ActionSpec("a", "systemd", {"unit": {"with": "unit"}}), "unit that a step's argument gives"),
        (play(), None),
        (play(playbook="/tmp/restart.yml"), "playbook '/tmp/restart.yml'"),
        (play(inventory="/tmp/evil.py"), "inventory '/tmp/evil.py'"),
        (play(env={"ANSIBLE_CONFIG": "/tmp/a.cfg"}), "ansible with a ANSIBLE_CONFIG of the policy's own"),
        (play(env={"ANSIBLE_CONFIG": None, "LEVEL": "3"}), None),
        (play(env={"HOME": {"with": "home"}}), "ansible with a HOME of the policy's own"),
        (play(extra_vars={"ansible_python_interpreter": "/tmp/evil"}), "a ansible_python_interpreter of the policy's"),
        (play(extra_vars={"release": "stable"}), None),
        (ActionSpec("a", "terraform", {"cwd": "/srv"}), "program 'terraform'"),
        (tofu(), None),
        (tofu(cwd="/srv/other"), "cwd '/srv/other'"),
        (tofu(env={"PATH": "/tmp"}), "a PATH of the policy's own"),
        (tofu(env={"TF_CLI_CONFIG_FILE": "/tmp/rc"}), "a TF_CLI_CONFIG_FILE of the policy's own"),
        (tofu(env={"TF_VAR_size": "3", "AWS_PROFILE": "shop"}), None),
    ],
)
def test_units_playbooks_and_the_programs_of_actuators_are_bounded(action: ActionSpec, objection: str | None) -> None:
    rule = AllowRule(
        "*", programs=("tofu",), units=("shop-*.service",), playbooks=("/srv/plays/*",), configurations=("/srv",)
    )
    found = AllowList([rule]).objection("p", action, "service/shop-web")
    assert (found is None) is (objection is None)
    assert objection is None or objection in str(found)


def test_who_may_run_few_programs_may_not_have_ansible_or_terraform_run_any() -> None:
    few = AllowList([AllowRule("*", programs=("tofu",))])
    assert "names no playbook '/srv/plays/restart.yml'" in str(few.objection("p", play(), "a/b"))
    assert "names no cwd '/srv'" in str(few.objection("p", tofu(), "a/b"))
    assert AllowList([AllowRule("*", actuators=("ansible",))]).objection("p", play(env={"HOME": "/x"}), "a/b") is None


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
