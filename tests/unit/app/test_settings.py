from pathlib import Path

import pytest

from homeostat.act.context import SecretCommand
from homeostat.app.scaffold import SETTINGS
from homeostat.app.settings import Settings, load_settings
from homeostat.model.errors import PolicyError
from homeostat.model.policy import ActionSpec, Mode


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "homeostat.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolicyError) as caught:
        load_settings(path)
    return str(caught.value)


def test_the_scaffolded_file_is_valid_and_says_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(SETTINGS)
    # People have no default: the scaffold names some, so that every shipped policy has somebody to ask.
    assert load_settings(path) == Settings(root=tmp_path, people={"dba-oncall": ["dana", "eli"]})


def test_nothing_acts_unless_it_is_told_to() -> None:
    assert Settings().agent.mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("[agent]\npol_interval_s = 3\n", "2:1", "did you mean 'poll_interval_s'"),
        ("[agnet]\nmode = 'auto'\n", "1:2", "did you mean 'agent'"),
        ("[agent]\npoll_interval_s = 0\n", "2:1", "greater than or equal to 0.1"),
        ("[agent]\nlisten = '0.0.0.0:80'\n", "2:1", "loopback"),
        ("[agent]\nlisten = '127.0.0.1:eighty'\n", "2:1", "HOST:PORT"),
        ("[agent]\nmode = 'atuo'\n", "2:1", "'observe', 'suggest', 'approve' or 'auto'"),
        ("[prometheus]\nurl = 'localhost:9090'\n", "1:2", "http://"),
        ("[prometheus]\ntoken = 'hunter2'\n", "1:2", "reference"),
        ("[prometheus]\nurll = 'http://x'\n", "1:2", "did you mean 'url'"),
        ("[agent\n", "1:7", "not valid TOML"),
        ("[secrets.commands]\nvault = 'vault read'\n", "2:1", "valid dictionary"),
        ("[secrets.commands]\nvault = []\n", "2:1", "begins with the program"),
        ("[secrets.commands]\nvault = ['vault', 7]\n", "2:1", "valid string"),
        ("[secrets.commands]\n'v t' = ['vault']\n", "1:2", "cannot name a command"),
        (
            "[secrets.commands.vault]\nargv = ['vault']\nenv = ['TOKEN=hunter2']\n",
            "3:1",
            "names of environment variables",
        ),
        ("[allow.'shop-*']\nactuators = 'command'\n", "2:1", "valid list"),
        ("[allow.'shop-*']\nprogrammes = ['x']\n", "2:1", "unknown key 'programmes'"),
        ("[allow]\nshop = {targets = 3}\n", "2:1", "valid list"),
        ("root = '/'\n", "1:1", "unknown key 'root'"),
        (b"\xff\xfe", "1:1", "UTF-8"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, text: str | bytes, place: str, what: str) -> None:
    message = refused(tmp_path, text)
    assert f"homeostat.toml:{place}:" in message
    assert what in message
    assert "hunter2" not in message


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, "[agent]\npoll_interval_s = -1\nlisten = 'x'\n[learning]\npromote = 'maybe'\n")
    assert len(message.splitlines()) == 3


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="homeostat init"):
        load_settings(tmp_path / "none.toml")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    assert "1 MiB" in refused(tmp_path, "#" * (2 << 20))


def test_secrets_commands_and_the_allow_list_are_read(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(
        "[secrets.commands]\nplain = ['pass', 'show', 'db']\n"
        "vault = {argv = ['vault', 'read'], env = ['VAULT_ADDR']}\n"
        "[allow.'shop-*']\nactuators = ['command']\ntargets = ['service/*']\n"
    )
    settings = load_settings(path)
    assert settings.secrets.by_name() == {
        "plain": SecretCommand(("pass", "show", "db")),
        "vault": SecretCommand(("vault", "read"), ("VAULT_ADDR",)),
    }
    action = ActionSpec("restart", "command", {"argv": ["systemctl"]})
    assert settings.allowed.objection("shop-web", action, "service/shop") is None
    assert settings.allowed.objection("shop-web", action, "db/shop") is not None
