"""The Rollout as it stands in the API server: wire models, their rules, the CRD made from them.

Nothing here talks to anything. The core knows nothing of this package; `convert` turns a stored
spec into the core's policy and `status` turns the core's status into what is written.
"""
