"""The local tier: payments, auth and their users as plain processes of this machine's Python, to be broken by drills.

The rig's promise holds here too: loopback alone, on ports that were free, one folder, no process ended but its own.
Nothing else has to be installed: metrics are scraped by `homeostat.simulate.sandbox.scraper`, a process that answers
the Prometheus HTTP API, and payments are kept in a file.

`system.py` brings it up, down and back, `payments.py` and `exporter.py` run as processes beside the rig's own auth,
proxy, supervisor and load generator, `effector.py` is what can be done, `injections.py` and `faults/*.yaml` what can
go wrong.
"""
