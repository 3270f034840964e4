"""`[alerts]` of the settings: each mistake with its place and what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.app.settings import load_settings
from homeostat.model.errors import PolicyError

MAPPED = "[alerts.sources.x]\nkind = 'generic'\n[alerts.sources.x.mapping]\n"


def load(folder: Path, text: str) -> None:
    (folder / "homeostat.toml").write_text(text)
    load_settings(folder / "homeostat.toml")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("[alerts.sources.x]\nkind = 'alertmanger'\n", "2:1", "'alertmanager'"),
        ("[alerts.sources.x]\nkind = 'grafana'\ntokn = 'env:T'\n", "3:1", "did you mean 'token'"),
        ("[alerts.sources.x]\nkind = 'grafana'\ntoken = 'hunter2'\n", "3:1", "reference"),
        ("[alerts.sources.x]\nkind = 'pagerduty'\nsigning_secrets = ['hunter2']\n", "3:1", "must be a reference"),
        ("[alerts.sources.x]\nkind = 'grafana'\nsigning_secrets = ['env:S']\n", "1:2", "PagerDuty's"),
        ("[alerts.sources.x]\nkind = 'opsgenie'\nuser = 'u'\n", "1:2", "user needs password"),
        ("[alerts.sources.x]\nkind = 'opsgenie'\nuser = 'u'\npassword = 'env:P'\ntoken = 'env:T'\n", "1:2", "not two"),
        ("[alerts.sources.x]\nkind = 'generic'\n", "1:2", "needs a mapping"),
        ("[alerts.sources.x]\nkind = 'generic'\nready_made = 'datadgo'\n", "3:1", "did you mean 'datadog'"),
        ("[alerts.sources.x]\nkind = 'grafana'\nready_made = 'datadog'\n", "1:2", "needs no mapping"),
        (MAPPED + "name = 'title'\nstate_if_absent = 'firing'\n", "4:1", "begins with 'payload' or 'alert'"),
        (MAPPED + "name = 'payload.title'\n", "3:2", "the words of the state"),
        (MAPPED + "name = 'payload.t'\nstate_if_absent = 'firing'\nalerts = 'alert.x'\n", "6:1", "the whole payload"),
        (MAPPED + "name = 'payload.t'\nstate = 'payload.s'\nstates = {bad = 'fires'}\n", "6:1", "'firing'"),
        ("[alerts.sources.'X Y']\nkind = 'grafana'\n", "1:2", "no name of a source"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, place: str, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, text)
    assert f"homeostat.toml:{place}:" in str(caught.value)
    assert what in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_whole_mapping_is_accepted(tmp_path: Path) -> None:
    load(
        tmp_path,
        MAPPED
        + "alerts = 'payload.items'\nname = ['alert.title', 'payload.subject']\nstate = 'alert.state'\n"
        + "states = {bad = 'firing', good = 'resolved', talk = 'ignored'}\nfingerprint = ['alert.id']\n"
        + "labels = {team = 'payload.fields[key=team].value'}\ntags = 'alert.tags'\n",
    )
