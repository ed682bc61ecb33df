"""What the demo and the end-to-end tests share: a cluster, stories on it, and what they measure."""
