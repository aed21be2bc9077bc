"""`luactl policy`: internal policies and procedures, and who knows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from luactl.errors import LuactlError, UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, optional_day
from .output import show, show_plan, show_text

HELP = "Internal policies and procedures: their versions, and who has acknowledged them."
app = group(HELP)

COLUMNS = (
    ("policy", "POLICY"),
    ("version", "VERSION"),
    ("title", "TITLE"),
    ("state", "STATE"),
    ("published_at", "PUBLISHED"),
    ("acknowledge_by", "ACKNOWLEDGE BY"),
    ("acknowledged", "ACKNOWLEDGED"),
)
OPEN = (
    ("person", "PERSON"),
    ("policy", "POLICY"),
    ("version", "VERSION"),
    ("title", "TITLE"),
    ("due", "BY"),
    ("overdue", "OVERDUE"),
)
KNOWN = (
    ("person", "PERSON"),
    ("policy", "POLICY"),
    ("version", "VERSION"),
    ("acknowledged_at", "AT"),
    ("evidence", "EVIDENCE"),
    ("recorded_by", "RECORDED BY"),
)
Name = Annotated[str, typer.Argument(metavar="POLICY", help="Its name in commands.")]
Version = Annotated[
    int | None, typer.Option("--number", min=1, metavar="N", help="This version of it.", show_default=False)
]


def _text(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read() if sys.stdin else b""
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the text cannot be read: {error}", hint="name a file, or - for standard input"
        ) from None


@app.command("add")
def add(
    policy: Name,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The text, UTF-8; `-`: standard input.")],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call it.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Add a policy, or the next version of one, as a draft that nobody need know yet.

    Examples:
        luactl policy add laptops laptops.md --title "Laptops and telephones"
    """
    from luactl import policy as noun

    new = noun.prepare(policy, title, _text(file))
    with session("policy add") as s:
        if dry_run:
            show_plan([noun.add(s, new, dry_run=True)], COLUMNS)
        else:
            show([noun.add(s, new)], COLUMNS)


@app.command("publish")
def publish(
    policy: Name,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="DAY", help="Last day to acknowledge it; default in 14 days.", show_default=False
        ),
    ] = None,
    version: Version = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Put the newest draft in force: everybody is to acknowledge it, in place of the version before.

    Examples:
        luactl policy publish laptops --by 2026-12-31 --yes
    """
    from luactl import policy as noun

    last = optional_day(by, "--by")
    with session("policy publish") as s:
        newest = max((one.version for one in noun.list_(s) if one.policy == policy), default=None)
        draft = noun.find(s, policy, version or newest)
        plan = noun.publish(s, draft, last, dry_run=True)
        if dry_run:
            show_plan([plan], COLUMNS)
            return
        if plan != draft:
            confirm(f"Is everybody to acknowledge version {plan.version} by {plan.acknowledge_by}?", yes=yes)
        show([noun.publish(s, draft, last)], COLUMNS)


@app.command("acknowledge")
def acknowledge(
    policy: Name,
    version: Version = None,
    person: Annotated[
        str | None,
        typer.Option("--person", metavar="HANDLE", help="Somebody else, on paper.", show_default=False),
    ] = None,
    evidence: Annotated[
        str | None,
        typer.Option(
            "--evidence", metavar="TEXT", help="What they signed, and where it is filed.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Say that you have read a policy and will keep it; by --person and --evidence, that somebody else has.

    Examples:
        luactl policy acknowledge laptops
        luactl policy acknowledge laptops --person anna.berger --evidence "form of 2026-11-20, folder 7"
    """
    from luactl import policy as noun
    from luactl import staff

    if (person is None) != (evidence is None):
        raise UsageError("--person and --evidence go together", hint="without either it is your own word")
    with session("policy acknowledge") as s:
        who = staff.me(s) if person is None else staff.find(s, person)
        if who is None:
            raise LuactlError(
                f"nobody in force has the login {s.actor}",
                hint="`luactl staff change HANDLE --login` says whose it is",
            )
        one = noun.find(s, policy, version)
        if dry_run:
            show_plan([noun.acknowledge(s, one, who, evidence, dry_run=True)], KNOWN)
        else:
            show([noun.acknowledge(s, one, who, evidence)], KNOWN)


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Replaced and retired versions, too.")] = False,
) -> None:
    """List the policies in force, and drafts.

    Examples:
        luactl policy list --all
    """
    from luactl import policy as noun

    with session("policy list") as s:
        show(noun.list_(s, every=every), COLUMNS)


@app.command("open")
def open_(
    policy: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Only this one.", show_default=False)
    ] = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="HANDLE", help="Only theirs.", show_default=False)
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only yours.")] = False,
) -> None:
    """List who has not acknowledged which policy in force, and by when they must.

    Examples:
        luactl policy open
        luactl policy open --mine
    """
    from luactl import policy as noun
    from luactl import staff

    with session("policy open") as s:
        who = staff.find(s, person) if person else staff.me(s) if mine else None
        if mine and who is None:
            raise LuactlError(
                f"nobody in force has the login {s.actor}", hint="an administrator can say whose it is"
            )
        show(noun.open_(s, who, policy), OPEN)


@app.command("show")
def show_(
    policy: Name,
    version: Version = None,
    text: Annotated[bool, typer.Option("--text", help="Only the text.")] = False,
) -> None:
    """Show a policy with its text: the version in force, or another one.

    Examples:
        luactl policy show laptops
        luactl policy show laptops --text --number 1
    """
    from luactl import policy as noun

    with session("policy show") as s:
        found = noun.text(s, noun.find(s, policy, version))
    if text:
        show_text("body", found.body)
    else:
        show(found)


@app.command("acknowledged")
def acknowledged(policy: Name, version: Version = None) -> None:
    """List who has acknowledged a version, by which login or on which evidence.

    Examples:
        luactl policy acknowledged laptops
    """
    from luactl import policy as noun

    with session("policy acknowledged") as s:
        show(noun.acknowledgements(s, noun.find(s, policy, version)), KNOWN)


@app.command("retire")
def retire(policy: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take a policy out of force: nobody need know it any more.

    Examples:
        luactl policy retire laptops --yes
    """
    from luactl import policy as noun

    with session("policy retire") as s:
        before = noun.find(s, policy)
        plan = noun.retire(s, before, dry_run=True)
        if dry_run:
            show_plan([plan], COLUMNS)
            return
        if plan != before:
            confirm(f"Take {before.title!r} out of force?", yes=yes, name=policy)
        show([noun.retire(s, before)], COLUMNS)
