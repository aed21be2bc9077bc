"""How lines of the log and the strip above them are drawn: fitting exactly, safe, and marked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from luactl import log
from luactl.log import Line, Needle
from luactl.tui.log_line import HIT, Shown, drawn
from luactl.tui.log_strip import BLOCKS, blocks, width_for

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = st.text(max_size=40)


@given(
    TEXTS, TEXTS, st.integers(20, 150), st.integers(0, 60), st.booleans(), st.text(min_size=1, max_size=2),
    st.sampled_from(["", "actor", "text", "time"]), st.booleans(),
)  # fmt: skip
def test_lines_are_exactly_as_wide_as_the_list_and_safe(
    actor: str, message: str, width: int, left: int, wrap: bool, sought: str, field: str, cursor: bool
) -> None:
    texts = {"actor": actor, "action": "line", "text": message}
    line = Line(BEGIN, UUID(int=7), actor, None, None, None, "line", None, None, "done", None, None, None)
    shown = Shown(width, needle=Needle(sought), left=left, wrap=wrap)
    strips = drawn(line, texts, shown, 10, cursor=cursor, field=field)
    assert 1 <= len(strips) <= (10 if wrap else 1)
    for strip in strips:
        assert strip.cell_length == width
        assert sum(cell_len(segment.text) for segment in strip) == width
        assert strip.text.isprintable()


@given(TEXTS, st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=2))
def test_what_is_found_is_marked(message: str, sought: str) -> None:
    """Every row that n and N visit has a mark in sight, be it at the edge; no other has one."""
    line = Line(BEGIN, UUID(int=7), "anna", None, None, None, "line", None, None, "done", None, None, None,
                message=message)  # fmt: skip
    needle = Needle(sought)
    for left in (0, 10, 50):
        (strip,) = drawn(line, log.said(line), Shown(60, needle=needle, left=left), 1)
        marked = any(segment.style is not None and segment.style.bgcolor == HIT.bgcolor for segment in strip)
        assert marked == needle.fits(line)


def test_wrapped_lines_say_everything() -> None:
    message = " ".join(f"word{n}" for n in range(60))
    line = Line(BEGIN, UUID(int=7), None, None, None, None, "line", None, None, "done", None, None, None,
                message=message)  # fmt: skip
    strips = drawn(line, log.said(line), Shown(80, wrap=True), 40)
    room = Shown(80).indent
    assert message in "".join(strip.text[room:] for strip in strips)


@given(st.integers(0, 10**9), st.integers(10, 200))
def test_blocks_cover_a_span_and_fit_the_line(seconds: int, most: int) -> None:
    width = width_for(timedelta(seconds=seconds), most)
    assert timedelta(seconds=seconds) // width + 2 <= most


@given(st.lists(st.integers(0, 10**6), max_size=100))
def test_a_block_is_as_high_as_its_count(counts: list[int]) -> None:
    drawn = blocks(counts)
    assert [one == " " for one in drawn] == [n == 0 for n in counts]
    heights = {n: (" " + BLOCKS).index(one) for n, one in zip(counts, drawn, strict=True)}
    assert [heights[n] for n in sorted(heights)] == sorted(heights.values())
    assert max(heights.values(), default=8) in (8, 0)
