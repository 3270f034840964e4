"""Everything that reads what comes from outside, each with right inputs and with what may come of a wrong one."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from tests.unit.outside.mutations import mutated
from tests.unit.policy.fuzz_corpus import GUARDS
from tests.unit.policy.fuzzing import CASE_CPU_S_MAX, ROOT, Broken, Outcome, check_positions

from homeostat.act.context import ActuatorContext
from homeostat.act.job_files import JobFiles, job_folder
from homeostat.act.jobs import Spool
from homeostat.act.manual import ManualActuator
from homeostat.act.processes import own_identity
from homeostat.act.secret import SecretError, resolve
from homeostat.app.scaffold import SETTINGS
from homeostat.app.settings import load_settings
from homeostat.authoring.alert_policy import policies_of_rules
from homeostat.authoring.alert_rules import read_rule_file
from homeostat.authoring.reviews import read_reviews
from homeostat.authoring.runbook import read_runbook
from homeostat.authoring.runbook_policy import policy_of_runbook
from homeostat.authoring.workspace_files import read_text
from homeostat.model.commands import Done, InDoubt, NeverStarted, Running
from homeostat.model.errors import ActuatorError, PolicyError, SensorError, UsageError
from homeostat.policy.guards_file import load_guards
from homeostat.policy.load import load_policies
from homeostat.record.inbox import FolderInbox
from homeostat.record.recording import read_recording
from homeostat.sense.envelope import decode_envelope, decode_scalar, decode_vector
from homeostat.sense.settings import PrometheusSettings, request_headers
from homeostat.simulate.bench.suite import load_suite
from homeostat.simulate.bench.world import load_world

KEY = "i1/restart/1"

Parse = Callable[[bytes], bool]
"""Gives whether the bytes were accepted. Raises Broken, or whatever a bug raises."""


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        kind: how seeds are mutated, see `mutations.KINDS`.
        seeds: inputs it accepts.
        opened: makes it ready in a folder of its own, as a context.
    """

    name: str
    kind: str
    seeds: tuple[bytes, ...]
    opened: Callable[[Path], AbstractContextManager[Parse]]


def at_once(parse: Callable[[bytes, Path], bool]) -> Callable[[Path], AbstractContextManager[Parse]]:
    """A parser that needs nothing running."""
    return lambda folder: nullcontext(partial(_in, parse, folder))


def _in(parse: Callable[[bytes, Path], bool], folder: Path, content: bytes) -> bool:
    return parse(content, folder)


def check(parse: Parse, content: bytes) -> Outcome:
    """Parse one input, in bounded time. Raises Broken, or whatever a bug raises."""
    began = time.process_time()
    accepted = parse(content)
    cpu_s = time.process_time() - began
    if cpu_s > CASE_CPU_S_MAX:
        raise Broken(f"took {cpu_s:.2f} s of CPU")
    return Outcome(accepted, cpu_s)


def mutant(parser: Parser, number: int, seed: int) -> bytes:
    """The input that the number tells."""
    random = Random(f"{parser.name}/{seed}/{number}")
    return mutated(random.choice(parser.seeds), parser.kind, random)


def _in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], bool]:
    """A parser of files whose every complaint has its place in them."""

    def parse(content: bytes, folder: Path) -> bool:
        path = folder / name
        path.write_bytes(content)
        try:
            read(path)
        except PolicyError as error:
            if not error.problems:
                raise Broken("refused without a word") from error
            text = content.decode("utf-8-sig", errors="replace")
            # To TOML, JSON and Markdown only a line feed ends a line, to YAML less than what Python takes for one.
            others = r"[\x0b\x0c\x1c-\x1e" + ("]" if name.endswith((".yaml", ".yml")) else r"\x85\u2028\u2029\r]")
            check_positions(error.problems, {str(path): re.sub(others, " ", text)})
            return False
        return True

    return parse


def _read_suite(path: Path) -> None:
    suite = load_suite(path)
    if suite.problems:
        raise PolicyError(suite.problems)


def _suite(content: bytes, folder: Path) -> bool:
    if not (folder / "actions.yaml").exists():
        for path in (ROOT / "policies").glob("*.yaml"):
            if not path.name.endswith((".test.yaml", ".world.yaml")):
                (folder / path.name).write_bytes(path.read_bytes())
    try:
        return _in_file("payments-5xx.test.yaml", _read_suite)(content, folder)
    except Broken as error:
        # A test file names its policy and guards, which a mutant may make another file: its problems are there.
        if any(f"{path}:" in str(error) for path in folder.glob("*.yaml") if not path.name.endswith(".test.yaml")):
            return False
        raise


_POLICIES = tuple(load_policies(ROOT / "policies")[0].values())


def _read_world(path: Path) -> None:
    load_world(path, _POLICIES)


def _read_rules(path: Path) -> None:
    policies_of_rules(read_rule_file(read_text(path), str(path)), source=path.name)


def _read_runbook(path: Path) -> None:
    policy_of_runbook(read_runbook(read_text(path), str(path)), source=path.name)


def _inbox(content: bytes, folder: Path) -> bool:
    (folder / "a1.json").write_bytes(content)
    told: list[Exception] = []
    answers = FolderInbox(folder, lambda _what, error: told.append(error)).collect()
    if bool(answers) == bool(told):
        raise Broken(f"{answers} and {told}")
    for error in told:
        if not isinstance(error, (OSError, ValueError, RecursionError, msgspec.MsgspecError, UsageError)):
            raise Broken(f"told of {error!r}")
        (folder / "a1.refused").unlink()
    for answer in answers:
        if not (answer.by + answer.note + answer.id).isprintable():
            raise Broken(f"{answer} cannot be shown")
        json.dumps(msgspec.to_builtins(answer))
    return bool(answers)


def _prometheus(content: bytes, folder: Path) -> bool:
    del folder
    try:
        envelope = decode_envelope(content)
        series = decode_vector(envelope.data)
    except SensorError as error:
        if not str(error).isprintable():
            raise Broken(f"{error!r} cannot be shown") from error
        try:
            decode_scalar(msgspec.Raw(content))
        except SensorError:
            return False
        return True
    for one in series:
        number = one.number()
        if number is not None and not isinstance(number, float):
            raise Broken(f"{number!r} is no number")
    return True


def _job_file(name: str) -> Callable[[bytes, Path], bool]:
    """A file of a job, beside right ones, as another agent process finds it."""

    def parse(content: bytes, folder: Path) -> bool:
        files = JobFiles(job_folder(folder / "actions", KEY))
        files.folder.mkdir(parents=True, exist_ok=True)
        for other, right in _JOB_FILES.items():
            (files.folder / other).write_bytes(right)
        (files.folder / name).write_bytes(content)
        if name == "begun":
            (files.folder / "exit.json").unlink()
        try:
            report = Spool(ActuatorContext(folder, {})).lookup(KEY)
        except ActuatorError:
            return False
        if not isinstance(report, Done | InDoubt | Running | NeverStarted):
            raise Broken(f"{report!r} is no report")
        if name != "claim" and isinstance(report, NeverStarted):
            raise Broken("a claimed job is said never to have been started")
        if isinstance(report, Done):
            _sound(report)
        return isinstance(report, Done) or (name == "begun" and "damaged" not in str(report))

    return parse


def _sound(report: Done) -> None:
    """The journal takes only what is of its type."""
    wanted: tuple[tuple[object, type | tuple[type, ...]], ...] = (
        (report.output, str),
        (report.detail, str),
        (report.output_sha256 or "", str),
        (report.output_bytes, int),
        (report.exit_code or 0, int),
        (report.duration_s, float),
    )
    for value, kind in wanted:
        if not isinstance(value, kind):
            raise Broken(f"{report!r}: {value!r} is of another type")
    if not 0 <= report.duration_s < math.inf:
        raise Broken(f"{report.duration_s!r} is no duration")
    msgspec.json.encode(report)


_RUNNER = {**own_identity()._asdict(), "pid": 2**22, "start_ticks": 1}
_JOB_FILES = {
    "claim": json.dumps({"runner": _RUNNER}).encode(),
    "begun": json.dumps({"process": _RUNNER, "at": 1e9, "boottime_s": 1.0, "run_id": "ab"}).encode(),
    "exit.json": json.dumps(
        {
            "key": KEY, "status": "ok", "exit_code": 0, "detail": "done", "started_at": 1e9, "ended_at": 1e9 + 2,
            "duration_s": 2.0, "output": "restarted", "output_bytes": 9, "output_sha256": "ab", "truncated": False,
        }
    ).encode(),
}  # fmt: skip
_WITHDRAWN = json.dumps({"withdrawn": ["error", "nothing was run"]}).encode()


def _manual(name: str) -> Callable[[bytes, Path], bool]:
    def parse(content: bytes, folder: Path) -> bool:
        actuator = ManualActuator(ActuatorContext(folder, {}, now=lambda: 1010.0))
        place = actuator._place(KEY)
        place.mkdir(parents=True, exist_ok=True)
        for other, right in _MANUAL.items():
            (place / other).write_bytes(right)
        if name == "task.json":
            (place / "report.json").unlink()
        (place / name).write_bytes(content)
        try:
            report = actuator.lookup(KEY)
            for task in actuator.waiting():
                json.dumps(task)
        except ActuatorError:
            return False
        if isinstance(report, Done):
            _sound(report)
        if isinstance(report, NeverStarted):
            raise Broken("a task that is there is said never to have been started")
        return not isinstance(report, InDoubt)

    return parse


_MANUAL = {
    "task.json": json.dumps(
        {
            "key": KEY,
            "target": "a/b",
            "asked_at": 1000.0,
            "timeout_s": 60.0,
            "instructions": "x",
            "owner": "o",
            "check": "",
        }
    ).encode(),
    "report.json": json.dumps({"status": "ok", "at": 1005.0, "detail": "done, says dana"}).encode(),
}


def _secret(content: bytes, folder: Path) -> bool:
    reference = content.decode(errors="surrogateescape")
    accepted = True
    try:
        resolve(reference)
    except SecretError as error:
        accepted = False
        if not reference.startswith(("env:", "file:")) and len(reference) > 8 and reference in str(error):
            raise Broken("it shows what may be the secret itself") from error
    try:
        request_headers(PrometheusSettings(token=reference), {"HOME": "x"})
    except UsageError:
        return accepted
    del folder
    return True


def _recordings() -> Iterator[bytes]:
    for path in sorted((ROOT / "history").glob("*.jsonl"), key=lambda path: path.stat().st_size)[:3]:
        yield path.read_bytes()


def _texts(*patterns: str) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for pattern in patterns for path in sorted((ROOT / "policies").rglob(pattern)))


_RULES = b"""\
groups:
- name: shop
  interval: 2m
  rules:
  - record: job:requests:rate5m
    expr: sum by (job) (rate(requests_total[5m]))
  - alert: HighErrorRate
    expr: sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])) > 0.05
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page, team: payments}
    annotations:
      summary: 'Errors on {{ $labels.job }} are {{ $value | humanizePercentage }}'
  - alert: InstanceDown
    expr: up{job="api"} == 0 or absent(up{job="api"})
"""
_RUNBOOK = b"""\
# Restore the shop

Owner: dba

## 1. Stop writes

- [ ] Put up the page (5 min)
- [ ] `systemctl stop shop`

> **Warning**: not before the page is up.

## 2. Restore

1. If the disk is full, call storage.
2. Run:

   ```sh
   restore --from backup shop
   ```

| step | who |
|---|---|
| check | dana |
"""
_REVIEWS = b"""\
payments-5xx:
- by: dana
  at: "2026-11-01T10:00:00+00:00"
  commit: "0123456789012345678901234567890123456789"
  policy_hash: "0123456789012345678901234567890123456789012345678901234567890123"
  note: looked at it
"""
_ANSWERS = (
    b'{"id":"a1","kind":"approve","by":"dana","at":1000.5,"incident":"i1","node":"restore","plan":"ab","note":"go"}',
    b'{"id":"a1","kind":"pause","by":"eli","at":1000.5}',
)
_VECTOR = (
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__sig":"1","job":"a"},"value":[1.5,"0.25"]},'
    b'{"metric":{},"value":[1.5,"+Inf"]}]},"warnings":["slow"],"infos":["x"]}'
)

PARSERS: dict[str, Parser] = {
    parser.name: parser
    for parser in (
        Parser("settings", "toml", (SETTINGS.encode(),), at_once(_in_file("homeostat.toml", load_settings))),
        Parser(
            "guards",
            "yaml",
            (GUARDS.encode(),),
            at_once(_in_file("guards.yaml", lambda path: load_guards(path.parent))),
        ),
        Parser("inbox", "json", _ANSWERS, at_once(_inbox)),
        Parser("recording", "jsonl", tuple(_recordings()), at_once(_in_file("i.jsonl", read_recording))),
        Parser("world", "yaml", _texts("payments-5xx.world.yaml"), at_once(_in_file("w.world.yaml", _read_world))),
        Parser("suite", "yaml", _texts("payments-5xx.test.yaml"), at_once(_suite)),
        Parser("alert-rules", "yaml", (_RULES,), at_once(_in_file("rules.yml", _read_rules))),
        Parser("runbook", "text", (_RUNBOOK,), at_once(_in_file("runbook.md", _read_runbook))),
        Parser(
            "reviews", "yaml", (_REVIEWS,), at_once(_in_file("reviews.yaml", lambda path: read_reviews(path.parent)))
        ),
        Parser("prometheus", "json", (_VECTOR,), at_once(_prometheus)),
        Parser("claim", "json", (_JOB_FILES["claim"], _WITHDRAWN), at_once(_job_file("claim"))),
        Parser("begun", "json", (_JOB_FILES["begun"],), at_once(_job_file("begun"))),
        Parser("exit", "json", (_JOB_FILES["exit.json"],), at_once(_job_file("exit.json"))),
        Parser("manual-task", "json", (_MANUAL["task.json"],), at_once(_manual("task.json"))),
        Parser("manual-report", "json", (_MANUAL["report.json"],), at_once(_manual("report.json"))),
        Parser("secret", "text", (b"env:HOME", b"file:/etc/hostname"), at_once(_secret)),
    )
}
