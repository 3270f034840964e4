"""Which action first? Homeostat's learning beside other libraries', on worlds whose optimum is known.

Promise: every method meets the same incidents, the same outcomes and the same times, and sees nothing of the truth.
The worlds are what they are before any method is tried; nothing in them is set by how a method does.
"""
