"""A workspace with an agent that runs, rankings, a drill and people, and its console, served as `serve` does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn
from tests.acceptance.people_workspace import PeopleWorkspace

from homeostat.app.access import AccessList, Role
from homeostat.app.settings import Settings, load_settings
from homeostat.console.app import console
from homeostat.model.entries import DrillRan, Entry, RankingPromoted, RankingTrained
from homeostat.model.ports import Batch
from homeostat.model.ranking import Candidate, Feature, LinearModel, NodeRanking, Ranking, Stack, Uncertainty
from homeostat.model.streams import AGENT_STREAM, policy_stream
from homeostat.record.sqlite import SqliteJournal

VERIFY = "verify: {if: errors < 20, for: 0s, within: 1m}"
STEPS = f"""
- {{id: storage, manual: "fail the storage over", owner: storage-team, check: "is the LUN writable?", {VERIFY}}}
- {{id: restore, do: act, target: db/shop, mode: suggest, {VERIFY}}}
- id: remedy
  {VERIFY}
  choose:
  - {{id: restart, do: act, target: svc/pay}}
  - {{id: shift, do: act, target: route/pay}}
"""
PEOPLE = {"vera": Role.VIEWER, "sam": Role.OPERATOR, "oli": Role.OPERATOR, "dana": Role.APPROVER, "ada": Role.ADMIN}
PATIENCE_S = 20.0


def ranking(version: str, at: float, logit: float) -> Ranking:
    """A ranking of the node `remedy`, in which `shift` works with the probability of a logit and `restart` in half.

    It defers `restart`.
    """
    candidates = (
        Candidate("restart", 10.0, 20.0, attempts=6.0, successes=3.0),
        Candidate("shift", 10.0, 20.0, attempts=8.0, successes=7.0),
    )
    model = LinearModel("pooled", (0.0, logit), ((0.5,), (0.5,)), ((0.0, 0.0), (0.0, 0.0)))
    node = NodeRanking(
        (Feature("errors", 8.0, 2.0),),
        candidates,
        (model,),
        Stack(0.0, (1.0,)),
        Uncertainty((0.5, 0.5)),
        deferred=("restart",),
    )
    return Ranking(version=version, policy="people", trained_at=at, incidents=9, attempts=14, nodes={"remedy": node})


FIRST, REFUSED, PASSED = "a1" * 32, "b2" * 32, "c3" * 32
LEARNT: list[Entry] = [
    RankingTrained(at=10.0, ranking=ranking(FIRST, 10.0, 1.0), gate="Passed: first.", passed=True),
    RankingPromoted(at=11.0, version=FIRST, actor="schedule"),
    RankingTrained(at=20.0, ranking=ranking(REFUSED, 20.0, 1.5), gate="Not passed: 2 s slower.", passed=False),
    RankingTrained(at=30.0, ranking=ranking(PASSED, 30.0, 2.0), gate="Passed: 9 s sooner.", passed=True),
]
DRILL = DrillRan(
    at=40.0, fault="auth_hung", began_at=35.0, passed=False, why="users waited <b>1 m</b>", tier="sandbox",
    policies={"people": "0" * 64}, elsewhere=True,
)  # fmt: skip


class ConsoleWorkspace:
    """What a test asks.

    Attributes:
        tokens: by name of who may come in.
    """

    def __init__(self, shop: PeopleWorkspace, settings: Settings, url: str, tokens: dict[str, str]) -> None:
        self.shop = shop
        self.settings = settings
        self.url = url
        self.tokens = tokens

    def page(self, path: str, by: str = "vera") -> str:
        """A page, as somebody sees it."""
        answer = requests.get(self.url + path, headers=self._headers(by), timeout=20)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-500:])
        assert "style=" not in answer.text, "the content policy forbids inline styles"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        return answer.text

    def post(self, path: str, by: str, **fields: str) -> requests.Response:
        """Send a form."""
        return requests.post(self.url + path, data=fields, headers=self._headers(by), timeout=20, allow_redirects=False)

    def get_json(self, path: str, by: str = "vera") -> Any:
        """What the API says."""
        answer = requests.get(f"{self.url}/api/v1{path}", headers=self._headers(by), timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post_json(self, path: str, by: str, **fields: object) -> requests.Response:
        """Say something to the API."""
        return requests.post(f"{self.url}/api/v1{path}", json=fields, headers=self._headers(by), timeout=20)

    def entries(self, stream: str) -> list[Entry]:
        """What the journal holds of a stream."""
        with closing(SqliteJournal(self.settings.journal, read_only=True)) as journal:
            return [record.entry for record in journal.read(stream)]

    def wait_for(self, look: Callable[[], object]) -> None:
        """Wait until something is so."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not look():
            assert time.monotonic() < give_up_at, (self.shop.folder / "agent.log").read_text()[-3000:]
            time.sleep(0.05)

    def _headers(self, by: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[by]}", "Accept": "text/html"}


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The console of a workspace; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        app = console(settings, lambda: frozenset({address}))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://{address}"
        server.should_exit = True
        thread.join(PATIENCE_S)


@contextmanager
def console_workspace(folder: Path) -> Iterator[ConsoleWorkspace]:
    """Everything up, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with PeopleWorkspace(folder, STEPS) as shop:
        table = folder / "homeostat.toml"
        table.write_text(table.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        settings = load_settings(table)
        settings.state.mkdir(mode=0o700)
        with closing(SqliteJournal(settings.journal)) as journal:
            journal.append([Batch(policy_stream("people"), 0, LEARNT), Batch(AGENT_STREAM, 0, [DRILL])])
        access = AccessList(settings.state)
        tokens = {name: access.grant(name, role) for name, role in PEOPLE.items()}
        shop.start()
        with served(settings) as url:
            yield ConsoleWorkspace(shop, settings, url, tokens)
