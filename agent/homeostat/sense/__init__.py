"""What is known of the world, read from a telemetry source once a tick. `prometheus.py` is the way in.

Promise: reading changes nothing outside. A source that is down, slow or lies makes readings absent, never wrong and
never an exception. Every request is bounded in time and bytes, every read in requests; no wall clock is read here, the
moment of evaluation is the caller's. Nothing here decides anything, and nothing here knows what a policy is.
"""
