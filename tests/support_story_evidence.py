"""Of the story of all commands: evidence is collected, sealed, and handed over."""

from __future__ import annotations

from support_story import Case, Rule, World, covering, rows

INTEGRATED = rows("ledger.leaf", "ledger.subtree", "ledger.checkpoint") | {("ledger.pending", "delete")}
READS = "read"


def box(w: World) -> str:
    return str(w.folder / "lockbox")


def line(w: World) -> str:
    """The id of a line that was brought in."""
    row = w.admin.execute("SELECT id::text FROM lua.log_line").fetchone()
    assert row is not None
    return str(row[0])


COLLECTED: dict[str, tuple[Case, ...]] = {
    "log raw": (
        Case(
            lambda w: (line(w), "--purpose", "INC-7"),
            (Rule("", "files", READS),),
            empty=True,
            anew=True,
        ),
    ),
    "log export": (
        Case(
            lambda w: (
                "since:2026-03-01", "action:contact.read,tenant.create", "--case", "INC-7", "--to", box(w),
                "--purpose", "breach",
            ),
            (Rule("", "files", "log.export"), Rule("", "files", READS)),
            covering(INTEGRATED),
            again=5,
            finish=lambda w: ("log", "seal", box(w), "--yes"),
            empty=True,
        ),
    ),
    "log custody add": (
        Case(
            lambda w: (box(w), "--action", "stored", "--by", "Ida Falk", "--to", "safe 2"),
            (Rule("", "files", "log.custody.add"),),
            empty=True,
            anew=True,
        ),
    ),
    "log custody list": (Case(lambda w: (box(w),)),),
    "log seal": (Case(lambda w: (box(w),), (), covering(INTEGRATED), empty=True),),
}  # fmt: skip
