"""From other autoscalers' objects to Rollouts. What cannot be told is left to a person, in words
that the API refuses: nothing is guessed.
"""
