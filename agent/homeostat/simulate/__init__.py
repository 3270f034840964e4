"""Policies against worlds that are not production: recorded incidents, and the embedded sandbox.

Promise: nothing here decides (that is `decide.step`, the same one the agent runs), nothing here touches anything but
loopback, and no outcome is ever invented: what a recording does not hold is UNKNOWN.
"""
