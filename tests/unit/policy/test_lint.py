import re
from datetime import date
from pathlib import Path

import pytest
from tests.unit.policy.policy_texts import FILE, RESTART, VERIFY, policy_text

from homeostat.policy import codes
from homeostat.policy.codes import CODES
from homeostat.policy.lint import Report, Severity, lint, lint_all

TODAY = date(2026, 11, 23)
ONE_ACTION = "{restart: {actuator: command, argv: [systemctl, restart], effect: safe, timeout: 1m}}"
CLEAN = {"signals": "{http_5xx: errors, rps: 'rate(x[1m])'}"}


def report_on(folder: Path, steps: str = f"[{RESTART}]", scrape_interval_s: float = 15.0, **top: str | None) -> Report:
    path = folder / FILE
    path.write_text(policy_text(steps, **{**CLEAN, **top}))
    return lint(path, today=TODAY, scrape_interval_s=scrape_interval_s)


def found_codes(report: Report) -> list[str]:
    return sorted({finding.problem.code for finding in report.findings})


def test_a_clean_policy_has_no_findings_and_a_worst_case(tmp_path: Path) -> None:
    report = report_on(tmp_path, actions=ONE_ACTION)
    assert report.findings == ()
    assert report.worst_case is not None
    assert (report.policy, report.worst_case.attempts, report.worst_case.seconds) == ("p", 1, 60 + 60 + 240 + 600)
    assert not report.has_errors


STEP = "do: restart, target: a/b"
WELL = f"[{{{STEP}, {VERIFY}}}]"


@pytest.mark.parametrize(
    ("code", "trips", "does_not"),
    [
        (
            "W201",
            {"steps": f"[{{decide: [{{if: rps > 1, {STEP}, {VERIFY}}}]}}]"},
            {"steps": f"[{{decide: [{{if: rps > 1, {STEP}, {VERIFY}}}, {{else: {{escalate: {{}}}}}}]}}]"},
        ),
        ("W202", {"steps": f"[{{{STEP}}}]"}, {"steps": f"[{{{STEP}, verify: none}}]"}),
        (
            "W202",
            {"steps": f"[{{try: [{{{STEP}}}]}}]"},
            {"steps": f"[{{try: [{{{STEP}}}], {VERIFY}}}]"},
        ),
        (
            "W203",
            {"steps": f"[{{do: slow, target: a/b, {VERIFY}}}]"},
            {"steps": f"[{{do: slow, target: a/b, {VERIFY}}}]", "defaults": "{timeout: 1m}"},
        ),
        ("W204", {"signals": "{http_5xx: errors, rps: x, left_over: y}"}, {}),
        ("W205", {"review_by": "2026-11-22"}, {"review_by": "2026-11-23"}),
        ("W206", {"rto": "15m"}, {"rto": "16m"}),
        ("W207", {"timeout": "15m"}, {"timeout": "16m"}),
        (
            "W208",
            {"steps": f"[{{do: rollback, target: a/b, {VERIFY}, retry: {{times: 1}}}}]"},
            {"steps": f"[{{do: rollback, target: a/b, {VERIFY}}}]", "defaults": "{retry: {times: 1}}"},
        ),
        (
            "W209",
            {"steps": f"[{{{STEP}, verify: {{if: rps > 1, for: 50s, settle: 20s, within: 1m}}}}]"},
            {"steps": f"[{{{STEP}, verify: {{if: rps > 1, for: 40s, settle: 20s, within: 1m}}}}]"},
        ),
        (
            "W209",
            {"resolved": "{if: rps > 1 and http_5xx < 1%, for: 3m, within: 2m}"},
            {"resolved": "{if: rps > 1 and http_5xx < 1%, for: 3m, within: 3m}"},
        ),
        (
            "W210",
            {"resolved": "{if: rps > 1 and http_5xx < 1%, for: 59s}"},
            {"resolved": "{if: rps > 1 and http_5xx < 1%, for: 1m}"},
        ),
        (
            "W210",
            {"signals": "{http_5xx: 'increase(x[10m])', rps: x}", "resolved": "{if: rps > 1, for: 2m}"},
            {"signals": "{http_5xx: 'increase(x[10m])', rps: 'rate(x[8m])'}", "resolved": "{if: rps > 1, for: 2m}"},
        ),
        (
            "W211",
            {"signals": "{http_5xx: errors, rps: {expr: x, max_age: 29s}}"},
            {"signals": "{http_5xx: errors, rps: {expr: x, max_age: 30s}}"},
        ),
        (
            "W213",
            {
                "resolved": "{if: http_5xx  > 5%, for: 2m}",
                "steps": f"[{{{STEP}, verify: {{if: rps > 1, within: 1m}}}}]",
            },
            {},
        ),
        (
            "W213",
            {"steps": f"[{{{STEP}, verify: {{if: http_5xx > 5%, within: 1m}}}}]"},
            {"steps": f"[{{{STEP}, verify: {{if: http_5xx < 5%, within: 1m}}}}]"},
        ),
        ("W214", {"attempts_max": "2"}, {"attempts_max": "1"}),
        (
            "E150",
            {"steps": f"[{{escalate: {{}}}}, {RESTART}]"},
            {"steps": f"[{{escalate: {{}}, if: rps > 1}}, {RESTART}]"},
        ),
        (
            "E150",
            {"steps": f"[{{try: [{{escalate: {{}}}}, {RESTART}]}}]"},
            {"steps": f"[{{try: [{RESTART}, {{escalate: {{}}}}]}}]"},
        ),
        (
            "E150",
            {"steps": f"[{{try: [{{steps: [{{escalate: {{}}}}]}}, {RESTART}]}}]"},
            {"steps": f"[{{try: [{{steps: [{RESTART}, {{escalate: {{}}}}]}}, {RESTART}]}}]"},
        ),
        (
            "E150",
            {"steps": f"[{{decide: [{{if: rps > 1, escalate: a}}, {{else: {{escalate: b}}}}]}}, {RESTART}]"},
            {"steps": f"[{{decide: [{{if: rps > 1, escalate: a}}, {{else: {RESTART}}}]}}, {RESTART}]"},
        ),
        (
            "E150",
            {"steps": "[{decide: [{if: rps > 1, escalate: a}, {if: rps  > 1, escalate: b}, {else: {escalate: c}}]}]"},
            {"steps": "[{decide: [{if: rps > 1, escalate: a}, {if: rps > 2, escalate: b}, {else: {escalate: c}}]}]"},
        ),
        (
            "E150",
            {"steps": "[{decide: [{if: 1 == 1, escalate: a}, {else: {escalate: c}}]}]"},
            {"steps": "[{decide: [{if: known(rps), escalate: a}, {else: {escalate: c}}]}]"},
        ),
        (
            "E150",
            {"steps": "[{decide: [{if: 1 == 2, escalate: a}, {else: {escalate: c}}]}]"},
            {"steps": "[{decide: [{if: rps == 2, escalate: a}, {else: {escalate: c}}]}]"},
        ),
        ("E150", {"steps": f"[{{if: 5% > 1, {STEP}, {VERIFY}}}]"}, {"steps": f"[{{if: rps > 1, {STEP}, {VERIFY}}}]"}),
        ("E151", {"escalate": None}, {}),
    ],
)
def test_each_rule_trips_and_stays_silent(
    tmp_path: Path, code: str, trips: dict[str, str | None], does_not: dict[str, str | None]
) -> None:
    def linted(top: dict[str, str | None]) -> Report:
        return report_on(tmp_path, **{"steps": WELL, **top})  # type: ignore[arg-type]  # steps is never None here

    assert code in found_codes(linted(trips))
    assert code not in found_codes(linted(does_not))


def action(parameters: str) -> str:
    return f"{{restart: {{actuator: http, method: POST, url: http://x, timeout: 1m, {parameters}}}}}"


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ("api_key: x", True),
        ("note: AKIAABCDEFGHIJKLMNOP", True),
        ("note: 'https://me:hunter2@db/x'", True),
        ("note: 'https://db/x'", False),
        ("mode: fast", False),
    ],
)
def test_secrets_in_arguments_are_seen_and_never_printed(tmp_path: Path, given: str, secret: bool) -> None:
    key, value = given.split(": ", 1)
    actions = action(f"with: {{{key}: text}}")
    report = report_on(tmp_path, f"[{{{STEP}, {VERIFY}, with: {{{given}}}}}]", actions=actions)
    assert ("W212" in found_codes(report)) is secret
    assert all(value.strip("'") not in str(finding) for finding in report.findings if len(value) > 1)


@pytest.mark.parametrize(
    ("parameters", "secret"),
    [
        ("headers: {Authorization: Bearer abcdefghijkl}", True),
        ("headers: {Authorization: {secret: env:TOKEN}}", False),
        ("json: {password: hunter2}", True),
        ("json: {user: me}", False),
    ],
)
def test_secrets_in_the_catalogue_are_seen(tmp_path: Path, parameters: str, secret: bool) -> None:
    report = report_on(tmp_path, actions=action(parameters))
    assert ("W212" in found_codes(report)) is secret
    assert "hunter2" not in "".join(map(str, report.findings))


def test_secrets_of_an_undo_are_seen(tmp_path: Path) -> None:
    actions = "{restart: {actuator: fake}, take_back: {actuator: fake, json: {password: hunter2}}}"
    report = report_on(tmp_path, f"[{{{STEP}, {VERIFY}, undo: {{do: take_back}}}}]", actions=actions)
    assert "W212" in found_codes(report)


def test_a_manual_step_is_linted_like_any_other(tmp_path: Path) -> None:
    report = report_on(tmp_path, "[{manual: Look at the rack, check: Its lamp is green}]", actions="{}")
    assert report.findings == ()
    assert report.worst_case is not None


def test_a_shared_signal_is_unused_only_if_no_policy_beside_it_reads_it(tmp_path: Path) -> None:
    (tmp_path / "signals.yaml").write_text("http_5xx: errors\nrps: x\nroom: y\nleft_over: z\n")
    other = tmp_path / "other.homeostat.yaml"
    other.write_text(policy_text(f"[{{if: room > 1, {STEP}, {VERIFY}}}]", policy="other", signals="signals.yaml"))
    report = report_on(tmp_path, signals="signals.yaml", actions=ONE_ACTION)
    assert [finding.problem.message for finding in report.findings] == [
        "the signal 'left_over' is not read by a condition of any policy beside it"
    ]
    other.write_text("policy: [")
    assert report_on(tmp_path, signals="signals.yaml", actions=ONE_ACTION).findings == ()


def test_errors_stand_with_their_severity_and_worst_case_is_left_out(tmp_path: Path) -> None:
    report = report_on(tmp_path, "[{do: restrat, target: a/b}]")
    assert report.has_errors
    assert (report.policy, report.worst_case) == (None, None)
    (finding,) = report.findings
    assert finding.severity is Severity.ERROR
    assert re.search(r"p\.homeostat\.yaml:8:14: error E130 no action is named 'restrat'; did you", str(finding))


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    reports = lint_all([tmp_path / "no/where.homeostat.yaml", tmp_path / FILE], today=TODAY)
    assert [found_codes(report) for report in reports] == [["E100"], ["E100"]]


def test_every_code_in_use_is_documented_and_every_documented_code_is_used() -> None:
    room = Path(str(codes.__file__)).parent
    sources = "".join(path.read_text() for path in room.glob("*.py") if path.name != "codes.py")
    used = set(re.findall(r'"([EW]\d{3})"', sources))
    assert used == set(CODES)
