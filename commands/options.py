"""Options that many verbs share, spelt and explained once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .diagnostics import ask, ask_hidden, is_interactive

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan that the run would carry out.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")]
TenantSlug = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="The tenant.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The tenant's name in commands.")]
AnyTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant.", show_default=False)
]
Purpose = Annotated[
    str, typer.Option("--purpose", metavar="TEXT", help="Why the data are read; the ledger keeps it.")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on: RFC 3339, a date, or -2h, -3d."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
MOST_ROWS = 1_000_000_000
Limit = Annotated[
    int, typer.Option("--limit", min=0, max=MOST_ROWS, metavar="N", help="At most N rows; 0 means all.")
]

_STDIN = "`-` reads it from standard input or asks."
Email = Annotated[str | None, typer.Option("--email", metavar="VALUE|-", help=f"E-mail address; {_STDIN}")]
Phone = Annotated[str | None, typer.Option("--phone", metavar="VALUE|-", help=f"Phone number; {_STDIN}")]
Name = Annotated[str | None, typer.Option("--name", metavar="VALUE|-", help=f"Name; {_STDIN}")]
ExternalId = Annotated[
    str | None,
    typer.Option("--external-id", metavar="VALUE|-", help=f"Identifier in another system; {_STDIN}"),
]


def secret(value: str, label: str) -> str:
    """Return `value`, or what `-` stands for: an answer on the terminal, else a line of standard input.

    Raises UsageError when nothing came.
    """
    if value != "-":
        return value
    try:
        given = ask(f"{label}:") if is_interactive() else sys.stdin.readline() if sys.stdin else ""
    except UnicodeDecodeError:
        raise UsageError(f"the {label} on standard input is no text in UTF-8") from None
    if not given.strip():
        raise UsageError(f"no {label} came on standard input")
    return given.strip()


def hidden_value(label: str) -> str:
    """Return what standard input holds, or what is typed twice without being shown; never an option.

    One line feed at the end of standard input is not part of it. Raises UsageError when nothing came.
    """
    if is_interactive():
        given = ask_hidden(f"{label}:")
        if given and given != ask_hidden(f"{label}, again:"):
            raise UsageError(f"the two answers for {label} differ", hint="run it again")
    else:
        try:
            given = sys.stdin.read() if sys.stdin else ""
        except UnicodeDecodeError:
            raise UsageError(f"the {label} on standard input is no text in UTF-8") from None
        given = given.removesuffix("\n").removesuffix("\r")
    if not given:
        raise UsageError(f"no {label} came on standard input", hint="pipe it in, or run this on a terminal")
    return given


def identifier(text: str, what: str = "subject", source: str = "subject find") -> UUID:
    """Read the id of something. Raises UsageError, which does not repeat the text: it may name a person."""
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        hint = f"ids are UUIDs; `luactl {source}` gives them"
        raise UsageError(f"that is no {what} id", hint=hint) from None


def one_of(**identities: str | None) -> tuple[str, str]:
    """Return kind and value of the one identity that was given; `-` is resolved.

    Raises UsageError unless exactly one of them is not None.
    """
    given = [(kind, value) for kind, value in identities.items() if value is not None]
    flags = ", ".join("--" + kind.replace("_", "-") for kind in identities)
    if len(given) != 1:
        raise UsageError(f"exactly one of {flags} is needed", hint="give one of them, and only one")
    kind, value = given[0]
    return kind, secret(value, kind.replace("_", " "))


def day(text: str, what: str) -> date:
    """Read a day. Raises UsageError."""
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no day for {what}", hint="such as 2027-12-31") from None


def optional_day(text: str | None, what: str) -> date | None:
    """Read a day, if one was given. Raises UsageError."""
    return None if text is None else day(text, what)
