"""Sealed import of customers against a loop that only parses, encodes JSON, seals and COPYs.

The loop writes rows of the same tables, as a superuser to whom row security does not apply (COPY cannot be
used otherwise). It checks nothing, finds nothing that is there already, makes no blind indexes and no ledger
entry, and takes its keys from the system's random source instead of the key tree.
"""

from __future__ import annotations

import csv
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hmac import digest
from io import BytesIO, StringIO
from itertools import islice
from statistics import median
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .measure import Measure, Size

if TYPE_CHECKING:
    import psycopg

    from luactl.db import Session
    from luactl.tenant import Tenant

LIMIT = 1.5
ROWS = {Size.FULL: 100_000, Size.SMALL: 30_000}
RUNS = {Size.FULL: 3, Size.SMALL: 2}
BATCH = 10_000
HEADER = (
    "CustomerId",
    "FirstName",
    "LastName",
    "Company",
    "Email",
    "Phone",
    "Address",
    "PostalCode",
    "City",
    "Country",
)
FIELDS = (
    "external_id",
    "first_name",
    "last_name",
    "company",
    "email",
    "phone",
    "street",
    "postal_code",
    "city",
    "country",
)
SYLLABLES = (
    "an",
    "ber",
    "çel",
    "do",
    "ei",
    "fa",
    "gó",
    "hin",
    "ir",
    "jö",
    "ka",
    "lu",
    "mül",
    "na",
    "or",
    "pe",
    "ros",
    "ski",
)
CITY = ("Köln", "Paris", "Kraków", "Milano", "Tallinn", "Gent", "Porto", "Graz", "Malmö", "Cork")
FRAME = Struct(">BBII")
SUBJECT = (("tenant_id", "int8"), ("subject_id", "uuid"), ("entry_id", "uuid"), ("created_at", "timestamptz"),
           ("updated_at", "timestamptz"))  # fmt: skip
SLOT = (
    ("tenant_id", "int8"),
    ("subject_id", "uuid"),
    ("key_class", "int2"),
    ("version", "int4"),
    ("slot_no", "int8"),
)
KEY = (("tenant_id", "int8"), ("digest", "bytea"), ("subject_id", "uuid"))
CONTACT = (("tenant_id", "int8"), ("contact_id", "uuid"), ("subject_id", "uuid"), ("personal", "bytea"),
           ("index_version", "int2"), ("email_index", "int4"), ("phone_index", "int4[]"),
           ("name_index", "int4[]"), ("entry_id", "uuid"), ("created_at", "timestamptz"),
           ("updated_at", "timestamptz"))  # fmt: skip


def _names(chance: random.Random, count: int) -> list[str]:
    return ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))).title() for _ in range(count)]


def people(count: int) -> bytes:
    """Return a CSV file of invented customers; the same for the same count."""
    chance, out = random.Random(count), StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    first_names, last_names = _names(chance, 300), _names(chance, 5_000)
    for number in range(count):
        first, last, city = chance.choice(first_names), chance.choice(last_names), chance.choice(CITY)
        local = chance.randint(1000000, 9999999)
        phone = f"+49 30 {local}" if number % 4 else f"0171 {local}"
        company = f"{last} & {chance.choice(last_names)} GmbH" if number % 4 == 0 else ""
        email = f"p{number}.{chance.randrange(10**6)}@mail{number % 97}.example"
        street, code = (
            f"{chance.choice(last_names)}straße {chance.randint(1, 200)}",
            chance.randint(10000, 99999),
        )
        writer.writerow((number, first, last, company, email, phone, street, code, city, "DE"))
    return out.getvalue().encode()


def _rows(tenant_id: int, table: bytes, at: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Parse, encode and seal; yield the rows of crm.subject, vault.slot, crm.contact_key and crm.contact."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
    reader = csv.reader(StringIO(table.decode(), newline=""))
    next(reader)
    entry_id, period, period_id = UUID(int=random.getrandbits(128)), os.urandom(32), 1 << 24
    for number, values in enumerate(reader):
        subject_id, contact_id = UUID(bytes=os.urandom(16)), UUID(bytes=os.urandom(16))
        fields = {name: value for name, value in zip(FIELDS, values, strict=True) if value}
        plain = encode(fields).encode()
        key = digest(digest(bytes(32), os.urandom(32) + period, "sha256"), b"luactl/1|row|\x01\x01", "sha256")
        nonce = os.urandom(12)
        place = f"luactl/1|{tenant_id}|{subject_id}|crm.contact|personal|{contact_id}".encode()
        sealed = FRAME.pack(1, 1, 1, period_id) + nonce + AESGCM(key).encrypt(nonce, plain, place)
        yield (
            (tenant_id, subject_id, entry_id, at, at),
            (tenant_id, subject_id, 1, 1, number),
            (tenant_id, os.urandom(32), subject_id),
            (tenant_id, contact_id, subject_id, sealed, 0, None, [], [], entry_id, at, at),
        )


def plain_loop(conn: psycopg.Connection[Any], tenant_id: int, table: bytes, at: Any) -> None:
    """Write the customers by COPY, a batch a transaction."""
    rows = _rows(tenant_id, table, at)
    tables = (
        ("crm.subject", SUBJECT),
        ("vault.slot", SLOT),
        ("crm.contact_key", KEY),
        ("crm.contact", CONTACT),
    )
    while batch := list(islice(rows, BATCH)):
        with conn.transaction(), conn.cursor() as cursor:
            for position, (name, columns) in enumerate(tables):
                names = ", ".join(column for column, _ in columns)
                with cursor.copy(f"COPY {name} ({names}) FROM STDIN (FORMAT binary)") as copy:
                    copy.set_types([kind for _, kind in columns])
                    for row in batch:
                        copy.write_row(row[position])


def compare(
    session: Session, superuser: psycopg.Connection[Any], tenants: list[Tenant], rows: int
) -> tuple[float, float]:
    """Import into pairs of empty tenants, ours and the loop in turns; return the median seconds of each.

    Raises ValueError unless both wrote as many contacts.
    """
    from luactl import crm

    table, times = people(rows), ([], [])  # type: tuple[bytes, tuple[list[float], list[float]]]
    for ours, other in zip(tenants[::2], tenants[1::2], strict=True):
        superuser.execute("CHECKPOINT")
        begun = time.perf_counter()
        crm.import_customers(session, ours, BytesIO(table), crm.Options())
        times[0].append(time.perf_counter() - begun)
        superuser.execute("CHECKPOINT")
        begun = time.perf_counter()
        plain_loop(superuser, other.tenant_id, table, session.clock.now())
        times[1].append(time.perf_counter() - begun)
        counts = superuser.execute(
            "SELECT count(*) FROM crm.contact WHERE tenant_id = ANY (%s) GROUP BY tenant_id",
            [[ours.tenant_id, other.tenant_id]],
        ).fetchall()
        if counts != [(rows,), (rows,)]:
            raise ValueError(f"not all {rows} rows are there: {counts}")
    return median(times[0]), median(times[1])


@contextmanager
def _ground() -> Iterator[tuple[Session, psycopg.Connection[Any]]]:
    """Yield a session in a throw-away home, and the superuser's connection to its database."""
    import psycopg

    from luactl.config import find_paths
    from luactl.connect import open_session
    from luactl.embedded import Server, bundled_binaries, running_port, superuser_conninfo

    from .home import home

    with home() as env:
        before = dict(os.environ)
        os.environ.update(env)
        try:
            with open_session(command="bench") as session:
                server = Server(find_paths(env).server(session.profile.name), bundled_binaries())
                dsn = superuser_conninfo(server, session.conn.info.dbname, running_port(server) or 0)
                with closing(psycopg.connect(dsn, autocommit=True)) as superuser:
                    yield session, superuser
        finally:
            os.environ.clear()
            os.environ.update(before)


def measure(size: Size) -> Measure:
    """Import into fresh tenants of a throw-away home."""
    from luactl.tenant import NewTenant, create, find

    with _ground() as (session, superuser):
        tenants = []
        for number in range(2 * RUNS[size]):
            create(session, NewTenant(f"bench-{number}", "Bench", "DE", "office@bench.example"))
            tenants.append(find(session, f"bench-{number}"))
        ours, loop = compare(session, superuser, tenants, ROWS[size])
    return Measure("crm_import", ours, loop, LIMIT, ROWS[size])
