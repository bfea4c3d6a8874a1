"""Fixtures: a real PostgreSQL for the session, and a database of its own for every test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from connectors.postgres.embedded import EmbeddedPostgres

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that the tests share; a test that stops it must start it again."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """The URL of an empty database that no other test uses."""
    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(postgres.start(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return postgres.url.replace("/lockstep?", f"/{name}?")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place for a server that a test may kill."""
    return tmp_path / "postgres"
