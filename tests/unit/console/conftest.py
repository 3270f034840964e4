"""The workspace of the console's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.console.console_rig import Shop

from homeostat.console.gatekeeper import Gatekeeper


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "w")


@pytest.fixture
def app(shop: Shop) -> Gatekeeper:
    return shop.app()
