"""`luactl db`: the database behind a profile: its schema, how to reach it, what a DBA prepares."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import settings
from .diagnostics import confirm, note
from .options import DryRun, Yes
from .output import show, show_plan, show_text

HELP = "The database behind a profile: schema version, migration, URL, psql."
app = group(HELP)

STATES = {
    "empty": "no luactl schema yet: `luactl init`, or `luactl db migrate`",
    "older": "the schema is older than this luactl: `luactl db migrate`",
    "newer": "the schema is newer than this luactl: upgrade luactl",
    "hidden": "this login may not see the schema's version: ask for membership in a group role",
}


@app.command("status")
def status() -> None:
    """Show server, database and schema version; works with a schema of any version.

    Examples:
        luactl db status
        luactl db status -o json | jq .data.schema
    """
    from luactl import database
    from luactl.config import load_profile
    from luactl.connect import connect

    profile = load_profile(settings().profile)
    with closing(connect(profile, command="db status", say=note)) as conn:
        found = database.status(conn, profile)
    notes = [STATES[found.state]] if found.state in STATES else []
    show(found, notes=notes, outcome=Exit.FINDINGS if notes else Exit.DONE)


@app.command("migrate")
def migrate(
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", metavar="DSN", help="The same database by a login that may change its schema."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Bring the schema up to date. Interrupted, it goes on where it stopped; the ledger keeps what ran.

    Examples:
        luactl db migrate --dry-run
        luactl db migrate --dsn 'service=lua-owner' --yes
    """
    from luactl import database
    from luactl.config import load_profile

    profile = load_profile(settings().profile)
    settings().production = profile.production
    with database.migrator(profile, dsn, note) as session:
        plan = database.migrate(session, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.migrations:
            confirm(f"Run {len(plan.migrations)} migrations in {plan.database}?", yes=yes, name=profile.name)
        done = database.migrate(session)
    show(done, notes=[] if done.migrations else ["the schema was current already"])


@app.command("url")
def url() -> None:
    """Print the URL by which other programs reach the database; it holds no password.

    Examples:
        luactl db url
        pg_isready -d "$(luactl db url)"
    """
    from luactl import database
    from luactl.config import load_profile

    show_text("url", database.url(database.reach(load_profile(settings().profile), note)))


@app.command("psql")
def psql(
    arguments: Annotated[
        list[str], typer.Argument(metavar="-- ARGUMENTS", help="What psql itself is to be given, after `--`.")
    ] = [],  # noqa: B006
) -> None:
    """Become psql at the profile's database; sealed values stay sealed. The bundled psql if need be.

    Examples:
        luactl db psql
        luactl db psql -- -c 'SELECT slug FROM lua.tenant'
    """
    from luactl import database
    from luactl.config import load_profile
    from luactl.profile.production import demand_tls

    if settings().output != "table":
        raise UsageError("psql prints by itself", hint="leave -o out; give psql's own options after `--`")
    profile = load_profile(settings().profile)
    demand_tls(profile)
    program, command, environ = database.psql(profile, database.reach(profile, note), arguments)
    os.execve(program, command, environ)


@app.command("sql-roles")
def sql_roles(
    migrator: Annotated[
        str, typer.Option("--migrator", metavar="NAME", help="The login that will run `luactl db migrate`.")
    ] = "luactl_migrator",
    login: Annotated[
        str | None,
        typer.Option("--login", metavar="NAME", help="The everyday login; default: your user name."),
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="NAME", help="Its database; default: the profile's.")
    ] = None,
    after: Annotated[
        bool, typer.Option("--after", help="What to run when the migration is done: it takes rights back.")
    ] = False,
) -> None:
    """Print the SQL that a superuser runs where luactl may not create roles; connects to nothing.

    Examples:
        luactl db sql-roles --login ida > roles.sql
        luactl db sql-roles --login ida --after > after.sql
    """
    from luactl import database as engine
    from luactl.config import check_dsn, load_profile
    from luactl.init.target import user_name

    if database is None:
        database = check_dsn(load_profile(settings().profile).dsn).get("dbname", "luactl")
    show_text("sql", engine.role_sql(database, migrator, login or user_name(), after=after))
