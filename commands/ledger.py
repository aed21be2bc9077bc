"""`luactl ledger …`: the state of the log, its proofs and its check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from . import output
from .app import group
from .context import session
from .diagnostics import progress
from .ledger_anchor import anchors
from .ledger_cosign import cosign
from .ledger_prune import export_tiles, prune
from .options import DryRun, Yes

HELP = "The record of it all: its state, proofs and verification."
app = group(HELP)
app.add_typer(anchors, name="anchor")
app.add_typer(cosign, name="cosign")
app.command("prune")(prune)
app.command("export-tiles")(export_tiles)

EntryId = Annotated[UUID, typer.Argument(metavar="ID", help="The id of an entry, as `log search` shows it.")]
CheckpointFile = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint", metavar="FILE", help="Check also against a signed checkpoint kept elsewhere."
    ),
]


SinceFile = Annotated[
    Path | None,
    typer.Option(
        "--since-checkpoint",
        metavar="FILE",
        help="Begin at a signed checkpoint kept elsewhere; read what came after it.",
    ),
]


@app.command("status")
def status() -> None:
    """Show how far the log is signed, what waits, and what the anchors know.

    Examples:
        luactl ledger status
    """
    from luactl import ledger

    with session("ledger status") as s:
        state = ledger.status(s)
    notes = [f"anchor {a.anchor}: {a.problem}" for a in state.anchors if a.problem]
    if not state.anchors:
        notes.append("no anchor: nobody but the database's owner holds a checkpoint")
    output.show(state, notes=notes)


@app.command("verify")
def verify(checkpoint: CheckpointFile = None, since_checkpoint: SinceFile = None) -> None:
    """Recompute every entry, hash, root and signature, and compare with every anchor; exit 6 if wrong.

    Examples:
        luactl ledger verify
        luactl ledger verify --checkpoint /mnt/elsewhere/checkpoint
        luactl ledger verify --since-checkpoint /mnt/elsewhere/checkpoint
    """
    from luactl import ledger
    from luactl.errors import Exit

    with session("ledger verify") as s, progress("entries verified") as advance:
        result = ledger.verify(s, checkpoint, since=since_checkpoint, progress=advance)
    notes = []
    if result.since:
        notes.append(
            f"the given checkpoint stands for the first {result.since:,} entries: they were not read"
        )
    if result.pending:
        notes.append(
            f"{result.pending:,} entries wait for a checkpoint: until then their owner can change them"
        )
    if not result.anchors and checkpoint is None and since_checkpoint is None:
        notes.append(
            "nothing outside the database was compared: give --checkpoint, or name anchors in the profile"
        )
    if result.found > len(result.findings):
        notes.append(f"{len(result.findings):,} of {result.found:,} findings are shown")
    output.show(result, notes=notes, outcome=Exit.DONE if result.ok else Exit.FINDINGS)


@app.command("show")
def show(id: EntryId) -> None:
    """Show one entry as it was signed, with its proof.

    Examples:
        luactl ledger show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 -o json
    """
    from luactl import ledger
    from luactl.errors import Exit

    with session("ledger show") as s:
        shown = ledger.show(s, id)
    notes = ["no checkpoint covers this entry yet"] if shown.index is None else []
    output.show(shown, notes=notes, outcome=Exit.DONE if shown.intact else Exit.FINDINGS)


@app.command("prove")
def prove(id: EntryId) -> None:
    """Prove, to somebody without this database, that an entry stands in the log that was signed.

    `-o json` is what docs/reference/verify_proof.py checks, a script that uses nothing of luactl's.

    Examples:
        luactl ledger prove 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 -o json > proof.json
    """
    from luactl import ledger

    with session("ledger prove") as s:
        output.show(
            ledger.prove(s, id), notes=["keep the verifier key elsewhere: it is what a proof stands on"]
        )


@app.command("integrate")
def integrate(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Give waiting entries their place in the log, sign it, and tell the anchors (on the ledger host).

    Examples:
        luactl ledger integrate --yes
    """
    from luactl import ledger

    with session("ledger integrate") as s:
        plan = ledger.plan_integration(s)
        if dry_run:
            output.show_plan(plan)
            return
        checkpoint = ledger.integrate(s)
        output.show(ledger.status(s), notes=[] if checkpoint else ["nothing waited"])


@app.command("checkpoint")
def checkpoint(
    out: Annotated[
        Path | None,
        typer.Option("-O", "--out", metavar="FILE", help="Write the note into a new file, as it is."),
    ] = None,
    since: Annotated[
        int | None,
        typer.Option("--since", metavar="SIZE", min=0, help="Prove that it goes on from a log of this size."),
    ] = None,
) -> None:
    """Show the newest signed checkpoint, to be kept elsewhere; with --since ready for a cosigner.

    Examples:
        luactl ledger checkpoint --out /mnt/elsewhere/checkpoint
        luactl ledger checkpoint --since 120000 --out request
    """
    from luactl import ledger

    with session("ledger checkpoint") as s:
        found = ledger.newest_checkpoint(s, since)
    if out is not None:
        ledger.write_checkpoint(found, out)
    output.show(found, notes=[] if out is None else [f"written to {out}"])
