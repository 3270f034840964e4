"""The policy language: YAML in, `model.policy.Policy` out, or every problem with its `file:line:column`.

Promise: nothing here reads a clock, a network or a random number. Files are read by `sources.py` alone, only on
request, and never beyond a fixed size. An author's mistake is a `Problem`, never a traceback. No text of an author
is ever evaluated as Python: conditions go through a typed tree of our own.
"""
