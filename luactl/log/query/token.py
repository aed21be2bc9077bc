"""A query cut into what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import UsageError

LONGEST = 4_000
_PIECE = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<open>\() | (?P<close>\)) | (?P<comma>,) | (?P<star>\*)
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<bare>[^\s"(),*]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of a query."""

    kind: str
    """open, close, comma, star, quoted or bare."""
    text: str
    at: int
    """Characters before it."""
    glued: bool
    """Whether nothing stands between it and the piece before."""


def tokens(text: str) -> Iterator[Token]:
    """Cut a query. Raises UsageError for a quotation that does not end, NUL, and what is too long."""
    if len(text) > LONGEST or "\0" in text:
        raise UsageError(f"a query has at most {LONGEST:,} characters, none of them NUL")
    at, glued = 0, False
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            raise UsageError(
                f"a quotation that does not end: {text[at : at + 20]}",
                hint='write \\" for a quotation mark in a phrase',
            )
        kind = match.lastgroup or ""
        if kind != "space":
            said = match[kind]
            yield Token(
                kind, re.sub(r"\\(.)", r"\1", said, flags=re.DOTALL) if kind == "quoted" else said, at, glued
            )
        glued = kind != "space"
        at = match.end()
