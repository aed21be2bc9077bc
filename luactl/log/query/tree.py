"""What a query says, as a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass

BARE = re.compile(r'[^\s"(),*-][^\s"(),*]*')
ONE = "\0"
"""In a piece of a value: any one character. No text holds it, and no query can be typed with it."""


@dataclass(frozen=True)
class Value:
    """One value: literal pieces, and between each two of them whatever there may be (`*`)."""

    pieces: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left open."""
        return len(self.pieces) == 1 and ONE not in self.pieces[0]

    def __str__(self) -> str:
        return "*".join(_quoted(piece) for piece in self.pieces) or '""'


@dataclass(frozen=True)
class Field:
    """A field has one of these values."""

    name: str
    values: tuple[Value, ...]
    is_cased: bool = True
    """Whether capital letters count; in a query they do."""

    def __str__(self) -> str:
        return f"{self.name}:{','.join(map(str, self.values))}"


@dataclass(frozen=True)
class Number:
    """A field that is a number compares so with another. Rules have it, queries do not."""

    name: str
    sign: str
    """=, <, <=, > or >=."""
    value: int

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.value}"


@dataclass(frozen=True)
class Same:
    """A field holds what another one holds; `text`: its words. Rules have it, queries do not."""

    name: str
    other: str

    def __str__(self) -> str:
        return f"{self.name}=={self.other}"


@dataclass(frozen=True)
class Given:
    """A field has a value at all. Rules have it, queries write `field:*`."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}:*"


@dataclass(frozen=True)
class Text:
    """A word, the beginning of one, or a phrase of words, somewhere in what is in clear."""

    words: str
    is_prefix: bool = False

    def __str__(self) -> str:
        return f'"{_escaped(self.words)}"{"*" if self.is_prefix else ""}'


@dataclass(frozen=True)
class Not:
    """What must not hold."""

    node: Node

    def __str__(self) -> str:
        return f"-{self.node}"


@dataclass(frozen=True)
class Every:
    """All of these hold; of none: anything."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.nodes))})"


@dataclass(frozen=True)
class Some:
    """One of these holds at least."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.nodes))})"


Node = Field | Text | Number | Same | Given | Not | Every | Some


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(piece: str) -> str:
    plain = not piece or (BARE.fullmatch(piece) and "\\" not in piece)
    piece = piece.replace(ONE, "?")
    return piece if plain else f'"{_escaped(piece)}"'
