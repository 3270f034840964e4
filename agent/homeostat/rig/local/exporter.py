"""`python -m homeostat.rig.local.exporter FOLDER`: what of auth and payments answers and runs, what changed when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from homeostat.rig import processes
from homeostat.rig.layout import Layout
from homeostat.rig.metrics_page import release_ages, serve_metrics
from homeostat.rig.web import fetch

PROBE_S = 0.4
PROBES = {"auth": ("auth_proxy", "/check"), "payments": ("payments", "/metrics")}


def metrics(layout: Layout) -> str:
    """Everything, in the text format of Prometheus."""
    rows = [f'local_process_running{{name="{name}"}} {int(processes.is_running(layout, name))}' for name in PROBES]
    with ThreadPoolExecutor(len(PROBES)) as threads:  # in turn they would outlast a scrape
        asked = threads.map(lambda probe: fetch(layout.url(*probe), timeout_s=PROBE_S), PROBES.values())
        rows += [f"{name}_answers {int(status == 200)}" for name, status in zip(PROBES, asked, strict=True)]
    rows += release_ages(layout, "payments")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    serve_metrics(metrics)
