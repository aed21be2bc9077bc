"""`luactl access user …`, `access permission …`: the CRM's users, what they may, and taking it from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from . import output
from .app import group
from .context import session
from .diagnostics import confirm
from .options import AnyTenant, DryRun, Email, Name, TenantSlug, Yes, identifier, one_of, secret

if TYPE_CHECKING:
    from luactl.access.user import User
    from luactl.db import Session
    from luactl.tenant import Tenant

HELP = "The CRM's users: list, show, revoke."
PERMISSION_HELP = "What users of the CRM may do, and why."
app = group(HELP)
permission_app = group(PERMISSION_HELP)

USERS = (
    ("user_id", "USER"),
    ("state", "STATE"),
    ("roles", "ROLES"),
    ("mfa", "MFA"),
    ("sessions", "SESSIONS"),
    ("last_seen", "LAST SEEN"),
    ("tokens", "TOKENS"),
    ("since", "SINCE"),
)
NAMED = (*USERS[:2], ("login", "LOGIN"), ("name", "NAME"), ("email", "E-MAIL"), *USERS[2:])
REVOKED = (
    ("user_id", "USER"),
    ("sessions", "SESSIONS"),
    ("tokens", "TOKENS"),
    ("roles", "ROLES"),
    ("ended", "ENDED"),
    ("reason", "REASON"),
)
OBJECTS = (
    ("object", "OBJECT"),
    ("kind", "KIND"),
    ("sensitive", "SENSITIVE"),
    ("actions", "ACTIONS"),
    ("about", "ABOUT"),
)
PURGED = (("tenant", "TENANT"), ("sessions", "SESSIONS"))
Who = Annotated[
    str, typer.Argument(metavar="USER|-", help="The user's id; `-` reads a login from standard input.")
]
Opening = Annotated[
    str | None,
    typer.Option(
        "--purpose", metavar="TEXT", help="Open login, name and e-mail, and why.", show_default=False
    ),
]


def _found(s: Session, tenant: Tenant, who: str) -> User:
    from luactl.access import user

    if who == "-":
        return user.of_login(s, tenant, secret(who, "login"))
    return user.find(s, tenant, _id(who))


def _id(text: str) -> UUID:
    return identifier(text, "user", "access user list")


@app.command("list")
def list_(
    tenant: TenantSlug,
    email: Email = None,
    name: Name = None,
    purpose: Opening = None,
    every: Annotated[bool, typer.Option("--all", help="Users that have ended, too.")] = False,
) -> None:
    """List the users of a tenant: roles, second factor, sessions, tokens. Names only with --purpose.

    With --purpose the ledger first keeps whose login, name and e-mail are opened, and why; so does looking
    for an e-mail address or a name. That needs a key host.

    Examples:
        luactl access user list --tenant smile
        luactl access user list --tenant smile --email - --purpose 'ticket 81'
    """
    from luactl.access import user
    from luactl.tenant import find

    asked = None if email is None and name is None else one_of(email=email, name=name)
    with session("access user list") as s:
        found = user.list_(s, find(s, tenant), purpose=purpose, sought=asked, ended=every)  # type: ignore[arg-type]
    output.show(found, USERS if purpose is None else NAMED)


@app.command("show")
def show(who: Who, tenant: TenantSlug, purpose: Opening = None) -> None:
    """Show one user with every session and token. Login, name and e-mail only with --purpose.

    Examples:
        luactl access user show ID --tenant smile
        luactl access user show - --tenant smile --purpose 'ticket 81'
    """
    from luactl.access import user
    from luactl.tenant import find

    with session("access user show") as s:
        there = find(s, tenant)
        output.show(user.show(s, there, _found(s, there, who), purpose=purpose))


@app.command("revoke")
def revoke(
    who: Who,
    tenant: TenantSlug,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    what: Annotated[
        list[str] | None,
        typer.Option(
            "--what",
            metavar="WHAT",
            help="sessions, tokens, roles, or all: these three, and the user ends; may be repeated.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take sessions, tokens or roles from a user at once; `all` ends the user for good.

    Examples:
        luactl access user revoke ID --tenant smile --what sessions --reason 'laptop stolen'
        luactl access user revoke - --tenant smile --what all --reason 'left the practice' --yes
    """
    from luactl.access import user
    from luactl.tenant import find

    with session("access user revoke") as s:
        there = find(s, tenant)
        found = _found(s, there, who)
        plan = user.revoke(s, there, found, what or [], reason, dry_run=True)
        if dry_run:
            output.show_plan(plan, REVOKED)
            return
        if plan.sessions or plan.tokens or plan.roles or plan.ended:
            confirm(
                f"Take {', '.join(plan.what)} from user {found.user_id} of {tenant}?", yes=yes, name=tenant
            )
        output.show(user.revoke(s, there, found, what or [], reason), REVOKED)


@app.command("purge")
def purge(
    tenant: AnyTenant = None,
    every: Annotated[bool, typer.Option("--all", help="All tenants.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete sessions that are over for 90 days; meant for every night. Legal holds keep theirs.

    Examples:
        luactl access user purge --tenant smile --dry-run
        luactl access user purge --all --yes
    """
    from luactl.access import user
    from luactl.errors import UsageError
    from luactl.tenant import find
    from luactl.tenant import list_ as tenants

    if (tenant is None) is not every:
        raise UsageError("exactly one of --tenant and --all is needed")
    with session("access user purge") as s:
        asked = tenants(s) if tenant is None else [find(s, tenant)]
        plan = user.purge(s, asked, dry_run=True)
        if dry_run:
            output.show_plan(plan, PURGED)
            return
        if plan:
            count = sum(one.sessions for one in plan)
            confirm(f"Delete {count:,} sessions for good?", yes=yes, name=tenant or s.profile.name)
        output.show(user.purge(s, asked), PURGED)


@permission_app.command("explain")
def explain(
    who: Who,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="read, write, delete or export.")],
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="As `access permission list` has it.")],
    tenant: TenantSlug,
) -> None:
    """Say whether a user may do something now, by which permission of which role, or why not.

    The same function of the database decides for the CRM. Exit 0 whatever the answer is.

    Examples:
        luactl access permission explain ID read contact --tenant smile
        luactl access permission explain - read special --tenant smile -o json
    """
    from luactl.access import user
    from luactl.tenant import find

    with session("access permission explain") as s:
        there = find(s, tenant)
        output.show(user.explain(s, there, _found(s, there, who), action, object_))


@permission_app.command("list")
def objects() -> None:
    """List what permissions are about; what is sensitive is given by no wildcard.

    Examples:
        luactl access permission list
    """
    from luactl.access import user

    with session("access permission list") as s:
        output.show(user.objects(s), OBJECTS)
