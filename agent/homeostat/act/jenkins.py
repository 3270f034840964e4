"""The `jenkins` actuator: one build of a job with parameters, followed to its end.

Parameters: `url` (base URL of Jenkins), `job` (its full name: `folder/job`), `user`, `token` (`{secret: REFERENCE}`, an
API token), `parameters` (names to text, `{target: ...}` or `{with: ...}`; whoever may see the build sees them),
`expect_result` (results that are a success; SUCCESS if not given).

The job must declare the string parameter HOMEOSTAT_KEY, which takes the idempotency key: before a build is started,
and after a runner was killed, queue and builds are searched for it, so that it is followed and never started twice.
"""

from __future__ import annotations

from typing import Any

from homeostat.act.detached import DetachedActuator
from homeostat.act.run_jenkins import KEY_PARAMETER
from homeostat.act.service_parameters import SETTLE_S, base_url, search_from, secret_of, texts_of
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import timeout_of
from homeostat.model.commands import StartAction

RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")


class JenkinsActuator(DetachedActuator):
    """Runs builds of Jenkins. Cancelled, or over its time, a build is stopped, or taken out of the queue."""

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        name = as_text(parameters.get("job"), command).strip("/")
        if not name or any(part in ("", ".", "..") for part in name.split("/")):
            raise RefusedError(f"{name!r} is not the full name of a job, like folder/job")
        user = as_text(parameters.get("user"), command)
        if not user or ":" in user:
            raise RefusedError("user is the name that the API token belongs to, without a colon")
        given = texts_of(command, "parameters")
        if KEY_PARAMETER in given:
            raise RefusedError(f"the parameter {KEY_PARAMETER} is set by the agent itself")
        results = parameters.get("expect_result") or ["SUCCESS"]
        results = [results] if isinstance(results, str) else list(results) if isinstance(results, list | tuple) else []
        if not results or any(result not in RESULTS for result in results):
            raise RefusedError(f"expect_result is one of {', '.join(RESULTS)} or a list of them")
        return {
            "kind": "jenkins",
            "resumable": True,
            "url": base_url(command),
            "job": name,
            "user": user,
            "values": {"token": secret_of(command, "token")},
            "parameters": given,
            "expect_result": results,
            "remote_key": command.key_for_target,
            "search_from": search_from(command, self._now()),
            "settle_s": SETTLE_S,
            "timeout_s": timeout_of(command),
        }
