"""Blind indexes: truncated HMACs over normalised identities, for equality search in sealed data.

Owns how an identity is normalised and how wide its index may be (docs/reference/formats.md). The width keeps
an index *deniable*: after a person's keys are gone, an index left in an old backup still points at several
people, never at one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from hmac import HMAC, digest

from .phone import normalise as normalise_phone

__all__ = [
    "NORMALISER",
    "Indexer",
    "Widths",
    "external_digest",
    "login_digest",
    "name_tokens",
    "normalise_email",
    "normalise_external",
    "normalise_phone",
    "version_for",
    "widths",
]

NORMALISER = b"v1"
"""Version of the normalisation below; it is part of what is hashed."""
PHONES = 2
"""So many phone numbers of a row are indexed: more would exceed the bits that a row may show."""
_MAX_NAME_BITS = 3
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼʹ`´"))
_COMBINING = range(0x0300, 0x0370)
# Letters whose stroke or ligature Unicode does not decompose. ß is ss after case folding.
_LETTERS = str.maketrans({
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ŋ": "n", "ı": "i", "ĸ": "k", "ɓ": "b",
    "ɗ": "d", "ƙ": "k", "æ": "ae", "œ": "oe", "þ": "th", "ə": "e",
})  # fmt: skip


def _fold(value: str) -> str:
    """Fold compatibility forms and case so that folding twice changes nothing."""
    if value.isascii():
        return value.strip().lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    return folded.strip()


def _domain(value: str) -> str:
    """Return a domain in its ASCII form (IDNA 2008), or lower-cased as it stands where IDNA refuses it.

    Lower-casing and not case-folding: IDNA 2008 tells straße.de from strasse.de.
    """
    if value.isascii():
        return value.strip().lower().removesuffix(".")
    import idna

    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).lower()).strip()
    try:
        return idna.encode(lowered).decode("ascii").removesuffix(".")
    except idna.IDNAError:
        return _fold(lowered).removesuffix(".")


def normalise_email(value: str) -> str | None:
    """Return an e-mail address in its one form, or None if it has no local part or no domain.

    The local part is case-folded too. Dots and `+tags` stay: they may mean another person.
    """
    if value.isascii():
        local, _, domain = value.strip().lower().rpartition("@")
        domain = domain.removesuffix(".")
    else:
        head, _, tail = unicodedata.normalize("NFKC", value).rpartition("@")
        local, domain = _fold(head), _domain(tail)
    return f"{local}@{domain}" if local and domain else None


def name_tokens(value: str) -> tuple[str, ...]:
    """Return the words of a name, each once, sorted: folded in case and accents, without apostrophes.

    >>> name_tokens("Łukasz O’Brien-Weiß")
    ('lukasz', 'obrien', 'weiss')
    """
    if value.isascii():
        return tuple(sorted(set(_ASCII_TOKEN.findall(value.translate(_APOSTROPHES).lower()))))
    folded = unicodedata.normalize("NFKD", _fold(value).translate(_APOSTROPHES))
    letters = "".join(c for c in folded if ord(c) not in _COMBINING)
    plain = unicodedata.normalize("NFC", letters).casefold().translate(_LETTERS)
    words = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in plain)
    return tuple(sorted(set(words.split())))


def normalise_external(value: str) -> str | None:
    """Return an external id in its one form, or None if it is empty. Case stays: ids may differ in it."""
    return unicodedata.normalize("NFKC", value).strip() or None


@dataclass(frozen=True)
class Widths:
    """How many bits each blind index of a row has."""

    version: int
    """What the row stores as `index_version`; 0 means no index at all."""
    email: int
    """Bits of the e-mail index."""
    phone: int
    """Bits of the index of each phone number; a row has up to two."""
    name: int
    """Bits of the index of each word of a name; stored as a set."""

    @property
    def total(self) -> int:
        """Bits that one row shows together: one e-mail, two phone numbers, three words of a name."""
        return self.email + PHONES * self.phone + 3 * self.name


def version_for(rows: int) -> int:
    """Return the width version for so many rows: ⌊log₂ rows⌋, or 0 below 16 rows, where nothing may show."""
    return rows.bit_length() - 1 if rows >= 16 else 0


def widths(version: int) -> Widths:
    """Share the bits of a version out: together always version − 1.

    With R in [2^version, 2^(version + 1)) that leaves 2 ≤ R / 2^total < 4 ≤ √R. A word of a name has three
    bits at most: a *set* of eight buckets then shows no more than 8 bits however many words a name has.
    """
    if version < 4:
        return Widths(version, 0, 0, 0)
    total = version - 1
    phone, name = total // 6, min(_MAX_NAME_BITS, total // 7)
    return Widths(version, total - PHONES * phone - 3 * name, phone, name)


def external_digest(unique_key: bytes, value: str) -> bytes | None:
    """Return the 32 bytes that stand for an external id in `crm.contact_key`; None if the id is empty."""
    normalised = normalise_external(value)
    if normalised is None:
        return None
    return digest(unique_key, NORMALISER + b"external-id" + normalised.encode(), "sha256")


def login_digest(unique_key: bytes, value: str) -> bytes:
    """Return the 32 bytes that stand for a login of the CRM in `crm.app_user`: as it is, but for case."""
    return digest(unique_key, NORMALISER + b"login" + _fold(value).encode(), "sha256")


class Indexer:
    """Computes the indexes of one tenant's rows at one width version.

    `index_key` is the tenant's blind-index key (32 bytes), `region` its country (ISO 3166, two letters).
    Contexts are keyed once; an index then costs one copy of such a context.
    """

    def __init__(self, index_key: bytes, version: int, region: str) -> None:
        self.widths = widths(version)
        self.region = region
        self._email = HMAC(index_key, NORMALISER + b"email", sha256)
        self._phone = HMAC(index_key, NORMALISER + b"phone", sha256)
        self._name = HMAC(index_key, NORMALISER + b"name", sha256)

    @staticmethod
    def _cut(keyed: HMAC, normalised: str, bits: int) -> int:
        context = keyed.copy()
        context.update(normalised.encode())
        return int.from_bytes(context.digest()[:4], "big") >> (32 - bits)

    def email(self, value: str | None) -> int | None:
        """Return the index of an e-mail address; None without an address, or at width 0."""
        bits = self.widths.email
        normalised = normalise_email(value) if value and bits else None
        return None if normalised is None else self._cut(self._email, normalised, bits)

    def phones(self, values: Iterable[str | None]) -> list[int]:
        """Return the sorted set of indexes of the first two valid phone numbers; empty at width 0."""
        bits = self.widths.phone
        if not bits:
            return []
        found: list[str] = []
        for value in values:
            normalised = normalise_phone(value, self.region) if value else None
            if normalised is not None and normalised not in found:
                found.append(normalised)
        return sorted({self._cut(self._phone, one, bits) for one in found[:PHONES]})

    def names(self, values: Iterable[str | None]) -> list[int]:
        """Return the sorted set of indexes of all words of all these names; empty at width 0."""
        bits = self.widths.name
        if not bits:
            return []
        words = {word for value in values if value for word in name_tokens(value)}
        return sorted({self._cut(self._name, word, bits) for word in words})
