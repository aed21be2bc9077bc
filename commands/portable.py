"""`luactl tenant export` and `import-data`: everything that a tenant keeps, out and in again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import RefusedError

from .context import is_json, session
from .diagnostics import confirm, progress
from .options import DryRun, Slug, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.key.person import PersonKey
    from luactl.portable import Bundle, DataImport

EXPORTED = (
    ("export_id", "EXPORT"),
    ("tenant", "TENANT"),
    ("folder", "FOLDER"),
    ("purpose", "PURPOSE"),
)
TAKEN = (("export_id", "EXPORT"), ("tenant", "TENANT"), ("creates_tenant", "CREATES IT"))
FILES = (("name", "FILE"), ("rows", "ROWS"), ("bytes", "BYTES"))
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the export.")]


def export(
    slug: Slug,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="TEXT", help="Why; the ledger keeps it.")
    ] = "return of the tenant's data",
    secrets_to: Annotated[
        Path | None,
        typer.Option(
            "--secrets-to",
            metavar="FILE",
            help="Return credentials too, sealed to this public key (`luactl key person show`).",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Hand over everything that a tenant keeps: a portable folder, with a signed receipt.

    The files hold personal data in clear. Every reading is recorded first. `luactl tenant import-data`
    takes the folder in again, `luactl verify` checks it offline.

    Examples:
        luactl tenant export smile ./smile-export --dry-run
        luactl tenant export smile ./smile-export --purpose 'end of contract' --yes
        luactl tenant export smile ./smile-export --secrets-to smile.pub --yes
    """
    from luactl import certificate, portable, tenant
    from luactl.key.person import read_public_file

    to = None if secrets_to is None else read_public_file(secrets_to)
    with session("tenant export") as s:
        found = tenant.find(s, slug)
        if not dry_run:
            certificate.tidy(folder)
        plan = portable.export(s, found, folder, purpose, secrets_to=to, dry_run=True)
        if dry_run:
            show_plan(plan if is_json() else plan.files, FILES, plan.about_secrets)
            return
        rows = sum(file.rows for file in plan.files)
        confirm(f"Write {rows:,} rows of {slug} in clear to {folder}?", yes=yes)
        with progress("rows", rows) as advance:
            done = portable.export(s, found, folder, purpose, secrets_to=to, progress=advance)
    notes = [f"{file.name}: {file.rows:,} rows" for file in done.files] + done.about_secrets
    if done.pending:
        notes.append(f"the receipt is pending, without signature or proof: {done.pending}")
    show(done, EXPORTED, notes)


def import_data(
    folder: Folder,
    slug: Annotated[
        str | None,
        typer.Option("--as", metavar="SLUG", help="Under this slug; without it the one in the export."),
    ] = None,
    with_secrets: Annotated[
        bool,
        typer.Option("--with-secrets", help="Credentials too, opened with your own key pair (`key person`)."),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take an export in again: people, contacts, interactions and invoices with their ids, sealed anew.

    Makes the tenant if there is none of that slug. What is there already stays; an interrupted run is
    finished by repeating it. Who was erased in this tenant since is not brought back.

    Examples:
        luactl tenant import-data ./smile-export --dry-run
        luactl tenant import-data ./smile-export --as smile-new --yes
        luactl tenant import-data ./smile-export --with-secrets --yes
    """
    from luactl import portable

    bundle = portable.read_bundle(folder)
    wanted = slug or str(bundle.tenant.get("slug"))
    with session("tenant import-data") as s:
        person = _own_key(s.profile.name) if with_secrets else None
        plan = portable.import_data(s, bundle, wanted, person=person, dry_run=True)
        total = sum(plan.rows.values())
        if dry_run:
            show_plan(plan, TAKEN, _remarks(plan, bundle))
            return
        confirm(f"Take {total:,} rows into tenant {wanted}?", yes=yes, name=wanted)
        with progress("rows", total) as advance:
            done = portable.import_data(s, bundle, wanted, person=person, progress=advance)
    show(done, TAKEN, _remarks(done, bundle))


def _own_key(profile: str) -> PersonKey:
    from luactl.key.person import load, person_file

    found = load(person_file(profile))
    if found is None:
        raise RefusedError(
            "there is no key pair of yours on this host",
            hint=f"the one that the export was sealed to belongs in {person_file(profile)}",
        )
    return found


def _remarks(done: DataImport, bundle: Bundle) -> list[str]:
    said = [f"{file}: {count:,} of {done.rows[file]:,} rows" for file, count in done.written.items()]
    if done.creates_tenant:
        said.append(f"tenant {done.tenant} is made from the export")
    said += done.settings
    if done.secrets is None and bundle.secrets:
        said.append(f"{len(bundle.secrets)} credentials stay out: --with-secrets takes them in")
    if done.secrets is not None:
        said += [f"credential {name}" for name in done.secrets.written]
        said += [f"credential {name} stays as it is here" for name in done.secrets.kept]
        said += [f"credential {name} has expired and stays out" for name in done.secrets.expired]
    if done.left_out:
        said.append(f"{done.left_out:,} rows are left out: their people are erased here")
    return said
