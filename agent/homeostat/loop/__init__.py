"""The imperative shell: one tick is one visible list of calls.

Promise: it decides nothing. It reads, asks `decide.step`, makes the answer durable, and only then acts. It has no
clock, no network and no file of its own; all of them are handed in (`outside.py`).

`loop.py` the tick · `turns.py` from look to deed · `standing.py` what the journal says · `hearing.py` what people say ·
`tenure.py` what is this agent's to decide · `orphans.py` its actions in incidents that others have taken over.
"""

from homeostat.loop.loop import Loop as Loop
from homeostat.loop.outside import Outside as Outside
