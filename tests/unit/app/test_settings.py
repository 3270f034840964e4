from pathlib import Path

import pytest

from homeostat.app.scaffold import SETTINGS
from homeostat.app.settings import Settings, load_settings
from homeostat.model.errors import PolicyError
from homeostat.model.policy import Mode


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
