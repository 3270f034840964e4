"""Telemetry recordings through the same `step` that runs live: what a policy would have noticed, and when.

`frame.py` holds what the signals said at every tick, `sensing.py` makes it of raw samples, `windows.py` and
`masks.py` look at whole frames at once, `detection.py` steps through them, `scoring.py` compares with fault labels.
"""
