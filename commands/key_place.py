"""`luactl key holder` and `luactl key book`: where the root and the sealed tree lie, and changing that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.key import KeyStatus
    from luactl.key.places import PlaceChange, Verb
    from luactl.key.register import Kind

holders = group("Holders of the root secret: list, add, remove, retire.")
books = group("Key books, which hold the sealed tree outside the database: list, add, remove, retire.")
places = group("The register of all holders and key books, those of other hosts among them: list.")

HOLDERS = (
    ("name", "HOLDER"),
    ("epochs", "ROOTS OF EPOCHS"),
    ("file_system", "KEPT ON"),
    ("level", "LEVEL"),
    ("problem", "PROBLEM"),
)
BOOKS = (("name", "BOOK"), ("epoch", "EPOCH"), ("change", "CHANGE"), ("problem", "PROBLEM"))
CHANGE = (("verb", "VERB"), ("name", "NAME"), ("epoch", "EPOCH"), ("steps", "STEPS"))
RETIREMENT = (
    ("kind", "KIND"),
    ("name", "NAME"),
    ("host", "HOST"),
    ("place_id", "PLACE"),
    ("epoch", "EPOCH"),
    ("reason", "REASON"),
)
PLACES = (
    ("kind", "KIND"),
    ("name", "NAME"),
    ("host", "HOST"),
    ("place_id", "PLACE"),
    ("registered_at", "SINCE"),
    ("registered_by", "BY"),
    ("retired_at", "RETIRED"),
    ("reason", "REASON"),
)
Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name in the register, or its id.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is gone for ever.")]
HolderName = Annotated[
    str, typer.Argument(metavar="HOLDER", help="file:/folder, or `command:/program ARGUMENT …` as one word.")
]
BookFolder = Annotated[str, typer.Argument(metavar="FOLDER", help="Folder of the key book.")]


@holders.command("list")
def list_holders() -> None:
    """List the holders: which roots each has, what it keeps them on, and what is wrong with it.

    Examples:
        luactl key holder list
    """
    from luactl import key

    with session("key holder list") as opened:
        found = key.status(opened, count=False)
    wrong: list[object] = [one for one in found.holders if one.problem or one.epochs != (found.epoch,)]
    wrong += (left := _left_out(found, "holder"))
    notes = [f"the tree stands at epoch {found.epoch}", *left]
    show(found.holders, HOLDERS, notes, outcome=Exit.FINDINGS if wrong else Exit.DONE)


@holders.command("add")
def add_holder(name: HolderName, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Give a further holder the root, durably, and then name it in the profile.

    Examples:
        luactl key holder add file:/mnt/b/holder --dry-run
        luactl key holder add 'command:/usr/local/lib/luactl/vault-kv secret luactl/root' --yes
    """
    _change(
        "holder",
        "add",
        name,
        dry_run,
        yes,
        f"Copy the root secret to {name}? Whoever has it opens everything.",
    )


@holders.command("remove")
def remove_holder(
    name: HolderName,
    lost: Annotated[
        bool, typer.Option("--lost", help="Its medium is out of reach for good: only forget it, then rotate.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Destroy the root at a holder, and take it out of the profile. The last one stays.

    Examples:
        luactl key holder remove file:/mnt/b/holder --yes
        luactl key holder remove file:/mnt/stolen/holder --lost --yes
    """
    question = f"Forget {name}?" if lost else f"Destroy the root secret at {name}, for good?"
    _change("holder", "remove", name, dry_run, yes, question, lost)


@holders.command("retire")
def retire_holder(which: Which, reason: Reason, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Turn epochs without a holder that is gone for ever, and that no profile here names.

    Its root is not destroyed: certificates of what goes next say so. Rotate afterwards.

    Examples:
        luactl key holder retire file:/mnt/b/holder --reason 'host alpha burnt down'
    """
    _retire("holder", which, reason, dry_run, yes)


@books.command("list")
def list_books() -> None:
    """List the key books: how far each has come, and what is wrong with it.

    Examples:
        luactl key book list
    """
    from luactl import key

    with session("key book list") as opened:
        found = key.status(opened, count=False)
    wrong: list[object] = [one for one in found.books if one.problem or one.epoch != found.epoch]
    wrong += (left := _left_out(found, "book"))
    notes = [f"the tree stands at epoch {found.epoch}", *left]
    show(found.books, BOOKS, notes, outcome=Exit.FINDINGS if wrong else Exit.DONE)


@books.command("add")
def add_book(folder: BookFolder, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Write the whole sealed tree into a further key book, and then name it in the profile.

    Examples:
        luactl key book add /mnt/c/book --yes
    """
    _change("book", "add", folder, dry_run, yes, f"Write a key book to {folder}?")


@books.command("remove")
def remove_book(folder: BookFolder, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take a key book out of the profile; its file stays. The last one stays named.

    Examples:
        luactl key book remove /mnt/c/book --yes
    """
    _change("book", "remove", folder, dry_run, yes, f"Write to the key book {folder} no more?")


@books.command("retire")
def retire_book(which: Which, reason: Reason, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Turn epochs without a key book that is gone for ever, and that no profile here names.

    Examples:
        luactl key book retire /mnt/c/book --reason 'disk broken'
    """
    _retire("book", which, reason, dry_run, yes)


@places.command("list")
def list_places() -> None:
    """List every holder and key book that was ever registered, on whatever host, and which are retired.

    Examples:
        luactl key place list
        luactl key place list -o json
    """
    from luactl.key import register

    with session("key place list") as opened:
        found = register.list_(opened)
    show(found, PLACES)


def _left_out(found: KeyStatus, kind: Kind) -> list[str]:
    return [one.missed for one in found.left_out if one.kind == kind]


def _retire(kind: Kind, which: str, reason: str, dry_run: bool, yes: bool) -> None:
    from luactl.key import retire

    with session(f"key {kind} retire") as opened:
        wanted = retire.plan(opened, kind, which, reason)
        if dry_run:
            show_plan(wanted, RETIREMENT)
            return
        confirm(
            f"Turn epochs without {kind} {wanted.name} of {wanted.host}, for ever?",
            yes=yes,
            name=opened.profile.name,
        )
        done = retire.retire(opened, wanted)
    lost = ["its root must be taken for stolen: `luactl key rotate` now"] if kind == "holder" else []
    show(done, RETIREMENT, lost)


def _change(
    kind: Kind, verb: Verb, name: str, dry_run: bool, yes: bool, question: str, lost: bool = False
) -> None:
    from luactl.key import places

    with session(f"key {kind} {verb}") as opened:
        wanted = places.plan(opened, kind, verb, name, lost=lost)
        if dry_run:
            show_plan(wanted, CHANGE)
            return
        confirm(question, yes=yes, name=opened.profile.name)
        done = places.carry_out(opened, wanted)
    show(done, CHANGE, _advice(done))


def _advice(done: PlaceChange) -> list[str]:
    if done.lost:
        return ["its root must be taken for stolen: `luactl key rotate` now"]
    if done.verb == "remove":
        return []
    if done.kind == "holder":
        return ["every host that changes keys must name it: see docs/how-to/holders-and-books.md"]
    return ["keep it out of the backups of the data"]
