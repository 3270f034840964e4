from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec
import pytest

from homeostat.decide.scoring import feature_columns, success_probabilities
from homeostat.model.entries import (
    ENTRY_TYPES,
    ActionIntended,
    AgentStarted,
    ConditionChanged,
    DrillRan,
    Entry,
    Observed,
    RankingTrained,
)
from homeostat.model.errors import InvariantError, JournalCorrupt, JournalTooNew
from homeostat.model.ranking import Candidate, LinearModel
from homeostat.model.signals import Reading, Snapshot
from homeostat.record.codec import CODEC, Codec
from homeostat.record.upcasting import UPCASTERS


class Drained(Entry, frozen=True, kw_only=True):
    """An entry type with a past: it once had `minutes`, then `seconds`, now `waited_s` and `target`."""

    TYPE: ClassVar[str] = "test.drained"
    waited_s: float
    target: str


def _to_seconds(body: dict[str, Any]) -> dict[str, Any]:
    return {"at": body["at"], "seconds": body["minutes"] * 60}


def _to_waited(body: dict[str, Any]) -> dict[str, Any]:
    return {"at": body["at"], "waited_s": body["seconds"], "target": "unknown"}


AGED = Codec({Drained.TYPE: Drained}, {(Drained.TYPE, 1): _to_seconds, (Drained.TYPE, 2): _to_waited})


@pytest.mark.parametrize(
    ("v", "body"),
    [
        (1, b'{"at":5.0,"minutes":2}'),
        (2, b'{"at":5.0,"seconds":120}'),
        (3, b'{"at":5.0,"waited_s":120.0,"target":"unknown"}'),
    ],
)
def test_old_bodies_are_read_as_todays_entries(v: int, body: bytes) -> None:
    assert AGED.decode(Drained.TYPE, v, body) == Drained(at=5.0, waited_s=120.0, target="unknown")


def test_new_bodies_are_written_in_the_newest_version() -> None:
    assert AGED.encode(Drained(at=5.0, waited_s=1.0, target="db")).v == 3
    assert CODEC.encode(ConditionChanged(at=5.0, watch="trigger", truth=None)).v == 1


def test_versions_without_a_way_between_them_are_refused_at_once() -> None:
    with pytest.raises(InvariantError, match=r"test\.drained start from versions"):
        Codec({Drained.TYPE: Drained}, {(Drained.TYPE, 2): _to_waited})


def test_the_registry_names_only_types_there_are() -> None:
    assert {name for name, _ in UPCASTERS} <= set(ENTRY_TYPES)


def test_the_bytes_are_canonical() -> None:
    readings = {"b": Reading(value=1, sampled_at=1.0), "a": Reading(value="é")}
    encoded = CODEC.encode(Observed(at=1, snapshot=Snapshot(at=0.1 + 0.2, readings=readings)))
    assert encoded.body.decode() == (
        '{"at":1.0,"snapshot":{"at":0.30000000000000004,"readings":{'
        '"a":{"value":"é","sampled_at":null,"absence":null,"detail":null},'
        '"b":{"value":1.0,"sampled_at":1.0,"absence":null,"detail":null}},"warnings":[],"error":null}}'
    )


def test_a_read_only_mapping_is_stored_as_what_it_holds() -> None:
    snapshot = Snapshot(at=1.0, readings=MappingProxyType({"a": Reading(value=1.0)}))
    stored = CODEC.encode(Observed(at=1.0, snapshot=snapshot)).entry
    assert stored == Observed(at=1.0, snapshot=Snapshot(at=1.0, readings={"a": Reading(value=1.0)}))


def test_negative_zero_is_no_other_time_than_zero() -> None:
    assert str(CODEC.encode(ConditionChanged(at=-0.0, watch="", truth=True)).at) == "0.0"


@pytest.mark.parametrize(
    "wrong",
    [
        ConditionChanged(at=float("nan"), watch="w", truth=True),
        ConditionChanged(at=float("inf"), watch="w", truth=True),
        ConditionChanged(at=1.0, watch="w", truth=1),  # type: ignore[arg-type]
        ConditionChanged(at=1.0, watch="\udc80", truth=True),
        ConditionChanged(at=True, watch="w", truth=True),
        AgentStarted(at=1.0, agent="a", version="1", seed=1.5),  # type: ignore[arg-type]
        Entry(at=1.0),
        Drained(at=1.0, waited_s=1.0, target="a type nobody registered"),
    ],
    ids=lambda entry: repr(entry)[:60],
)
def test_an_entry_that_would_change_on_the_way_is_refused(wrong: Entry) -> None:
    with pytest.raises(InvariantError, match="cannot be journalled"):
        CODEC.encode(wrong)


def test_types_and_versions_of_a_newer_release_are_told_apart_from_damage() -> None:
    with pytest.raises(JournalTooNew, match=r"'incident\.teleported' is unknown.*upgrade"):
        CODEC.decode("incident.teleported", 1, b"{}")
    with pytest.raises(JournalTooNew, match="version 2, this release reads up to 1; upgrade"):
        CODEC.decode(ConditionChanged.TYPE, 2, b"{}")


@pytest.mark.parametrize(
    ("v", "body"),
    [
        (1, b""),
        (1, b"{"),
        (1, b"[]"),
        (1, b"{}"),
        (1, b'{"at":1.0,"watch":"w","truth":"yes"}'),
        (1, b'{"at":"1.0","watch":"w","truth":true}'),
        (1, b'{"at":1.0,"watch":"\xff","truth":true}'),
        (1, b'{"at":1e999,"watch":"w","truth":true}'),
        (0, b'{"at":1.0,"watch":"w","truth":true}'),
        (-1, b'{"at":1.0,"watch":"w","truth":true}'),
    ],
)
def test_a_body_that_is_not_of_its_type_is_corrupt(v: int, body: bytes) -> None:
    with pytest.raises(JournalCorrupt, match=r"observation\.condition"):
        CODEC.decode(ConditionChanged.TYPE, v, body)


def test_an_upcaster_that_meets_a_body_without_its_fields_means_damage() -> None:
    with pytest.raises(JournalCorrupt, match="minutes"):
        AGED.decode(Drained.TYPE, 1, b'{"at":5.0}')


def test_a_drill_of_an_older_release_is_read_as_one_whose_incidents_are_in_its_own_journal() -> None:
    ran = CODEC.decode("drill.ran", 1, b'{"at":9.0,"fault":"auth_hung","began_at":5.0,"passed":true,"why":""}')
    assert ran == DrillRan(at=9.0, fault="auth_hung", began_at=5.0, passed=True)
    assert isinstance(ran, DrillRan)
    assert not ran.elsewhere


def test_a_field_nobody_knows_is_found_however_deep() -> None:
    def unknown(body: bytes, name: str = ActionIntended.TYPE) -> str | None:
        return CODEC.unknown_field(name, 1, body)

    known = b'{"at":1.0,"snapshot":{"at":1.0,"readings":{"a":{"value":1.0}}}}'
    assert unknown(known, Observed.TYPE) is None
    assert unknown(known.replace(b'"value":1.0', b'"valeu":1.0'), Observed.TYPE) == "snapshot.readings.a.valeu"
    assert unknown(known.replace(b'{"at":1.0,"snap', b'{"At":1,"at":1.0,"snap'), Observed.TYPE) == "At"
    decided = b'{"at":1.0,"node":"n","kind":"try","chosen":null,"options":[{"id":"a","eligible":true,"odds":1}]}'
    assert CODEC.unknown_field("decision.made", 2, decided) == "options.0.odds"


def test_every_entry_type_can_be_decoded_strictly() -> None:
    for name in ENTRY_TYPES:
        with pytest.raises(JournalCorrupt):
            CODEC.decode(name, 1, msgspec.json.encode({"at": "noon"}))


def test_a_ranking_of_an_older_release_reads_as_one_linear_member() -> None:
    model = {"intercept": 0.5, "weights": [1.0], "missing": [2.0], "failed": {"b": -1.0}}
    counts = {"cost_success_s": 30.0, "cost_failure_s": 90.0, "attempts": 4.0, "successes": 3.0}
    nodes = {
        "remedy": {
            "features": [{"signal": "errors", "median": 1.0, "spread": 2.0}],
            "candidates": {"a": {**model, **counts}, "b": {**model, **counts, "failed": {}}},
        }
    }
    ranking = {"version": "ab", "policy": "p", "trained_at": 9.0, "incidents": 2, "attempts": 4, "nodes": nodes}
    body = msgspec.json.encode({"at": 1.0, "ranking": ranking, "gate": "Passed."})
    entry = CODEC.decode("ranking.trained", 1, body)
    assert isinstance(entry, RankingTrained)
    node = entry.ranking.nodes["remedy"]
    assert node.members == (LinearModel("pooled", (0.5, 0.5), ((1.0, 2.0), (1.0, 2.0)), ((0.0, -1.0), (0.0, 0.0))),)
    assert node.candidates[0] == Candidate("a", 30.0, 90.0, attempts=4.0, successes=3.0)
    probability = success_probabilities(node, feature_columns(node.features, {"errors": None}), [1])[0]
    assert probability == pytest.approx(1 / (1 + math.exp(-(0.5 + 2.0 - 1.0))))
