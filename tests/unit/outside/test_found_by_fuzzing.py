"""What broke something once, each as it was found."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from tests.unit.outside.parsers import _JOB_FILES, _MANUAL, _RULES, KEY, PARSERS, check

from homeostat.act.context import ActuatorContext
from homeostat.act.files import read_at_most
from homeostat.act.job_files import JobFiles, job_folder
from homeostat.act.jobs import Spool
from homeostat.act.launch import Nursery
from homeostat.act.manual import ManualActuator
from homeostat.app.settings import load_settings
from homeostat.authoring.alert_rules import read_rule_file
from homeostat.model.commands import InDoubt
from homeostat.model.errors import ActuatorError, PolicyError, Position, Problem, UsageError
from homeostat.record.inbox import FolderInbox
from homeostat.sense.settings import PrometheusSettings, request_headers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "9" * 5000, "homeostat.toml:1:1: E001 not valid TOML: Exceeds the limit"),
        ("a = " + "[" * 100_000, "homeostat.toml:1:1: E001 not valid TOML"),
        ("x = 1\n" + "a." * 100_000 + "a = 1", "homeostat.toml:2:1: E001 no key here is nested so deep"),
        ("x = {" + 'a."b".' * 100_000 + "a = 1}", "homeostat.toml:1:1: E001 no key here is nested so deep"),
        ('[agent]\nstate = "\\u0000"', "homeostat.toml:2:1: E002 'agent.state'"),
        ('[agent]\npolicies = "a\\u001b[2J"', "homeostat.toml:2:1: E002 'agent.policies'"),
        ('[agent]\nlisten = "127.0.0.1:\u0661"', "HOST:PORT"),
        ('[agent]\nmode = "\\u001b[2J"', "'\\x1b[2J'"),
    ],
)
def test_settings_that_broke_the_parser(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_settings(path)
    assert says in str(caught.value)


def test_full_stops_in_texts_are_no_deep_key(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    names = [f"first{number}.last@mail.shop.example" for number in range(100)]
    path.write_text(f"[people]\ndba = {json.dumps(names)}\n")
    assert load_settings(path).people == {"dba": names}


def test_a_problem_is_told_in_words_that_can_be_shown() -> None:
    error = PolicyError([Problem(Position("f", 1, 1), "E1", "no '\x1b[2J\u202e\ud800\0'")])
    assert str(error) == "f:1:1: E1 no '\\x1b[2J\\u202e\\ud800\\x00'"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("claim", {"withdrawn": ["broken", "x"], "runner": None}),
        ("claim", {"runner": {"pid": float("inf"), "start_ticks": 1, "boot_id": "b"}}),
        ("begun", {"at": 10**400}),
        ("exit.json", {"status": "great"}),
        ("exit.json", {"duration_s": float("nan")}),
        ("exit.json", {"duration_s": {}}),
        ("exit.json", {"exit_code": 2**70}),
        ("exit.json", {"output": ["x"]}),
        ("exit.json", {"detail": "\ud800"}),
        ("exit.json", {"output_bytes": True}),
    ],
)
def test_a_damaged_file_of_a_job_is_doubt_and_not_an_outcome(
    name: str, change: dict[str, object], tmp_path: Path
) -> None:
    files = JobFiles(job_folder(tmp_path / "actions", KEY))
    files.folder.mkdir(parents=True)
    for other, right in _JOB_FILES.items():
        if (name, other) != ("begun", "exit.json"):
            (files.folder / other).write_bytes(right)
    (files.folder / name).write_text(json.dumps({**json.loads(_JOB_FILES[name]), **change}))
    report = Spool(ActuatorContext(tmp_path, {})).lookup(KEY)
    assert isinstance(report, InDoubt)
    assert f"{name} is damaged" in report.detail


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("task.json", {"timeout_s": "60"}),
        ("task.json", {"asked_at": 10**400}),
        ("report.json", {"at": float("inf")}),
        ("report.json", {"detail": "\ud800"}),
        ("report.json", {"status": "done"}),
    ],
)
def test_a_damaged_report_of_a_person_is_doubt_and_not_an_outcome(
    name: str, change: dict[str, object], tmp_path: Path
) -> None:
    actuator = ManualActuator(ActuatorContext(tmp_path, {}, now=lambda: 1010.0))
    place = actuator._place(KEY)
    place.mkdir(parents=True)
    (place / "task.json").write_bytes(_MANUAL["task.json"])
    (place / name).write_text(json.dumps({**json.loads(_MANUAL[name]), **change}))
    assert isinstance(actuator.lookup(KEY), InDoubt)


@pytest.mark.parametrize("content", ["null", "[" * 5000, '{"x":' * 3000])
def test_what_is_no_object_is_not_taken_for_no_file(content: str, tmp_path: Path) -> None:
    files = JobFiles(job_folder(tmp_path / "actions", KEY))
    files.folder.mkdir(parents=True)
    (files.folder / "claim").write_text(content)
    assert isinstance(Spool(ActuatorContext(tmp_path, {})).lookup(KEY), InDoubt)
    actuator = ManualActuator(ActuatorContext(tmp_path, {}, now=lambda: 1010.0))
    place = actuator._place(KEY)
    place.mkdir(parents=True)
    (place / "task.json").write_bytes(_MANUAL["task.json"].replace(b"60.0", b"1.0"))
    (place / "report.json").write_text(content)
    with pytest.raises(ActuatorError):
        actuator.lookup(KEY)


@pytest.mark.parametrize("content", ['{"x":' + "[" * 8000, '{"id":"a1","x":' + "[" * 4000 + "]" * 4000 + "}"])
def test_an_answer_nested_without_end_is_set_aside(content: str, tmp_path: Path) -> None:
    (tmp_path / "a1.json").write_text(content)
    told: list[Exception] = []
    inbox = FolderInbox(tmp_path, lambda _what, error: told.append(error))
    assert (list(inbox.collect()), len(told), list(inbox.collect())) == ([], 1, [])
    assert [path.name for path in tmp_path.iterdir()] == ["a1.refused"]


def test_a_pipe_that_nobody_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a file"):
        read_at_most(pipe, 100)
    with pytest.raises(UsageError, match="is not a file"):
        request_headers(PrometheusSettings(token=f"file:{pipe}"), {})


def test_a_secrets_path_with_a_nul_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'/a\\x00b' is not a text"):
        request_headers(PrometheusSettings(token="file:/a\0b"), {})


def test_a_recordings_complaint_counts_characters_and_not_bytes(tmp_path: Path) -> None:
    parser = PARSERS["recording"]
    lines = parser.seeds[0].split(b"\n")
    lines[1] = lines[1].replace(b'"type"', '"ü\u2028ü"'.encode(), 1) + b"]"
    with parser.opened(tmp_path) as parse:
        assert not check(parse, b"\n".join(lines)).accepted


def test_an_alert_with_an_endless_name_is_refused_rather_than_written() -> None:
    with pytest.raises(PolicyError, match="at most 500 characters"):
        read_rule_file(_RULES.decode().replace("InstanceDown", "n" * 5000), "rules.yml")


def test_the_nursery_takes_no_endless_request() -> None:
    nursery = Nursery()
    try:
        nursery._socket.sendall(struct.pack(">I", 2**32 - 1))
        assert nursery._socket.recv(1) == b"", "it makes room for four GiB"
    finally:
        nursery.close()
