"""One line of a selection (`field|modifier: values`) as a condition on a row of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any

from ...errors import did_you_mean
from ..query import (
    DETAIL,
    FIELDS,
    ONE,
    PARTS,
    SUBJECTS,
    Every,
    Field,
    Given,
    Node,
    Not,
    Number,
    Same,
    Some,
    Text,
    Value,
)
from ..query.parse import is_id
from .reading import RuleError

MOST_VALUES = 1_000
LONGEST_VALUE = 1_000
LOWER = ("action", "kind", "outcome", "source", "tenant")
"""Fields that are never written with capital letters: these compare without them, and by their index."""
WHOLE = ("id", "subject")
"""Fields that are an id."""
MASKED = ("message",)
"""Columns that rules may name and queries ask as text."""
COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SHAPES = {"contains": (True, True), "startswith": (False, True), "endswith": (True, False)}
"""Whether anything may stand before and after."""
MODIFIERS = (*_SHAPES, *COMPARED, *PARTS, "all", "cased", "cidr", "exists", "fieldref", "neq")
REFUSED = {
    "re": "a regular expression may keep the server busy without end; use contains, startswith or wildcards",
    "expand": "nothing fills placeholders in; write the values out",
    "windash": "it is about command lines of Windows, which this log has none of",
}
Problem = Callable[[str, str], RuleError]
"""Makes the error: what is wrong, and what to do."""


def match(key: str, said: Any, problem: Problem) -> Node:
    """Return what `key: said` demands. Raises what `problem` makes."""
    name, *modifiers = key.split("|")
    _check_modifiers(name, modifiers, problem)
    values = said if isinstance(said, list) else [said]
    if not values or len(values) > MOST_VALUES:
        raise problem(f"{key} has {len(values):,} values", f"1 to {MOST_VALUES:,} of them")
    if "all" in modifiers and len(values) < 2:
        raise problem(f"{key}: `all` is about several values", "leave it out, or add values")
    rest = [one for one in modifiers if one not in ("all", "neq")]
    nodes = _nodes(name, rest, values, problem, each="all" in modifiers)
    node: Node = nodes[0] if len(nodes) == 1 else Every(nodes) if "all" in modifiers else Some(nodes)
    return Not(node) if "neq" in modifiers else node


def words(said: Any, problem: Problem) -> Node:
    """Return a keyword: words that stand somewhere in what is in clear."""
    if not isinstance(said, str) or ONE in said:
        raise problem(f"the keyword {str(said)[:40]!r} is no text", "write words, or `field: value`")
    front, is_prefix = (said[:-1], True) if said.endswith("*") and not said.endswith("\\*") else (said, False)
    if not any(sign.isalnum() for sign in front) or "*" in front or "?" in front:
        raise problem(f"cannot look for the keyword {said[:40]!r}", "a star may stand at the end: invoic*")
    return Text(front, is_prefix)


def known_field(name: str, problem: Problem) -> str:
    """Return the name of a field of text. Raises what `problem` makes, with what was likely meant."""
    is_detail = name.startswith(DETAIL) and name.removeprefix(DETAIL).replace("_", "").isalnum()
    if is_detail or name in MASKED or (name in FIELDS and name != "text"):
        return name
    every = [*FIELDS, *MASKED, SUBJECTS, "at"]
    meant = did_you_mean(name, every, 1)
    raise problem(f"there is no field {name[:40]!r} here", f"{meant}fields: {', '.join(every)}, detail.NAME")


def _check_modifiers(name: str, modifiers: Sequence[str], problem: Problem) -> None:
    for one in modifiers:
        if one in REFUSED:
            raise problem(f"the modifier {one!r} is not supported", REFUSED[one])
        if one not in MODIFIERS:
            raise problem(f"the modifier {one[:40]!r} is not supported", f"supported: {', '.join(MODIFIERS)}")
    if len(set(modifiers)) < len(modifiers):
        raise problem(f"{name}: a modifier is there twice", "once is enough")


def _nodes(
    name: str, modifiers: Sequence[str], values: list[Any], problem: Problem, *, each: bool
) -> tuple[Node, ...]:
    """Return one condition for all values, or one for each."""
    if name == "at" or name == SUBJECTS:
        return tuple(_number(name, modifiers, value, problem) for value in values)
    if name == "text":
        if tuple(modifiers) == ("fieldref",):
            return tuple(Same(name, _other(value, problem)) for value in values)
        if modifiers:
            raise problem(f"text: `{'|'.join(modifiers)}` is not supported", "text takes words, or fieldref")
        return tuple(words(value, problem) for value in values)
    known_field(name, problem)
    if "exists" in modifiers:
        return tuple(_exists(name, modifiers, value, problem) for value in values)
    if "fieldref" in modifiers:
        if len(modifiers) > 1 or name in WHOLE:
            raise problem(
                f"{name}: fieldref stands alone, and not with an id", "such as detail.login|fieldref"
            )
        return tuple(Same(name, _other(value, problem)) for value in values)
    nodes: list[Node] = [Not(Given(name)) for value in values if value is None]
    if None in values and modifiers:
        raise problem(f"{name}: null takes no modifier", "null means that the field has no value")
    read = [_value(name, modifiers, value, problem) for value in values if value is not None]
    is_cased = "cased" in modifiers or name in LOWER
    if each:
        return (*nodes, *(Field(name, (value,), is_cased) for value in read))
    return (*nodes, Field(name, tuple(read), is_cased)) if read else tuple(nodes)


def _number(name: str, modifiers: Sequence[str], said: Any, problem: Problem) -> Node:
    parts = [one for one in modifiers if one in PARTS]
    signs = [one for one in modifiers if one in COMPARED]
    if len(parts) + len(signs) < len(modifiers) or len(signs) > 1 or len(parts) != (name == "at"):
        hint = "such as at|hour|gte: 22" if name == "at" else "such as subjects|gte: 50"
        raise problem(f"{'|'.join([name, *modifiers])} cannot be compared so", hint)
    if not isinstance(said, int) or isinstance(said, bool) or abs(said) > 1 << 31:
        raise problem(f"{name}: {str(said)[:40]!r} is no number", "a whole number")
    return Number(parts[0] if parts else name, COMPARED[signs[0]] if signs else "=", said)


def _exists(name: str, modifiers: Sequence[str], said: Any, problem: Problem) -> Node:
    if len(modifiers) > 1 or not isinstance(said, bool):
        raise problem(f"{name}|exists takes true or false", "such as address|exists: true")
    return Given(name) if said else Not(Given(name))


def _other(said: Any, problem: Problem) -> str:
    if not isinstance(said, str) or said in (*WHOLE, "tenant", "source"):
        raise problem(f"fieldref takes the name of a field of text, not {str(said)[:40]!r}", "such as actor")
    return known_field(said, problem)


def _value(name: str, modifiers: Sequence[str], said: Any, problem: Problem) -> Value:
    """Return a value with its wildcards."""
    if isinstance(said, bool) or not isinstance(said, (str, int)):
        raise problem(f"{name}: {str(said)[:40]!r} is no text", "put it in quotation marks")
    text = str(said)
    if "\0" in text or len(text) > LONGEST_VALUE:
        raise problem(
            f"{name}: a value has at most {LONGEST_VALUE:,} characters, none of them NUL", "shorten it"
        )
    shapes = [one for one in modifiers if one in _SHAPES]
    others = [one for one in modifiers if one not in _SHAPES and one != "cased"]
    if others == ["cidr"] and not shapes and "cased" not in modifiers:
        return _network(name, text, problem)
    if others or len(shapes) > 1:
        raise problem(
            f"{'|'.join([name, *modifiers])}: these modifiers do not go together", "use one of them"
        )
    if name in LOWER:
        text = text.lower()
    value = _open(wildcards(text), *_SHAPES[shapes[0]]) if shapes else wildcards(text)
    if name in WHOLE and not (value.is_exact and is_id(value.pieces[0], name)):
        raise problem(f"{name}: takes a whole id", "such as 01990000-0000-7000-8000-000000000000")
    if name == "address" and value.is_exact and "/" in text:
        raise problem(f"address: {text[:40]} is a network", "write address|cidr")
    choices = FIELDS[name].choices if name in FIELDS else ()
    if choices and value.is_exact and text not in choices:
        raise problem(f"{name}: cannot be {text[:40]!r}", f"one of {', '.join(choices)}")
    return value


def _network(name: str, text: str, problem: Problem) -> Value:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if name != "address" or network is None:
        raise problem(
            f"{name}|cidr: {text[:40]!r} is no network of addresses", "such as address|cidr: 10.0.0.0/8"
        )
    return Value((str(network),))


def wildcards(text: str) -> Value:
    """Cut a value at its wildcards: `*` anything, `?` one character; a backslash before one takes its sense.

    As in Sigma a backslash before anything but these three stands for itself.
    """
    pieces, at = [""], 0
    while at < len(text):
        sign = text[at]
        if sign == "\\" and text[at + 1 : at + 2] in ("*", "?", "\\"):
            at += 1
            pieces[-1] += text[at]
        elif sign == "*":
            pieces.append("")
        else:
            pieces[-1] += ONE if sign == "?" else sign
        at += 1
    return Value(tuple(pieces))


def _open(value: Value, before: bool, after: bool) -> Value:
    return Value((*([""] if before else []), *value.pieces, *([""] if after else [])))
