"""Effects: actuators, the detached runner they share, and the executor that routes commands to them.

Promise: nothing here decides whether, when or on what to act. No call waits for an action: every built-in action runs
in a process of its own that outlives the agent, at most once per key, and can be asked about by key alone. Secrets
are resolved in that process only, and never written to disk or handed back. `runner.py` and what it imports use the
standard library only, so that an action starts within tens of milliseconds.
"""
