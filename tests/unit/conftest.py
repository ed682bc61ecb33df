"""For all unit tests."""

import asyncio

from hypothesis import HealthCheck, settings

# pytest-asyncio remembers the loop from before a test. Until Python 3.12 asking for one makes one,
# which nobody closes, unless it was said that there is none.
asyncio.set_event_loop(None)

# How long an example takes says something of the machine, which is shared, and nothing of the code.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluice")
