"""Judge an order of candidates from what was logged under another one.

Promise: reads frames and rankings and gives numbers; the same input and seed give the same numbers. Whatever cannot be
judged is said so, with the reason; nothing is filled in silently.

All of it assumes that an outcome does not depend on its place in the order (`ASSUMPTION`): what worked third would have
worked first.
"""

ASSUMPTION = "that an outcome does not depend on its place in the order"
"""Stated in every report."""
