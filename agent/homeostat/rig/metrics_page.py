"""What the exporters of the rig and of local processes share: serving one page, and how old a release is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from homeostat.rig import processes
from homeostat.rig.layout import Layout, read_control
from homeostat.rig.web import Answer, LoopbackServer


def release_ages(layout: Layout, name: str) -> list[str]:
    """How long ago a service of payments was deployed and configured, in Prometheus' text format; seconds."""
    deployed = read_control(layout, name)
    now = time.time()
    return [
        f"payments_deploy_age_seconds {now - float(str(deployed['deployed_at'])):.3f}",
        f"payments_configuration_age_seconds {now - float(str(deployed['configured_at'])):.3f}",
    ]


def serve_metrics(metrics: Callable[[Layout], str]) -> None:
    """Serve `/metrics` of the layout in the folder that the command line names, until ended."""
    layout = Layout.load(Path(sys.argv[1]))

    def respond(method: str, path: str) -> Answer:
        del method
        if path != "/metrics":
            return 404, "only /metrics\n"
        processes.bound_logs(layout)
        return 200, metrics(layout)

    LoopbackServer(layout.ports["exporter"], respond).serve_forever()
