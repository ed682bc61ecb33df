"""For all unit tests."""

import asyncio

# pytest-asyncio remembers the loop from before a test. Until Python 3.12 asking for one makes one,
# which nobody closes, unless it was said that there is none.
asyncio.set_event_loop(None)
