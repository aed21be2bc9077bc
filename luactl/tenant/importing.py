"""Tenants from a file, one transaction each: what is there already stays, a bad line is reported.

An interrupted import is finished by repeating it: a slug that is there with equal attributes is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..db import Session
from ..errors import UsageError
from ..table import KEPT_REJECTS, Origin, Progress, Reject, batched, nothing, open_records
from .birth import (
    BLOCK,
    COUNTRIES,
    ISOLATIONS,
    RESERVED_HINT,
    RESERVED_SLUG,
    SLUG_RULE,
    NewTenant,
    checked_tenant,
    demand_for,
    differing,
    is_slug,
    registered,
    settle,
)
from .register import Tenant

FIELDS = (
    (
        "slug",
        "Short Name,Tenant,Tenant Id,Tenant Slug,Key,Code,Kürzel,Kurzname,Mandant,Mandantenkürzel,"
        "Identifiant,Identificador,Identificativo,Skrót,Lühinimi",
    ),
    (
        "name",
        "Company,Company Name,Tenant Name,Display Name,Organization,Organisation,Organization Name,Firma,"
        "Firmenname,Unternehmen,Praxis,Bezeichnung,Société,Entreprise,Raison sociale,Nom,Empresa,Nombre,"
        "Azienda,Ragione sociale,Nome,Bedrijf,Bedrijfsnaam,Naam,Nazwa,Nimi",
    ),
    (
        "country",
        "Country Code,ISO Country,CC,Land,Ländercode,Länderkürzel,Landeskürzel,Pays,Code pays,País,"
        "Paese,Landcode,Kraj,Riik",
    ),
    (
        "contact",
        "Contact Person,Contact Name,Contact Email,E-Mail,Email Address,Mail,Ansprechpartner,Kontakt,"
        "Kontaktperson,E-Mail-Adresse,Interlocuteur,Courriel,Contacto,Correo,Contatto,Contactpersoon,Kontaktisik",
    ),
    ("isolation", "Isolation Kind,Tenancy,Trennung,Mandantentrennung,Isolierung,Isolamento,Aislamiento"),
)
"""Fields of a tenant and what people call their columns."""
REQUIRED = ("slug", "name", "country", "contact")


@dataclass(frozen=True)
class ImportReport:
    """The outcome of one import, or with `dry_run` what it would be.

    `rows` are the records read: each is created, already there with equal attributes, or rejected.
    """

    table: str
    form: str
    """csv or jsonl."""
    rows: int
    created: int
    already_there: int
    rejected: int
    dry_run: bool
    unused_columns: tuple[str, ...]
    rejects: tuple[Reject, ...]
    """The first thousand lines that did not go in, in their order."""


@dataclass
class _Tally:
    table: str
    created: int = 0
    already_there: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, line: int, reason: str) -> None:
        self.rejected += 1
        if len(self.rejects) < KEPT_REJECTS:
            self.rejects.append(Reject(self.table, line, reason))

    def account(self, line: int, wanted: NewTenant, there: Tenant | None) -> None:
        """Count a good record by the tenant that was there already, if any."""
        if there is None:
            self.created += 1
        elif differs := differing(there, wanted):
            self.reject(line, f"there is a tenant of this slug, with another {' and '.join(differs)}")
        else:
            self.already_there += 1

    def report(self, form: str, unused: tuple[str, ...], dry_run: bool) -> ImportReport:
        """Freeze the counts; bad lines in their order."""
        rows = self.created + self.already_there + self.rejected
        rejects = tuple(sorted(self.rejects, key=lambda one: one.line))
        return ImportReport(
            self.table, form, rows, self.created, self.already_there, self.rejected, dry_run, unused, rejects
        )


def import_(
    session: Session,
    origin: Origin,
    columns: Mapping[str, str],
    *,
    dry_run: bool = False,
    progress: Progress = nothing,
) -> ImportReport:
    """Create the tenants of a CSV table or of JSON Lines; `progress` is told records as they are done.

    `columns` maps fields to column names, before any guess. Raises UsageError and TableError for what is no
    table of tenants; what fails in the middle leaves the tenants that were created until then.
    """
    with open_records(origin, FIELDS, columns, REQUIRED) as records:
        tally = _Tally(records.name)
        good = list(_read(records.read(tally.reject), tally))
        form, unused = records.form, records.unused
    news = [new for _line, new in good]
    found = _foreseen(session, news) if dry_run else (there for _made, there in settle(session, news))
    for (line, new), there in zip(good, found, strict=True):
        tally.account(line, new, there)
        progress(1)
    return tally.report(form, unused, dry_run)


def _foreseen(session: Session, news: list[NewTenant]) -> Iterator[Tenant | None]:
    """Yield for each new tenant the one that is there already."""
    for block in batched(news, BLOCK):
        there = registered(session, [new.slug for new in block])
        demand_for(session, (new for new in block if new.slug not in there))
        yield from (there.get(new.slug) for new in block)


def _read(records: Iterator[tuple[int, dict[str, str]]], tally: _Tally) -> Iterator[tuple[int, NewTenant]]:
    """Yield the records that could be tenants; the others are counted as rejected."""
    seen: dict[str, int] = {}
    for line, fields in records:
        try:
            new = _checked(fields)
        except UsageError as problem:
            tally.reject(line, problem.what)
            continue
        first = seen.setdefault(new.slug, line)
        if first == line:
            yield line, new
        else:
            tally.reject(line, f"slug stands on line {first} already")


def _checked(fields: dict[str, str]) -> NewTenant:
    """Return the tenant of a record. Raises UsageError, which tells no contents."""
    for name in REQUIRED:
        if name not in fields:
            raise UsageError(f"{name} is empty")
    if not is_slug(fields["slug"]):
        raise UsageError(f"slug is none: {SLUG_RULE}")
    if fields["slug"] == RESERVED_SLUG:
        raise UsageError(f"slug is no tenant's: {RESERVED_HINT}")
    if fields["country"].upper() not in COUNTRIES:
        raise UsageError("country is none: two letters of ISO 3166, such as DE or EE")
    isolation = fields.get("isolation", "pooled").lower()
    if isolation not in ISOLATIONS:
        raise UsageError("isolation is none: pooled or dedicated")
    return checked_tenant(NewTenant(**{**fields, "isolation": isolation}))
