"""Draw the documents anew that are drawn from the code. `tests/` compares them.

python tools/draw_documents.py
"""

from __future__ import annotations

from pathlib import Path

from homeostat.policy.lint_examples import page
from homeostat.policy.lint_examples_errors import ERRORS
from homeostat.policy.lint_examples_warnings import WARNINGS

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write each one."""
    (DOCS / "lint.md").write_text(page({**ERRORS, **WARNINGS}))


if __name__ == "__main__":
    main()
