"""Telling people: messages made from journal entries, and the channels that carry them.

Promise: nothing here decides about an incident, and nothing here can hold the loop up: sending happens beside it, in
bounded time, with a bounded queue and bounded tries. What was sent to whom, and what could not be sent, is journalled.
Secrets are resolved when a message goes out and stand in no message, entry or log.

`message.py` what is said · `channel.py` the port that every way to people implements · `kinds.py` those that are there
· `routing.py` who is told what · `facts.py` what the journal says of that · `due.py` what is due now ·
`bundling.py` what of it goes out next, alone or joined · `wording.py` how it reads · `post.py` one bounded request ·
`conformance.py` the suite that every channel must pass.
"""
