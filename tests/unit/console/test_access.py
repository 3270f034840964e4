"""The list of who has access: whole or not at all, and its owner's alone."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from homeostat.app.access import PEOPLE_MAX, AccessList, Role, role_named
from homeostat.model.errors import UsageError


@pytest.fixture
def access(tmp_path: Path) -> AccessList:
    return AccessList(tmp_path / "state")


def test_a_token_is_kept_nowhere_and_opens_until_it_is_revoked(access: AccessList, tmp_path: Path) -> None:
    token = access.grant("dana", Role.OPERATOR)
    found = access.bearer_of(token)
    assert found is not None
    assert (found.name, found.role) == ("dana", Role.OPERATOR)
    assert all(token not in path.read_text() for path in (tmp_path / "state").iterdir())
    access.revoke("dana")
    assert access.bearer_of(token) is None
    assert access.people() == []


def test_grants_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with ThreadPoolExecutor(8) as pool:  # each with a list of its own, as processes have
        names = [f"p{number}" for number in range(24)]
        tokens = list(pool.map(lambda name: AccessList(state).grant(name, Role.VIEWER), names))
    access = AccessList(state)
    assert [person.name for person in access.people()] == sorted(names)
    assert [getattr(access.bearer_of(token), "name", None) for token in tokens] == names


def test_a_change_by_another_process_is_seen_at_once(tmp_path: Path) -> None:
    reader, writer = AccessList(tmp_path), AccessList(tmp_path)
    assert reader.people() == []
    for _ in range(20):  # within one tick of a coarse file clock too
        token = writer.grant("dana", Role.VIEWER)
        assert reader.bearer_of(token) is not None
        writer.revoke("dana")
        assert reader.bearer_of(token) is None


def test_files_are_their_owners_alone(access: AccessList, tmp_path: Path) -> None:
    access.grant("dana", Role.VIEWER)
    assert access.signing_key() == access.signing_key()
    state = tmp_path / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert modes == {"access.json": 0o600, "access.json.lock": 0o600, "console-key": 0o600}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"people": 7}',
        b'{"people": {"a": 1}}',
        b'{"people": ["dana"]}',
        b'{"people": [{"name": "dana", "role": "king", "digest": "0"}]}',
        b'{"people": [{"name": "dana", "role": 4, "digest": "0"}]}',
        b'{"people": [{"name": "dana", "role": "admin", "digest": "\xc3\xa9"}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (1 << 21),
    ],
)
def test_a_broken_file_lets_nobody_in_and_is_not_written_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "access.json"
    path.write_bytes(content)
    access = AccessList(tmp_path)
    for ask in (access.people, lambda: access.bearer_of("x"), lambda: access.grant("eli", Role.VIEWER)):
        with pytest.raises(UsageError, match=r"access\.json: .*grant access anew"):
            ask()
    assert path.read_bytes() == content


def test_a_folder_in_the_files_place_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "access.json").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        AccessList(tmp_path).people()
    (tmp_path / "console-key").write_text("\n")
    with pytest.raises(UsageError, match="console makes a new key"):
        AccessList(tmp_path).signing_key()


@pytest.mark.parametrize(
    "name", ["", " ", " dana", "da  na", "a:b", "x" * 65, "a\nb", "<b>", "agent", "Schedule", "Jörg"]
)
def test_a_name_that_no_answer_may_bear_gets_no_access(access: AccessList, name: str) -> None:
    with pytest.raises(UsageError):
        access.grant(name, Role.ADMIN)
    assert access.people() == []


def test_nobody_gets_a_second_voice_by_another_spelling(access: AccessList) -> None:
    access.grant("dana", Role.APPROVER)
    with pytest.raises(UsageError, match="would look like the same person"):
        access.grant("Dana", Role.APPROVER)
    access.grant("dana", Role.VIEWER)


def test_there_are_not_more_people_than_are_read(access: AccessList, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    rows = [{"name": f"p{number:058}", "role": "viewer", "digest": "0" * 64} for number in range(PEOPLE_MAX)]
    (tmp_path / "state/access.json").write_text(json.dumps({"people": rows}, indent=1))
    with pytest.raises(UsageError, match="no more can"):
        access.grant("dana", Role.VIEWER)
    access.grant(rows[0]["name"], Role.ADMIN)
    assert len(access.people()) == PEOPLE_MAX


def test_words_of_roles(access: AccessList) -> None:
    assert role_named("Approver") is Role.APPROVER
    with pytest.raises(UsageError, match="did you mean 'admin'"):
        role_named("admn")
    access.grant("dana", Role.VIEWER)
    with pytest.raises(UsageError, match="nobody named 'dna' has access; did you mean 'dana'"):
        access.revoke("dna")
