"""`kubectl sluice`: what a person at a terminal sees and orders.

A client of its own, without Kopf: it reads objects, shows them, and writes one annotation or one
field of the Rollout. Everything it shows comes from the API server; nothing is decided here.
"""
