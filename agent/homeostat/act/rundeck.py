"""The `rundeck` actuator: one execution of a job with options, followed to its end.

Parameters: `url` (base URL of Rundeck), `job` (its id), `token` (`{secret: REFERENCE}`, an API token), `options` (names
to text, `{target: ...}` or `{with: ...}`; whoever may see the execution sees them), `api_version` (44 if not given, and
from that on: it is the first whose job definitions are JSON).

The job must declare the plain text option HOMEOSTAT_KEY, which takes the idempotency key: before an execution is
started, and after a runner was killed, the job's executions are searched for it, so that one is followed and never
started twice.
"""

from __future__ import annotations

import re
from typing import Any

from homeostat.act.detached import DetachedActuator
from homeostat.act.run_rundeck import KEY_OPTION
from homeostat.act.service_parameters import SETTLE_S, base_url, search_from, secret_of, texts_of
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import timeout_of
from homeostat.model.commands import StartAction

API_VERSION_MIN, API_VERSION_MAX = 44, 999

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class RundeckActuator(DetachedActuator):
    """Runs jobs of Rundeck. Cancelled, or over its time, an execution is aborted."""

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        identity = as_text(parameters.get("job"), command)
        if _ID.fullmatch(identity) is None:
            raise RefusedError(f"{identity!r} is not the id of a job; see it at the job's page, or `rd jobs list`")
        version = parameters.get("api_version", API_VERSION_MIN)
        if type(version) is not int or not API_VERSION_MIN <= version <= API_VERSION_MAX:
            raise RefusedError(f"api_version is a whole number from {API_VERSION_MIN} on, not {version!r}")
        options = texts_of(command, "options")
        if KEY_OPTION in options:
            raise RefusedError(f"the option {KEY_OPTION} is set by the agent itself")
        return {
            "kind": "rundeck",
            "resumable": True,
            "url": base_url(command),
            "job": identity,
            "api_version": version,
            "values": {"token": secret_of(command, "token")},
            "options": options,
            "remote_key": command.key_for_target,
            "search_from": search_from(command, self._now()),
            "settle_s": SETTLE_S,
            "timeout_s": timeout_of(command),
        }
