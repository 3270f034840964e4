"""`python -m homeostat.rig.auth FOLDER`: says yes to every token, when it is well."""

from __future__ import annotations

import sys
from pathlib import Path

from homeostat.rig.layout import Layout
from homeostat.rig.web import Answer, LoopbackServer


def main() -> None:
    """Serve until ended."""
    layout = Layout.load(Path(sys.argv[1]))
    answered = 0

    def respond(method: str, path: str) -> Answer:
        nonlocal answered
        del method
        if path == "/metrics":
            return 200, f"# TYPE auth_requests_total counter\nauth_requests_total {answered}\n"
        answered += 1
        return 200, "yes\n"

    LoopbackServer(layout.ports["auth"], respond).serve_forever()


if __name__ == "__main__":
    main()
