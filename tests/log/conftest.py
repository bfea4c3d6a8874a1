"""Both homes of the log, behind one fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log.home import Home

KAFKA = pytest.param("kafka_bootstrap", id="kafka", marks=pytest.mark.kafka)
REDPANDA = pytest.param("redpanda_bootstrap", id="redpanda")


@pytest.fixture(params=[pytest.param(None, id="sqlite"), KAFKA, REDPANDA])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A place for logs; what was opened there is closed after the test."""
    bootstrap = request.getfixturevalue(request.param) if request.param else None
    place = Home(bootstrap, tmp_path / "log")
    yield place
    place.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Home]:
    """The embedded home alone."""
    place = Home(None, tmp_path / "log")
    yield place
    place.close()


@pytest.fixture
def cluster(kafka_bootstrap: str, tmp_path: Path) -> Iterator[Home]:
    """The Kafka home alone."""
    place = Home(kafka_bootstrap, tmp_path / "log")
    yield place
    place.close()
