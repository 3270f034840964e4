"""`python -m homeostat.rig.local.exporter FOLDER`: what of auth and payments answers and runs, what changed when."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from homeostat.rig import processes
from homeostat.rig.layout import Layout, read_control
from homeostat.rig.web import Answer, LoopbackServer, fetch

PROBE_S = 0.4
PROBES = {"auth": ("auth_proxy", "/check"), "payments": ("payments", "/metrics")}


def metrics(layout: Layout) -> str:
    """Everything, in the text format of Prometheus."""
    rows = [f'local_process_running{{name="{name}"}} {int(processes.is_running(layout, name))}' for name in PROBES]
    with ThreadPoolExecutor(len(PROBES)) as threads:  # in turn they would outlast a scrape
        asked = threads.map(lambda probe: fetch(layout.url(*probe), timeout_s=PROBE_S), PROBES.values())
        rows += [f"{name}_answers {int(status == 200)}" for name, status in zip(PROBES, asked, strict=True)]
    deployed = read_control(layout, "payments")
    now = time.time()
    rows.append(f"payments_deploy_age_seconds {now - float(str(deployed['deployed_at'])):.3f}")
    rows.append(f"payments_configuration_age_seconds {now - float(str(deployed['configured_at'])):.3f}")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Serve until ended."""
    layout = Layout.load(Path(sys.argv[1]))

    def respond(method: str, path: str) -> Answer:
        del method
        if path != "/metrics":
            return 404, "only /metrics\n"
        processes.bound_logs(layout)
        return 200, metrics(layout)

    LoopbackServer(layout.ports["exporter"], respond).serve_forever()


if __name__ == "__main__":
    main()
