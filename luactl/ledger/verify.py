"""The check of the whole ledger: each entry, leaf, subtree, root and signature, and every anchor.

Reads one consistent snapshot, window by window, so memory does not grow with the log: of the log itself some
thousand leaves are in memory, of an anchor one piece.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from .anchor import Anchor, reached
from .claim import Source, anchored, given, stored, unexplained
from .columns import check_entry
from .cosigned import claims as cosigned_claims
from .fork import read_forks
from .leaves import Run, inspect, read_runs
from .merkle import TILE_HEIGHT, TILE_WIDTH, CompactRange
from .note import LONGEST_NOTE, Checkpoint, NoteError, Verifier, open_checkpoint
from .origin import read_key, require, verifiers
from .prune import checked_minimum
from .report import Finding, Report, Verification
from .tree import edge, minimum, read_hashes, tile_start

__all__ = ["Finding", "Verification", "verify"]
WINDOW = 1 << 16
"""Leaves that are read at a time; a multiple of a tile."""
Progress = Callable[[int], None]


def verify(
    session: Session,
    checkpoint_file: Path | None = None,
    *,
    since: Path | None = None,
    progress: Progress = lambda number: None,
) -> Verification:
    """Check everything; with `checkpoint_file` also against a signed checkpoint that was kept elsewhere.

    With `since`, the file of a signed checkpoint, only what came after it is read: the stored hashes must
    lead to its root, and the log must go on from there. `progress` hears of leaves that were checked. Raises
    RefusedError for logins that do not see every entry, and before there is an origin; UsageError for a file
    that cannot be read, or a `since` that this log did not sign. Findings are returned, not raised.
    """
    if not queries("ledger").sees_everything(session.conn):
        raise RefusedError(
            f"{session.actor} sees only some entries, so a check could not tell what is missing",
            hint="run it as a login with lua_auditor, lua_dpo, lua_responder or lua_admin",
        )
    origin = require(session)
    report = Report([])
    kept = None if checkpoint_file is None else _read(checkpoint_file)
    base = None if since is None else _base(session, _read(since))
    least, _note = minimum(session.conn)
    if base is not None and base.size < least:
        raise UsageError(
            f"entries below {least:,} were pruned, and the given checkpoint covers {base.size:,}",
            hint="give a newer one, or check all that is there: `luactl ledger verify`",
        )
    places = reached(session.profile)
    with transaction(session, snapshot=True) as conn:
        # Leaf by leaf in the order of the log: sorting all bodies would take the server's disk.
        conn.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        conn.execute("SET LOCAL statement_timeout = 0")
        _Check(session, report, progress).run(places, kept, base)
    return Verification(
        ok=not report.found,
        origin=origin.origin,
        vkey=origin.vkey,
        size=report.size,
        pending=report.pending,
        checkpoints=report.checkpoints,
        anchors=tuple(anchor.name for anchor in places),
        findings=tuple(report.findings),
        found=report.found,
        lost=tuple(report.forks.values()),
        since=0 if base is None else base.size,
        minimum=report.minimum,
    )


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return file.read(LONGEST_NOTE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the checkpoint {path} cannot be read", hint="give the file of one signed note"
        ) from error


def _base(session: Session, note: str) -> Checkpoint:
    """Return the checkpoint from which on the log is checked."""
    try:
        return open_checkpoint(note, verifiers(session))
    except NoteError as error:
        raise UsageError(
            f"the given checkpoint is none of this log: {error.what}",
            hint="give what `luactl ledger checkpoint --out FILE` wrote for this log; or check all of it",
        ) from error


def _keys(session: Session, report: Report) -> list[Verifier]:
    """Return the verifier keys; on the ledger host the current one must be that of the signing key."""
    try:
        keys = verifiers(session)
    except NoteError as error:
        report.add(f"a verifier key in the database is malformed: {error.what}")
        return []
    path = session.profile.signing_key
    if os.access(path, os.R_OK) and read_key(path).verifier not in keys[:1]:
        report.add(f"the verifier key in the database is not that of the signing key {path}")
    return keys


class _Check:
    """One run: the growing tree, what it has to meet, and what was found."""

    def __init__(self, session: Session, report: Report, progress: Progress) -> None:
        self.session, self.conn, self.report, self.progress = session, session.conn, report, progress
        self.tree, self.sources, self.found, self.least = CompactRange(), list[Source](), 0, 0

    def run(self, places: Sequence[Anchor], kept: str | None, base: Checkpoint | None) -> None:
        """Check the log from `base` on, then the queue."""
        report, keys = self.report, _keys(self.session, self.report)
        report.forks = read_forks(self.session)
        self.least = report.minimum = checked_minimum(self.session, report, keys)
        begin = tile_start(self.least) if base is None else base.size
        self.sources = [Source("the database", report, self._stored(keys, begin), begin)]
        for anchor in places:
            claims = unexplained(report, anchored(anchor, report, keys))
            self.sources.append(Source(anchor.name, report, claims, begin))
        if kept is not None:
            claims = unexplained(report, given(kept, report, keys))
            self.sources.append(Source("the given checkpoint", report, claims, begin))
        seen = cosigned_claims(self.session, report)
        self.sources.append(Source("a cosigner", report, iter(seen), begin))
        if self._begin_pruned(begin) if base is None else self._begin_at(base):
            self._grow()
        self._check_queue()

    def _stored(self, keys: Sequence[Verifier], begin: int) -> Iterator[Checkpoint]:
        while rows := list(queries("ledger").verify_checkpoints(self.conn, first=begin, limit=1_000)):
            yield from stored(rows, self.report, keys)
            begin = rows[-1][0] + 1

    def _begin_at(self, base: Checkpoint) -> bool:
        """Stand the tree on the stored hashes; they count only if they lead to the root that was kept."""
        try:
            self.tree = edge(self.conn, base.size)
        except ValueError as error:
            self.report.add(f"the stored hashes do not reach the given checkpoint: {error}")
            return False
        self.report.size = self.found = base.size
        if self.tree.root() != base.root:
            self.report.add(
                f"the given checkpoint: another root was signed for {base.size:,} entries", base.size - 1
            )
            return False
        return True

    def _begin_pruned(self, begin: int) -> bool:
        """Stand the tree on the roots of tiles whose leaves were pruned, each level checked by the next."""
        made = []
        for hash_ in read_hashes(self.conn, 1, 0, begin >> TILE_HEIGHT):
            made += [(1, self.tree.size >> TILE_HEIGHT, hash_), *self.tree.push_tile(hash_)]
        if self.tree.size != begin:
            self.report.add(f"stored subtrees below the minimum index {self.least:,} are gone")
            return False
        self._check_subtrees(0, made)
        self.report.size = begin
        return True

    def _grow(self) -> None:
        """Recompute the tree window by window, up to the first gap."""
        size, tree = queries("ledger").size(self.conn), self.tree
        self._meet()
        while tree.size < size:
            end = min((tree.size // WINDOW + 1) * WINDOW, size)
            if not self._window(end):
                return
            self.report.size = tree.size
        over = queries("ledger").subtrees_over(self.conn, size=size)
        for level, place in over:
            self.report.add(
                f"a subtree of level {level} ({place:,}) covers leaves that the log does not have"
            )
        newest = queries("ledger").newest_checkpoint(self.conn)
        if size and (newest is None or newest[0] < size):
            self.report.add(f"no checkpoint covers the newest of {size:,} leaves", size - 1)
        for source in self.sources:
            source.finish(size)

    def _meet(self) -> int | None:
        """Compare all checkpoints of the present size; return the next size that one speaks of."""
        size = self.tree.size
        own = self.sources[0].meet(self.tree)
        for source in self.sources[1:]:
            if source.meet(self.tree) and not own:
                self.report.add(
                    f"{source.name}: {size:,} entries were signed, and the database has no such checkpoint",
                    size - 1,
                )
        return min((one.size for one in self.sources if one.size is not None), default=None)

    def _window(self, end: int) -> bool:
        """Check the leaves up to `end`; False at a gap."""
        first = self.tree.size
        runs, stop = list(read_runs(self.conn, first, end)), self._meet()
        made: list[tuple[int, int, bytes]] = []
        for run in runs:
            hashes = self._hashes(run, end)
            if run.root is not None and (stop is None or stop >= run.end):
                made += [(1, run.first >> TILE_HEIGHT, run.root), *self.tree.push_tile(run.root)]
                stop = self._meet()
            place = self.tree.size - run.first
            while place < len(hashes):
                until = len(hashes) if stop is None else min(len(hashes), max(stop - run.first, place + 1))
                made += self.tree.extend(hashes[place:until])
                place, stop = until, self._meet()
            if self.tree.size < min(run.first + TILE_WIDTH, end):
                break
        self._check_subtrees(first, made)
        self.progress(self.tree.size - first)
        return self.tree.size == end

    def _hashes(self, run: Run, end: int) -> list[bytes]:
        """Return the stored leaf hashes of a run up to the first gap; look closer where it is not sound."""
        if run.sound:
            self.found += len(run.hashes)
            return run.hashes
        until = min(run.first + TILE_WIDTH, end)
        seen = inspect(self.conn, self.report, run.first, until, self.least)
        self.found += seen.entries
        gap = run.first + len(seen.hashes)
        if gap < until:
            to = "" if seen.next is None else f" to {seen.next - 1:,}"
            self.report.add(f"leaves {gap:,}{to} are gone: no root can be recomputed from there on", gap)
        return seen.hashes

    def _check_subtrees(self, first: int, made: Sequence[tuple[int, int, bytes]]) -> None:
        known: dict[tuple[int, int], Any] = {
            (level, index): hash_
            for level, index, hash_ in queries("ledger").verify_subtrees(
                self.conn, first=first, size=self.tree.size
            )
        }
        for level, index, hash_ in made:
            if known.pop((level, index), None) != hash_:
                self.report.add(
                    f"the stored subtree of level {level} ({index:,}) is not that of its leaves",
                    ((index + 1) << 8 * level) - 1,
                )

    def _check_queue(self) -> None:
        """Check what waits: each once, each whole; and that nothing else is there."""
        with self.conn.cursor(name="verify_pending") as cursor:
            cursor.execute(queries("ledger").verify_pending.sql, binary=True)
            for id_, at, hash_, *columns in cursor:
                self.report.pending += 1
                self.found += columns[0] is not None
                check_entry(self.report, None, id_, at, hash_, columns)
        if not self.report.found and queries("ledger").entries(self.conn) == self.found:
            return  # every leaf and every place in the queue has its entry: no other one is left over
        for id_, _at, numbered in queries("ledger").verify_strays(self.conn):
            said = (
                "waits for an index although it has one"
                if numbered
                else "has no index and does not wait for one"
            )
            self.report.add(f"the entry {said}", None, id_)
