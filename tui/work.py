"""Work in threads: a job gets a session and returns a message; nothing else crosses the border."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from luactl.errors import LuactlError


@dataclass
class Failed(Message, bubble=False):
    """A job failed."""

    error: LuactlError
    about: str
    """The group of the job."""


@dataclass
class Step(Message, bubble=False):
    """A job that takes several steps did one of them."""

    text: str
