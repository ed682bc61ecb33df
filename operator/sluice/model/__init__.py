"""A cluster in memory: the objects around one Rollout, and the controllers that act on them.

Pure, like the core, and of the core's own types: no clock but its own, no I/O, no chance but a
seeded one. The simulation plays releases on it, and so do the tests of the core; what it leaves out
of the real controllers stands where it is left out.
"""
