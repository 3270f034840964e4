"""The program of the `ansible` actuator: one playbook by ansible-runner, under its runner.

ansible-runner and Ansible are imported here and nowhere else, in a process of its own
(https://ansible.readthedocs.io/projects/runner/en/stable/python_interface/).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homeostat.act.ansible import MISSING, PRIVATE_FOLDER, VARIABLE_PREFIX
from homeostat.act.own_program import EXIT_REFUSED, EXIT_STOPPED, EndedError, Own, carry_out, say
from homeostat.act.processes import descendants, send

EXIT_FAILED, EXIT_UNREACHABLE = 2, 4
"""As `ansible-playbook` has them; here failed hosts go before those that were not reached."""

_POLL_S = 1
"""How soon a wish to stop is seen; seconds."""

_MESSAGE_CHARACTERS_MAX = 300
_NAMED_MAX = 5
_STATS = ("ok", "changed", "failures", "dark", "processed")
"""What the event at the end counts by host; `dark` are those that were not reached."""


def main() -> int:
    """Carry out the job in whose `work/` this process runs."""
    return carry_out(_play)


def _play(own: Own) -> str:
    try:
        from ansible_runner.interface import run  # type: ignore[import-untyped]  # shipped without types
    except ImportError as error:
        raise EndedError(EXIT_REFUSED, f"nothing was run: {MISSING}") from error
    for kind in ("playbook", "inventory"):
        if not Path(own.request[kind]).exists():
            raise EndedError(EXIT_REFUSED, f"nothing was run: there is no {kind} {own.request[kind]}")
    os.umask(0o077)
    private = own.files.work.absolute() / PRIVATE_FOLDER
    private.mkdir(mode=0o700, exist_ok=True)
    play = Play()
    ran = run(
        private_data_dir=str(private),
        project_dir=str(Path(own.request["playbook"]).parent),
        playbook=own.request["playbook"],
        inventory=own.request["inventory"],
        limit=own.request["limit"],
        tags=own.request["tags"] or None,
        cmdline="--check" if own.request["check"] else None,
        extravars=_extra_variables(),
        envvars=_surroundings(private),
        settings={"pexpect_timeout": _POLL_S},
        quiet=True,
        event_handler=play.hear,
        cancel_callback=lambda: own.stopped and _end_all(),
    )
    if own.stopped:
        raise EndedError(EXIT_STOPPED, f"stopped; {play.sentence()}; what a host was doing may go on there")
    return play.judged(int(ran.rc), check=own.request["check"])


class Play:
    """What is heard of a playbook's run, line by line for the output, and its end."""

    def __init__(self) -> None:
        self._stats: Mapping[str, Mapping[str, int]] = {}
        self._first_failure = ""
        self._heard = ""

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take one event; False, since none of them is to be kept in a file."""
        data = event.get("event_data") or {}
        match event.get("event"):
            case "runner_on_failed" if not data.get("ignore_errors"):
                self._failure("failed", data)
            case "runner_on_unreachable":
                self._failure("unreachable", data)
            case "runner_on_ok" if (data.get("res") or {}).get("changed"):
                say(f"changed: {data.get('host')}: {data.get('task')}\n")
            case "playbook_on_stats":
                self._stats = {kind: data.get(kind) or {} for kind in _STATS}
            case "error" | "warning" | "verbose":
                self._told(str(event.get("stdout") or ""))
        return False

    def _failure(self, kind: str, data: Mapping[str, Any]) -> None:
        message = " ".join(str((data.get("res") or {}).get("msg") or "").split())[:_MESSAGE_CHARACTERS_MAX]
        line = f"{kind}: {data.get('host')}: {data.get('task')}: {message}"
        self._first_failure = self._first_failure or line
        say(f"{line}\n")

    def _told(self, text: str) -> None:
        """What Ansible says outside of any task; its first error is the reason where nothing was played."""
        if text.strip():
            say(f"{text.strip()}\n")
        if "ERROR" in text:
            self._heard = self._heard or " ".join(text.split())[:_MESSAGE_CHARACTERS_MAX]

    def sentence(self) -> str:
        """Counts over all hosts."""
        hosts = self._hosts("processed")
        changed = sum(self._stats.get("changed", {}).values())
        failed, unreachable = len(self._hosts("failures")), len(self._hosts("dark"))
        return f"hosts={len(hosts)} changed={changed} failed={failed} unreachable={unreachable}"

    def judged(self, code: int, *, check: bool) -> str:
        """The sentence of a success.

        Args:
            code: of `ansible-playbook`.
            check: whether nothing was to be changed.

        Raises:
            EndedError: a host failed or was not reached, no host was played at all, or Ansible itself failed.
        """
        counts = self.sentence()
        for kind, what, exit_code in (
            ("failures", "failed on", EXIT_FAILED),
            ("dark", "did not reach", EXIT_UNREACHABLE),
        ):
            if hosts := self._hosts(kind):
                raise EndedError(exit_code, f"{what} {_named(hosts)}; {counts}; {self._first_failure}")
        if code != 0:
            raise EndedError(code, f"ansible-playbook ended with {code}{': ' if self._heard else ''}{self._heard}")
        if not self._hosts("processed"):
            raise EndedError(EXIT_REFUSED, "nothing was run: no host of the inventory is in the play and its limit")
        return f"{'check only, nothing was changed; would be: ' if check else ''}{counts}"

    def _hosts(self, kind: str) -> list[str]:
        return sorted(host for host, count in self._stats.get(kind, {}).items() if count)


def _end_all() -> bool:
    """TERM to everybody below: ansible-runner kills Ansible alone, and waits for what holds its terminal."""
    send(descendants(os.getpid()), signal.SIGTERM)
    return True


def _extra_variables() -> dict[str, str]:
    """Take them out of the environment, which Ansible inherits."""
    names = [name for name in os.environ if name.startswith(VARIABLE_PREFIX)]
    return {name.removeprefix(VARIABLE_PREFIX): os.environ.pop(name) for name in names}


def _surroundings(private: Path) -> dict[str, str]:
    """What keeps Ansible within the job's folder. Hosts are known by their keys, unless the author says otherwise."""
    return {
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def _named(hosts: list[str]) -> str:
    more = len(hosts) - _NAMED_MAX
    return ", ".join(hosts[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
