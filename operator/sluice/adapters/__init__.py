"""The outside world: API server, Kopf as the watch, Prometheus, HTTP endpoints."""
