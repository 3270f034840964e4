"""A bench for authors: policies out of what people have, which model fits, and which policies have grown old.

Promise: what an author brings (alert rules, a runbook, answers) is only read, and nothing in it is ever run. Every
policy written here has gone through the loader first. No file that exists is overwritten, but for `reviews.yaml` and
the one line `review_by` of a policy. Nothing here decides in an incident, reads a clock or a journal. Of `sense` only
what reads PromQL as text is used. git is asked in `git.py` alone, by argument lists, and only to read.
"""
