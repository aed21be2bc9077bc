"""Sealed columns: the frame around the personal fields of one row (formats.md, 3).

Pure. `Sealer` is for many rows of one column: it keeps everything that is the same for all of them.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from .classes import KeyClass, PeriodKey, Place, SealError, SubjectKey
from .derive import hkdf_unsalted

FRAME = 0x01
HEADER = struct.Struct(">BBII")
OVERHEAD = HEADER.size + 12 + 16
_INTEGER_LIMIT = (1 << 53) - 1
_SIMPLE = frozenset({str, bool, type(None)})
_NAMES = frozenset({str})
_slow = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _encoder() -> Callable[[Mapping[str, object]], str]:
    """Return what writes canonical JSON: CPython's C encoder, which JSONEncoder makes anew for each call."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _slow.encode
    write = make(None, _slow.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)
    return lambda fields: "".join(write(fields, 0))


_encode = _encoder()


def row_info(key_class: KeyClass) -> bytes:
    """Return the HKDF info of row keys of a class."""
    return b"luactl/1|row|" + bytes([key_class])


def row_key(subject_key: bytes, period_key: bytes, key_class: KeyClass) -> bytes:
    """Return the key that seals a row: 32 bytes, which either of the two keys takes along when it dies."""
    return hkdf_unsalted(subject_key + period_key, row_info(key_class))


def _check(value: object) -> None:
    """Raise SealError for what the canonical form has no bytes for."""
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int) and abs(value) <= _INTEGER_LIMIT:
        return
    if isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise SealError("names of sealed fields are ASCII")
            _check(item)
    else:
        raise SealError(
            f"a sealed field cannot hold a {type(value).__name__}",
            hint="decimals and dates are sealed as strings",
        )


def _are_names(fields: Mapping[str, object]) -> bool:
    return _NAMES.issuperset(map(type, fields)) and "".join(fields).isascii()


def encode(fields: Mapping[str, object]) -> bytes:
    """Return the canonical JSON (RFC 8785) of the fields. Raises SealError for floats and the like."""
    if not (_SIMPLE.issuperset(map(type, fields.values())) and _are_names(fields)):
        _check(fields)
    try:
        return _encode(dict(fields)).encode()
    except UnicodeEncodeError:
        raise SealError("a sealed field holds half of a surrogate pair") from None


class Sealer:
    """Seals many rows of one column of a tenant, all of one class and period.

    Ids are taken as they stand in texts (lower-case, hyphenated): turning UUIDs into text for each
    column anew would cost as much as sealing.
    """

    __slots__ = ("_after", "_before", "_class", "_gcm", "_head", "_info", "_period", "_period_id", "_version")

    def __init__(
        self, tenant_id: int, table: str, column: str, key_class: KeyClass, period: PeriodKey
    ) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._gcm = AESGCM
        self._before = f"luactl/1|{tenant_id}|"
        self._after = f"|{table}|{column}|"
        self._class = key_class
        self._info = row_info(key_class)
        self._period = period.key
        self._period_id = period.period_id
        self._version = 0
        self._head = b""

    def seal(
        self,
        subject_id: str | UUID,
        subject_key: SubjectKey,
        row_id: str | UUID,
        fields: Mapping[str, object],
    ) -> bytes:
        """Return the frame that holds the fields of one row. Raises SealError."""
        if subject_key.version != self._version:
            self._version = subject_key.version
            self._head = HEADER.pack(FRAME, self._class, subject_key.version, self._period_id)
        key = hkdf_unsalted(subject_key.key + self._period, self._info)
        nonce = os.urandom(12)  # never pooled: a forked worker would repeat the pool
        place = f"{self._before}{subject_id}{self._after}{row_id}".encode()
        return self._head + nonce + self._gcm(key).encrypt(nonce, encode(fields), place)


def seal(
    fields: Mapping[str, object],
    place: Place,
    subject_key: SubjectKey,
    period_key: PeriodKey,
    key_class: KeyClass,
) -> bytes:
    """Return the frame that holds these fields at that place. Raises SealError."""
    sealer = Sealer(place.tenant_id, place.table, place.column, key_class, period_key)
    return sealer.seal(place.subject_id, subject_key, place.row_id, fields)


def header(blob: bytes) -> tuple[KeyClass, int, int]:
    """Return key class, key version and period id that a frame asks for. Raises SealError."""
    if len(blob) < OVERHEAD or blob[0] != FRAME:
        raise SealError(
            "not a sealed value: wrong frame", hint="the column holds bytes that luactl did not write"
        )
    _frame, class_number, version, period = HEADER.unpack_from(blob)
    try:
        return KeyClass(class_number), version, period
    except ValueError:
        raise SealError(f"a sealed value of unknown key class {class_number}") from None


class Opener:
    """Opens many rows of one column of a tenant, all of one period; the counterpart of `Sealer`."""

    __slots__ = ("_after", "_before", "_gcm", "_invalid", "_period", "_period_id", "_place")

    def __init__(self, tenant_id: int, table: str, column: str, period: PeriodKey) -> None:
        self._gcm, self._invalid = _tools()
        self._before = f"luactl/1|{tenant_id}|"
        self._after = f"|{table}|{column}|"
        self._place = f"{table}.{column}"
        self._period = period.key
        self._period_id = period.period_id

    def open(
        self, blob: bytes, subject_id: str | UUID, subject_key: SubjectKey, row_id: str | UUID
    ) -> dict[str, Any]:
        """Return the fields of one row. Raises SealError when they do not open."""
        try:
            frame, number, version, period = HEADER.unpack_from(blob)
            info = _INFOS[number]
        except (struct.error, KeyError):
            frame = 0
        if frame != FRAME or len(blob) < OVERHEAD:
            header(blob)  # says what is wrong
        if version != subject_key.version or period != self._period_id:
            raise SealError(f"{self._place} of row {row_id} was sealed under another key version or period")
        key = hkdf_unsalted(subject_key.key + self._period, info)
        place = f"{self._before}{subject_id}{self._after}{row_id}".encode()
        try:
            plain = self._gcm(key).decrypt(blob[_NONCE], blob[_REST], place)
        except self._invalid:
            raise SealError(
                f"{self._place} of row {row_id} does not open: moved, altered, or of another person or period"
            ) from None
        return _decode(plain.decode())


_INFOS = {int(one): row_info(one) for one in KeyClass}
_NONCE, _REST = slice(HEADER.size, HEADER.size + 12), slice(HEADER.size + 12, None)
# JSONDecoder.decode looks for white space around the text first, which a canonical one has none of.
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]


@cache
def _tools() -> tuple[Any, type[Exception]]:
    """Return what opens, imported at first need."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag


def _decode(text: str) -> dict[str, Any]:
    """Return the mapping that a canonical text holds: no white space, so that it begins and ends with it."""
    try:
        fields, end = _scan(text, 0)
    except (StopIteration, ValueError):
        fields, end = None, 0
    if end != len(text) or not isinstance(fields, dict):
        raise SealError("a sealed value holds something else than one canonical JSON object")
    return fields


def unseal(blob: bytes, place: Place, subject_key: SubjectKey, period_key: PeriodKey) -> dict[str, Any]:
    """Return the fields that were sealed at that place. Raises SealError when they do not open."""
    opener = Opener(place.tenant_id, place.table, place.column, period_key)
    return opener.open(blob, place.subject_id, subject_key, place.row_id)
