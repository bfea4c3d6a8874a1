"""Fixtures for every test."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

pytest_plugins = ["tests.fix_kafka", "tests.fix_postgres", "tests.fix_rabbitmq", "tests.fix_requirements"]

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data beside the repository; a clone without it skips these tests."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded market data: ../shared/data is absent")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _plain_logging() -> Iterator[None]:
    """A command run inside the test process sets up logging for all of it: the next test begins without that."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


COLLECTED_AT = gc.get_threshold()


@pytest.fixture(autouse=True)
def _garbage_is_collected() -> Iterator[None]:
    """A flow run inside the test process has it collect garbage rarely, and so keep what tests leave open."""
    yield
    if gc.get_threshold() != COLLECTED_AT:
        gc.set_threshold(*COLLECTED_AT)
        gc.unfreeze()
