"""From a field of a line to what it means: a login's doings, a tenant, or all lines that have the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .command import Command
from .place import make

if TYPE_CHECKING:
    from luactl.log import Line, Query

    from .console import Console

USUAL = timedelta(days=1)
"""How far back a login's doings are looked at when the query does not say."""

NEAR = timedelta(minutes=1)
"""How far around a line its neighbours are shown."""


class Pivot(Command):
    """Pivot: from the field to the login's doings, the tenant, lines that have it, or those near in time."""

    keys = "p"


def pivot(console: Console, name: str, value: str, line: Line, query: Query) -> None:
    """Open what a field of a line means. Times of the query go with it."""
    from luactl.log import part

    if name == "actor":
        since = query.since or line.at - USUAL
        console.go(make("log_actor:Doings", value, since, query.until))
    elif name == "tenant":
        console.go(make("tenant:OneTenant", value))
    elif name == "time":
        near = [f"since:{(line.at - NEAR).isoformat()}", f"until:{(line.at + NEAR).isoformat()}"]
        console.go(make("log:Log", near))
    else:
        times = [
            f"{word}:{at.isoformat()}" for word, at in (("since", query.since), ("until", query.until)) if at
        ]
        console.go(make("log:Log", [part(name, value), *times]))
