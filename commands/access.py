"""`luactl access`: who can reach what, and how."""

from __future__ import annotations

from .app import group
from .context import session
from .options import AnyTenant
from .output import show

HELP = "Who can reach what, and how."
app = group(HELP)

COLUMNS = (
    ("login", "LOGIN"),
    ("kind", "KIND"),
    ("reaches", "REACHES"),
    ("rights", "RIGHTS"),
    ("how", "HOW"),
    ("path", "PATH"),
)


@app.command("list")
def list_(tenant: AnyTenant = None) -> None:
    """List each login, what it reaches, and how: now, after SET ROLE, or by granting it to itself.

    Examples:
        luactl access list
        luactl access list --tenant smile -o csv
    """
    from luactl import access

    with session("access list") as s:
        show(access.list_(s, tenant), COLUMNS)
