"""What every test here shares."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def lines() -> Iterator[list]:
    """The log lines of a test, which are many where faults are injected, instead of on the screen."""
    with structlog.testing.capture_logs() as caught:
        yield caught
