"""Fixtures: a market on a log that every test of this folder may copy."""

from pathlib import Path

import pytest

from tests.learn.made import open_log, play


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with ten minutes of market and a strategy that learns; to be copied, not written on."""
    folder = tmp_path_factory.mktemp("market") / "log"
    log = open_log(folder)
    play(log, 10)
    log.close()
    return folder
