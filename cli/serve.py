"""``lockstep serve``: the HTTP interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
import typer

from cli.context import Context, Exit, UserError
from cli.registries import registry_of
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.lease import Lease
from connectors.postgres.program import PostgresError


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free port.")] = None,
) -> None:
    """Serve the newest features, health and metrics until Ctrl-C."""
    from serving.run import PortTaken, Serving  # here: run-dataflow and the help need not wait for a web framework
    from serving.run import serve as run_api

    with Context() as context:
        settings = context.settings
        wanted = Serving(
            open_log=context.open_log,
            database_url=database_or_where_it_should_be(context),
            home=context.home,
            registry=lambda: context.registry().version,
            amqp_url=settings.amqp_url.get_secret_value() if settings.amqp_url else None,
            host=settings.api_host,
            port=settings.api_port if port is None else port,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            models=context.models,
            datasets=context.datasets,
            registries=lambda version: registry_of(context, version),
            sole=lambda: sole(context),
        )
        try:
            run_api(wanted)
        except PortTaken as error:
            raise UserError(str(error), Exit.HELD) from error


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
