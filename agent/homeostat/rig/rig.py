"""Bring a rig up, down, and back to how it was."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from homeostat.model.errors import HomeostatError, UsageError
from homeostat.rig import balancer, configurations, databases, packets, pool, processes
from homeostat.rig.asked_to_end import undisturbed
from homeostat.rig.layout import Layout, make_new_folder, missing_programs, original_control, program
from homeostat.rig.services import READY_S_MAX, start_module, wait_for_web

FOLDERS = ("run", "log", "control", "work", "postgres", "prometheus", "alertmanager")
UP_ORDER = (
    "primary", "replica", "wal_receiver", "primary_proxy", "pgbouncer", "auth", "auth_proxy", "payments_a",
    "payments_b", "haproxy", "exporter", "alertmanager", "prometheus", "load",
)  # fmt: skip


def up(folder: Path) -> Layout:
    """Make and start a new rig in an empty or new folder. If anything fails, all that was started is ended.

    Raises:
        UsageError: the folder is in use, unsuitable, or programs are missing.
        ActuatorError: something did not start in time.
    """
    missing = missing_programs()
    if missing:
        raise UsageError(f"programs are missing; on Debian: apt-get install {' '.join(missing)}")
    _check_reachable(folder.resolve())
    make_new_folder(folder, 0o777)
    layout = Layout.new(folder)
    try:
        _prepare(layout)
        databases.create(layout)
        start_all(layout)
    except BaseException:
        stop_all(layout)
        raise
    return layout


def _check_reachable(folder: Path) -> None:
    """As root, PostgreSQL's user must be able to pass through every folder above."""
    for parent in folder.parents:
        if os.geteuid() == 0 and parent.exists() and not parent.stat().st_mode & 0o001:
            raise UsageError(f"{folder}: the user postgres may not enter {parent}; choose a folder under /tmp or /var")


def _prepare(layout: Layout) -> None:
    layout.folder.chmod(0o755)
    for name in FOLDERS:
        (layout.folder / name).mkdir()
    # PostgreSQL's tools write where they stand; `work` is where processes stand.
    databases.give_to_server(layout.folder / "work", layout.folder / "postgres")
    layout.save()
    originals(layout)
    files = {
        "prometheus.yml": configurations.prometheus(layout),
        "rules.yml": configurations.prometheus_rules(),
        "alertmanager.yml": configurations.alertmanager(),
        "haproxy.cfg": configurations.haproxy(layout),
    }
    for name, text in files.items():
        (layout.folder / name).write_text(text)


def originals(layout: Layout) -> None:
    """Every control file as it is in a rig where nothing is wrong."""
    long_ago = time.time() - 7 * 24 * 3600
    deployed = {"release": "good", "pool_port": layout.ports["pgbouncer"]}
    for name in ("payments_a", "payments_b"):
        original_control(layout, name, **deployed, deployed_at=long_ago, configured_at=long_ago)
    original_control(layout, "route", degraded=False)
    original_control(layout, "pool", size=configurations.POOL_SIZE, database="primary")
    for name in ("primary_proxy", "auth_proxy"):
        original_control(layout, name, delay_s=0.0)


def start_all(layout: Layout) -> None:
    """Start what does not run, in the order in which one needs the other, each until it is ready."""
    for name in ("primary", "replica"):
        databases.start(layout, name)
    start_module(layout, "primary_proxy", "proxy", "primary", ready=databases.answers)
    pool.start(layout)
    start_module(layout, "auth", "auth", path="/check")
    start_module(layout, "auth_proxy", "proxy", "auth", path="/check")
    start_payments(layout, "payments_a")
    start_payments(layout, "payments_b")
    processes.start(layout, "haproxy", [program("haproxy") or "haproxy", "-db", "-f", layout.folder / "haproxy.cfg"])
    wait_for_web(layout, "haproxy", "haproxy_metrics", "/metrics")
    start_module(layout, "exporter", "exporter", path="/metrics")
    start_monitoring(layout)
    processes.start_module(layout, "load", "load")
    processes.wait_until(layout, "load", layout.users.exists, READY_S_MAX)


def start_payments(layout: Layout, name: str, *, wait: bool = True) -> None:
    """Start payments `a` or `b` under its supervisor."""
    processes.start_module(layout, name, "supervisor", name, "payments", name.removeprefix("payments_"))
    if wait:
        wait_for_web(layout, name, name, "/metrics")


def start_monitoring(layout: Layout) -> None:
    """Start Alertmanager and Prometheus."""
    folder = layout.folder
    processes.start(layout, "alertmanager", [
        program("prometheus-alertmanager") or "prometheus-alertmanager",
        f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
        f"--web.listen-address=127.0.0.1:{layout.ports['alertmanager']}", "--cluster.listen-address=",
        "--log.level=warn",
    ])  # fmt: skip
    wait_for_web(layout, "alertmanager", "alertmanager", "/-/ready")
    processes.start(layout, "prometheus", [
        program("prometheus") or "prometheus",
        f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
        f"--web.listen-address=127.0.0.1:{layout.ports['prometheus']}", "--storage.tsdb.retention.time=1d",
        "--log.level=warn",
    ])  # fmt: skip
    wait_for_web(layout, "prometheus", "prometheus", "/-/ready")


def stop_all(layout: Layout) -> list[str]:
    """End everything of the rig or of the local tier, the load first; returns what was ended."""
    known = processes.names(layout)
    ended = list(dict.fromkeys(name for name in [*reversed(UP_ORDER), *known] if name in known))
    errors: list[HomeostatError] = []
    if "primary" in layout.ports:  # the local tier, left by a drill that was killed, has no database
        packets.clear(layout)
    with undisturbed():
        for name in ended:
            try:
                if name in databases.SERVERS:
                    databases.stop(layout, name)
                else:
                    processes.stop(layout, name)
            except HomeostatError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return ended


def down(folder: Path, *, keep: bool = False) -> list[str]:
    """End a rig's processes, and remove its folder unless it is to be kept."""
    layout = Layout.load(folder)
    ended = stop_all(layout)
    if not keep:
        shutil.rmtree(layout.folder)
    return ended


def status(layout: Layout) -> list[tuple[str, bool]]:
    """Every process and whether it runs."""
    return [(name, processes.is_running(layout, name)) for name in UP_ORDER]


def reset(layout: Layout, *, databases_too: bool) -> None:
    """Put everything back as it was before a fault, whatever a drill left.

    Args:
        layout: the rig.
        databases_too: also make the primary the one in use again, with a new replica, base backup and archive.
    """
    packets.clear(layout)
    for name in processes.names(layout):
        processes.send(layout, name, signal.SIGCONT)
    originals(layout)
    for name in ("blocker", "auth", "payments_a", "auth_proxy"):
        processes.stop(layout, name)
    if databases_too:
        _reset_databases(layout)
    start_all(layout)
    pool.change(layout, drop=True)
    balancer.weights(layout, 100, 0)


def _reset_databases(layout: Layout) -> None:
    databases.stop(layout, "replica")
    databases.restore(layout, with_wal=False)
    databases.follow(layout)
