"""What every anchor is to the integrator and to a check, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..errors import LuactlError
from .note import Checkpoint, Verifier


class AnchorError(LuactlError):
    """A checkpoint could not be handed over, or an anchor cannot be read."""


@dataclass(frozen=True)
class Record:
    """One piece of an anchor: a note, or what is none."""

    text: str
    is_note: bool


class Anchor(Protocol):
    """A place elsewhere that takes signed checkpoints."""

    @property
    def name(self) -> str:
        """The anchor as the profile names it."""

    @property
    def remembers(self) -> bool:
        """Whether it can be asked; of another this host alone knows what it got."""

    def create(self) -> None:
        """Make what can be made here, where it is missing. Raises AnchorError."""

    def missing(self) -> bool:
        """Whether it is not there at all, as far as can be seen from here."""

    def newest(self, verifier: Verifier) -> Checkpoint | None:
        """Return the newest checkpoint that this key signed; None when there is none. Raises AnchorError."""

    def records(self) -> Iterator[Record]:
        """Read all of it, piece by piece. Raises AnchorError."""

    def hand_over(self, checkpoint: Checkpoint) -> None:
        """Give it a signed checkpoint, durably. Raises AnchorError."""
