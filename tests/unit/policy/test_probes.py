"""`effect: probe` and its `probe`: what is taken, and what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Effect, Policy
from homeostat.policy.load import load_policy

TEXT = """policy: shop
owner: sre
signals: {{errors: shop_errors, size: shop_size}}
actions:
  grow: {{actuator: command, argv: [grow], timeout: 1m{action}}}
trigger: {{if: errors > 5}}
resolved: {{if: errors < 1}}
escalate: {{to: oncall}}
steps:
- {{id: grow, do: grow, target: pool/shop, verify: {{if: errors < 1, within: 1m}}{step}}}
"""


def load(folder: Path, action: str = "", step: str = "") -> Policy:
    path = folder / "shop.homeostat.yaml"
    path.write_text(TEXT.format(action=action, step=step))
    return load_policy(path)


def refused(folder: Path, action: str = "", step: str = "") -> str:
    with pytest.raises(PolicyError) as caught:
        load(folder, action, step)
    assert len(caught.value.problems) == 1
    return str(caught.value).removeprefix(f"{folder}/shop.homeostat.yaml:")


@pytest.mark.parametrize(
    ("action", "step", "text", "within_s"),
    [
        (", effect: probe, probe: size >= 40", "", "size >= 40", 60.0),
        (", effect: probe, probe: {if: size >= 40, within: 2m}", "", "size >= 40", 120.0),
        (", effect: probe, probe: size >= 40", ", probe: size > 9", "size > 9", 60.0),
        (", effect: safe", ", effect: probe, probe: {if: size > 9}", "size > 9", 60.0),
        (", effect: probe", ", probe: size > 9", "size > 9", 60.0),
    ],
)
def test_a_probe_is_the_steps_own_or_its_actions(
    tmp_path: Path, action: str, step: str, text: str, within_s: float
) -> None:
    policy = load(tmp_path, action, step)
    leaf = policy.leaves["grow"]
    assert leaf.effect is Effect.PROBE
    assert leaf.probe is not None
    assert (leaf.probe.condition.text, leaf.probe.within_s) == (text, within_s)
    assert "size" in policy.signals


def test_a_probe_that_a_stricter_step_makes_pointless_is_no_fault(tmp_path: Path) -> None:
    assert load(tmp_path, ", effect: probe, probe: size >= 40", ", effect: unsafe").leaves["grow"].probe is None


@pytest.mark.parametrize(
    ("action", "step", "message"),
    [
        (", effect: probe", "", "10:18: E136 nothing tells whether 'grow' happened: give it, or this step, a 'probe'"),
        ("", ", probe: size > 9", "10:88: E136 the effect is 'unsafe': only one that is 'probe' is probed"),
        (", effect: safe, probe: size > 9", "", "5:70: E136 the effect is 'safe': only one that is 'probe' is probed"),
        (", effect: probe, probe: sise > 9", "", "5:78: E121"),
        (", effect: probe, probe: {if: sise > 9}", "", "5:83: E121"),
        (", effect: probe, probe: 1 > 0", "", "E163 the probe of 'grow' reads no signal"),
        (", effect: probe, probe: {within: 2m}", "", "E111"),
        (", effect: probe, probe: {if: size > 9, whithin: 2m}", "", "unknown key 'whithin'; did you mean 'within'?"),
        (", effect: probe", ", probe: ~", "E112 'probe' has no value"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, action: str, step: str, message: str) -> None:
    assert message in refused(tmp_path, action, step)


def test_an_undo_has_its_actions_probe(tmp_path: Path) -> None:
    action = ", effect: safe, undo: {do: shrink}}\n  shrink: {actuator: command, argv: [s], timeout: 1m, effect: probe"
    assert "E136" in refused(tmp_path, action)
    undo = load(tmp_path, f"{action}, probe: size < 40").leaves["grow"].undo
    assert undo is not None
    assert undo.probe is not None


def test_a_policy_without_probes_keeps_the_hash_it_had(tmp_path: Path) -> None:
    """Open incidents of an earlier release are pinned to it."""
    assert load(tmp_path).hash == "812e82fd5de2950ad7fb82a8ce2a5c0d61fe88f6215f14a98bbc85aa5f2ec0c1"
    nine, eight = (load(tmp_path, f", effect: probe, probe: size > {size}") for size in (9, 8))
    assert nine.hash != eight.hash
