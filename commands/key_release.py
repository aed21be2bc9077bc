"""`luactl key release`, `luactl key person`: keys of one tenant for somebody without the root, for a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session, settings
from .diagnostics import confirm
from .options import AnyTenant, DryRun, TenantSlug, Yes, identifier
from .output import show, show_plan

releases = group("Keys of a tenant released to a person for a time: add, list, revoke.")
persons = group("Your own key pair, to which keys are released: init, show.")

RELEASES = (
    ("release_id", "RELEASE"),
    ("tenant", "TENANT"),
    ("person", "PERSON"),
    ("opens", "OPENS"),
    ("state", "STATE"),
    ("expires_at", "UNTIL"),
    ("ended_at", "ENDED"),
    ("purpose", "PURPOSE"),
)
PLAN = (
    ("tenant", "TENANT"),
    ("person", "PERSON"),
    ("opens", "OPENS"),
    ("expires_at", "UNTIL"),
    ("purpose", "PURPOSE"),
)
PERSON = (("public_key", "PUBLIC KEY"), ("file", "SECRET KEY"))


@releases.command("add")
def add(
    tenant: TenantSlug,
    to: Annotated[
        str, typer.Option("--to", metavar="LOGIN", help="Who opens with them: a login of the database.")
    ],
    public_key: Annotated[
        Path,
        typer.Option(
            "--public-key", metavar="FILE", help="The person's public key: `luactl key person show`."
        ),
    ],
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 30m, 8h, 3d; at most 31d.")
    ],
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="TEXT", help="Why; the ledger keeps it. No personal data.")
    ],
    key_class: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="CLASS", help="Only the part with that key class; default: all of the tenant."
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Release keys of a tenant to a person who has no root: they open its data until the time is up.

    `main` and `special` can only be released together, and so can the duty classes: they share a node.

    Examples:
        luactl key release add --tenant smile --to nora --public-key nora.pub --for 8h --purpose T-12
    """
    from luactl.key import person, release
    from luactl.tenant import find

    parts, time = release.parts_named(key_class), release.duration(duration)
    key = person.read_public_file(public_key)
    with session("key release add") as opened:
        there = find(opened, tenant)
        new = release.NewRelease(there.tenant_id, to, key, time, purpose, parts)
        plan = release.plan(opened, there.slug, new)
        if dry_run:
            show_plan(plan, PLAN)
            return
        confirm(f"Let {to} open {', '.join(plan.opens)} of {tenant} for {duration}?", yes=yes, name=tenant)
        done = release.give(opened, new)
    show(done, RELEASES)


@releases.command("list")
def list_(tenant: AnyTenant = None) -> None:
    """List releases, newest first: running, expired (until the next epoch takes the keys back), ended.

    Examples:
        luactl key release list
        luactl key release list --tenant smile
    """
    from luactl.key import release

    with session("key release list") as opened:
        found = release.list_(opened, tenant)
    late = sum(one.state == "expired" for one in found)
    notes = [f"{late} expired: `luactl key rotate --expired` takes their keys back now"] if late else []
    show(found, RELEASES, notes)


@releases.command("revoke")
def revoke(
    release_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the release.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take released keys back: the whole part of the tree that they open gets new keys, in one epoch.

    What the person opened before may have been copied; nothing that is new opens with their keys.

    Examples:
        luactl key release revoke 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --yes
    """
    from luactl.key import release

    which = identifier(release_id, "release", "key release list")
    with session("key release revoke") as opened:
        plan = release.plan_revocation(opened, which)
        if dry_run:
            show_plan(plan.release, RELEASES)
            return
        confirm(
            f"Take the keys of {plan.release.tenant} back from {plan.release.person}?",
            yes=yes,
            name=plan.release.tenant,
        )
        done = release.revoke(opened, which)
    show(done.release, RELEASES)


@persons.command("init")
def init(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Make your key pair, once: the secret stays in a file of yours, the public key is printed.

    Examples:
        luactl key person init
    """
    from luactl.config import load_profile
    from luactl.key import person

    file = person.person_file(load_profile(settings().profile).name)
    if dry_run:
        show_plan(person.plan(file), PERSON)
        return
    made = person.make(file)
    show(
        person.shown(made, file),
        PERSON,
        ["give the public key to whoever releases keys; the secret stays here"],
    )


@persons.command("show")
def show_person() -> None:
    """Print your public key.

    Examples:
        luactl key person show > nora.pub
    """
    from luactl.config import load_profile
    from luactl.key import person

    file = person.person_file(load_profile(settings().profile).name)
    found = person.load(file)
    if found is None:
        raise UsageError("you have no key pair in this profile", hint="`luactl key person init` makes one")
    show(person.shown(found, file), PERSON)
