"""The list of people in a certificate about many: each as a hash that only who knows the id can find. Pure.

The id is random, so that nobody can guess one; the act is part of what is hashed, so that two certificates
cannot be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

LIST = "subjects.txt"
HEADER = "luactl/erasure/subject/1"
DIGITS = 32


def line(erasure_id: UUID, subject_id: UUID) -> str:
    """Return what stands for one person: the first 16 bytes of a SHA-256, in hex."""
    return sha256(f"{HEADER}\n{erasure_id}\n{subject_id}\n".encode()).hexdigest()[:DIGITS]


def listed(erasure_id: UUID, subjects: Iterable[UUID]) -> bytes:
    """Return the file: one line a person, in the order of the lines."""
    return "".join(f"{one}\n" for one in sorted(line(erasure_id, who) for who in subjects)).encode()
