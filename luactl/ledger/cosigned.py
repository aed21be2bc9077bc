"""Cosigned checkpoints in the database: brought in as entries, and held against the profile's policy.

The policy is two settings of the profile: `cosigners`, the verifier keys of those who count, and
`cosigners_needed`, how many of them must have signed. Keys come from the profile and never from the database:
whoever owns that could name others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..config import Profile
from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from .cosign import Cosigned, Cosigner, cosignatures
from .entry import Entry, append
from .note import Checkpoint, NoteError, open_checkpoint
from .origin import verifiers
from .report import Report
from .signed import holds

ACTION = "ledger.cosign"


@dataclass(frozen=True)
class CosignerState:
    """How far one cosigner has seen the log."""

    cosigner: str
    """Name of the key."""
    size: int | None
    """Entries under the newest checkpoint that it signed; None: none yet."""
    at: datetime | None
    """When, by its own clock."""
    lag: int
    """Signed entries that it has not seen."""


def policy(profile: Profile) -> list[Cosigner]:
    """Return the keys that count. Raises UsageError for a malformed one."""
    try:
        return [Cosigner.parse(vkey) for vkey in profile.cosigners]
    except NoteError as error:
        raise UsageError(
            f"a cosigner's key in profile {profile.name!r} is malformed: {error.what}",
            hint="`luactl ledger cosign key` shows keys as the profile wants them",
        ) from error


def check(session: Session, note: str) -> tuple[Cosigned, ...]:
    """Return who cosigned a checkpoint of this log, and change nothing.

    Raises RefusedError for a checkpoint that this database does not have, NoteError for signatures that do
    not verify, NotFoundError when none of the profile's cosigners signed it.
    """
    keys = verifiers(session)
    checkpoint = open_checkpoint(note, keys)
    found = cosignatures(note, policy(session.profile))
    if not found:
        raise NotFoundError(
            "none of the profile's cosigners signed this checkpoint",
            hint='name their keys in the profile: cosigners = ["…"]',
        )
    if not holds(session.conn, checkpoint, keys):
        raise RefusedError(
            f"this database has no such checkpoint of {checkpoint.size:,} entries",
            hint="it was signed elsewhere, or this database was set back: `luactl ledger verify`",
        )
    return tuple(found)


def add(session: Session, note: str) -> tuple[Cosigned, ...]:
    """Keep a cosigned checkpoint of this log as an entry, one a cosigner; what is known already is kept once.

    Raises what `check` raises.
    """
    found = check(session, note)
    known = {(one.cosigner, one.size) for one, _problem in _entries(session) if one is not None}
    fresh = [one for one in found if (one.cosigner, one.size) not in known]
    with transaction(session):
        for one in fresh:
            detail = {"size": one.size, "root": one.root.hex(), "note": note}
            append(session, Entry(ACTION, object=f"cosigner:{one.cosigner}", detail=detail))
    return found


def _entries(session: Session) -> Iterator[tuple[Cosigned | None, str]]:
    """Yield each cosignature that is kept, or what is wrong with an entry that should hold one."""
    cosigners = policy(session.profile)
    keys = verifiers(session)
    for (body,) in list(queries("ledger").cosigned(session.conn)):
        try:
            said: dict[str, Any] = json.loads(bytes(body))
            note = said["detail"]["note"]
            open_checkpoint(note, keys)
            for one in cosignatures(note, cosigners):
                if said["object"] == f"cosigner:{one.cosigner}":
                    yield one, ""
        except NoteError as error:
            yield None, error.what
        except (ValueError, KeyError, TypeError):
            yield None, "not a cosigned checkpoint"


def states(session: Session, size: int) -> tuple[CosignerState, ...]:
    """Return how far each of the profile's cosigners has seen the log of `size` signed entries."""
    newest: dict[str, Cosigned] = {}
    for one, _problem in _entries(session) if session.profile.cosigners else ():
        if one is not None and (one.cosigner not in newest or newest[one.cosigner].size < one.size):
            newest[one.cosigner] = one
    found = []
    for cosigner in policy(session.profile):
        had = newest.get(cosigner.name)
        seen = None if had is None else had.size
        found.append(CosignerState(cosigner.name, seen, None if had is None else had.at, size - (seen or 0)))
    return tuple(found)


def agreed(found: Sequence[CosignerState], needed: int) -> int:
    """Return up to which size so many cosigners have seen the log; 0 when too few have seen anything."""
    sizes = sorted((one.size or 0 for one in found), reverse=True)
    return sizes[needed - 1] if 0 < needed <= len(sizes) else 0


def claims(session: Session, report: Report) -> list[Checkpoint]:
    """Return what was cosigned, smallest first, and report what is wrong with it or lacks."""
    if not session.profile.cosigners and not session.profile.cosigners_needed:
        return []
    found: list[Cosigned] = []
    for one, problem in _entries(session):
        if one is None:
            report.add(f"a cosigned checkpoint in the log: {problem}")
        else:
            found.append(one)
    signed, needed = {one.cosigner for one in found}, session.profile.cosigners_needed
    if len(signed) < needed:
        report.add(f"{len(signed)} of the {needed} cosigners that the profile asks for have signed")
    return [Checkpoint("", one.size, one.root) for one in sorted(found, key=lambda one: one.size)]
