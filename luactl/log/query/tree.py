"""What a query says, as a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass

BARE = re.compile(r'[^\s"(),*-][^\s"(),*]*')


@dataclass(frozen=True)
class Value:
    """One value: literal pieces, and between each two of them whatever there may be (`*`)."""

    pieces: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left open."""
        return len(self.pieces) == 1

    def __str__(self) -> str:
        return "*".join(_quoted(piece) for piece in self.pieces) or '""'


@dataclass(frozen=True)
class Field:
    """A field has one of these values."""

    name: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.name}:{','.join(map(str, self.values))}"


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


Node = Field | Text | Not | Every | Some


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(piece: str) -> str:
    plain = not piece or (BARE.fullmatch(piece) and "\\" not in piece)
    return piece if plain else f'"{_escaped(piece)}"'
