"""Other libraries as methods. They run in the peers' environment, which has no Homeostat.

Promise: each gets the same encoding and the same cost model, and is set by worlds that no table contains. What is
called tuned was the best of some thirty settings, tried by hand on worlds of seed 100, most of them on mixture and
digits alone; `tune` tries a whole grid. Vowpal Wabbit's own defaults stand in the row without "tuned", but what a
failure costs was chosen there too: with all the time that passed to recovery as the cost it did worse.
"""
