"""``lockstep serve``: the HTTP interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import psycopg
import structlog
import typer

from cli.context import Context, Exit, UserError
from cli.registries import active_version, registry_of, start_registry, where_of
from cli.settings import Settings
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.lease import Lease
from connectors.postgres.program import PostgresError

if TYPE_CHECKING:
    from reports.quality.limits import Limits
    from serving.backfill_rules import BackfillRules


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free port.")] = None,
) -> None:
    """Serve the newest features, health and metrics until Ctrl-C."""
    from serving.run import PortTaken, Serving  # here: run-dataflow and the help need not wait for a web framework
    from serving.run import serve as run_api

    with Context() as context:
        settings = context.settings
        url = database_or_where_it_should_be(context)
        wanted = Serving(
            open_log=context.open_log,
            database_url=url,
            home=context.home,
            registry=lambda: active_version(context, url),
            amqp_url=settings.amqp_url.get_secret_value() if settings.amqp_url else None,
            host=settings.api_host,
            port=settings.api_port if port is None else port,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            models=context.models,
            datasets=context.datasets,
            registries=lambda version: registry_of(context, version),
            sole=lambda: sole(context),
            feature_registries=where_of(context, url),
            position_manager=position_manager(settings),
            archive=context.archive,
            log_folder=None if settings.kafka_bootstrap_servers else context.session / "log",
            limits=limits_of(settings),
            backfill=backfill_rules(context, url),
        )
        Thread(target=say_registry, args=(context, url), daemon=True).start()
        try:
            run_api(wanted)
        except PortTaken as error:
            raise UserError(str(error), Exit.HELD) from error


def limits_of(settings: Settings) -> "Limits":
    """When the data's quality deserves an alert."""
    from reports.quality.limits import Limits

    return Limits(
        settings.quality_missing_limit, settings.quality_anomaly_limit, settings.quality_desynchronisation_limit
    )


def backfill_rules(context: Context, url: str) -> "BackfillRules":
    """What may be fetched from the exchange; nothing by itself where the log is that of a recording."""
    from cli.backfill_parts import fetches_by_itself
    from serving.backfill_rules import BackfillRules

    settings = context.settings
    auto, most = fetches_by_itself(context), settings.backfill_max_days
    return BackfillRules(settings.backfill_enabled, auto, most, lambda: active_version(context, url))


def position_manager(settings: Settings) -> str | None:
    """Where position-manager is, if the settings say."""
    host = settings.position_manager_host
    return f"http://{host}:{settings.position_manager_port}" if host else None


def say_registry(context: Context, url: str) -> None:
    """Have the tables say which feature registry is in force, also where nobody ran the whole dataflow; a log or a
    database that is away is no reason not to serve."""
    from connectors.log import LogError
    from connectors.postgres.lease import LeaseError

    logger = structlog.get_logger()
    try:
        for warning in start_registry(context, url):
            logger.warning("registry.started", advice=warning)
    except (UserError, LogError, LeaseError, PostgresError, psycopg.Error, OSError) as error:
        logger.warning("registry.not_started", error=str(error).strip())


@contextmanager
def sole(context: Context) -> Iterator[None]:
    """Be the only one who writes model events."""
    from cli.learn import PATIENCE, writer

    with Lease(context.database_url(), "models/0", PATIENCE) as lease, writer(lease, context)():
        yield


def database_or_where_it_should_be(context: Context) -> str:
    """The API serves features without a database too; its health says that it is away."""
    try:
        return context.database_url()
    except PostgresError as error:
        structlog.get_logger().error("database.away", error=str(error))
        return EmbeddedPostgres(context.path("postgres")).url
