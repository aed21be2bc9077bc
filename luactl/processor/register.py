"""The register of processors: who they are, what for, for which tenants, and how a notice reaches them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import LuactlError, NotFoundError, UsageError, did_you_mean
from ..line import checked

SERVICES = ("cloud", "payment", "authentication", "communication")
MANUAL, COMMAND = "manual", "command:"
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
LONGEST_SLUG = 63


@dataclass(frozen=True)
class Processor:
    """One processor, as it stands in the register."""

    slug: str
    """The name in commands; it never changes."""
    name: str
    """What people call the company."""
    service: str
    """cloud, payment, authentication or communication."""
    country: str
    """ISO 3166, two letters: where it is established."""
    contact: str
    """Where notices go: the address of a role, of no private person."""
    channel: str
    """manual: somebody sends a notice; command:NAME: the program of that name on the host that sends."""
    used_since: date
    """The first day of its use, UTC."""
    used_until: date | None
    """The last one; None: until further notice."""
    tenants: tuple[str, ...] | None
    """For whom it works, by slug; None: for all tenants."""
    unconfirmed: int
    """Notices to it that it has not confirmed."""
    processor_id: UUID

    @property
    def program(self) -> str | None:
        """The name of the program that takes its notices; None: somebody does."""
        return program_of(self.channel)


def program_of(channel: str) -> str | None:
    """Return the name of the program that takes notices on a channel; None: somebody sends them."""
    return None if channel == MANUAL else channel.removeprefix(COMMAND)


@dataclass(frozen=True)
class ProcessorChange:
    """What a change of the register does, or did."""

    before: Processor | None
    """None for a new processor."""
    after: Processor
    changed: bool
    """False when it was so already and nothing was written."""


def list_(session: Session) -> list[Processor]:
    """Return all processors by slug, those included that are no longer in use."""
    with transaction(session) as conn:
        return [_processor(*row) for row in queries("processor").processors(conn)]


def _processor(*row: Any) -> Processor:
    one = Processor(*row)
    return one if one.tenants is None else replace(one, tenants=tuple(one.tenants))


def find(session: Session, slug: str) -> Processor:
    """Return the processor of a slug. Raises NotFoundError with the nearest slugs as its hint."""
    known = {one.slug: one for one in list_(session)}
    if slug in known:
        return known[slug]
    guess = did_you_mean(slug, known)
    raise NotFoundError(
        f"there is no processor {slug[:80]!r}", hint=f"{guess}`luactl processor list` shows them all"
    )


def checked_processor(one: Processor) -> Processor:
    """Return a processor that the register can keep. Raises UsageError."""
    if len(one.slug) > LONGEST_SLUG or not _SLUG.fullmatch(one.slug):
        raise UsageError(
            f"a processor cannot be called {one.slug[:80]!r} in commands",
            hint=f"lower-case words and numbers joined by -, at most {LONGEST_SLUG} characters",
        )
    if one.service not in SERVICES:
        raise UsageError(f"there is no service {one.service[:40]!r}", hint=f"one of {', '.join(SERVICES)}")
    if not _COUNTRY.fullmatch(one.country):
        raise UsageError(f"{one.country[:40]!r} is no country", hint="ISO 3166, two letters: DE, FR, US")
    if one.channel != MANUAL and not (
        one.channel.startswith(COMMAND)
        and _SLUG.fullmatch(str(one.program))
        and len(str(one.program)) <= LONGEST_SLUG
    ):
        raise UsageError(
            f"{one.channel[:80]!r} is no way in which a notice reaches a processor",
            hint="manual, or command:NAME; docs/reference/processor-protocol.md says where the program lies",
        )
    if one.used_until is not None and one.used_until < one.used_since:
        raise UsageError("the last day of use lies before the first")
    tenants = None if one.tenants is None else tuple(sorted(set(one.tenants)))
    return replace(
        one, name=checked("name", one.name), contact=checked("contact", one.contact), tenants=tenants
    )


def add(session: Session, new: Processor, *, dry_run: bool = False) -> ProcessorChange:
    """Register a processor. Needs lua_admin or lua_dpo.

    Raises UsageError for what the register cannot keep, NotFoundError for a tenant that is none, LuactlError
    when the slug is taken.
    """
    wanted = checked_processor(new)
    if any(one.slug == wanted.slug for one in list_(session)):
        raise LuactlError(
            f"there is a processor {wanted.slug!r} already",
            hint=f"`luactl processor change {wanted.slug}` writes what is said of it anew",
        )
    return _put(session, None, wanted, "add", dry_run)


def change(
    session: Session, before: Processor, after: Processor, *, dry_run: bool = False
) -> ProcessorChange:
    """Write what is said of a processor anew. Needs lua_admin or lua_dpo. Raises as `add` does."""
    return _put(session, before, checked_processor(after), "change", dry_run)


def end(session: Session, before: Processor, last: date, *, dry_run: bool = False) -> ProcessorChange:
    """Say which day is the last of a processor's use. Raises as `add` does."""
    return _put(session, before, checked_processor(replace(before, used_until=last)), "end", dry_run)


def _put(
    session: Session, before: Processor | None, after: Processor, verb: str, dry_run: bool
) -> ProcessorChange:
    from ..ledger import Entry, append

    _demand_tenants(session, after.tenants or ())
    found = ProcessorChange(before, after, before != after)
    if dry_run or not found.changed:
        return found
    try:
        with transaction(session) as conn:
            entry_id = append(
                session, Entry(f"processor.{verb}", object=f"processor:{after.slug}", detail=_said(after))
            )
            queries("processor").put_processor(
                conn,
                id=after.processor_id,
                slug=after.slug,
                name=after.name,
                service=after.service,
                country=after.country,
                contact=after.contact,
                channel=after.channel,
                since=after.used_since,
                until=after.used_until,
                tenants=None if after.tenants is None else list(after.tenants),
                at=session.clock.now(),
                entry_id=entry_id,
            )
    except psycopg.errors.UniqueViolation:
        raise LuactlError(
            f"somebody has just registered a processor {after.slug!r}",
            hint=f"`luactl processor show {after.slug}` shows it",
        ) from None
    return found


def _demand_tenants(session: Session, slugs: Sequence[str]) -> None:
    from ..tenant.register import directory, known

    taken = directory(session, slugs)
    for slug in slugs:
        if slug not in taken:
            known(session, slug)


def _said(one: Processor) -> dict[str, Any]:
    """Return what the ledger keeps of it: all that was said."""
    return {
        "name": one.name,
        "service": one.service,
        "country": one.country,
        "contact": one.contact,
        "channel": one.channel,
        "used_since": one.used_since.isoformat(),
        "used_until": None if one.used_until is None else one.used_until.isoformat(),
        "tenants": "all" if one.tenants is None else list(one.tenants),
    }
