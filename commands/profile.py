"""`luactl profile`: which databases luactl knows, and which one it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .app import group
from .context import is_json, settings
from .diagnostics import confirm, note
from .options import DryRun, Yes
from .output import show as show_result
from .output import show_plan

if TYPE_CHECKING:
    from luactl.profile import Change

HELP = "Profiles: which databases luactl knows, and which one it uses."
app = group(HELP)

COLUMNS = (
    ("name", "NAME"),
    ("chosen", "CHOSEN"),
    ("production", "PRODUCTION"),
    ("server", "SERVER"),
    ("database", "DATABASE"),
    ("user", "USER"),
)
PLAIN = (("setting", "SETTING"), ("value", "VALUE"))
ORIGIN = (*PLAIN, ("origin", "ORIGIN"))
CHANGE = (("action", "ACTION"), ("profile", "PROFILE"), ("file", "FILE"), ("changed", "CHANGED"))
Name = Annotated[str, typer.Argument(metavar="PROFILE", help="Name of the profile.")]


@app.command("list")
def list_() -> None:
    """List the profiles of the system's and your own config file, and which one is chosen here.

    Examples:
        luactl profile list
    """
    from luactl import profile
    from luactl.config import find_paths

    show_result(profile.list_(find_paths(), settings().profile), COLUMNS)


@app.command("show")
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="PROFILE", help="Name of the profile; default: the chosen one.")
    ] = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say of each setting which file or variable it comes from.")
    ] = False,
) -> None:
    """Show every effective setting of a profile, libpq's own ones included, without secrets.

    Examples:
        luactl profile show --origin
        luactl profile show production -o json
    """
    from luactl import profile
    from luactl.config import find_paths

    found = profile.show(find_paths(), name or settings().profile)
    mark = [f"profile {found.name} is PRODUCTION"] if found.production else []
    show_result(
        found if is_json() else found.settings,
        ORIGIN if origin else PLAIN,
        [f"profile {found.name}, chosen by {found.chosen_by}", *mark],
    )


@app.command("use")
def use(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Make a profile the default one. A project's file and LUACTL_PROFILE still go before it.

    Examples:
        luactl profile use staging --yes
    """
    from luactl import profile
    from luactl.config import find_paths

    change = profile.use(find_paths(), name, dry_run=dry_run)
    _show(change, dry_run, [] if change.changed else [f"{name} is the default already"])
    chosen = next((one.name for one in profile.list_(find_paths(), None) if one.chosen), None)
    if not dry_run and chosen != name:
        note(f"here and now profile {chosen} goes before it: see `luactl profile show --origin`")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new profile.")],
    dsn: Annotated[
        str | None, typer.Option("--dsn", metavar="DSN", help="A server of your own, without password.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="PROFILE", help="Use the embedded server of that profile."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="LOGIN", help="Who logs in at --server.")
    ] = None,
    production: Annotated[
        bool, typer.Option("--production", help="Mark it: TLS, two holders and two books are demanded.")
    ] = False,
    holder: Annotated[
        list[str], typer.Option("--holder", metavar="file:DIR", help="A holder of the root; may be repeated.")
    ] = [],  # noqa: B006
    book: Annotated[
        list[str], typer.Option("--book", metavar="DIR", help="A key book; may be repeated.")
    ] = [],  # noqa: B006
    anchor: Annotated[
        list[str], typer.Option("--anchor", metavar="file:PATH", help="An anchor; may be repeated.")
    ] = [],  # noqa: B006
    signing_key: Annotated[
        str | None, typer.Option("--signing-key", metavar="FILE", help="Key of the ledger's checkpoints.")
    ] = None,
    passfile: Annotated[
        str | None, typer.Option("--passfile", metavar="FILE", help="libpq password file; default: libpq's.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Add a profile to your own config file. It makes no database: `luactl init` does.

    Examples:
        luactl profile add staging --dsn 'service=lua-staging'
        luactl profile add live --dsn 'host=db.example.com sslmode=verify-full' --production --dry-run
    """
    from luactl import profile
    from luactl.config import find_paths

    new = profile.NewProfile(
        name, dsn, server, user, production, tuple(holder), tuple(book), tuple(anchor), signing_key, passfile
    )
    _show(profile.add(find_paths(), new, dry_run=dry_run), dry_run, [])


@app.command("remove")
def remove(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take a profile out of your own config file; server, keys and data stay where they are.

    Examples:
        luactl profile remove staging
    """
    from luactl import profile
    from luactl.config import find_paths

    plan = profile.remove(find_paths(), name, dry_run=True)
    if not dry_run:
        confirm(f"Remove profile {name} from {plan.file}?", yes=yes)
        plan = profile.remove(find_paths(), name)
    _show(plan, dry_run, ["its server, keys and data stay where they are"])


def _show(change: Change, dry_run: bool, notes: list[str]) -> None:
    (show_plan if dry_run else show_result)(change, CHANGE, notes)
