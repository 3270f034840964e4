"""The journal's stores, and the files incidents are exported to.

Promise: nothing that happened is rewritten. Entries go in through `append`, records come out in order, and every
stored byte is under the hash chain of `chain.py`. This room decides nothing: it knows the meaning of three facts
only (an incident opened, an incident closed, an action's key is used once). SQL is spoken here and nowhere else.

`codec.py` entry <-> bytes · `chain.py` hashes · `anchors.py` signatures · `memory.py`, `sqlite.py`, `postgres.py`
stores · `memory_leases.py`, `postgres_leases.py` who answers for what · `inbox.py`, `postgres_inbox.py` what is said ·
`sqlite_verify.py`, `sqlite_ranges.py` audit · `export.py`, `recording.py`, `archive.py`, `sqlite_backup.py` files.
"""
