"""What asking a Prometheus takes: questions, credentials, a client, and a strict reader."""
