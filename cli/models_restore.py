"""``lockstep models restore``: the files of a version that was put away."""

from typing import Annotated

import typer

from cli.context import Context, Exit, UserError


def restore(
    version: Annotated[str, typer.Argument(help="A version whose files are in an archive, such as v1741079704.")],
) -> None:
    """Bring the files of an archived version back, so that a replay of its time finds them."""
    from learning.registry.retention import restore as bring_back

    with Context() as context:
        if (context.models / version).is_dir():
            raise UserError(f"{version}: its files are in {context.models / version} already", Exit.DATA)
        try:
            folder = bring_back(context.models, version)
        except FileNotFoundError as error:
            raise UserError(f"{version}: there is no archive of it at {error.filename}", Exit.DATA) from None
    typer.echo(f"{version}: its files are back in {folder}")
