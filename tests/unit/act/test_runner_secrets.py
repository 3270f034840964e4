from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kubernetes_cluster import Cluster
from tests.unit.act.act_world import ActWorld, until_gone

from homeostat.act import kubernetes_api, secret_command
from homeostat.act.context import SecretCommand
from homeostat.act.kubernetes_api import KubernetesError
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


@pytest.mark.parametrize(
    "reference",
    ["env:NOT_SET", "env:EMPTY", "file:/no/such/file", "file:/etc", "env:A-B", "x", "k8s:shop/db", "k8s:shop/db/a/b"],
)
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


@pytest.fixture
def cluster(world: ActWorld) -> Iterator[Cluster]:
    cluster = Cluster(world.state / "cluster")
    world.environment |= cluster.environment
    cluster.secrets["shop", "db"] = {"token": TOKEN, "empty": ""}
    yield cluster
    cluster.close()


def test_a_secret_of_the_cluster_reaches_the_command_and_nothing_else(world: ActWorld, cluster: Cluster) -> None:
    done = world.shell(f'test "${{#T}}" = {len(TOKEN)} && echo "$T"', env={"T": {"secret": "k8s:shop/db/token"}})
    assert (done.status, done.output) == (OutcomeStatus.OK, "[secret]\n")
    assert cluster.requests == [("GET", "/api/v1/namespaces/shop/secrets/db")]
    for path in (world.state / "actions").rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
            assert cluster.token.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("k8s:shop/other/token", "HTTP 404 NotFound"),
        ("k8s:shop/db/password", "that Secret has no key 'password'"),
        ("k8s:shop/db/empty", "is empty"),
    ],
)
def test_a_secret_that_the_cluster_has_not_runs_nothing(
    world: ActWorld, cluster: Cluster, reference: str, why: str
) -> None:
    del cluster
    done = world.shell("echo ran", env={"T": {"secret": reference}})
    assert done.detail.startswith(f"nothing was run: the secret {reference} ")
    assert why in done.detail


def test_outside_a_cluster_a_secret_of_one_cannot_be_had(world: ActWorld) -> None:
    done = world.shell("echo ran", env={"T": {"secret": "k8s:shop/db/token"}})
    assert "this host is in no Kubernetes cluster: KUBERNETES_SERVICE_HOST is not set" in done.detail
    assert done.output == ""


def test_the_cluster_is_asked_with_its_own_certificates_and_token(world: ActWorld, cluster: Cluster) -> None:
    (cluster.folder / "token").write_text("another")
    assert "HTTP 401" in world.shell("true", env={"T": {"secret": "k8s:shop/db/token"}}).detail
    other = Cluster(world.state / "other")
    other.close()
    (cluster.folder / "ca.crt").write_bytes((other.folder / "ca.crt").read_bytes())
    asked = kubernetes_api.Cluster(cluster.environment)
    with pytest.raises(KubernetesError, match="certificate is not trusted"):
        asked.call("GET", "/api/v1/namespaces/shop/secrets/db")
    (cluster.folder / "ca.crt").unlink()
    with pytest.raises(KubernetesError, match=r"ca\.crt is missing or empty"):
        asked.call("GET", "/api/v1/namespaces/shop/secrets/db")


def test_a_cluster_that_says_nothing_is_waited_for_no_longer_than_allowed(cluster: Cluster) -> None:
    cluster.hangs = True
    with pytest.raises(KubernetesError, match=r"cannot be reached|no usable answer"):
        kubernetes_api.Cluster(cluster.environment).call("GET", "/api", timeout_s=0.3)


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'{"data": '])
def test_an_answer_that_is_none_is_an_error(cluster: Cluster, answer: bytes) -> None:
    cluster.answer_raw = answer
    with pytest.raises(KubernetesError, match="no usable answer"):
        kubernetes_api.Cluster(cluster.environment).call("GET", "/api/v1/namespaces/shop/secrets/db")


def vault(world: ActWorld, script: str, *variables: str) -> None:
    world.secret_commands = {"vault": SecretCommand(("sh", "-c", script), variables)}


def test_a_secret_from_a_command(world: ActWorld) -> None:
    world.environment |= {"STORE": TOKEN, "OTHER": "unseen"}
    vault(world, 'test -z "$OTHER" && echo "$STORE" && echo "$STORE" >&2', "STORE")
    script = f'test "${{#T}}" = {len(TOKEN)} && echo "$T"; env'
    done = world.shell(script, env={"T": {"secret": "command:vault"}})
    assert done.output.startswith("[secret]\n")
    assert "STORE" not in done.output
    for path in world.state.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo hunter2; exit 3", "ended with exit code 3"),
        ("true", "is empty"),
        ("head -c 70000 /dev/zero | tr '\\0' x", "prints more than 65536 bytes"),
        ("printf '\\377'", "is not UTF-8 text"),
        ("kill -9 $$", "ended with exit code -9"),
    ],
)
def test_a_command_that_prints_no_secret_runs_nothing(world: ActWorld, script: str, why: str) -> None:
    vault(world, script)
    done = world.shell("echo ran", env={"T": {"secret": "command:vault"}})
    assert done.detail.startswith("nothing was run: the secret command:vault ")
    assert why in done.detail
    assert "hunter2" not in done.detail
    assert done.output == ""


def test_an_unknown_command_is_named_with_the_nearest(world: ActWorld) -> None:
    vault(world, "echo x")
    done = world.shell("true", env={"T": {"secret": "command:vualt"}})
    assert done.detail == "nothing was run: no command 'vualt' prints a secret; did you mean 'vault'?"


def test_a_command_that_does_not_end_is_killed_with_all_it_started(
    world: ActWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_command, "TIMEOUT_S", 0.3)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    note = world.note("pid")
    with pytest.raises(secret_command.SecretCommandError, match="did not end within"):
        secret_command.printed_by(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"], [], 100)
    until_gone(int(note.read_text()))


def test_a_command_that_cannot_be_run_says_so() -> None:
    with pytest.raises(secret_command.SecretCommandError, match="/no/such cannot be run: No such file"):
        secret_command.printed_by(["/no/such"], [], 100)
