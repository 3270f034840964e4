"""What the live tests need from the machine, and what becomes of them where it is not there."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    """The path of a real `prometheus`, with `promtool` beside it. Without them: skip; where CI is true: fail."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        reason = f"{' and '.join(missing)} not on the PATH; on Debian: apt-get install prometheus"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must run the live tests: {reason}")
        pytest.skip(reason)
    return str(shutil.which("prometheus"))


@pytest.fixture(scope="session")
def chromium_binary() -> str:
    """The path of a real browser. Without it: skip; where CI is true: fail."""
    return _found("chromium", "chromium")


@pytest.fixture(scope="session")
def nginx_binary() -> str:
    """The path of a real nginx. Without it: skip; where CI is true: fail."""
    return _found("nginx", "nginx-light")


def _found(program: str, package: str) -> str:
    # Debian keeps what root alone would start off the PATH.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        reason = f"{program} is not on the PATH; on Debian: apt-get install {package}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must run the live tests: {reason}")
        pytest.skip(reason)
    return found
