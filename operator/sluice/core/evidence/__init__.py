"""Evidence: how a canary's counted requests are compared with the stable side's.

`counts` makes counts of raw counter samples, `sequential` weighs them, `checkpoint` writes the
state as JSON and reads it, `power` says what the evidence can and could tell.
"""
