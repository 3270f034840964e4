"""Other libraries as methods. They run in the peers' environment, which has no Homeostat.

Promise: each is used as its documentation shows for this kind of problem, gets the same encoding and the same cost
model, and its settings are the best of a grid over worlds of seeds 100 and 101, which no table contains (`tune`).
"""
