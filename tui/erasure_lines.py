"""Lines of an erasure: what goes, which keys are destroyed, what stays, who is held, and every place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .notice import Notice, whole
from .row import Column, Row

if TYPE_CHECKING:
    from luactl.erasure import ErasurePlan, Held, KeptPlan, Staying

COLUMNS = (
    Column("WHAT"), Column("THEN", 6, right=True), Column("NOW", 6, right=True), Column("FATE", 9),
    Column("UNTIL", 10), Column("GROUND"),
)  # fmt: skip
NAMES = ("what", "then", "now", "fate", "until", "ground")


def full(row: Row) -> Notice:
    """Return the whole of a line, which `y` copies."""
    return whole("line", NAMES, row)


def planned(kept: KeptPlan, now: ErasurePlan | None) -> list[Row]:
    """Return the lines of a plan: counts as they were planned, and as they are."""
    going = {one.table: one.rows for one in now.going} if now else {}
    keys = {one.key_class: one.keys for one in now.dropping} if now else {}
    tables = [*kept.going, *(name for name in going if name not in kept.going)]
    rows = [
        _line(name, kept.going.get(name, 0), going.get(name, 0) if now else None, "goes") for name in tables
    ]
    for name in sorted(kept.dropping.keys() | keys.keys()):
        found = keys.get(name, 0) if now else None
        rows.append(_line(f"keys: {name}", kept.dropping.get(name, 0), found, "destroyed", "bad"))
    rows += staying(now.staying if now else kept.staying)
    return rows + [_held(one) for one in (now.held if now else ())]


def _held(one: Held) -> Row:
    cells = (f"subject {one.subject_id}", "", "", "held", "", one.ground)
    return Row(one.subject_id, cells, "warn", copy=str(one.hold_id))


def _line(what: str, then: int, now: int | None, fate: str, style: str = "") -> Row:
    cells = (what, f"{then:,}", "" if now is None else f"{now:,}", fate, "", "")
    return Row(what, cells, "warn" if now is not None and then != now else style, copy=what)


def staying(found: Sequence[Staying]) -> list[Row]:
    """Return a line for each year of what a duty keeps."""
    return [
        Row(
            (one.table, one.period),
            (
                f"{one.table} {one.period}", "", f"{one.rows:,}", "stays",
                f"{one.until:%Y-%m-%d}" if one.until else "no end",
                f"{one.ground}; readable by {one.readable_by} alone",
            ),
            "warn",
            copy=f"{one.table} {one.period}",
        )
        for one in found
    ]  # fmt: skip


def gone(rows: Mapping[str, int], keys: Mapping[str, int]) -> list[Row]:
    """Return what an erasure took so far: rows by table, keys by class."""
    taken = [(table, count, "gone") for table, count in rows.items()]
    taken += [(f"keys: {name}", count, "destroyed") for name, count in keys.items()]
    return [Row(what, (what, "", f"{count:,}", fate, "", ""), copy=what) for what, count, fate in taken]


def places(found: Sequence[Mapping[str, Any]], now: datetime) -> list[Row]:
    """Return a line for each place, as a certificate names it: its fate, and from when on."""
    return [_place(one, now) for one in found]


def _place(one: Mapping[str, Any], now: datetime) -> Row:
    at = str(one["effective_at"] or "")
    state = str(one["state"])
    if state == "scheduled" and at and datetime.fromisoformat(at) <= now:
        state = "effective"  # the date that was stated has come
    style = {"effective": "good", "at once": "good", "scheduled": "warn", "later": "warn"}.get(state, "dim")
    ground = f"{one['method']}, {one['level']}: {one['what']}; {one['why']}"
    cells = (str(one["place"]), "", "", state, at[:10], ground)
    return Row(("place", one["place"]), cells, style, copy=str(one["place"]))
