"""Generic machinery without Rollout words: work queue, store, clock, leader election."""
