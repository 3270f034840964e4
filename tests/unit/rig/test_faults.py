"""Fault files: what is wrong in one is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.model.errors import UsageError
from homeostat.rig.fault_file import load_fault
from homeostat.rig.faults import VOCABULARY, fault_named

FAULT = (
    "about: x\npolicies: [rig-auth]\ninject: [{kill: auth}]\ncause: max(auth_answers) < 1\n"
    "helps: [auth.restart]\nforbidden: [pool.grow]\n"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kill", "kil", "no verb 'kil', did you mean 'kill'"),
        ("pool.grow", "pool.grown", "no action 'pool.grown', did you mean 'pool.grow'"),
        ("pool.grow", "auth.restart", "auth.restart both helps and is forbidden"),
        ("about: x", "about: x\ncontrol: true", "a control has neither"),
        ("helps: [auth.restart]\n", "", "a fault has a cause and actions that help"),
        ("about", "abuot", "about: Field required"),
        ("about: x", "about: x\nlimit_s: 1000", "limit_s"),
        ("about: x", "about: x\ntier: sandbox", "tier 'sandbox' is not one of this folder: binaries, root"),
        ("kill: auth", "kill: {auth: 1}", "is no name"),
        ("about: x", "[", "fault.yaml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "fault.yaml"
    path.write_text(FAULT)
    assert load_fault(path, VOCABULARY).name == "fault"
    path.write_text(FAULT.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_fault(path, VOCABULARY)
    assert said in str(caught.value).replace("; did you", ", did you").replace(": did you", ", did you")


def test_an_unknown_fault_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="auth_hung"):
        fault_named("auth_hang")
