"""Drills: systems on this machine's loopback that are broken on purpose, to see whether the agent heals them.

The rig has real servers; `local` has plain processes.

Promise: everything it starts listens on loopback alone, on ports that were free; it writes in its own folder and
nowhere else; it ends only processes it started, each by its process id and only while that is still the same process.
Nothing here decides about recovery: the agent that a drill tests is the real one, in a process of its own, with a
workspace and a journal inside the rig's folder, so no drill ever trains or touches another journal.

`rig.py` brings the rig up and down, `processes.py` starts and ends what runs, `configurations.py` writes what the
servers read. `auth.py`, `payments.py`, `exporter.py`, `proxy.py` and `load.py` run as processes. `effector.py` is what
operators (and the agent) can do, `faults/*.yaml` (read by `fault_file.py`) what can go wrong, `drill.py` tries one
against the other, `users.py` tells what users saw, and `verdict.py` judges by it, in all tiers alike.
"""
