"""`luactl secret`: credentials that the CRM must read back, and tokens of its API."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Purpose, TenantSlug, Yes, hidden_value, identifier, secret
from .output import show, show_plan, show_text
from .terminal import is_terminal, neutral

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.secret import Issued, Secret
    from luactl.tenant import Tenant

HELP = "Credentials and API tokens of tenants: put, issue, list, rotate, revoke."
app = group(HELP)

COLUMNS = (
    ("name", "NAME"),
    ("kind", "KIND"),
    ("state", "STATE"),
    ("prefix", "PREFIX"),
    ("scopes", "SCOPES"),
    ("created_at", "SINCE"),
    ("expires_at", "EXPIRES"),
    ("last_used_at", "LAST USED"),
    ("created_by", "BY"),
)
PUT = (("outcome", "OUTCOME"), ("name", "NAME"), ("secret_id", "ID"), ("expires_at", "EXPIRES"))
ISSUED = (*PUT, ("scopes", "SCOPES"), ("old_until", "OLD UNTIL"), ("token", "TOKEN"))
ENDED = (("name", "NAME"), ("kind", "KIND"), ("prefix", "PREFIX"), ("last_used_at", "LAST USED"))
ONCE = "the token is shown this once: only its hash is kept"
Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called, such as smtp.password.")]
Days = Annotated[
    int, typer.Option("--days", min=1, max=3660, metavar="N", help="For how many days it works.")
]
AnyDays = Annotated[
    int | None,
    typer.Option(
        "--days", min=1, max=3660, metavar="N", help="For how many days it works.", show_default=False
    ),
]


@app.command("put")
def put(
    name: Name, tenant: TenantSlug, days: AnyDays = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Keep a credential, sealed, that the CRM will read back. Its value comes on standard input or a prompt.

    One line feed at its end is not part of it. The value is never printed but by `secret reveal`.

    Examples:
        luactl secret put smtp.password --tenant smile < password-file
    """
    from luactl import secret as engine
    from luactl.tenant import active

    with session("secret put") as s:
        found = active(s, tenant)
        plan = engine.plan_put(s, found, name, days)
        if dry_run:
            show_plan(plan, PUT)
        else:
            show(engine.put(s, found, plan, hidden_value(name)), PUT)


@app.command("issue")
def issue(
    name: Name,
    tenant: TenantSlug,
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="THING.VERB", help="What it allows; may be repeated.")
    ],
    days: Days = 90,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="Whose own it is: it ends with that user of the CRM."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make a token for the CRM's API and show it this once: only its hash is kept.

    Examples:
        luactl secret issue reporting --tenant smile --scope contact.read --days 30
        luactl secret issue nele-export --tenant smile --scope contact.export --user ID
    """
    from luactl import secret as engine
    from luactl.tenant import active

    with session("secret issue") as s:
        found = active(s, tenant)
        owner = None if user is None else identifier(user, "user", "access user list")
        plan = engine.plan_issue(s, found, name, scope, days, owner)
        if dry_run:
            show_plan(plan, ISSUED)
        else:
            show(engine.issue(s, found, plan), ISSUED, [ONCE])


@app.command("list")
def list_(
    tenant: TenantSlug,
    every: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
) -> None:
    """List credentials and tokens of a tenant: state, expiry, last use. No value of any.

    Examples:
        luactl secret list --tenant smile --all
    """
    from luactl import secret as engine
    from luactl.tenant import find

    with session("secret list") as s:
        show(engine.list_(s, find(s, tenant), ended=every), COLUMNS)


@app.command("reveal")
def reveal(name: Name, tenant: TenantSlug, purpose: Purpose) -> None:
    """Print the value of a credential; the ledger first keeps who reads it, and why. On a key host only.

    Examples:
        luactl secret reveal smtp.password --tenant smile --purpose 'moving the mailbox'
    """
    from luactl import secret as engine
    from luactl.tenant import find

    with session("secret reveal") as s:
        found = engine.reveal(s, find(s, tenant), name, purpose=purpose)
    show_text("value", neutral(found.value) if is_terminal(sys.stdout) else found.value)


@app.command("rotate")
def rotate(
    name: Name,
    tenant: TenantSlug,
    days: AnyDays = None,
    overlap: Annotated[
        int, typer.Option("--overlap", min=0, max=720, metavar="H", help="Hours that the old token works on.")
    ] = 24,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give a credential a new value (standard input or a prompt), or make the successor of a token.

    The old value of a credential is gone at once; an old token works on for --overlap hours.

    Examples:
        luactl secret rotate smtp.password --tenant smile < password-file
        luactl secret rotate reporting --tenant smile --overlap 48
    """
    from luactl import secret as engine
    from luactl.tenant import active

    with session("secret rotate") as s:
        found = active(s, tenant)
        old = engine.present(s, found, name)
        if old.kind == "credential":
            _new_value(s, found, old, days, dry_run)
        else:
            lasting = engine.DAYS if days is None else days
            plan = engine.plan_successor(s, found, old, timedelta(hours=overlap), lasting)
            _successor(s, found, plan, dry_run, yes)


def _new_value(s: Session, tenant: Tenant, old: Secret, days: int | None, dry_run: bool) -> None:
    from luactl import secret as engine

    plan = engine.plan_rotate(s, tenant, old, days)
    if dry_run:
        show_plan(plan, PUT)
    else:
        show(engine.put(s, tenant, plan, hidden_value(old.name)), PUT)


def _successor(s: Session, tenant: Tenant, plan: Issued, dry_run: bool, yes: bool) -> None:
    from luactl import secret as engine

    if dry_run:
        show_plan(plan, ISSUED)
        return
    if plan.old_until is not None and plan.old_until <= s.clock.now():
        confirm(f"End the present token of {plan.name} at once?", yes=yes, name=tenant.slug)
    show(engine.issue(s, tenant, plan), ISSUED, [ONCE])


@app.command("revoke")
def revoke(
    tenant: TenantSlug,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="What it is called.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All secrets of the tenant.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End a credential or token at once, or all of a tenant's; tokens that still overlap go with it.

    Examples:
        luactl secret revoke reporting --tenant smile --reason 'in a public repository'
        luactl secret revoke --all --tenant smile --reason 'incident 12' --yes
    """
    from luactl import secret as engine
    from luactl.errors import UsageError
    from luactl.tenant import find

    if (name is None) != every:
        raise UsageError(
            "exactly one of NAME and --all is needed", hint="--all ends every secret of the tenant"
        )
    with session("secret revoke") as s:
        found = find(s, tenant)
        plan = engine.revoke(s, found, name, reason, dry_run=True)
        if dry_run:
            show_plan(plan.revoked, ENDED)
            return
        if plan.revoked:
            what = f"secret {name}" if name else f"all {len(plan.revoked)} secrets"
            confirm(f"Revoke {what} of {tenant} at once?", yes=yes, name=tenant)
        done = engine.revoke(s, found, name, reason)
    show(done.revoked, ENDED, [] if done.revoked else ["there was nothing to revoke"])


@app.command("find")
def find(
    token: Annotated[
        str,
        typer.Argument(metavar="PREFIX|-", help="A token's prefix; `-` reads a token from standard input."),
    ] = "-",
) -> None:
    """Say whose a token is that turned up somewhere. A whole token only as `-`: its hash alone is sent.

    Examples:
        luactl secret find
        luactl secret find abcdefgh
    """
    from luactl import secret as engine
    from luactl.errors import UsageError

    if token != "-" and len(token) > len("lua_12345678_"):
        raise UsageError("a whole token does not belong in process lists", hint="give it as `-`")
    given = secret(token, "token")
    with session("secret find") as s:
        show(engine.find(s, given))
