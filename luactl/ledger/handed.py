"""What this host handed over to anchors that cannot be asked: the newest checkpoint of each, in one file.

It lies beside the signing key. For a write-only anchor it is what the integrator goes by, so that nothing is
sent twice and a database that was set back is still noticed; lost, it costs one checkpoint sent again.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..config import write_private
from .note import Checkpoint, NoteError, Verifier, open_checkpoint


def beside(signing_key: Path) -> Path:
    """Return the file beside a signing key."""
    return signing_key.with_name(f"{signing_key.name}.handed")


def notes(file: Path) -> dict[str, str]:
    """Return the newest signed note by name of the anchor; nothing from a file that is missing or torn."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    texts = isinstance(found, dict) and all(isinstance(one, str) for one in found.values())
    return found if texts else {}


def newest(file: Path, anchor: str, verifier: Verifier) -> Checkpoint | None:
    """Return what was handed over last and that key signed."""
    note = notes(file).get(anchor)
    try:
        return None if note is None else open_checkpoint(note, [verifier])
    except NoteError:
        return None


def remember(file: Path, anchor: str, checkpoint: Checkpoint) -> None:
    """Keep that a checkpoint was handed over, durably. Raises OSError."""
    write_private(file, json.dumps({**notes(file), anchor: checkpoint.note}, ensure_ascii=False))
