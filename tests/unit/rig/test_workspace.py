"""What a drilled agent could reach: a policy that acts on anything but the drilled system is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from homeostat.app.scaffold import shipped
from homeostat.model.errors import UsageError
from homeostat.rig.layout import Layout
from homeostat.rig.local.system import PORTS
from homeostat.rig.workspace import EFFECTOR, make_workspace

RESTART = f"  {{actuator: command, effect: safe, takes: 1s, timeout: 30s, argv: [{EFFECTOR}, auth.restart]}}"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    shutil.copytree(shipped("policies") / "local", tmp_path / "policies")
    return tmp_path / "policies"


def made(tmp_path: Path, policies: Path) -> Path:
    layout = Layout.new(tmp_path / "system", PORTS, entrance="payments")
    folder = layout.folder / "w"
    folder.mkdir(parents=True)
    make_workspace(layout, folder, policies, "homeostat.rig.local.effector")
    return folder


def test_every_action_is_given_the_effector_of_what_is_drilled(tmp_path: Path, policies: Path) -> None:
    folder = made(tmp_path, policies)
    assert EFFECTOR not in (folder / "policies/actions.yaml").read_text()
    assert str(tmp_path / "system/effector") in (folder / "policies/actions.yaml").read_text()
    assert "homeostat.rig.local.effector" in (tmp_path / "system/effector").read_text()


@pytest.mark.parametrize(
    "action",
    [
        RESTART.replace(EFFECTOR, "/usr/bin/kubectl"),
        RESTART.replace(f"[{EFFECTOR}, auth.restart]", f"[env, {EFFECTOR}]"),
        "  {actuator: http, effect: safe, method: POST, url: 'https://auth.example/restart'}",
    ],
)
def test_an_action_on_anything_real_is_refused(tmp_path: Path, policies: Path, action: str) -> None:
    catalogue = policies / "actions.yaml"
    text = catalogue.read_text()
    assert RESTART in text
    catalogue.write_text(text.replace(RESTART, action))
    with pytest.raises(UsageError, match=r"'start_auth' of local-auth does auth\.restart by .* has to run"):
        made(tmp_path, policies)
    assert not (tmp_path / "system/w/policies").exists()
