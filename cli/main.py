"""The ``lockstep`` command: every verb in one place."""

import typer

from cli import collect, context, flow, migrate, run_dataflow, serve, show_settings

app = typer.Typer(
    name="lockstep",
    help="Deterministic stream processing for machine-learned crypto trading. Live and replay are in lockstep.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run-dataflow")(run_dataflow.run_dataflow)
app.command("collect")(collect.collect)
app.command("serve")(serve.serve)
app.command("run")(flow.run)
app.command("replay")(flow.replay)
app.command("parity")(flow.parity)
app.command("digest")(flow.digest)
app.command("settings")(show_settings.settings)
app.add_typer(migrate.app, name="migrate")


def main() -> None:
    """The console script."""
    context.run(app)


if __name__ == "__main__":
    main()
