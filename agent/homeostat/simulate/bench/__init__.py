"""The authors' bench: any policy in a scripted world, in virtual time.

Promise: nothing here decides. The loop, `step`, the journal and the executor are the agent's own; only the clock, the
signals, the actions and the people are scripted. `docs/policy-tests.md` and `docs/worlds.md` give the formats.
"""
