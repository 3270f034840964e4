"""Scraped as Prometheus scrapes: a target that is gone is `up` 0, and its series end at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from homeostat.rig.layout import free_port
from homeostat.rig.web import Answer, LoopbackServer
from homeostat.simulate.sandbox.api import PrometheusApi
from homeostat.simulate.sandbox.scraper import Scraper, WallClock
from homeostat.simulate.sandbox.store import SampleStore

AT = 1_700_000_000.0


@dataclass
class Target:
    """A page that says what the test wants."""

    page: Answer = (200, 'hits_total{code="200"} 5\n')
    url: str = ""
    store: SampleStore = field(default_factory=SampleStore)


@pytest.fixture
def target() -> Iterator[Target]:
    port = free_port()
    found = Target(url=f"http://127.0.0.1:{port}/metrics")
    server = LoopbackServer(port, lambda _method, _path: found.page)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def ask(store: SampleStore, query: str, at: float) -> list[tuple[dict[str, str], str]]:
    api = PrometheusApi(store, WallClock())
    answer = json.loads(api.answer("/api/v1/query", {"query": [query], "time": [str(at)]}).body)
    return [(row["metric"], row["value"][1]) for row in answer["data"]["result"]]


def test_what_a_target_says_bears_its_job_and_its_value_moves_on(target: Target) -> None:
    scraper = Scraper(target.store, {"shop": target.url})
    scraper.scrape(AT)
    target.page = (200, 'hits_total{code="200"} 9\n')
    scraper.scrape(AT + 1.0)
    assert ask(target.store, "up", AT + 1.0) == [({"__name__": "up", "job": "shop"}, "1")]
    labels = {"__name__": "hits_total", "code": "200", "job": "shop"}
    assert ask(target.store, "hits_total", AT + 0.5) == [(labels, "5")]
    assert ask(target.store, "hits_total", AT + 1.0)[0][1] == "9"


@pytest.mark.parametrize("page", [(500, "hits_total 5\n"), (200, "no {metrics\n"), (200, "hits_total five\n")])
def test_a_target_that_answers_otherwise_is_down_and_its_series_end_at_once(target: Target, page: Answer) -> None:
    scraper = Scraper(target.store, {"shop": target.url, "gone": "http://127.0.0.1:1/metrics"})
    scraper.scrape(AT)
    target.page = page
    scraper.scrape(AT + 1.0)
    assert ask(target.store, "hits_total", AT + 1.0) == []
    assert ask(target.store, 'up{job="shop"}', AT + 1.0)[0][1] == "0"
    assert ask(target.store, 'up{job="gone"}', AT + 1.0)[0][1] == "0"
    target.page = (200, 'hits_total{code="200"} 6\n')
    scraper.scrape(AT + 2.0)
    assert ask(target.store, "hits_total", AT + 2.0)[0][1] == "6"
