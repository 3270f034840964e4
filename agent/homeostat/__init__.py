"""Homeostat: recovery plans that run, prove themselves and learn.

Importing this package imports nothing else. `docs/architecture.md` is the map; `decide/step.py` is the heart.
"""

__version__ = "0.1.0"
