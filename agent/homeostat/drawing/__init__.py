"""Plans as pictures: Mermaid and SVG, with the path that an incident has taken.

Promise: pure. A policy and what the fold of an incident's journal says go in, text comes out; nothing is decided here.
"""
