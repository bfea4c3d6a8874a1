"""``lockstep registry``: versions of the feature registry: which there are, which is in force, and changing that."""

import typer

from cli.registry_change import activate, create, delete, reload, rollback, sync
from cli.registry_look import compare, history, list_versions, show, usage, validate

app = typer.Typer(
    help="Versions of the feature registry: which there are, which is in force, and changing that.",
    no_args_is_help=True,
)
app.command("list")(list_versions)
app.command("show")(show)
app.command("validate")(validate)
app.command("create")(create)
app.command("activate")(activate)
app.command("rollback")(rollback)
app.command("reload")(reload)
app.command("usage")(usage)
app.command("delete")(delete)
app.command("sync")(sync)
app.command("history")(history)
app.command("compare")(compare)
