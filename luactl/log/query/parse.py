"""Reading a query: recursive descent, one function a rule.

query  = some
some   = every *("OR" every)
every  = 1*one
one    = ("-" | "NOT ") one | "(" some ")" | name ":" value *("," value) | value
value  = 1*(bare | quoted | "*")
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ...errors import UsageError
from ..when import parse_time
from .field import FIELDS, TIMES, known
from .token import Token, tokens
from .tree import Every, Field, Node, Not, Some, Text, Value

DEEPEST = 50
LAST_ID = 1 << 127
MOST_VALUES = 100
_ACTION = re.compile(r"[a-z.-]*")
_NAME = re.compile(r"([A-Za-z][A-Za-z_]*):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Query:
    """What to look for."""

    where: Node
    since: datetime | None = None
    until: datetime | None = None
    """Up to but not including."""

    def __str__(self) -> str:
        said = "" if self.where == Every(()) else str(self.where)
        times = [
            f"{name}:{at.isoformat()}"
            for name, at in (("since", self.since), ("until", self.until))
            if at is not None
        ]
        return " ".join([said, *times]).strip()


def parse(text: str, now: datetime) -> Query:
    """Read a query; spans back such as `since:-2h` count from `now`. Raises UsageError."""
    reader, where = read(text, now)
    return Query(where, reader.times.get("since"), reader.times.get("until"))


def read(text: str, now: datetime) -> tuple[_Reader, Node]:
    """Read a query: its tree, and the reader that knows where its parts begin. Raises UsageError."""
    reader = _Reader(list(tokens(text)), now)
    where = reader.some(0) if reader.tokens else Every(())
    if reader.here is not None:
        raise _unexpected(reader.here)
    return reader, where


class _Reader:
    """Where reading stands."""

    def __init__(self, found: Sequence[Token], now: datetime) -> None:
        self.tokens = found
        self.now = now
        self.next = 0
        self.times: dict[str, datetime] = {}
        self.begins: list[Token] = []
        """The first token of each part that stands in no parentheses."""
        self.has_alternatives = False
        """Whether an OR stands between such parts."""

    @property
    def here(self) -> Token | None:
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def take(self) -> Token:
        token = self.here
        if token is None:
            raise UsageError("the query ends too early", hint="something is missing after its last word")
        self.next += 1
        return token

    def is_word(self, word: str) -> bool:
        return self.here is not None and self.here.kind == "bare" and self.here.text == word

    def some(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise UsageError(f"a query is at most {DEEPEST} parentheses deep")
        nodes = [self.every(depth)]
        while self.is_word("OR"):
            self.take()
            self.has_alternatives = self.has_alternatives or not depth
            nodes.append(self.every(depth))
        if len(nodes) > 1 and self.times and depth == 0:
            raise _not_here()
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def every(self, depth: int) -> Node:
        nodes: list[Node] = []
        while not (self.here is None or self.here.kind == "close" or self.is_word("OR")):
            if not depth:
                self.begins.append(self.here)
            node = self.one(depth)
            if node is not None:
                nodes.append(node)
            elif depth:
                raise _not_here()
        if not nodes and not (self.times and depth == 0):
            self.take()  # says that the query ends too early, or:
            raise _unexpected(self.tokens[self.next - 1])
        return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))

    def one(self, depth: int) -> Node | None:
        """Read one condition; None for a time, which stands beside the tree."""
        if depth > DEEPEST:
            raise UsageError(f"a query is at most {DEEPEST} parentheses deep")
        token = self.take()
        if token.kind == "open":
            node = self.some(depth + 1)
            if self.here is None or self.take().kind != "close":
                raise UsageError("a parenthesis is not closed")
            return node
        if token.kind == "bare" and token.text == "NOT":
            return self._not(depth)
        if token.kind == "bare" and token.text.startswith("-"):
            self.next -= 1
            rest = replace(token, text=token.text[1:], glued=False)
            self.tokens = [
                *self.tokens[: self.next],
                *([rest] if rest.text else []),
                *self.tokens[self.next + 1 :],
            ]
            return self._not(depth)
        if token.kind == "bare" and (match := _NAME.fullmatch(token.text)):
            return self._field(match[1].lower(), replace(token, text=match[2]))
        return _text(self._value(token))

    def _not(self, depth: int) -> Node:
        node = self.one(depth + 1)
        if node is None:
            raise _not_here()
        return Not(node)

    def _field(self, name: str, first: Token) -> Node | None:
        if name not in TIMES:
            known(name)
        pieces = self._value(first)
        values = [pieces]
        while self.here is not None and self.here.kind == "comma" and self.here.glued:
            self.take()
            values.append(self._value(self.take()))
        if name in TIMES:
            self._time(name, values)
            return None
        if any(value.pieces == ("",) for value in values):
            raise UsageError(
                f"{name}: has no value", hint=f"such as {name}:VALUE; without the field it is text"
            )
        if len(values) > MOST_VALUES:
            raise UsageError(f"{name}: has more than {MOST_VALUES} values")
        if name == "text":
            found = [_text(value) for value in values]
            return found[0] if len(found) == 1 else Some(tuple(found))
        for value in values:
            check(name, value)
        return Field(name, tuple(values))

    def _value(self, token: Token) -> Value:
        pieces = [""]
        while True:
            if token.kind == "star":
                pieces.append("")
            elif token.kind in ("bare", "quoted"):
                pieces[-1] += token.text
            else:
                raise _unexpected(token)
            if self.here is None or not self.here.glued or self.here.kind not in ("star", "bare", "quoted"):
                return Value(tuple(pieces))
            token = self.take()

    def _time(self, name: str, values: list[Value]) -> None:
        if len(values) > 1 or not values[0].is_exact:
            raise UsageError(f"{name}: takes one time", hint="such as since:-2h or until:2026-03-01")
        if name in self.times:
            raise UsageError(f"{name}: is there twice")
        self.times[name] = parse_time(values[0].pieces[0], self.now)


def _text(value: Value) -> Text:
    """A word or phrase; a star may stand at its end alone."""
    *front, last = value.pieces
    words = last if value.is_exact else front[0]
    if len(front) > 1 or (front and last) or not any(sign.isalnum() for sign in words):
        raise UsageError(
            f"cannot look for the text {str(value)[:40]}",
            hint="a star may stand at the end of a word: invoic*",
        )
    return Text(words, is_prefix=bool(front))


def check(name: str, value: Value) -> None:
    """Raise UsageError for what a field can never hold."""
    choices = FIELDS[name].choices
    if choices and (not value.is_exact or value.pieces[0] not in choices):
        raise UsageError(f"{name}: cannot be {str(value)[:40]}", hint=f"one of {', '.join(choices)}")
    if name == "action" and not _ACTION.fullmatch("".join(value.pieces)):
        raise UsageError(
            f"not an action: {str(value)[:40]}", hint="such as tenant.create, or crm.* for all that begin so"
        )
    if name in ("id", "subject") and not (value.is_exact and is_id(value.pieces[0], name)):
        raise UsageError(f"{name}: takes a whole id", hint="such as 01990000-0000-7000-8000-000000000000")
    if name == "address" and value.is_exact and "/" in value.pieces[0] and not _is_network(value.pieces[0]):
        raise UsageError(f"not a network: {value.pieces[0][:40]}", hint="such as 10.0.0.0/8 or 2001:db8::/32")


def is_id(text: str, name: str) -> bool:
    """Whether a text is an id; that of an entry tells a time that there is."""
    try:
        return UUID(text).int < LAST_ID or name == "subject"
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _unexpected(token: Token) -> UsageError:
    return UsageError(
        f"cannot read {token.text[:20]!r} at character {token.at + 1} of the query",
        hint='put what is no field, word or parenthesis in quotes: "…"',
    )


def _not_here() -> UsageError:
    return UsageError(
        "since: and until: hold for the whole query",
        hint="write them beside it, not in parentheses or after a minus",
    )
