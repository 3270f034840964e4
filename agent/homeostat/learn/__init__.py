"""Learn from the journal which candidate to try first.

Promise: reads journals and frames, and gives back frames, rankings as plain numbers, and entries to append. Nothing
here decides in an incident, starts an action, reads a clock or keeps state between calls, so all of it may run on a
worker thread. scikit-learn and pandas live here, and what leaves the room needs neither.
"""
