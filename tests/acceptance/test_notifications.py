"""People are told, by the agent as users start it: over crashes, and until somebody says that they are on it."""

from __future__ import annotations

import base64
import json
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.acceptance.people_workspace import TOKEN, PeopleWorkspace
from tests.http_place import PAGERDUTY_KEY, Answer, HttpPlace, pagerduty

from homeostat.act.signing import HEADERS, signature, signing_key
from homeostat.model import entries as e
from homeostat.model.streams import NOTIFY_STREAM
from homeostat.record.sqlite import SqliteJournal

pytestmark = pytest.mark.timeout(150)

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
STEPS = "- {id: out, escalate: {to: oncall, severity: critical}}\n"


class Receiver(HttpPlace):
    """Takes signed messages; `taken_now` is set at each, and `gate` holds the answer back."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()
        super().__init__(self._answer)

    def _answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        identity, timestamp, signed = (headers.get(name, "") for name in HEADERS)
        if signature(signing_key(SECRET), identity, timestamp, body) != signed:
            return 401, {}, b""
        self.arrived.set()
        self.gate.wait(20.0)
        return 204, {}, b""

    def topics(self) -> list[str]:
        return [json.loads(body)["topic"] for body in self.taken]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.gate.set()
    receiver.close()


@pytest.fixture
def pager() -> Iterator[HttpPlace]:
    place = HttpPlace(pagerduty)
    yield place
    place.close()


def workspace(folder: Path, hook: HttpPlace, pager: HttpPlace, wait: str = "1h") -> PeopleWorkspace:
    folder.mkdir()
    (folder / "hook.key").write_text(SECRET)
    (folder / "pager.key").write_text(PAGERDUTY_KEY)
    notify = f"""
[notify]
gather = "0s"
console_url = "https://console.example.org"
[notify.channels.hook]
kind = "webhook"
url = "{hook.url}/hook"
secret = "file:{folder}/hook.key"
[notify.channels.pager]
kind = "pagerduty"
url = "{pager.url}/v2/enqueue"
routing_key = "file:{folder}/pager.key"
[notify.chains.oncall]
steps = [{{to = ["pager", "hook"], wait = "{wait}"}}]
repeat_max = 3
"""
    return PeopleWorkspace(folder, STEPS, people=notify)


def journalled(shop: PeopleWorkspace) -> list[e.Entry]:
    journal = SqliteJournal(shop.folder / "state/journal.sqlite", read_only=True)
    try:
        return [record.entry for record in journal.read(NOTIFY_STREAM)]
    finally:
        journal.close()


def sent(shop: PeopleWorkspace) -> list[tuple[str, str]]:
    return [(one.channel, one.topic) for one in journalled(shop) if isinstance(one, e.NotificationSent)]


def test_an_escalation_is_told_over_a_crash_until_it_is_acknowledged(
    tmp_path: Path, hook: Receiver, pager: HttpPlace
) -> None:
    with workspace(tmp_path / "w", hook, pager) as shop:
        shop.errors = 10.0
        hook.gate.clear()
        shop.start()
        assert hook.arrived.wait(60.0)
        shop.wait_for("the pager's word in the journal", lambda: ("pager", "escalated") in sent(shop))
        shop.stop(signal.SIGKILL)  # between the webhook's sending and its journalling
        hook.gate.set()
        shop.start()
        shop.wait_for("the webhook's word in the journal", lambda: ("hook", "escalated") in sent(shop))
        ids = {headers["webhook-id"] for headers in hook.headers}
        assert len(ids) == 1, "what was sent twice has one id"
        assert len(pager.taken) == 1, "what was journalled was not sent again"

        incident = json.loads(hook.taken[0])["incident"]
        said = shop.run("acknowledge", incident[:20], "--as", "dana", "--note", "on the train")
        assert said.returncode == 0, said.stderr
        assert "incident.acknowledged" in said.stdout
        shop.wait_for("both to hear of it", lambda: sent(shop).count(("pager", "acknowledged")) == 1)
        shop.errors = 0.0
        shop.wait_for("the end", lambda: any(isinstance(entry, e.Closed) for entry in shop.entries()))
        shop.wait_for("both to hear of it", lambda: {("pager", "closed"), ("hook", "closed")} <= set(sent(shop)))
        events = [json.loads(body) for body in pager.taken]
        assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
        assert {event["dedup_key"] for event in events} == {incident}
        assert hook.topics()[-2:] == ["acknowledged", "closed"]
        assert "acknowledged by dana" in shop.run("explain", incident).stdout
        assert SECRET not in (shop.folder / "agent.log").read_text()

        rows = json.loads(shop.run("--json", "notify", "list").stdout)
        assert {(row["name"], row["to"], row["last"]) for row in rows if row["step"]} == {
            ("oncall", "pager", "sent"),
            ("oncall", "hook", "sent"),
        }
        tested = shop.run("notify", "test", "hook", "--as", "dana")
        assert tested.returncode == 0, tested.stderr
        assert json.loads(hook.taken[-1])["title"].startswith("Test message")
        again = shop.run("acknowledge", incident, "--as", "dana")
        assert again.returncode == 2
        assert "no open incident" in again.stderr


def test_an_agent_that_stops_in_order_leaves_nothing_to_be_sent_twice(
    tmp_path: Path, hook: Receiver, pager: HttpPlace
) -> None:
    with workspace(tmp_path / "w", hook, pager) as shop:
        shop.errors = 10.0
        hook.gate.clear()
        shop.start()
        assert hook.arrived.wait(60.0)
        opener = threading.Timer(0.5, hook.gate.set)
        opener.start()
        shop.stop()
        opener.join()
        assert sorted(sent(shop)) == [("hook", "escalated"), ("pager", "escalated")]


def test_wrong_settings_are_found_with_their_place_before_anybody_relies_on_them(
    tmp_path: Path, hook: Receiver, pager: HttpPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEOPLE_TOKEN", TOKEN)
    with workspace(tmp_path / "w", hook, pager) as shop:
        settings = shop.folder / "homeostat.toml"
        good = settings.read_text()
        for old, new, why in (
            (
                'to = ["pager", "hook"]',
                'to = ["pagr", "hook"]',
                "leads to 'pagr', which is no channel; did you mean 'pager'?",
            ),
            ('wait = "1h"', 'wait = "soon"', "is not a duration"),
            ('gather = "0s"', 'default = "nobody"', "'nobody' is no channel and no chain"),
            ("repeat_max = 3", "repeat_max = 3000", "less than or equal to 20"),
        ):
            settings.write_text(good.replace(old, new))
            told = shop.run("doctor")
            assert told.returncode == 2, (new, told.stdout)
            assert why in told.stderr
            assert f"{settings.name}:" in told.stderr
        settings.write_text(good.replace('kind = "webhook"', 'kind = "webhok"'))
        refused = shop.run("run")
        assert refused.returncode == 2
        assert "E011" in refused.stderr
        assert "did you mean 'webhook'?" in refused.stderr
        settings.write_text(good.replace("[notify.chains.oncall]", "[notify.chains.other]"))
        warned = shop.run("doctor")
        assert "policy 'people' escalates to 'oncall', and no chain, channel or default of [notify]" in warned.stdout
        gone = shop.run("notify", "test", "hok")
        assert gone.returncode == 2
        assert "did you mean 'hook'?" in gone.stderr
        hook.close()
        away = shop.run("notify", "test", "hook")
        assert away.returncode == 3
        assert "channel 'hook':" in away.stderr
