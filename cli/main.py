"""The ``lockstep`` command: every verb in one place."""

import sys
from importlib import import_module

import typer

from cli import context

VERBS = {
    "run-dataflow": "cli.run_dataflow:run_dataflow",
    "collect": "cli.collect:collect",
    "run": "cli.flow:run",
    "replay": "cli.flow:replay",
    "parity": "cli.flow:parity",
    "digest": "cli.flow:digest",
    "backtest": "cli.backtest:app",
    "demo-learning": "cli.demo_learning:demo_learning",
    "explain": "cli.explain:explain",
    "quality": "cli.quality:app",
    "strategies": "cli.strategies:app",
    "datasets": "cli.datasets:app",
    "models": "cli.models:app",
    "registry": "cli.registry:app",
    "features": "cli.features:app",
    "train": "cli.train:train",
    "learn": "cli.learn:learn",
    "study": "cli.study:study",
    "backfill": "cli.backfill:app",
    "archive": "cli.archive:app",
    "exchange": "cli.ask_exchange:exchange",
    "persist": "cli.persist:persist",
    "bridge": "cli.bridge:bridge",
    "serve": "cli.serve:serve",
    "log": "cli.log:app",
    "up": "cli.stack:up",
    "down": "cli.stack:down",
    "migrate": "cli.migrate:app",
    "settings": "cli.show_settings:settings",
    "schemas": "cli.schemas:schemas",
    "requirements": "cli.requirements:requirements",
}
"""Verb to where it is."""


def build(wanted: str | None = None) -> typer.Typer:
    """The command with all its verbs, or with the ``wanted`` one alone: no verb waits for the others."""
    app = typer.Typer(
        name="lockstep",
        help="Deterministic stream processing for machine-learned crypto trading: live and replay are in lockstep.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)
    for verb, place in VERBS.items():
        if wanted in (None, verb):
            module, name = place.split(":")
            found = getattr(import_module(module), name)
            app.add_typer(found, name=verb) if isinstance(found, typer.Typer) else app.command(verb)(found)
    return app


def main() -> None:
    """The console script."""
    first = sys.argv[1] if len(sys.argv) > 1 else None
    context.run(build(first if first in VERBS else None))


if __name__ == "__main__":
    main()
