"""`luactl verify`: check a certificate folder offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luactl.errors import Exit

from .app import lone
from .output import show

COLUMNS = tuple(
    (name, name.upper().replace("_", " "))
    for name in ("ok", "kind", "id", "made_at", "made_by", "key", "pinned", "index")
)
app = lone("Check a certificate folder offline, without a database.")


@app.command("verify")
def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The folder that holds manifest.json, its .zip, or a proof."),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="VKEY|FILE", help="The log's verifier key, from a source that you trust."
        ),
    ] = None,
    approver: Annotated[
        list[str] | None,
        typer.Option(
            "--approver",
            metavar="VKEY|FILE",
            help="An approver's key that you trust; repeatable.",
            show_default=False,
        ),
    ] = None,
    custody: Annotated[
        str | None,
        typer.Option(
            "--custody", metavar="SHA256", help="An entry of a lockbox's custody log that you wrote down."
        ),
    ] = None,
) -> None:
    """Check a certificate or lockbox (folder or .zip): files, signature, proof that the log holds its entry.

    A file from `ledger prove -o json` is checked likewise.

    Exit code 6 says that something is wrong. Needs no database, no profile, no network.

    Examples:
        luactl verify ./certificate
        luactl verify ./certificate.zip --key log.vkey -o json
        luactl verify ./INC-7 --key log.vkey
        luactl verify ./proof.json --key log.vkey
    """
    from luactl.verify import verify_folder

    found = verify_folder(folder, key, approver or (), custody)
    notes = [f"{one.file}: {one.what}" for one in found.findings]
    if found.custody:
        notes.append(f"the head of its custody log: {found.custody}")
    if not found.pinned:
        notes.append(
            "judged by the key in the folder itself, which anybody could have put there: --key pins one"
        )
    show(found, COLUMNS, notes, outcome=Exit.DONE if found.ok else Exit.FINDINGS)
