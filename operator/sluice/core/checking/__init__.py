"""What a Rollout's metrics would tell of a release, found out before there is one.

Every metric is asked now, of the stable pods in the canary's place. `questions` says what to ask,
`report` what the answers mean: what is missing, how many requests there are, and so how long a step
has to last until a regression is seen in it.
"""
