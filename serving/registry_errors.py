"""What goes wrong with feature registries, as HTTP says it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from fastapi import HTTPException

from connectors.log import LogError
from connectors.postgres.lease import LeaseError
from learning.registries.errors import (
    ActivationFailed,
    Busy,
    InUse,
    Invalid,
    NoneActive,
    NotAcknowledged,
    NoWayBack,
    RegistriesError,
    UnknownVersion,
    VersionExists,
)
from serving.control import LogAway
from serving.database import DatabaseAway
from serving.registry_out import rollback_of

STATUS: dict[type[RegistriesError], int] = {
    UnknownVersion: 404,
    NoneActive: 404,
    Invalid: 400,
    NotAcknowledged: 400,
    NoWayBack: 400,
    InUse: 400,
    VersionExists: 409,
    Busy: 409,
    ActivationFailed: 409,
}


@contextmanager
def answered() -> Iterator[None]:
    """Answer what goes wrong in the block.

    Raises:
        HTTPException: for what the request asked wrongly, or at the wrong time.
        DatabaseAway, LogAway: when nothing can be asked for now.
    """
    try:
        yield
    except RegistriesError as problem:
        raise HTTPException(STATUS.get(type(problem), 400), detail(problem)) from problem
    except psycopg.errors.UndefinedTable as problem:
        raise DatabaseAway(f"{str(problem).splitlines()[0]}: run lockstep migrate up") from problem
    except psycopg.OperationalError as problem:
        raise DatabaseAway(str(problem).strip().splitlines()[0]) from problem
    except (LogError, LeaseError, OSError) as problem:
        raise LogAway(str(problem)) from problem


def detail(problem: RegistriesError) -> Any:
    """A message, and what belongs to it as lists and objects."""
    message = str(problem)
    if isinstance(problem, Invalid):
        return {"message": message, "validation_errors": problem.problems}
    if isinstance(problem, NotAcknowledged):
        return {
            "message": message,
            "breaking_changes": problem.breaking,
            "compatibility_warnings": problem.warnings,
        }
    if isinstance(problem, ActivationFailed):
        return {"message": message, "rollback": rollback_of(problem.rollback).model_dump()}
    return message
