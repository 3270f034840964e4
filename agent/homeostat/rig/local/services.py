"""The local tier's processes: how each is started, and their control files where nothing is wrong."""

from __future__ import annotations

import secrets
import sys
import time

from homeostat.rig import processes
from homeostat.rig.layout import Layout, original_control
from homeostat.rig.services import READY_S_MAX, start_module, wait_for_web

WORKERS = 5
LONG_AGO_S = 7 * 24 * 3600.0
SCRAPER = "homeostat.simulate.sandbox.scraper"
SCRAPED = ("payments", "auth", "exporter")


def originals(layout: Layout) -> None:
    """Every control file as it is where nothing is wrong."""
    long_ago = time.time() - LONG_AGO_S
    original_control(layout, "payments", release="good", workers=WORKERS, deployed_at=long_ago, configured_at=long_ago)
    original_control(layout, "route", degraded=False)
    original_control(layout, "auth_proxy", delay_s=0.0)


def start_auth(layout: Layout) -> None:
    """Start auth, until it answers."""
    start_module(layout, "auth", "auth", path="/check")


def start_payments(layout: Layout, *, wait: bool = True) -> None:
    """Start payments under its supervisor."""
    processes.start_module(layout, "payments", "supervisor", "payments", "local.payments")
    if wait:
        wait_for_web(layout, "payments", "payments", "/metrics")


def start_exporter(layout: Layout) -> None:
    """Start the exporter, until it answers."""
    start_module(layout, "exporter", "local.exporter", path="/metrics")


def start_scraper(layout: Layout) -> None:
    """Start what scrapes and answers as Prometheus does, behind a token of this folder's owner."""
    if not layout.token.exists():
        layout.token.touch(mode=0o600)
        layout.token.write_text(secrets.token_urlsafe(16))
    targets = [f"{name}={layout.url(name, '/metrics')}" for name in SCRAPED]
    port = str(layout.ports["prometheus"])
    processes.start(layout, "prometheus", [sys.executable, "-m", SCRAPER, port, str(layout.token), *targets])
    # Without the token it answers 401, and so it does answer.
    wait_for_web(layout, "prometheus", "prometheus", "/-/ready", status=401)


def start_all(layout: Layout) -> None:
    """Start what does not run, in the order in which one needs the other."""
    start_auth(layout)
    start_module(layout, "auth_proxy", "proxy", "auth", path="/check")
    start_payments(layout)
    start_exporter(layout)
    start_scraper(layout)
    processes.start_module(layout, "load", "load")
    processes.wait_until(layout, "load", layout.users.exists, READY_S_MAX)
