"""The `ansible` actuator: one playbook, on the hosts that its limit names, by ansible-runner (extra `ansible`).

Parameters: `playbook`, `inventory` (absolute paths), `limit` (`{target: name}` if not given; what is filled in names
one host or group, never a pattern), `extra_vars` (names to text, `{target: ...}`, `{with: ...}` or `{secret: ...}`),
`tags`, `check` (true: nothing is changed, only told), `env` (as of `command`).

The playbook runs in processes of its own under ours (`run_ansible.py`). Variables reach Ansible in a private file,
never as arguments; all that ansible-runner writes is in the job's own folder, and is removed at its end.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from homeostat.act.own_command import OwnCommandActuator, absolute_path_of, text_of, texts_of, variables_of
from homeostat.act.substitution import RefusedError, as_text, is_substitution
from homeostat.act.values import Source
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec

PRIVATE_FOLDER = "ansible"
VARIABLE_PREFIX = "HOMEOSTAT_EXTRA_VAR_"
"""Of variables that become extra variables, and are not passed on to Ansible as they are."""

MISSING = "actuator ansible needs ansible-runner and ansible-core: pip install 'homeostat[ansible]'"

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*", re.ASCII)
_EVERY_TAG = ("all", "tagged", "untagged", "always")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_EVERYBODY = ("all", "ungrouped")


class AnsibleActuator(OwnCommandActuator):
    """Runs playbooks, and tells hosts that failed from hosts that were not reached."""

    module = "homeostat.act.run_ansible"
    needs_packages = True
    clears = (PRIVATE_FOLDER,)

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        del action
        return None if is_installed() else MISSING

    def request(self, command: StartAction) -> tuple[dict[str, Any], dict[str, Source]]:
        """See `OwnCommandActuator.request`."""
        if not is_installed():
            raise RefusedError(MISSING)
        check = command.action.parameters.get("check", False)
        if not isinstance(check, bool):
            raise RefusedError(f"check is true or false, not {check!r}")
        request = {
            "playbook": absolute_path_of(command, "playbook"),
            "inventory": absolute_path_of(command, "inventory"),
            "limit": _limit(command),
            "tags": ",".join(_tags(command)),
            "check": check,
        }
        return request, variables_of(command, "extra_vars", VARIABLE_PREFIX)


def is_installed() -> bool:
    """Whether the extra is there; nothing of it is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("ansible", "ansible_runner"))


def _tags(command: StartAction) -> list[str]:
    """The tags. An empty one would be none at all, and play everything; a list of them in one would be more."""
    tags = texts_of(command, "tags")
    for written, tag in zip(command.action.parameters.get("tags") or [], tags, strict=True):  # type: ignore[call-overload]  # a list, as texts_of found
        if _TAG.fullmatch(tag) is None or (is_substitution(written) and tag in _EVERY_TAG):
            raise RefusedError(f"{tag!r} does not name one tag of a playbook")
    return tags


def _limit(command: StartAction) -> str:
    """The hosts. A value that is filled in could be a pattern that means more of them than its author saw."""
    written = command.action.parameters.get("limit", {"target": "name"})
    if not is_substitution(written):
        return text_of(command, "limit")
    limit = as_text(written, command)
    if _HOST.fullmatch(limit) is None or limit in _EVERYBODY:
        raise RefusedError(f"the limit {limit!r} does not name one host or group; write a pattern out in the action")
    return limit
