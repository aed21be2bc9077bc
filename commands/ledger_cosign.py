"""`luactl ledger cosign …`: another person or host states that the log goes on from what it saw before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import output
from .app import group
from .context import session
from .options import DryRun, Yes

cosign = group("Cosigning: another person or host states that the log goes on from what it saw before.")
COSIGNERS = (("cosigner", "COSIGNER"), ("size", "ENTRIES"), ("at", "AT"), ("lag", "LAG"))
KeyFile = Annotated[Path, typer.Option("--key", metavar="FILE", help="The cosigner's signing key.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the cosigned checkpoint here.")]


@cosign.command("key")
def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key, such as auditor.example/1.")],
    file: KeyFile,
) -> None:
    """Make a cosigning key on the cosigner's host, and show its verifier key for the profile.

    Examples:
        luactl ledger cosign key auditor.example/1 --key cosign.key
    """
    from luactl.ledger.cosign import new_key, shown

    output.show(shown(new_key(file, name)), notes=["the log's profile names it: cosigners = [vkey]"])


@cosign.command("sign")
def sign(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="From `ledger checkpoint --since`.")],
    file: KeyFile,
    log: Annotated[str, typer.Option("--log", metavar="VKEY", help="Verifier key of the log, kept here.")],
    out: Out,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="What was cosigned before [default: beside the key]."),
    ] = None,
) -> None:
    """Cosign a checkpoint if it is proved to go on from the last one; needs files alone, no database.

    Examples:
        luactl ledger cosign sign request --key cosign.key --log 'lua-crm.ledger/0a1b2c3d+…' --out cosigned
    """
    from luactl.ledger.cosign import sign_files

    output.show(sign_files(request, file, log, state, out), notes=[f"written to {out}"])


@cosign.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A cosigned checkpoint.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Bring a cosigned checkpoint into the ledger; the profile names whose signatures count.

    Examples:
        luactl ledger cosign add cosigned
    """
    from luactl.ledger.cosign import read
    from luactl.ledger.cosigned import add as add_note
    from luactl.ledger.cosigned import check

    with session("ledger cosign add") as s:
        if dry_run:
            output.show_plan(check(s, read(file)))
        else:
            output.show(add_note(s, read(file)))


@cosign.command("list")
def list_cosigners() -> None:
    """List the profile's cosigners and how far each has seen the log; exit 6 when too few have.

    Examples:
        luactl ledger cosign list
    """
    from luactl import ledger
    from luactl.errors import Exit

    with session("ledger cosign list") as s:
        found = ledger.status(s)
    notes = [] if found.cosigners else ["the profile names no cosigners"]
    if found.cosigned is not None:
        notes.append(
            f"as many as the profile asks for have seen {found.cosigned:,} of {found.size:,} entries"
        )
    short = found.cosigned == 0 and found.size > 0
    output.show(found.cosigners, COSIGNERS, notes, outcome=Exit.FINDINGS if short else Exit.DONE)
