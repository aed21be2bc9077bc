"""Sealed columns: what goes in comes out, at its own place only."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from luactl.key import KeyClass, PeriodKey, Place, SealError, SubjectKey, seal, unseal
from luactl.key.derive import hkdf, hkdf_unsalted
from luactl.key.seal import OVERHEAD, encode, header

SUBJECT = SubjectKey(1, os.urandom(32))
PERIOD = PeriodKey(2 << 24 | 202609, os.urandom(32))
PLACE = Place(7, uuid4(), "crm.interaction", "personal", uuid4())
FIELDS = {"summary": "asked for an appointment", "name": "Zoë Ångström"}

names = st.text(st.characters(codec="ascii"), max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=6)


@given(objects)
def test_what_was_sealed_opens(fields: dict[str, Any]) -> None:
    blob = seal(fields, PLACE, SUBJECT, PERIOD, KeyClass.MAIN)
    assert unseal(blob, PLACE, SUBJECT, PERIOD) == fields
    assert len(blob) == OVERHEAD + len(encode(fields))


@given(objects)
def test_the_plaintext_is_canonical(fields: dict[str, Any]) -> None:
    assert encode(fields) == rfc8785.dumps(fields)


@given(objects)
def test_without_the_c_encoder_it_is_the_same(fields: dict[str, Any]) -> None:
    from luactl.key.seal import _slow

    assert _slow.encode(fields).encode() == encode(fields)


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=40), st.binary(max_size=40))
def test_derivation_is_rfc_5869(key: bytes, salt: bytes, info: bytes) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert hkdf(key, salt, info) == HKDF(SHA256(), 32, salt, info).derive(key)
    assert hkdf_unsalted(key, info) == HKDF(SHA256(), 32, None, info).derive(key)


def test_the_same_fields_never_look_the_same() -> None:
    blobs = {seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN) for _ in range(50)}
    assert len({blob[10:22] for blob in blobs}) == len({blob[22:] for blob in blobs}) == 50


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"tenant_id": 8},
        {"subject_id": UUID(int=1)},
        {"table": "crm.contact"},
        {"column": "special"},
        {"row_id": UUID(int=1)},
    ],
)
def test_moved_elsewhere_it_does_not_open(elsewhere: dict[str, Any]) -> None:
    blob = seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN)
    with pytest.raises(SealError, match="does not open"):
        unseal(blob, replace(PLACE, **elsewhere), SUBJECT, PERIOD)


def test_another_class_does_not_open() -> None:
    blob = bytearray(seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN))
    blob[1] = KeyClass.ACCOUNTING
    with pytest.raises(SealError, match="does not open"):
        unseal(bytes(blob), PLACE, SUBJECT, PERIOD)


@pytest.mark.parametrize("which", ["subject", "period"])
def test_both_keys_are_needed(which: str) -> None:
    blob = seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN)
    subject = SubjectKey(1, os.urandom(32)) if which == "subject" else SUBJECT
    period = PeriodKey(PERIOD.period_id, os.urandom(32)) if which == "period" else PERIOD
    with pytest.raises(SealError, match="does not open"):
        unseal(blob, PLACE, subject, period)


def test_another_version_or_period_is_told_apart() -> None:
    blob = seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN)
    assert header(blob) == (KeyClass.MAIN, 1, PERIOD.period_id)
    for subject, period in ((SubjectKey(2, SUBJECT.key), PERIOD), (SUBJECT, PeriodKey(1 << 24, PERIOD.key))):
        with pytest.raises(SealError, match="another key version or period"):
            unseal(blob, PLACE, subject, period)


@given(st.data())
def test_no_bit_can_be_changed(data: st.DataObject) -> None:
    blob = bytearray(seal(FIELDS, PLACE, SUBJECT, PERIOD, KeyClass.MAIN))
    at = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[at // 8] ^= 1 << at % 8
    with pytest.raises(SealError):
        unseal(bytes(blob), PLACE, SUBJECT, PERIOD)


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(SealError):
        unseal(blob, PLACE, SUBJECT, PERIOD)


@pytest.mark.parametrize(
    "fields",
    [
        {"price": 1.5},
        {"big": 2**53},
        {"a": [{"b": 0.1}]},
        {"größe": "x"},
        {1: "x"},
        {"a": {"ü": 1}},
        {"x": b"y"},
    ],
)
def test_what_has_no_canonical_form_is_refused(fields: dict[Any, Any]) -> None:
    with pytest.raises(SealError):
        encode(fields)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(SealError, match="surrogate"):
        encode({"name": "\ud83d"})


def test_no_key_shows_in_a_repr() -> None:
    assert SUBJECT.key.hex() not in repr(SUBJECT)
    assert str(SUBJECT.key) not in repr(SUBJECT)
    assert repr(PERIOD) == f"PeriodKey(period_id={PERIOD.period_id})"
