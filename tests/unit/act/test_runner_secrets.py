from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.unit.act.act_world import ActWorld

from homeostat.act.launch import Nursery
from homeostat.model.reasons import OutcomeStatus

TOKEN = "s3cr3t/with+signs=and spaces"


def test_a_secret_reaches_the_command_and_nothing_else(world: ActWorld) -> None:
    world.environment["DB_TOKEN"] = TOKEN
    done = world.shell(
        'echo "token: $TOKEN"; printf %s "$TOKEN" | base64; printf %s "$TOKEN" | md5sum; env | grep DB_TOKEN',
        env={"TOKEN": {"secret": "env:DB_TOKEN"}},
    )
    assert done.output.startswith("token: [secret]\n[secret]")
    for path in world.state.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content, path
            assert base64.b64encode(TOKEN.encode()).rstrip(b"=") not in content, path
    assert "DB_TOKEN" not in done.output


def test_a_secret_printed_in_pieces_is_masked(world: ActWorld) -> None:
    world.environment["DB_TOKEN"] = "abcdefghij"
    done = world.shell(
        "printf abcde; sleep 0.1; printf fghij; sleep 0.1; printf ' abcde'", env={"T": {"secret": "env:DB_TOKEN"}}
    )
    assert done.output == "[secret] abcde"


def test_a_secret_from_a_file(world: ActWorld, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    reference = {"secret": f"file:{file}"}
    done = world.shell(f'test "$T" = "{TOKEN}" && echo "$T"', env={"T": reference})
    assert (done.status, done.output) == (OutcomeStatus.OK, "[secret]\n")


@pytest.mark.parametrize("reference", ["env:NOT_SET", "env:EMPTY", "file:/no/such/file", "file:/etc", "env:A-B", "x"])
def test_a_secret_that_cannot_be_had_runs_nothing(world: ActWorld, reference: str) -> None:
    world.environment["EMPTY"] = ""
    effect = world.note("effect")
    done = world.shell(f"touch {effect}", env={"T": {"secret": reference}})
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run: the secret")
    assert not effect.exists()


def test_the_job_on_disk_holds_the_reference_only(world: ActWorld) -> None:
    world.environment["DB_TOKEN"] = TOKEN
    world.shell("true", env={"TOKEN": {"secret": "env:DB_TOKEN"}})
    assert world.files().read_job()["values"]["TOKEN"] == {"secret": "env:DB_TOKEN"}


def test_the_folder_is_its_owners_alone(world: ActWorld) -> None:
    world.shell("true")
    folder = world.files().folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def _memory_of(pid: int) -> bytes:
    """All that a process could read without asking anybody."""
    held = bytearray()
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in maps:
            where, rights, *_ = line.split()
            if rights.startswith("rw") and not line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                begin, end = (int(bound, 16) for bound in where.split("-"))
                memory.seek(begin)
                held += memory.read(end - begin)
    return bytes(held)


def test_the_nursery_keeps_nothing_of_what_its_runners_are_given(tmp_path: Path) -> None:
    """Whatever it kept, every later runner would be born with."""
    nursery = Nursery()
    try:
        for size in (10, 100_000):
            token = f"a-token-of-{size}-" * (size // 10)
            request = {"folder": str(tmp_path), "environment": {"TOKEN": token}, "guard": False}
            nursery.fork(json.dumps(request).encode())
            assert token[:14].encode() not in _memory_of(nursery.pid)
    finally:
        nursery.close()
