"""The `ansible` actuator: two playbooks really run by ansible-runner, and what is refused before any is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.act.act_world import KEY, until, until_done

from homeostat.act import ansible
from homeostat.act.ansible import AnsibleActuator
from homeostat.act.context import ActuatorContext
from homeostat.act.own_program import EndedError
from homeostat.act.run_ansible import EXIT_FAILED, EXIT_UNREACHABLE, Play
from homeostat.model.commands import Done, Running, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

INVENTORY = f"""[web]
w1 ansible_connection=local
w2 ansible_connection=local
w3 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1
[web:vars]
ansible_python_interpreter={sys.executable}
"""
RESTART = """- hosts: web
  gather_facts: false
  tasks:
  - {name: note it, ansible.builtin.raw: 'echo {{ token }} >> "$LEDGER"'}
  - {name: fail there, ansible.builtin.fail: {msg: "no {{ token }} here"}, when: inventory_hostname == "w2"}
"""
WAIT = """- hosts: web
  gather_facts: false
  tasks:
  - {name: wait, ansible.builtin.raw: 'echo $$ >> "$LEDGER"; exec sleep 600'}
"""


class Author:
    """A folder of playbooks, which nothing may be written into."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.ledger = folder / "playbooks", folder / "state", folder / "ledger"
        self.folder.mkdir(parents=True)
        self.state.mkdir()
        (self.folder / "hosts").write_text(INVENTORY)

    def agent(self) -> AnsibleActuator:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.state), "TOKEN": "hush-hush-7"}
        return AnsibleActuator(ActuatorContext(self.state, environment, cancel_grace_s=10.0))

    def start(self, content: str, target: str = "host/w1", **more: Any) -> AnsibleActuator:
        (self.folder / "play.yml").write_text(content)
        parameters = {
            "playbook": str(self.folder / "play.yml"),
            "inventory": str(self.folder / "hosts"),
            "env": {"LEDGER": str(self.ledger)},
            "extra_vars": {"token": {"secret": "env:TOKEN"}},
            **more,
        }
        agent = self.agent()
        agent.start(StartAction(KEY, ActionSpec("restart", "ansible", parameters), target, {}, timeout_s=90.0))
        return agent

    def run(self, content: str, **more: Any) -> Done:
        return until_done(self.start(content, **more))


@pytest.fixture
def author(world: object, tmp_path: Path) -> Author:
    return Author(tmp_path / "author")


def test_failed_and_unreachable_hosts_are_told_apart_and_nothing_is_left_behind(author: Author) -> None:
    done = author.run(RESTART, limit="web")
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, EXIT_FAILED)
    assert done.detail.startswith("failed on w2; hosts=3 changed=2 failed=1 unreachable=1; ")
    lines = done.output.splitlines()
    assert {"changed: w1: note it", "changed: w2: note it"} <= set(lines)
    assert "failed: w2: fail there: no [secret] here" in lines
    assert any(line.startswith("unreachable: w3: note it: ") for line in lines)
    assert author.ledger.read_text() == "hush-hush-7\n" * 2
    assert sorted(path.name for path in author.folder.iterdir()) == ["hosts", "play.yml"]
    left = [path for path in author.state.rglob("*") if path.is_file()]
    assert not any(path.is_relative_to(author.state / ".ansible") for path in left)
    assert all(b"hush-hush" not in path.read_bytes() for path in left)
    assert [path.name for work in author.state.glob("actions/*/work") for path in work.iterdir()] == ["result.json"]


def test_a_playbook_is_stopped_when_it_is_cancelled(author: Author) -> None:
    agent = author.start(WAIT)
    pid = int(until(lambda: author.ledger.read_text().strip() if author.ledger.exists() else None, "the task"))
    folder = next(author.state.glob("actions/*/work/ansible"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("env/*"))
    assert isinstance(agent.lookup(KEY), Running)
    agent.cancel(KEY)
    done = until_done(agent)
    assert done.status is OutcomeStatus.CANCELLED
    assert "what a host was doing may go on there" in done.detail
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limit": "web", "tags": [{"target": "full"}], "target": ""}, "'' does not name one tag"),
        ({"limit": "web", "tags": [""]}, "'' does not name one tag"),
        ({"limit": "web", "tags": [{"target": "name"}], "target": "host/w1,wipe"}, "'w1,wipe' does not name one tag"),
        ({"limit": "web", "tags": [{"target": "name"}], "target": "host/all"}, "'all' does not name one tag"),
        ({"target": "host/web:!w1"}, "does not name one host or group"),
        ({"target": "host/all"}, "does not name one host or group"),
        ({"limit": {"with": "host"}}, "gives no argument 'host'"),
        ({"playbook": "play.yml"}, "playbook is an absolute path"),
        ({"check": "yes"}, "check is true or false"),
    ],
)
def test_what_is_refused_before_ansible_is_asked(author: Author, more: dict[str, Any], said: str) -> None:
    done = author.run(RESTART, **more)
    assert done.detail.startswith("nothing was run: ")
    assert said in done.detail


def test_without_the_extra_it_says_what_to_install(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible, "is_installed", lambda: False)
    assert "pip install 'homeostat[ansible]'" in author.run(RESTART).detail
    assert author.agent().unusable(ActionSpec("restart", "ansible", {})) == ansible.MISSING


def stats(**kinds: dict[str, int]) -> Play:
    play = Play()
    play.hear({"event": "playbook_on_stats", "event_data": kinds})
    return play


def test_how_a_play_is_judged() -> None:
    assert stats(processed={"w1": 1}, ok={"w1": 2}).judged(0, check=False) == "hosts=1 changed=0 failed=0 unreachable=0"
    assert stats(processed={"w1": 1}).judged(0, check=True).startswith("check only, nothing was changed")
    for play, code, exit_code, said in (
        (stats(processed={"w1": 1}, dark={"w1": 1}), 4, EXIT_UNREACHABLE, "did not reach w1"),
        (stats(processed={"w1": 1}, failures={"w1": 1}, dark={"w2": 1}), 4, EXIT_FAILED, "failed on w1"),
        (stats(), 0, 3, "no host of the inventory is in the play"),
        (Play(), 250, 250, "ansible-playbook ended with 250"),
    ):
        with pytest.raises(EndedError, match=said) as ended:
            play.judged(code, check=False)
        assert ended.value.exit_code == exit_code
