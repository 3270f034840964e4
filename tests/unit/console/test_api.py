"""The API does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.unit.console.console_rig import Shop, ask, bearer

from homeostat.console.app import console
from homeostat.console.gatekeeper import Gatekeeper

HOST = "testserver"
"""What Schemathesis calls an app in its own process."""
EXAMPLES = 10
"""For each operation and role."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def asking_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A workspace with an incident that asks for something."""
    shop = Shop(tmp_path_factory.mktemp("api") / "w")
    shop.world.errors = 10.0
    shop.ticks(3)
    return shop


@pytest.mark.parametrize("who", ["vera", "ada", "nobody"])
def test_answers_are_as_the_document_says(asking_shop: Shop, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.console.acts.TAKEN_IN_S_MAX", 0.0)
    app = console(asking_shop.settings, lambda: frozenset({HOST}))
    document = ask(app, "GET", "/api/openapi.json", {**bearer(asking_shop.tokens["vera"]), "host": HOST}).json()
    schema = schemathesis.openapi.from_dict(document)
    asked: dict[str, set[int]] = {}
    for operation in (found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)):
        modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if operation.body else [])]
        cases = one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def conforms(case: schemathesis.Case[Any]) -> None:
            headers = bearer(asking_shop.tokens.get(who, "none"))
            response = case.call_and_validate(headers=headers, checks=CHECKS, app=app, base_url=f"http://{HOST}")
            asked.setdefault(case.operation.label, set()).add(response.status_code)

        conforms()
    assert set(asked) == {f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs}
    if who == "nobody":
        assert set().union(*asked.values()) == {401}
    else:
        assert asked["GET /api/v1/overview"] == {200}
    if who == "ada":
        assert 422 in asked["POST /api/v1/switch"], "what the document does not allow was tried"


def test_what_there_is_to_say_of_an_incident_is_as_the_document_says(asking_shop: Shop) -> None:
    app = console(asking_shop.settings, lambda: frozenset({HOST}))
    headers = {**bearer(asking_shop.tokens["ada"]), "host": HOST}
    schema = schemathesis.openapi.from_dict(ask(app, "GET", "/api/openapi.json", headers).json())
    (row,) = ask(app, "GET", "/api/v1/overview", headers).json()["open"]
    where = {"incident": row["id"]}
    case = schema["/api/v1/incidents/{incident}"]["GET"].Case(path_parameters=where)
    told = case.call_and_validate(headers=headers, checks=CHECKS, app=app, base_url=f"http://{HOST}")
    assert told.status_code == 200
    page = told.json()
    (asked,) = page["pending"]
    assert (asked["kind"], asked["node"]) == ("request", "restore")
    assert page["svg"].startswith("<svg")
    said: dict[str, Any] = {"act": "request", "plan": "0" * 64}
    case = schema["/api/v1/incidents/{incident}/steps/{step}"]["POST"].Case(
        path_parameters={**where, "step": "restore"}, body=said, media_type="application/json"
    )
    told = case.call_and_validate(headers=headers, checks=CHECKS, app=app, base_url=f"http://{HOST}")
    assert told.status_code == 409


def test_its_document_needs_credentials_too(app: Gatekeeper, shop: Shop) -> None:
    assert ask(app, "GET", "/api/openapi.json").status == 401
    document = ask(app, "GET", "/api/openapi.json", bearer(shop.tokens["vera"])).json()
    assert document["openapi"].startswith("3.")
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert "/api/v1/overview" in document["paths"]
