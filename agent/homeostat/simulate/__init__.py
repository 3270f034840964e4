"""Policies against worlds that are not production: recorded incidents, scripted and simulated ones, the sandbox.

Promise: nothing here decides (that is `decide.step`, the same one the agent runs), nothing here touches anything but
loopback, and no outcome of a recorded incident is ever invented: what a recording does not hold is UNKNOWN. What a
simulated world gives is labelled so.
"""
