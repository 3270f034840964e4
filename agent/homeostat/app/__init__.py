"""The composition root: settings become objects, and the agent becomes a process.

Promise: it wires and it watches; it decides nothing. `clock.py` is the only reader of the system's clock, `compose.py`
the only place that names concrete stores, sensors and actuators.
"""
