"""The machine's clock."""

from datetime import UTC

from sluice.runtime.clock import SystemClock


def test_the_time_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
