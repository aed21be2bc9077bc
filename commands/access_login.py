"""`luactl access login`, `luactl access adopt`: Postgres roles of people and jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, hidden_value
from .output import show, show_plan

if TYPE_CHECKING:
    from datetime import datetime

    from luactl.access.login import Adoption, LoginChange, Password
    from luactl.db import Session
    from luactl.errors import Exit

    from .render import Columns

app = group("Logins of people and jobs: add, change, end, list.")

COLUMNS = (
    ("login", "LOGIN"),
    ("person", "PERSON"),
    ("kind", "KIND"),
    ("roles", "ROLES"),
    ("method", "METHOD"),
    ("connection_limit", "LIMIT"),
    ("valid_until", "VALID UNTIL"),
    ("bound", "BOUND"),
    ("can_log_in", "LOGS IN"),
    ("ended_at", "ENDED"),
)
CHANGE = (
    *((f"after.{field}", title) for field, title in COLUMNS[:-2]),
    ("passfile", "PASSWORD IN"),
    ("changed", "CHANGED"),
)
END = (*CHANGE[:2], ("after.can_log_in", "LOGS IN"), ("sessions_ended", "SESSIONS ENDED"), CHANGE[-1])
ADOPTED = (
    ("login", "LOGIN"),
    ("person", "PERSON"),
    ("method", "METHOD"),
    ("attributes", "ATTRIBUTES"),
    ("roles", "ROLES"),
    ("changed", "CHANGED"),
)
STRANGERS = (("login", "LOGIN"), ("roles", "MEMBER OF"), ("attributes", "ATTRIBUTES"))
Name = Annotated[str, typer.Argument(metavar="LOGIN", help="The name of the Postgres role.")]
Limit = Annotated[
    int | None,
    typer.Option(
        "--connection-limit", metavar="N", help="Connections at once; -1: no limit.", show_default=False
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--valid-until", metavar="TIME", help="Until when its password is taken: RFC 3339 or a day."
    ),
]
Certificate = Annotated[
    bool, typer.Option("--certificate", help="No password: the CN of a client certificate is the login.")
]
Passfile = Annotated[
    Path | None,
    typer.Option("--passfile", metavar="FILE", help="A random password goes into this file (.pgpass)."),
]
Existing = Annotated[
    str | None,
    typer.Argument(metavar="[LOGIN]", help="A role that can log in; without one those that are nobody's."),
]
Whose = Annotated[
    str | None, typer.Option("--person", metavar="HANDLE", help="Whose it is.", show_default=False)
]
Method = Annotated[
    str, typer.Option("--method", metavar="KIND", help="How it gets in: password, certificate or unknown.")
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME", help="It may have SUPERUSER, CREATEROLE …; may be repeated."),
]
Many = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Many: CSV or TOML with login, person, method, attributes."),
]
DEFAULT_LIMIT = 10


@app.command("add")
def add(
    login: Name,
    person: Annotated[str, typer.Option("--person", metavar="HANDLE", help="Whose it is: `staff list`.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="Group role, such as operator; may be repeated."),
    ] = None,
    connection_limit: Limit = None,
    valid_until: Until = None,
    certificate: Certificate = False,
    passfile: Passfile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make a login for a person or a job, with group roles; its password is asked for, or made.

    The password comes from standard input or is typed, unless --passfile makes one. The server gets a
    SCRAM verifier of it and nothing else.

    Examples:
        luactl access login add anna --person anna.berger --role operator --connection-limit 5
        luactl access login add nightly --person purge.job --role operator --passfile /etc/nightly.pgpass
        luactl access login add nele --person nele.kern --role auditor --certificate
    """
    from luactl.access import login as noun

    if certificate and passfile:
        raise UsageError("a login has a password or a certificate", hint="give one of the two")
    roles = tuple(dict.fromkeys(noun.role_of(one) for one in role or ()))
    limit = DEFAULT_LIMIT if connection_limit is None else connection_limit
    with session("access login add") as s:
        until = _until(s, valid_until)

        def wanted(password: Password | None) -> noun.Wanted:
            return noun.Wanted(login, person, roles, limit, until, password, by_certificate=certificate)

        made = None if passfile is None else noun.Password.made(passfile)
        plan = noun.add(s, wanted(made), dry_run=True)
        if dry_run:
            show_plan(plan, CHANGE)
            return
        password = None if certificate else made or noun.checked_password(hidden_value("password"), login)
        show(noun.add(s, wanted(password)), CHANGE)


@app.command("change")
def change(
    login: Name,
    grant: Annotated[
        list[str] | None, typer.Option("--grant", metavar="ROLE", help="Give a group role; may be repeated.")
    ] = None,
    revoke: Annotated[
        list[str] | None, typer.Option("--revoke", metavar="ROLE", help="Take a group role; may be repeated.")
    ] = None,
    connection_limit: Limit = None,
    valid_until: Until = None,
    for_ever: Annotated[
        bool, typer.Option("--no-valid-until", help="Its password is taken until further notice.")
    ] = False,
    certificate: Certificate = False,
    new_password: Annotated[
        bool, typer.Option("--password", help="A new password, from standard input or typed.")
    ] = False,
    passfile: Passfile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Change a login: its group roles, limit, validity, or the way it gets in. What is not given stays.

    What a superuser granted besides stays until a superuser takes it: the statements are shown (exit 6).

    Examples:
        luactl access login change anna --grant responder --revoke operator
        luactl access login change nightly --passfile /etc/luactl/nightly.pgpass --yes
        luactl access login change nele --valid-until 2028-12-31 --dry-run
    """
    from dataclasses import replace

    from luactl.access import login as noun

    if sum((certificate, new_password, passfile is not None)) > 1 or (valid_until and for_ever):
        raise UsageError("these options exclude each other", hint="one way in, one validity")
    given = {noun.role_of(one) for one in grant or ()}
    taken = {noun.role_of(one) for one in revoke or ()}
    if given & taken:
        raise UsageError(f"{min(given & taken)} cannot be both given and taken")
    with session("access login change") as s:
        before = noun.find(s, login)
        after = replace(
            before,
            roles=tuple(sorted((set(before.roles) | given) - taken)),
            connection_limit=before.connection_limit if connection_limit is None else connection_limit,
            valid_until=None if for_ever else _until(s, valid_until) or before.valid_until,
            method="certificate" if certificate else before.method,
        )
        made = None if passfile is None else noun.Password.made(passfile)
        plan = noun.change(s, before, after, made, dry_run=True)
        if dry_run:
            _show_left(plan, dry_run=True)
            return
        if plan.changed or made or new_password:
            confirm(f"Change login {login} of {before.person}?", yes=yes, name=login)
        if new_password:
            made = noun.checked_password(hidden_value("password"), login)
        _show_left(noun.change(s, before, after, made))


@app.command("end")
def end(login: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """End a login: its roles, its password and its open sessions go; the name stays theirs for ever.

    What a superuser granted besides stays until a superuser takes it: the statements are shown (exit 6).

    Examples:
        luactl access login end anna
        luactl access login end nightly --yes
    """
    from luactl.access import login as noun

    with session("access login end") as s:
        before = noun.find(s, login)
        plan = noun.end(s, before, dry_run=True)
        if dry_run:
            _show_left(plan, END, dry_run=True)
            return
        if plan.changed:
            confirm(f"End login {login} of {before.person}?", yes=yes, retype=login, name=login)
        _show_left(noun.end(s, before), END)


def _show_left(change: LoginChange, columns: Columns = CHANGE, *, dry_run: bool = False) -> None:
    outcome, notes = _outcome(change.left)
    if dry_run:
        show_plan(change, columns, notes, outcome=outcome)
    else:
        show(change, columns, notes, outcome=outcome)


def _outcome(left: tuple[str, ...]) -> tuple[Exit, list[str]]:
    from luactl.errors import Exit

    if not left:
        return Exit.DONE, []
    return Exit.FINDINGS, [
        "what others granted stays until a superuser runs:",
        *(f"    {one};" for one in left),
    ]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
) -> None:
    """List the logins of people and jobs, and what is on record of each.

    Examples:
        luactl access login list
        luactl access login list --all -o csv
    """
    from luactl.access import login as noun

    with session("access login list") as s:
        show(noun.list_(s, every=every), COLUMNS)


def adopt(
    login: Existing = None,
    person: Whose = None,
    method: Method = "unknown",
    attribute: Attributes = None,
    file: Many = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Say whose a login is that exists already; without a name, list those that are nobody's (exit 6).

    Nothing is granted: what it has stays, and is on record from here on.

    Examples:
        luactl access adopt
        luactl access adopt ida --person ida.lang --method password
        luactl access adopt --from logins.csv --dry-run
    """
    from luactl.access import login as noun
    from luactl.errors import Exit

    if file is not None and (login or person):
        raise UsageError("one login, or a file of them", hint="give one of the two")
    if file is None and (login is None) != (person is None):
        raise UsageError("a login and --person belong together", hint="`luactl staff list` shows the handles")
    with session("access adopt") as s:
        if file is None and login is None:
            found = noun.strangers(s)
            show(found, STRANGERS, outcome=Exit.FINDINGS if found else Exit.DONE)
            return
        wanted = (
            noun.parse_adoptions(file)
            if file is not None
            else [
                noun.Adoption(str(login), str(person), method, tuple(one.upper() for one in attribute or ()))
            ]
        )
        plan = noun.adopt(s, wanted, dry_run=True)
        if dry_run:
            show_plan(plan, ADOPTED, _hand_over(plan))
            return
        if any(one.changed for one in plan):
            confirm(f"Adopt {len(plan)} logins?" if len(plan) > 1 else f"Adopt {plan[0].login}?", yes=yes)
        done = noun.adopt(s, wanted)
        show(done, ADOPTED, _hand_over(done))


def _hand_over(done: list[Adoption]) -> list[str]:
    left = [statement for one in done for statement in one.left]
    lead = "so that luactl can change and end them, a superuser runs:"
    return [lead, *(f"    {one};" for one in left)] if left else []


def _until(session: Session, text: str | None) -> datetime | None:
    from luactl.log import parse_time

    return None if text is None else parse_time(text, session.clock.now())
