"""What happens next, and nothing else.

Promise: pure. Everything here is a function of its arguments: no clock, no network, no file, no randomness of its
own, no logging, no pandas, no scikit-learn. Start reading at `step.py`.
"""
