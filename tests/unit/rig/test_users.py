"""The users' view: what counts as served well, and from when."""

from __future__ import annotations

import json
from pathlib import Path

from homeostat.rig.users import Payment, clean_after, first_failure, good_seconds, read_payments


def payments(codes: list[list[int]], start: float = 100.0) -> list[Payment]:
    """One list of codes for each second."""
    return [
        Payment(f"{second}-{number}", start + second + number / (len(of_second) + 1), code)
        for second, of_second in enumerate(codes)
        for number, code in enumerate(of_second)
    ]


def test_a_second_is_good_when_enough_was_sent_and_nearly_all_of_it_paid() -> None:
    sent = payments([[200] * 20, [200] * 9, [], [200] * 19 + [503], [200] * 10])
    assert good_seconds(sent, 100.0, 105.0, 20.0) == [True, False, False, False, True]


def test_payments_before_and_seconds_not_yet_whole_do_not_count() -> None:
    sent = [Payment("early", 99.5, 503), *payments([[200] * 20, [200] * 20])]
    assert good_seconds(sent, 100.0, 101.9, 20.0) == [True]
    assert first_failure(sent, 100.0) is None
    assert first_failure(sent, 99.0) == 0.5


def test_clean_is_three_good_seconds_after_the_last_bad_one() -> None:
    assert clean_after([True] * 9) is None
    assert clean_after([True, False, True, True, False, True, True, True]) == 5
    assert clean_after([False, True, True]) is None
    assert clean_after([False, True, True, True, True, False, True]) is None
    assert clean_after([]) is None


def test_a_line_half_written_is_left_for_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "users.jsonl"
    lines = [json.dumps({"id": str(n), "at": 100.0 + n, "took_s": 0.1, "code": 200}) for n in range(3)]
    path.write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:10]}")
    found, offset = read_payments(path, 100.5)
    assert [payment.id for payment in found] == ["1"]
    path.write_text("\n".join(lines) + "\n")
    found, offset = read_payments(path, 100.5, offset)
    assert [payment.id for payment in found] == ["2"]
    assert offset == path.stat().st_size
