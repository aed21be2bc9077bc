"""The two ways in which Postgres compresses values, undone: pglz and LZ4 blocks. Pure.

Both functions take what there is: of a value whose end was overwritten they give the beginning.
"""

from __future__ import annotations


def pglz(data: bytes, size: int) -> bytes:
    """Return at most `size` bytes. Raises ValueError for what pglz never writes.

    A control byte stands before each 8 items, lowest bit first: 0 a literal byte, 1 a copy of 3 or more bytes
    from up to 4,095 bytes back (src/common/pg_lzcompress.c).
    """
    out, at, end = bytearray(), 0, len(data)
    while at < end and len(out) < size:
        control = data[at]
        at += 1
        for _bit in range(8):
            if at >= end or len(out) >= size:
                break
            if not control & 1:
                out.append(data[at])
                at += 1
            elif at + 1 < end:
                length, offset = (data[at] & 15) + 3, (data[at] & 240) << 4 | data[at + 1]
                at += 2
                if length == 18 and at < end:
                    length += data[at]
                    at += 1
                copy(out, offset, min(length, size - len(out)))
            else:
                return bytes(out)
            control >>= 1
    return bytes(out)


def lz4(data: bytes, size: int) -> bytes:
    """Return at most `size` bytes of an LZ4 block. Raises ValueError for what LZ4 never writes."""
    out, at, end = bytearray(), 0, len(data)
    while at < end and len(out) < size:
        token = data[at]
        literals, at = _length(data, token >> 4, at + 1)
        out += data[at : at + literals]
        at += literals
        if at + 2 > end:
            break  # the last sequence has literals only
        offset = data[at] | data[at + 1] << 8
        length, at = _length(data, token & 15, at + 2)
        copy(out, offset, min(length + 4, max(size - len(out), 0)))
    return bytes(out[:size])


def _length(data: bytes, first: int, at: int) -> tuple[int, int]:
    """Return a length that goes on in bytes of 255, and where it ends."""
    if first < 15:
        return first, at
    total = first
    while at < len(data):
        total += data[at]
        at += 1
        if data[at - 1] != 255:
            break
    return total, at


def copy(out: bytearray, offset: int, length: int) -> None:
    """Repeat what stands `offset` bytes back; it may overlap itself. Raises ValueError."""
    if not 0 < offset <= len(out):
        raise ValueError("a copy from before the beginning")
    start = len(out) - offset
    if length <= offset:
        out += out[start : start + length]
        return
    pattern = bytes(out[start:])
    out += (pattern * (length // offset + 1))[:length]
