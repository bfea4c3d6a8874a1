"""``lockstep persist``: what was decided and done, into PostgreSQL."""

from typing import Annotated

import psycopg
import structlog
import typer

from cli.asked_to_stop import asked_to_stop
from cli.context import Context, Exit, UserError
from cli.flow import WAIT_FOR_LEASE, log_name
from cli.topics import create_topics
from connectors.measures import Measures
from connectors.postgres.lease import Lease
from connectors.postgres.stored import SecondWriter, Stored
from dataflows.persist import KEEP_DAYS, Persist

PATIENCE = 600.0
"""Seconds for which a database may be away."""


def persist(
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop where the log ends now.")] = False,
    keep_days: Annotated[
        float, typer.Option(min=0, help="Days for which decisions, predictions and quality stay; 0: for ever.")
    ] = KEEP_DAYS,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on where the log begins if retention took what was not stored.")
    ] = False,
) -> None:
    """Store signals, decisions, orders, executions, positions, predictions, models and data quality until Ctrl-C."""
    stop = asked_to_stop()
    with Context() as context:
        log, name = context.open_log(), log_name(context)
        create_topics(log, context.settings)
        url = context.database_url()
        with Lease(url, "persist/0", PATIENCE) as lease:
            lease.take(f"persist {name}", 0, WAIT_FOR_LEASE)
            work = Persist(
                log,
                context.settings.shards,
                Stored(url, name),
                check=lease.check,
                keep_days=keep_days,
                until_end=until_end,
                accept_loss=accept_loss,
                patience=PATIENCE,
                stop=stop,
            )
            with Measures(context.home / "metrics", "persist", 0, lambda measures: counted(work, measures)):
                store(work)
        log.close()
    stored, refused = (sum(counts.values()) for counts in (work.tally.stored, work.tally.refused))
    structlog.get_logger().info("persist.done", stored=stored, refused=refused)


def store(work: Persist) -> None:
    """Run it.

    Raises:
        UserError: saying what to do about a database that is not ready for it, or about a second process.
    """
    try:
        work.run()
    except psycopg.errors.UndefinedTable as error:
        problem = str(error).splitlines()[0]
        raise UserError(f"the database lacks a table ({problem}): run lockstep migrate up", Exit.DATA) from error
    except SecondWriter as error:
        raise UserError(str(error), Exit.HELD) from error


def counted(work: Persist, measures: Measures) -> None:
    """Hand what was done to the measures."""
    for topic, total in work.tally.stored.copy().items():
        measures.counted("records_stored", total, topic=topic)
    for topic, total in work.tally.refused.copy().items():
        measures.counted("records_refused", total, topic=topic)
