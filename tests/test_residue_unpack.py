"""What is compressed is read as the server reads it; what is no value is left alone; pages are told apart."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from conftest import Connection
from hypothesis import given, settings
from hypothesis import strategies as st
from support_residue import has_lz4

from luactl.errors import UsageError
from luactl.residue import text_markers
from luactl.residue.lz import lz4, pglz
from luactl.residue.marker import SHORTEST, Tally
from luactl.residue.page import in_btree, item_at
from luactl.residue.unpack import CHUNK, Chunks, decompress, inline, straddles
from luactl.residue.wal import joined

# "abcabcabcabc…": 3 literals, then one copy of 18 + 9 bytes from 3 back.
PGLZ = bytes([0b1000]) + b"abc" + bytes([0x0F, 0x03, 9])
LZ4 = bytes([0x3F]) + b"abc" + bytes([3, 0, 8]) + bytes([0x50]) + b"hello"
REPEATED = b"abc" * 10
PIVOT = "high keys and pivots"
WORDS = st.lists(st.text("ab", min_size=SHORTEST, max_size=8), min_size=1, max_size=12)
NONE = [([], "utf-8"), (["abc"], "utf-8"), (["Łukasz"], "iso8859-1")]


def varlena(content: bytes, method: int, size: int) -> bytes:
    body = (size | method << 30).to_bytes(4, "little") + content
    return (len(body) + 4 << 2 | 2).to_bytes(4, "little") + body


def chunk(number: int, sequence: int, data: bytes) -> bytes:
    header = (len(data) + 4 << 2).to_bytes(4, "little")
    return number.to_bytes(4, "little") + sequence.to_bytes(4, "little") + header + data


def test_both_methods_by_hand() -> None:
    assert pglz(PGLZ, 30) == REPEATED
    assert lz4(LZ4, 35) == REPEATED[:30] + b"hello"


@pytest.mark.parametrize(("undo", "data"), [(pglz, PGLZ), (lz4, LZ4)])
def test_of_what_is_cut_off_the_beginning_comes(undo: object, data: bytes) -> None:
    assert callable(undo)
    for cut in range(1, len(data)):
        assert (REPEATED + b"hello").startswith(undo(data[:cut], 35)[:30])


@given(data=st.binary(max_size=300), size=st.integers(1, 5000))
def test_rubbish_is_refused_or_bounded(data: bytes, size: int) -> None:
    for undo in (pglz, lz4):
        with suppress(ValueError):
            assert len(undo(data, size)) <= size


@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(st.sampled_from(["name ", "Straße 5, ", "x" * 40, "0123456789", "\n", "é"]), min_size=40),
    seed=st.text(alphabet="abcdef", min_size=1, max_size=200),
)
@pytest.mark.parametrize("method", ["pglz", "lz4"])
def test_what_the_server_compressed_comes_back(
    server_conn: Connection, method: str, parts: list[str], seed: str
) -> None:
    """Its own bytes, out of its own page, found there without being told where."""
    if method == "lz4" and not has_lz4(server_conn):
        pytest.skip("this Postgres was built without LZ4")
    text = seed + "".join(parts * 8)[:6000]
    server_conn.execute("DROP TABLE IF EXISTS t")
    server_conn.execute(f"CREATE TABLE t (a text COMPRESSION {method})".encode())
    server_conn.execute("INSERT INTO t VALUES (%s)", (text,))
    server_conn.execute("CHECKPOINT")
    row = server_conn.execute(
        "SELECT pg_read_binary_file(pg_relation_filepath('t')), pg_column_compression(a) FROM t"
    ).fetchone()
    assert row is not None
    if row[1] is not None:
        assert [content.decode() for _at, content in inline(row[0])] == [text]


@pytest.fixture(scope="module")
def server_conn(server: object) -> object:
    """A database of its own for raw pages."""
    admin = server.admin()  # type: ignore[attr-defined]
    yield admin
    admin.execute("DROP TABLE IF EXISTS t")
    admin.close()


def test_values_are_put_together_out_of_chunks_in_any_order() -> None:
    content = (30).to_bytes(4, "little") + PGLZ
    long = bytes(range(256)) * 20
    page = bytearray(8192)
    pieces = [chunk(7, 0, content), chunk(9, 1, long[CHUNK : 2 * CHUNK]), chunk(9, 0, long[:CHUNK])]
    at = 40
    for piece in pieces:
        page[at : at + len(piece)] = piece
        at += len(piece) + 8 - len(piece) % 8
    chunks = Chunks()
    chunks.add(bytes(page))
    found = list(chunks.take())
    assert (40, REPEATED, True) in found
    assert (48 + len(pieces[0]) // 8 * 8 + len(pieces[1]) // 8 * 8 + 8, long[: 2 * CHUNK], False) in found
    assert list(chunks.take()) == []


def test_zeros_and_noise_are_no_values() -> None:
    for data in (bytes(100_000), b"\xff" * 10_000, bytes(range(256)) * 40):
        chunks = Chunks(step=1)
        chunks.add(data)
        assert list(chunks.take()) == []
        assert list(inline(data, aligned=False)) == []
    assert decompress(b"\x05") is None
    assert decompress((5 | 2 << 30).to_bytes(4, "little") + b"hello") is None


def test_in_pages_values_stand_at_multiples_of_four() -> None:
    value = varlena(PGLZ, 0, 30)
    for shift in range(8):
        data = bytes(8 + shift) + value + bytes(20)
        assert [at for at, _content in inline(data)] == ([8 + shift] if shift % 4 == 0 else [])
        assert [content for _at, content in inline(data, aligned=False)] == [REPEATED]


def test_a_hit_that_lies_in_two_chunks_is_told() -> None:
    assert straddles(CHUNK - 1, 2)
    assert not straddles(CHUNK - 2, 2)
    assert not straddles(CHUNK, 5)


def test_the_log_is_joined_over_its_page_headers() -> None:
    first = b"\x18\xd1\x02\x00" + bytes(36) + b"a" * (8192 - 40)
    second = b"\x18\xd1\x01\x00" + bytes(20) + b"b" * (8192 - 24)
    assert joined(first + second + bytes(8192), 8192) == b"a" * (8192 - 40) + b"b" * (8192 - 24)


def page(*items: tuple[int, int, int], special: int = 8192) -> bytes:
    """Return a page with these line pointers (offset, flags, length)."""
    made = bytearray(8192)
    upper = min([offset for offset, _flags, _length in items], default=special)
    for at, value in ((12, 24 + 4 * len(items)), (14, upper), (16, special)):
        made[at : at + 2] = value.to_bytes(2, "little")
    for number, (offset, flags, length) in enumerate(items):
        pointer = offset | flags << 15 | length << 17
        made[24 + 4 * number : 28 + 4 * number] = pointer.to_bytes(4, "little")
    return bytes(made)


def test_an_offset_lies_in_a_row_or_in_free_space() -> None:
    one = page((8000, 1, 100), (7800, 1, 50), (7900, 0, 40), (7700, 2, 0))
    for offset, item in (
        (8000, 1),
        (8099, 1),
        (8100, None),
        (7800, 2),
        (7900, None),
        (7000, None),
        (100, None),
    ):
        assert item_at(one, offset) == item
    assert item_at(bytes(8192), 5000) is None


@pytest.mark.parametrize(
    ("flags", "right", "parts"),
    [
        (1, 9, ("high keys and pivots", "entries")),
        (1, 0, ("entries", "entries")),
        (0, 0, ("high keys and pivots",) * 2),
    ],
)
def test_parts_of_a_btree(flags: int, right: int, parts: tuple[str, str]) -> None:
    one = bytearray(page((8000, 1, 100), (7800, 1, 50), special=8176))
    one[8180:8184], one[8188:8190] = right.to_bytes(4, "little"), flags.to_bytes(2, "little")
    assert (in_btree(bytes(one), 8010), in_btree(bytes(one), 7810)) == parts
    assert in_btree(bytes(one), 7000) == "free space"


@given(
    st.lists(st.text("ab", min_size=SHORTEST, max_size=8), min_size=1, max_size=12),
    st.text("abc", max_size=60),
)
def test_every_marker_is_found_and_what_lies_within_one_counts_too(values: list[str], text: str) -> None:
    markers, data = text_markers(values, "utf-8"), text.encode()
    naive = re.compile(b"|".join(sorted({v.encode() for v in values}, key=len, reverse=True)))
    assert [(m.start(), m[0]) for m in naive.finditer(data)] == list(markers.within(data))
    tally = Tally(markers)
    assert tally.look(data) == any(value in text for value in values)
    whole = Tally(markers)
    whole.look(max(values, key=len).encode())
    assert whole.markers == sum(value in max(values, key=len) for value in set(values))


def test_markers_are_found_in_lower_case_and_never_told() -> None:
    markers = text_markers(["Ångström", "", "Ångström"], "utf-8")
    assert (markers.count, "ngstr" in repr(markers)) == (1, False)
    assert len(list(markers.within("Ångström, ångström".encode()))) == 2
    assert list(text_markers(["Grün"], "iso8859-1").within(b"gr\xfcn"))


@pytest.mark.parametrize(
    ("values", "encoding"), [([], "utf-8"), (["abc"], "utf-8"), (["Łukasz"], "iso8859-1")]
)
def test_what_is_no_marker(values: list[str], encoding: str) -> None:
    with pytest.raises(UsageError) as told:
        text_markers(values, encoding)
    assert not values or values[0] not in told.value.what
