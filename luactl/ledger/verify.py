"""The check of the whole ledger: each entry, leaf, subtree, root and signature, and every anchor.

Reads one consistent snapshot with server-side cursors, so memory does not grow with the log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from .anchor import AnchorError, FileAnchor, Record, anchors
from .entry import time_of, time_text
from .fork import Branch, read_forks
from .merkle import CompactRange, leaf_hash
from .note import LONGEST_NOTE, Checkpoint, NoteError, Verifier, open_checkpoint
from .origin import current, read_key, verifiers

MOST_FINDINGS = 1_000
FETCH = 2_000
_COLUMNS = ("body", "actor", "tenant_id", "subject", "touched", "action", "object", "outcome")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was signed."""

    problem: str
    index: int | None = None
    """Place in the log, where there is one."""
    id: UUID | None = None
    """The entry, where it is one."""


@dataclass(frozen=True)
class Verification:
    """What a check looked at and found; `ok` means nothing was found."""

    ok: bool
    origin: str
    vkey: str
    size: int
    """Leaves whose entries were recomputed."""
    pending: int
    """Entries that no checkpoint covers yet: their owner can still change them."""
    checkpoints: int
    """Signed checkpoints compared, those of the anchors included."""
    anchors: tuple[str, ...]
    findings: tuple[Finding, ...]
    """The first 1,000."""
    found: int
    """How many there are in all."""
    lost: tuple[Branch, ...] = ()
    """Ends of the log that restores lost, as its own entries tell."""


@dataclass
class _Report:
    """Collects findings, in bounded memory."""

    findings: list[Finding]
    found: int = 0
    checkpoints: int = 0
    size: int = 0
    pending: int = 0
    forks: dict[str, Branch] = field(default_factory=dict)

    def add(self, problem: str, index: int | None = None, id: UUID | None = None) -> None:
        """Keep one finding, or only its number when there are very many."""
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(problem, index, id))


class _Source:
    """Checkpoints of one place, smallest first, each to be met by the growing tree."""

    def __init__(self, name: str, report: _Report, claims: Iterator[Checkpoint]) -> None:
        self.name, self._report, self._claims = name, report, claims
        self._next = next(claims, None)

    def meet(self, tree: CompactRange) -> None:
        """Compare all that speak of the tree's present size."""
        while self._next is not None and self._next.size <= tree.size:
            claim = self._next
            self._report.checkpoints += 1
            if claim.size < tree.size:
                self._report.add(
                    f"{self.name}: a checkpoint of {claim.size:,} entries comes after a larger one"
                )
            elif claim.root != tree.root():
                self._report.add(
                    f"{self.name}: another root was signed for {claim.size:,} entries", claim.size - 1
                )
            self._next = next(self._claims, None)

    def finish(self, size: int) -> None:
        """Report what speaks of more than there is."""
        while self._next is not None:
            self._report.checkpoints += 1
            self._report.add(
                f"{self.name}: {self._next.size:,} entries were signed, the log has {size:,}", size
            )
            self._next = next(self._claims, None)


def verify(session: Session, checkpoint_file: Path | None = None) -> Verification:
    """Check everything; with `checkpoint_file` also against a signed checkpoint that was kept elsewhere.

    Raises RefusedError for logins that do not see every entry, UsageError for an unreadable checkpoint file,
    and RefusedError before there is an origin. Findings are returned, not raised.
    """
    if not queries("ledger").sees_everything(session.conn):
        raise RefusedError(
            f"{session.actor} sees only some entries, so a check could not tell what is missing",
            hint="run it as a login with lua_auditor, lua_dpo, lua_responder or lua_admin",
        )
    origin = current(session)
    if origin is None:
        raise RefusedError("this database has no ledger origin", hint="`luactl init` makes one")
    report = _Report([])
    kept = None if checkpoint_file is None else _read(checkpoint_file)
    reached = anchors(session.profile.anchors)
    with transaction(session) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        _check(session, report, reached, kept)
    return Verification(
        ok=not report.found,
        origin=origin.origin,
        vkey=origin.vkey,
        size=report.size,
        pending=report.pending,
        checkpoints=report.checkpoints,
        anchors=tuple(anchor.name for anchor in reached),
        findings=tuple(report.findings),
        found=report.found,
        lost=tuple(report.forks.values()),
    )


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return file.read(LONGEST_NOTE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the checkpoint {path} cannot be read", hint="give the file of one signed note"
        ) from error


def _check(session: Session, report: _Report, reached: Sequence[FileAnchor], kept: str | None) -> None:
    keys = _keys(session, report)
    report.forks = read_forks(session)
    sources = [_Source("the database", report, _stored(session, report, keys))]
    sources += [
        _Source(anchor.name, report, _unexplained(report, _anchored(anchor, report, keys)))
        for anchor in reached
    ]
    if kept is not None:
        given = _unexplained(report, _given(kept, report, keys))
        sources.append(_Source("the given checkpoint", report, given))
    tree = _grow(session, report, sources)
    if tree is not None:
        newest = queries("ledger").newest_checkpoint(session.conn)
        if tree.size and (newest is None or newest[0] < tree.size):
            report.add(f"no checkpoint covers the newest of {tree.size:,} leaves", tree.size - 1)
    _check_queue(session, report)


def _keys(session: Session, report: _Report) -> list[Verifier]:
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


def _rows(session: Session, name: str) -> Iterator[tuple[Any, ...]]:
    """Stream a named query through a server-side cursor of the open transaction."""
    with session.conn.cursor(name=name) as cursor:
        cursor.itersize = FETCH
        cursor.execute(getattr(queries("ledger"), name).sql, binary=True)
        yield from cursor


def _stored(session: Session, report: _Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    for size, root, note in _rows(session, "verify_checkpoints"):
        try:
            checkpoint = open_checkpoint(note, keys)
        except NoteError as error:
            report.add(f"the checkpoint of {size:,} entries: {error.what}", size - 1)
            continue
        if (checkpoint.size, checkpoint.root) != (size, root):
            report.add(f"the checkpoint of {size:,} entries says something else than was signed", size - 1)
        yield checkpoint


def _anchored(anchor: FileAnchor, report: _Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    """Yield the checkpoints of an anchor. A torn write that was made good after it is no finding."""
    try:
        for record, after in pairwise(_last(anchor.records())):
            yield from _judge(anchor, record, after, report, keys)
    except AnchorError as error:
        report.add(error.what)


def _unexplained(report: _Report, claims: Iterator[Checkpoint]) -> Iterator[Checkpoint]:
    """Leave out checkpoints of a history that a restore lost, as far as the log itself tells of it."""
    for claim in claims:
        branch = report.forks.get(claim.origin)
        if branch is None or claim.size <= branch.kept:
            yield claim
        elif claim.size > branch.size or (claim.size == branch.size and claim.root.hex() != branch.root):
            report.add(
                f"{claim.origin} signed {claim.size:,} entries, and the log tells of {branch.size:,} only"
            )
        else:
            report.checkpoints += 1


def _last(records: Iterable[Record]) -> Iterator[Record | None]:
    yield from records
    yield None


def _judge(
    anchor: FileAnchor, record: Record | None, after: Record | None, report: _Report, keys: Sequence[Verifier]
) -> Iterator[Checkpoint]:
    if record is None:
        return
    try:
        yield open_checkpoint(record.text, keys)
    except NoteError as error:
        torn = record.text.strip("\n")
        if after is None or not after.text.startswith(torn):
            report.add(f"{anchor.name}: {error.what}: {torn[:80]!r}")


def _given(note: str, report: _Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    try:
        yield open_checkpoint(note, keys)
    except NoteError as error:
        report.add(f"the given checkpoint: {error.what}")


def _grow(session: Session, report: _Report, sources: Sequence[_Source]) -> CompactRange | None:
    """Recompute the tree leaf by leaf; None when a gap makes that impossible."""
    tree = CompactRange()
    subtrees = _rows(session, "verify_subtrees")
    for source in sources:
        source.meet(tree)
    for index, id_, at, hash_, *columns in _rows(session, "verify_leaves"):
        if index != tree.size:
            report.add(
                f"leaves {tree.size:,} to {index - 1:,} are gone: no root can be recomputed from there on",
                tree.size,
            )
            return None
        _check_entry(report, index, id_, at, hash_, columns)
        for made in tree.append(hash_):
            _check_subtree(report, made, next(subtrees, None), index)
        for source in sources:
            source.meet(tree)
        report.size = tree.size
    for level, place, _hash in subtrees:
        report.add(f"a subtree of level {level} ({place:,}) covers leaves that the log does not have")
    for source in sources:
        source.finish(tree.size)
    return tree


def _check_subtree(
    report: _Report, made: tuple[int, int, bytes], stored: tuple[Any, ...] | None, index: int
) -> None:
    if stored is None or made != tuple(stored):
        report.add(f"the stored subtree of level {made[0]} ({made[1]:,}) is not that of its leaves", index)


def _check_entry(
    report: _Report, index: int | None, id_: UUID, at: Any, hash_: bytes | None, columns: Sequence[Any]
) -> None:
    """Compare one entry with its leaf (None while it waits) and its columns with its body."""
    body = columns[0]
    if body is None:
        report.add("the entry is gone", index, id_)
    elif hash_ is not None and leaf_hash(body) != hash_:
        report.add("the entry was changed after it was signed", index, id_)
    else:
        wrong = _differences(id_, at, dict(zip(_COLUMNS, columns, strict=True)))
        if wrong:
            report.add(f"what searches see differs from what was signed: {', '.join(wrong)}", index, id_)


def _differences(id_: UUID, at: Any, columns: dict[str, Any]) -> list[str]:
    """Name the fields of the body that its columns contradict."""
    subject, touched = columns["subject"], columns["touched"]
    try:
        body = json.loads(columns["body"])
        said_touched = body["detail"]["references"] if body["action"] == "read" else None
        said = [
            ("id", body["id"], str(id_)),
            ("at", body["at"], time_text(at)),
            ("time of id", time_of(id_), at),
            ("actor", body["actor"], columns["actor"]),
            ("tenant", body["tenant"], columns["tenant_id"]),
            ("subject", body["subject"], None if subject is None else str(subject)),
            ("references", said_touched, None if touched is None else [str(t) for t in touched]),
            ("action", body["action"], columns["action"]),
            ("object", body["object"], columns["object"]),
            ("outcome", body["outcome"], columns["outcome"]),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["not an entry"]
    return [name for name, signed, seen in said if signed != seen]


def _check_queue(session: Session, report: _Report) -> None:
    """Check what waits: each once, each whole."""
    for id_, at, *columns in _rows(session, "verify_pending"):
        report.pending += 1
        _check_entry(report, None, id_, at, None, columns)
    for id_, _at, numbered in _rows(session, "verify_strays"):
        said = (
            "waits for an index although it has one" if numbered else "has no index and does not wait for one"
        )
        report.add(f"the entry {said}", None, id_)
