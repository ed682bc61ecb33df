"""Sluice: canary releases with automatic rollback for plain Kubernetes Deployments."""
