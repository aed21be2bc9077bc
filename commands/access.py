"""`luactl access`: who can reach what, and how."""

from __future__ import annotations

from typing import Annotated

import typer

from . import access_login, access_state
from .access_duty import app as duty_app
from .access_elevation import app as elevation
from .access_elevation import elevate
from .access_review import app as review_app
from .access_user import app as user_app
from .access_user import permission_app
from .app import group
from .context import session
from .options import AnyTenant
from .output import show

HELP = "Who can reach what, and how."
app = group(HELP)
app.add_typer(duty_app, name="duty")
app.add_typer(review_app, name="review")
app.add_typer(access_login.app, name="login")
app.command("adopt")(access_login.adopt)
app.add_typer(elevation, name="elevation")
app.command("elevate")(elevate)
app.command("drift")(access_state.drift)
app.command("reconcile")(access_state.reconcile)
app.add_typer(user_app, name="user")
app.add_typer(permission_app, name="permission")

COLUMNS = (
    ("login", "LOGIN"),
    ("kind", "KIND"),
    ("reaches", "REACHES"),
    ("rights", "RIGHTS"),
    ("how", "HOW"),
    ("path", "PATH"),
)
REACHES = (
    ("login", "LOGIN"),
    ("object", "OBJECT"),
    ("rights", "RIGHTS"),
    ("how", "HOW"),
    ("via", "VIA"),
    ("rows", "ROWS"),
    ("opens", "OPENS"),
    ("path", "PATH"),
    ("cut", "CUT BY"),
)
WHO = (
    REACHES[0],
    ("person", "PERSON"),
    *REACHES[1:-1],
    ("enters", "GETS IN"),
    ("last_seen", "LAST SEEN"),
    REACHES[-1],
)
EXPLAINED = (
    ("login", "LOGIN"),
    ("object", "OBJECT"),
    ("rights", "LOSES"),
    ("still", "STILL REACHED"),
    ("cut", "CUT BY"),
)
Object = Annotated[
    str,
    typer.Argument(
        metavar="OBJECT",
        help="A table, view or sequence as schema.name, a function, or kind:name for others.",
    ),
]
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="A login of the server, or somebody's handle.")]
Explain = Annotated[
    str | None,
    typer.Option(
        "--explain",
        metavar="LOGIN",
        help="What cutting the ways of this login or person takes from anybody.",
        show_default=False,
    ),
]


@app.command("list")
def list_(tenant: AnyTenant = None) -> None:
    """List each login, what it reaches, and how: now, after SET ROLE, by granting it to itself, or by
    code that it puts where others run it.

    Examples:
        luactl access list
        luactl access list --tenant smile -o csv
    """
    from luactl import access

    with session("access list") as s:
        show(access.list_(s, tenant), COLUMNS)


@app.command("who")
def who(object_: Object, explain: Explain = None) -> None:
    """Show every login that reaches an object, by the shortest way, and the REVOKE that cuts it.

    Ways lead over roles (now, after SET ROLE, after granting something to itself), ownership, PUBLIC,
    predefined roles, views, copies, rules and definer functions; and over code: a trigger, a function or a
    name that a login may put where somebody else, who reaches the object, writes, calls or looks it up.

    Examples:
        luactl access who crm.contact
        luactl access who schema:vault -o json
        luactl access who role:lua_admin
        luactl access who crm.contact --explain anna
    """
    from luactl import access

    with session("access who") as s:
        if explain is None:
            show(access.who(s, object_), WHO)
        else:
            show(access.explain(s, object_, explain), EXPLAINED)


@app.command("what")
def what(login: Login) -> None:
    """Show everything that a login reaches, by the shortest way, and the REVOKE that cuts it.

    Also the roles that it has or can become, its attributes, as whom code of its own may run (CODE), what
    objects to come would grant, settings, keys that were released to it. A person's handle stands for all
    of their logins.

    Examples:
        luactl access what anna
        luactl access what anna.berger -o csv
    """
    from luactl import access

    with session("access what") as s:
        show(access.what(s, login), REACHES)
