"""The decisions of Sluice, pure: no I/O, no clock, no framework; only values and functions.

`decide.decide(observed)` is the door; the rest are its rooms.
"""
