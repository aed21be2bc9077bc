"""Who had a lockbox in hand: a file of entries, each bound to the one before it.

The first is bound to certificate.json, whose digest the ledger holds. Whoever has the folder alone can cut
off the last entries unseen; so the digest of each stands in the ledger too, and belongs on the paper that
goes with a hand-over (docs/reference/formats-lockbox.md).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...certificate import canonical
from ...certificate import manifest as man
from ...db import Session, transaction
from ...disk import replace_file
from ...errors import BusyError, LuactlError, RefusedError, UsageError
from .facts import KIND, text

ACTIONS = ("collected", "received", "copied", "handed-over", "stored", "opened", "returned", "destroyed")
COLLECTED = ACTIONS[0]
"""The first entry of each log, and no later one."""
LONGEST = 500
"""Characters of a name or note."""
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Step:
    """One thing that happened to a lockbox."""

    action: str
    by: str
    """Who did it."""
    to: str | None = None
    """Who, or where, it went to."""
    note: str | None = None


@dataclass(frozen=True)
class Taken:
    """An entry of a custody log."""

    number: int
    at: str
    """RFC 3339 in UTC, by the clock of `host`."""
    action: str
    by: str
    to: str | None
    note: str | None
    login: str | None
    """The login that Postgres knew; None where it was written without a database."""
    host: str
    previous: str
    """SHA-256 of the entry before it; of the first, of certificate.json."""
    sha256: str
    """Its own."""


def first(by: str, case: str, at: datetime, facts: bytes) -> bytes:
    """Return the custody log of a lockbox that was collected just now."""
    step = Step(COLLECTED, by, None, f"case {case}")
    return _line(_entry(step, 1, at, by, sha256(facts).hexdigest()))


def digest(line: bytes) -> str:
    """Return the digest by which the next entry, the ledger and paper name one (without its line feed)."""
    return sha256(line.removesuffix(b"\n")).hexdigest()


def _line(entry: dict[str, Any]) -> bytes:
    return canonical(entry) + b"\n"


def _entry(step: Step, number: int, at: datetime, login: str | None, previous: str) -> dict[str, Any]:
    return {
        "v": 1,
        "n": number,
        "at": text(at),
        "action": step.action,
        "by": step.by,
        "to": step.to,
        "note": step.note,
        "login": login,
        "host": socket.gethostname(),
        "previous": previous,
    }


def read(log: bytes, facts: bytes) -> Iterator[Taken | str]:
    """Yield the entries of a custody log; instead of one that is none, or follows not, why."""
    previous, number = sha256(facts).hexdigest(), 0
    for line in log.splitlines(keepends=True):
        number += 1
        found = _parsed(line)
        if found is None:
            yield f"line {number} is no entry"
        elif found.number != number or found.previous != previous:
            yield f"line {number} does not follow the one before it: an entry was changed, removed or moved"
        elif (found.action == COLLECTED) != (number == 1):
            yield f"line {number} says {found.action!r}, which does not stand there"
        else:
            yield found
        previous = digest(line)
    if number == 0:
        yield "has no entry"


def _parsed(line: bytes) -> Taken | None:
    try:
        said = json.loads(line)
        is_ours = line == _line(said) and said["v"] == 1 and len(said) == 10
        found = Taken(
            said["n"], said["at"], said["action"], said["by"], said["to"], said["note"], said["login"],
            said["host"], said["previous"], digest(line),
        )  # fmt: skip
        texts = (found.at, found.action, found.by, found.host, found.previous)
        maybe = (found.to, found.note, found.login)
        is_ours = is_ours and type(found.number) is int and all(isinstance(one, str) for one in texts)
        is_ours = is_ours and all(one is None or isinstance(one, str) for one in maybe)
        is_ours = is_ours and _AT.fullmatch(found.at) is not None and found.action in ACTIONS
        return found if is_ours and _DIGEST.fullmatch(found.previous) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_steps(lockbox: Path) -> tuple[Taken, ...]:
    """Return the entries of a lockbox's custody log, oldest first.

    Raises UsageError for what is no lockbox, RefusedError for a log that does not hang together.
    """
    _id, facts, log = parts(lockbox)
    found = list(read(log, facts))
    for one in found:
        if isinstance(one, str):
            raise RefusedError(
                f"the custody log of {lockbox} is not as it was written: {one}",
                hint=f"`luactl verify {lockbox}` says what else was changed",
            )
    return tuple(one for one in found if isinstance(one, Taken))


def parts(lockbox: Path) -> tuple[str, bytes, bytes]:
    """Return id, certificate.json and custody log of a lockbox. Raises UsageError."""
    try:
        listed = man.parse(_small(lockbox / man.MANIFEST))
        facts, log = _small(lockbox / man.CERTIFICATE), _small(lockbox / man.CUSTODY)
    except (OSError, ValueError):
        listed = None
    if listed is None or listed.kind != KIND:
        raise UsageError(f"{lockbox} is no lockbox", hint="name the folder that `luactl log export` made")
    return listed.id, facts, log


def _small(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(man.LARGEST_FILE + 1)
    if len(data) > man.LARGEST_FILE:
        raise OSError("too large")
    return data


def add_step(lockbox: Path, step: Step, at: datetime, *, dry_run: bool = False) -> Taken:
    """Add an entry where no database is at hand. Raises as `record_step`."""
    _check(step)
    with _held(lockbox):
        _id, line, log = _next(lockbox, step, at, None)
        return _write(lockbox, line, log, dry_run)


def record_step(session: Session, lockbox: Path, step: Step, *, dry_run: bool = False) -> Taken:
    """Add an entry, after the ledger has its digest; who it went to stands in the file alone.

    Raises UsageError for what is no lockbox or no entry, RefusedError for a log that does not hang together,
    BusyError while somebody else adds one, LuactlError when the disk does not take it.
    """
    from ...ledger import Entry, append

    _check(step)
    with _held(lockbox):
        id_, line, log = _next(lockbox, step, session.clock.now(), session.actor)
        if not dry_run:
            number = log.count(b"\n") + 1
            detail = {"action": step.action, "n": number, "sha256": digest(line)}
            with transaction(session, durable=True):
                append(session, Entry("log.custody.add", object=f"{KIND}:{id_}", detail=detail))
            session.step("custody recorded")
        taken = _write(lockbox, line, log, dry_run)
        session.step("custody written")
        return taken


def _next(lockbox: Path, step: Step, at: datetime, login: str | None) -> tuple[str, bytes, bytes]:
    """Return id, the new line, and the log that it follows."""
    before: Sequence[Taken] = read_steps(lockbox)
    id_, _facts, log = parts(lockbox)
    return id_, _line(_entry(step, len(before) + 1, at, login, before[-1].sha256)), log


def _write(lockbox: Path, line: bytes, log: bytes, dry_run: bool) -> Taken:
    taken = _parsed(line)
    assert taken is not None
    if not dry_run:
        try:
            box = lockbox.resolve()
            # Beside the lockbox: what a killed run leaves in it would be a file too many.
            replace_file(box / man.CUSTODY, log + line, beside=box)
        except OSError as error:
            raise LuactlError(
                f"the custody log of {lockbox} could not be written: {error.strerror}",
                hint="make room, or have it and the folder above it writable, and run it again",
            ) from error
    return taken


def _check(step: Step) -> None:
    if step.action not in ACTIONS[1:]:
        raise UsageError(
            f"nobody can have {step.action[:40]!r} a lockbox", hint=f"one of {', '.join(ACTIONS[1:])}"
        )
    for name, value in (("--by", step.by), ("--to", step.to), ("--note", step.note)):
        if value is not None and (
            not value.strip() or len(value) > LONGEST or not value.replace("\n", "").isprintable()
        ):
            raise UsageError(f"{name} is text of at most {LONGEST} characters", hint="who, where, why")


@contextmanager
def _held(lockbox: Path) -> Iterator[None]:
    """Keep others from adding at the same time. Raises UsageError, BusyError."""
    try:
        folder = os.open(lockbox, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, ValueError):
        raise UsageError(
            f"{lockbox} is no lockbox", hint="name the folder that `luactl log export` made"
        ) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BusyError("somebody else adds to this custody log", hint="run it again") from None
    finally:
        os.close(folder)
