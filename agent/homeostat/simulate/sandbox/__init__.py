"""The embedded default world: a payments plant in virtual time, its samples, and the API to query them.

Promise: effects of actions are real in the plant and nowhere else. Nothing here is told which fault is at work except
`damage.py`; nothing reads a clock or draws a random number that a seed did not give; nothing leaves loopback.
Apart from all that is `scraper.py`, a process that serves real samples of real time by the same store and API, for
drills on local processes.

`plant.py` is the world, `faults.py` what can go wrong in it, `remedies.py` what operators can do about it;
`injections.py` reads what the files in `drills` inject.
"""
