"""Anchors: where signed checkpoints go, so that the owner of the database cannot take them back.

Owns what every anchor is to the integrator and to a check, and how a profile names one. Kinds: `file:`
(file.py), `syslog:` (syslog.py) and `command:` (program.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import LuactlError, RefusedError, UsageError
from . import handed
from .note import Checkpoint, Verifier

if TYPE_CHECKING:
    from ..config import Profile

KINDS = "write file:/absolute/path, syslog:/dev/log, syslog:tcp://HOST:PORT or command:/program ARGUMENT …"


class AnchorError(LuactlError):
    """A checkpoint could not be handed over, or an anchor cannot be read."""


@dataclass(frozen=True)
class Record:
    """One piece of an anchor: a note, or what is none."""

    text: str
    is_note: bool


@dataclass(frozen=True)
class Known:
    """What an anchor has, and who says so."""

    checkpoint: Checkpoint | None
    """The newest that one key signed; None when there is none."""
    told: bool = True
    """Whether the anchor itself told it; otherwise this host goes by what it handed over."""


class Anchor(Protocol):
    """A place elsewhere that takes signed checkpoints."""

    @property
    def name(self) -> str:
        """The anchor as the profile names it."""

    def create(self) -> None:
        """Make what can be made here, where it is missing. Raises AnchorError."""

    def missing(self) -> bool:
        """Whether it is not there at all, as far as can be seen from here."""

    def newest(self, verifier: Verifier) -> Known:
        """Return what it has of what this key signed. Raises AnchorError."""

    def records(self) -> Iterator[Record]:
        """Read all of it, piece by piece. Raises AnchorError."""

    def hand_over(self, checkpoint: Checkpoint) -> None:
        """Give it a signed checkpoint, durably. Raises AnchorError."""


def reached(profile: Profile) -> list[Anchor]:
    """Return the anchors of a profile. Raises UsageError for a kind that is not known."""
    return [open_anchor(name, profile.signing_key) for name in profile.anchors]


def open_anchor(name: str, signing_key: Path) -> Anchor:
    """Return an anchor by its name. Raises UsageError for a kind that is not known.

    What write-only anchors got is remembered beside the signing key.
    """
    kind, _, rest = name.partition(":")
    if kind == "file" and rest.startswith("/"):
        from .file import FileAnchor

        return FileAnchor(Path(rest))
    if kind == "syslog":
        from .syslog import SyslogAnchor, check

        check(rest)
        return SyslogAnchor(name, handed.beside(signing_key))
    if kind == "command":
        from ..profile.place import command_line
        from .program import CommandAnchor

        try:
            words = command_line(name)
        except RefusedError as error:
            raise UsageError(f"no such anchor: {name}", hint=KINDS) from error
        return CommandAnchor(words or (), handed.beside(signing_key))
    raise UsageError(f"no such kind of anchor: {name}", hint=KINDS)
