"""``lockstep models``: which models there are, which are in force, and what they said."""

import typer

from cli.models_at import at
from cli.models_change import promote, rollback
from cli.models_list import history, models, show
from cli.models_restore import restore

app = typer.Typer(
    help="Models: which there are, which are in force, what they said, and who takes over.", no_args_is_help=True
)
app.command("list")(models)
app.command("show")(show)
app.command("promote")(promote)
app.command("rollback")(rollback)
app.command("history")(history)
app.command("at")(at)
app.command("restore")(restore)
