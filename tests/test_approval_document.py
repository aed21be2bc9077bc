"""Requests and answers as bytes: one form only, published vectors, one signature for one thing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl.approval.document import (
    Bound,
    DocumentError,
    Request,
    differences,
    open_answer,
    parse,
    sign,
    split,
)
from luactl.errors import LuactlError
from luactl.ledger.note import NoteError, Signer, Verifier

DOC = Path(__file__).parent.parent / "docs" / "reference" / "formats-approval.md"
SIGNER = Signer("anna.berg", bytes(range(32)))
REQUEST = Request(
    id=UUID("0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55"),
    action="erasure.run",
    target="erasure smile 5f3c",
    tree=UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    tenant="smile",
    summary="Erase 12 people of smile",
    requested_by="ops_nele",
    requested_at="2026-11-20T08:00:00Z",
    expires_at="2026-11-23T08:00:00Z",
    exact={"plan": "5f3c", "instruction": "ticket 4711 – Köln"},
    counts={"crm.contact": 12, "crm.interaction": 1000},
    bound=Bound(20, 5),
)

lines = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(str.isprintable)
words = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(0, 2**53 - 1)
instants = st.datetimes().map(lambda at: at.isoformat(timespec="seconds") + "Z")
requests = st.builds(
    Request,
    id=st.uuids(),
    action=lines,
    target=lines,
    tree=st.uuids(),
    tenant=st.none() | words,
    summary=lines,
    requested_by=lines,
    requested_at=instants,
    expires_at=instants,
    exact=st.dictionaries(words, words, max_size=4),
    counts=st.dictionaries(words, numbers, max_size=4),
    bound=st.builds(Bound, numbers, numbers),
)


def published() -> dict[str, str]:
    """Return the parts of the vectors on the page, as they are written there."""
    text = (
        DOC.read_text(encoding="utf-8")
        .split("<!-- vectors: begin -->\n")[1]
        .split("<!-- vectors: end -->")[0]
    )
    parts = re.split(r"<!-- (\w+) -->\n", text)
    plain = [re.sub("(?m)^    ", "", part) for part in parts]
    return {"keys": plain[0], **dict(zip(plain[1::2], plain[2::2], strict=True))}


def test_the_published_vectors() -> None:
    page = published()
    assert page["keys"] == f"{SIGNER.secret()}\n{SIGNER.verifier}\n"
    assert page["request"] == REQUEST.to_bytes().decode() + "\n"
    for verdict, granted in (("granted", True), ("denied", False)):
        assert page[verdict] == sign(SIGNER, REQUEST.to_bytes(), granted=granted)
        assert open_answer(page[verdict], [SIGNER.verifier]) == (granted, REQUEST.to_bytes())


@given(requests)
def test_a_request_has_one_form(request: Request) -> None:
    data = request.to_bytes()
    assert parse(data) == request
    assert parse(data).to_bytes() == data
    assert json.loads(data)["v"] == 1
    note = sign(SIGNER, data, granted=True)
    assert open_answer(note, [SIGNER.verifier]) == (True, data)


@given(requests, st.data())
def test_any_other_byte_is_another_request_or_none(request: Request, data: st.DataObject) -> None:
    encoded = bytearray(request.to_bytes())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        assert parse(bytes(encoded)) != request
    except DocumentError:
        return
    assert bytes(encoded) != request.to_bytes()


@given(requests, st.data())
def test_an_altered_note_does_not_open(request: Request, data: st.DataObject) -> None:
    note = sign(SIGNER, request.to_bytes(), granted=False)
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[at]))
    altered = note[:at] + other + note[at + 1 :]
    with pytest.raises(LuactlError):
        open_answer(altered, [SIGNER.verifier])


def forged(**fields: object) -> bytes:
    import rfc8785

    document = json.loads(REQUEST.to_bytes())
    document.update(fields)
    return rfc8785.dumps({name: value for name, value in document.items() if value != "away"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        REQUEST.to_bytes() + b" ",
        REQUEST.to_bytes().replace(b'"v":1', b'"v":2'),
        REQUEST.to_bytes().replace(b'{"action"', b'{ "action"'),
        forged(more="x"),
        forged(target="away"),
        forged(summary=""),
        forged(summary="two\nlines"),
        forged(id="x"),
        forged(id="0199C9F1-7E3A-7C44-8A41-2F6D1B0C9E55"),
        forged(tenant=7),
        forged(counts={"crm.contact": -1}),
        forged(counts={"crm.contact": True}),
        forged(counts={"crm.contact": "1"}),
        forged(exact={"plan": 1}),
        forged(bound={"rows": 1}),
        forged(bound={"rows": 1, "percent": 1, "more": 1}),
        forged(expires_at="2026-11-23"),
        forged(expires_at="2026-13-23T08:00:00Z"),
        forged(summary="x" * 40_000),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        parse(data)
    with pytest.raises(DocumentError):
        sign(SIGNER, data, granted=True)


def test_a_signature_from_elsewhere_is_none_here() -> None:
    """The ledger signs checkpoints with the same kind of key: their texts are no answers."""
    for text in (
        "luactl/manifest/1\ngranted\n{}\n",
        "luactl/approval/1\nmaybe\n{}\n",
        "luactl/approval/1\ngranted\n",
    ):
        with pytest.raises(DocumentError):
            open_answer(SIGNER.sign(text), [SIGNER.verifier])
    with pytest.raises(DocumentError):
        split("luactl/approval/1\ngranted\n{}\n{}\n")


def test_another_key_of_the_same_name_is_not_enough() -> None:
    other = Signer("anna.berg", bytes(32))
    with pytest.raises(NoteError):
        open_answer(sign(other, REQUEST.to_bytes(), granted=True), [Verifier.parse(str(SIGNER.verifier))])


@given(numbers, numbers, st.integers(0, 1000), st.integers(0, 100))
def test_a_count_drifts_by_rows_or_percent_whichever_is_more(
    then: int, now: int, rows: int, percent: int
) -> None:
    allowed = Bound(rows, percent).allows(then, now)
    assert allowed == (abs(now - then) <= rows or abs(now - then) * 100 <= then * percent)


def test_differences_are_said_in_words() -> None:
    assert differences(REQUEST, REQUEST.exact, REQUEST.counts) == ()
    drifted = {"crm.contact": 32, "crm.interaction": 950}
    assert differences(REQUEST, REQUEST.exact, drifted) == ()
    assert differences(
        REQUEST, {**REQUEST.exact, "plan": "x", "more": "y"}, {"crm.contact": 33, "crm.lead": 21}
    ) == (
        "more changed",
        "plan changed",
        "crm.contact: 12 then, 33 now",
        "crm.interaction: 1,000 then, 0 now",
        "crm.lead: 0 then, 21 now",
    )


def test_a_request_that_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(DocumentError, match="no canonical form"):
        replace(REQUEST, summary="\ud800").to_bytes()
