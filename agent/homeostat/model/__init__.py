"""The nouns every other room speaks of.

Promise: frozen data and Protocols only. Nothing here reads a clock, a file, a network or a random number,
and nothing here imports another room.
"""
