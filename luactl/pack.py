"""Arrays in Postgres' binary form, packed at once: psycopg would turn element after element over.

Each class wraps the bytes of one array parameter; to the database it is an ordinary array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, ClassVar
from uuid import UUID

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

HEAD = Struct(">iiIii")
EMPTY = Struct(">iiI")
LENGTH = Struct(">i")
NUMBER = Struct(">ii")
BIGINT = Struct(">iq")
NULL = LENGTH.pack(-1)
UUID_LENGTH = LENGTH.pack(16)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Packed:
    """The bytes of one array parameter."""

    element: ClassVar[int]
    array: ClassVar[int]

    def __init__(self, count: int, elements: Iterable[bytes]) -> None:
        """Take elements that bear their lengths already."""
        head = HEAD.pack(1, 1, self.element, count, 1) if count else EMPTY.pack(0, 0, self.element)
        self.data = head + b"".join(elements)


class Uuids(Packed):
    """A uuid[]."""

    element, array = 2950, 2951

    @classmethod
    def of(cls, ids: Collection[UUID | None]) -> Uuids:
        """Pack ids; None is null."""
        return cls(len(ids), [NULL if one is None else UUID_LENGTH + one.bytes for one in ids])


class Times(Packed):
    """A timestamptz[]."""

    element, array = 1184, 1185

    @classmethod
    def of(cls, values: Sequence[datetime]) -> Times:
        """Pack instants, to the microsecond."""
        pack = BIGINT.pack
        return cls(len(values), [pack(8, (one - EPOCH) // MICROSECOND) for one in values])


class Bytes(Packed):
    """A bytea[]."""

    element, array = 17, 1001

    @classmethod
    def of(cls, values: Collection[bytes]) -> Bytes:
        """Pack byte strings."""
        pack = LENGTH.pack
        return cls(len(values), [pack(len(one)) + one for one in values])


class Numbers(Packed):
    """An int4[], with nulls."""

    element, array = 23, 1007

    @classmethod
    def of(cls, values: Sequence[int | None]) -> Numbers:
        """Pack numbers; None is null."""
        pack = NUMBER.pack
        return cls(len(values), [NULL if one is None else pack(4, one) for one in values])


class Bigints(Packed):
    """An int8[]."""

    element, array = 20, 1016

    @classmethod
    def of(cls, values: Sequence[int]) -> Bigints:
        """Pack numbers of 64 bits. Raises struct.error for larger ones."""
        pack = BIGINT.pack
        return cls(len(values), [pack(8, one) for one in values])


class Texts(Packed):
    """A text[]."""

    element, array = 25, 1009

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Texts:
        """Pack texts; None is null."""
        pack = LENGTH.pack
        encoded = [None if one is None else one.encode() for one in values]
        return cls(len(values), [NULL if one is None else pack(len(one)) + one for one in encoded])


def _dumper(kind: type[Packed]) -> type[Dumper]:
    class PackedDumper(Dumper):
        oid = kind.array
        format = Format.BINARY

        def dump(self, obj: Packed) -> Buffer:
            return obj.data

    return PackedDumper


DUMPERS = {kind: _dumper(kind) for kind in (Uuids, Times, Bytes, Numbers, Bigints, Texts)}


def teach(conn: Connection[Any]) -> None:
    """Let a connection take packed arrays as parameters."""
    for kind, dumper in DUMPERS.items():
        conn.adapters.register_dumper(kind, dumper)
