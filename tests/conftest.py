"""Fixtures for every test."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.fix_kafka", "tests.fix_postgres", "tests.fix_rabbitmq", "tests.fix_requirements"]

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data beside the repository; a clone without it skips these tests."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded market data: ../shared/data is absent")
    return SHARED_DATA
