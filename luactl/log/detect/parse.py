"""A document of a file as a rule: the subset of Sigma in docs/reference/detection.md, anything else refused.

Sigma 2.1 (rules, modifiers, correlations). What a rule says about itself may be anything; what decides
whether it finds something may not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from ..query import Every, Node, Some
from .expression import condition
from .match import Problem, known_field, match, words
from .origin import service_of
from .reading import RuleError
from .rule import LEVELS, Events

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST_NAME = 63
LONGEST_TITLE = 256
_ABOUT = (
    "title", "id", "name", "description", "status", "author", "date", "modified", "references", "related",
    "license", "tags", "level", "falsepositives", "taxonomy", "fields", "scope",
)  # fmt: skip
_KEYS = {"logsource", "detection", "correlation", "luactl", *_ABOUT}
_OURS = ("group-by", "timespan")
_CORRELATION = ("type", "rules", "group-by", "timespan", "condition", "generate", "luactl")
TYPES = ("event_count", "value_count", "temporal_ordered", "luactl_new_values")
_SPAN = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_SPAN = timedelta(days=31)
LONGEST_LOOKBACK = timedelta(days=366)
MOST_GROUPS = 5
PLAIN_GROUP = ("actor",)


@dataclass(frozen=True)
class Written:
    """One document, read but for what it says of other rules."""

    id: UUID
    name: str
    title: str
    level: str
    description: str
    falsepositives: tuple[str, ...]
    tags: tuple[str, ...]
    file: str
    digest: str
    events: Events | None
    """Of a plain rule."""
    group_by: tuple[str, ...]
    timespan: timedelta
    type: str | None = None
    """Of a correlation."""
    rules: tuple[str, ...] = ()
    least: int = 1
    field: str | None = None
    lookback: timedelta | None = None
    needs_history: bool = False
    generates: bool = False
    """Whether the rules that it names stand by themselves too."""


def written(document: Mapping[str, Any], file: str, digest: str) -> Written:
    """Read one document. Raises RuleError for what is not in the subset, by its name."""
    title = document.get("title")

    def problem(what: str, hint: str) -> RuleError:
        return RuleError(f"{file}: {str(title)[:60]}: {what}", hint=hint)

    for key in document:
        if key not in _KEYS:
            raise problem(
                f"the attribute {str(key)[:40]!r} is not known", f"known: {', '.join(sorted(_KEYS))}"
            )
    head = _head(document, file, problem)
    if "correlation" in document:
        if "detection" in document or "logsource" in document:
            raise problem("a rule has a detection or a correlation", "write two documents, `---` between")
        return Written(**head, digest=digest, events=None, **_correlation(document["correlation"], problem))
    events = Events(
        service_of(document.get("logsource"), problem), _detection(document.get("detection"), problem)
    )
    ours = _mapping(document.get("luactl", {}), "luactl", _OURS, problem)
    return Written(
        **head, digest=digest, events=events,
        group_by=_groups(ours.get("group-by", list(PLAIN_GROUP)), problem),
        timespan=_span(ours.get("timespan", "1h"), "timespan", LONGEST_SPAN, problem),
    )  # fmt: skip


def _head(said: Mapping[str, Any], file: str, problem: Problem) -> dict[str, Any]:
    title, name, level = said.get("title"), said.get("name"), said.get("level", "medium")
    if not isinstance(title, str) or not 0 < len(title) <= LONGEST_TITLE or not title.isprintable():
        raise problem(f"a title of 1 to {LONGEST_TITLE} characters is needed", "such as: Many people read")
    try:
        id_ = UUID(str(said.get("id")))
    except ValueError:
        raise problem("an id is needed, a UUID", "such as the one that `uuidgen` prints") from None
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise problem("a name is needed: small letters, digits, single - or _", "such as bulk-read")
    if level not in LEVELS:
        raise problem(f"the level {str(level)[:40]!r} is not known", f"one of {', '.join(LEVELS)}")
    return {
        "id": id_, "name": name, "title": title, "level": level, "file": file,
        "description": str(said.get("description", "")).strip(),
        "falsepositives": _texts(said.get("falsepositives", []), "falsepositives", problem),
        "tags": _texts(said.get("tags", []), "tags", problem),
    }  # fmt: skip


def _detection(said: Any, problem: Problem) -> Node:
    if not isinstance(said, dict) or "condition" not in said:
        raise problem("a detection with selections and a condition is needed", "see `luactl log rule show`")
    if "timeframe" in said:
        raise problem("a timeframe in a detection is not supported", "write a correlation with a timespan")
    selections = {str(name): _selection(one, problem) for name, one in said.items() if name != "condition"}
    return condition(said["condition"], selections, problem)


def _selection(said: Any, problem: Problem) -> Node:
    """A mapping: all of it; a list: one of it, of mappings or of keywords."""
    if isinstance(said, dict) and said:
        nodes = tuple(match(str(key), value, problem) for key, value in said.items())
        return nodes[0] if len(nodes) == 1 else Every(nodes)
    if isinstance(said, list) and said and all(isinstance(one, dict) for one in said):
        return Some(tuple(_selection(one, problem) for one in said))
    if isinstance(said, (list, str)) and said:
        return Some(tuple(words(one, problem) for one in (said if isinstance(said, list) else [said])))
    raise problem("a selection is empty, or no mapping or list", "such as `action: read`")


def _correlation(said: Any, problem: Problem) -> dict[str, Any]:
    found = _mapping(said, "correlation", _CORRELATION, problem)
    type_, rules = found.get("type"), found.get("rules")
    if type_ not in TYPES:
        hint = f"supported: {', '.join(TYPES)}"
        raise problem(f"the correlation type {str(type_)[:40]!r} is not supported", hint)
    names = _texts(rules if isinstance(rules, list) else [rules], "rules", problem)
    if type_ == "temporal_ordered" and len(names) != 2:
        raise problem("temporal_ordered is supported for two rules", "first one, then the other")
    ours = _mapping(found.get("luactl", {}), "luactl", ("lookback", "needs-history"), problem)
    if ours and type_ != "luactl_new_values":
        raise problem("lookback and needs-history belong to luactl_new_values", "leave them out")
    if not isinstance(found.get("generate", False), bool):
        raise problem("generate is true or false", "true: the rules that it names stand by themselves too")
    least, field = _condition(type_, found.get("condition"), problem)
    lookback = None
    if type_ == "luactl_new_values":
        lookback = _span(ours.get("lookback"), "lookback", LONGEST_LOOKBACK, problem)
    return {
        "type": type_, "rules": names, "least": least, "field": field, "lookback": lookback,
        "needs_history": ours.get("needs-history") is True, "generates": found.get("generate", False),
        "group_by": _groups(found.get("group-by", []), problem),
        "timespan": _span(found.get("timespan"), "timespan", LONGEST_SPAN, problem),
    }  # fmt: skip


def _condition(type_: str, said: Any, problem: Problem) -> tuple[int, str | None]:
    """Return how many are enough, and of what."""
    if type_ == "temporal_ordered":
        if said is not None:
            raise problem("a condition of temporal_ordered is not supported", "leave it out: both must occur")
        return 1, None
    counted = type_ != "event_count"
    found = _mapping(said, "condition", ("gt", "gte", *(["field"] if counted else [])), problem)
    for sign in ("lt", "lte", "eq"):
        if isinstance(said, dict) and sign in said:
            raise problem(
                f"{sign} in the condition of a correlation is not supported",
                "a window that slides passes through every smaller number: use gte",
            )
    signs = [sign for sign in ("gt", "gte") if sign in found]
    number = found.get(signs[0]) if len(signs) == 1 else None
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or not 0 < number + (signs == ["gt"]) < 1 << 31
    ):
        raise problem("the condition of a correlation is one number", "such as gte: 50")
    field = found.get("field")
    if counted and not isinstance(field, str):
        raise problem("the condition needs a field whose values are counted", "such as field: subject")
    return number + (signs == ["gt"]), None if field is None else known_field(field, problem)


def _groups(said: Any, problem: Problem) -> tuple[str, ...]:
    names = _texts(said, "group-by", problem)
    if len(names) > MOST_GROUPS or len(set(names)) < len(names):
        raise problem(f"group-by takes up to {MOST_GROUPS} fields, each once", "such as [actor]")
    for name in names:
        known_field(name, problem)
    return names


def _span(said: Any, what: str, longest: timedelta, problem: Problem) -> timedelta:
    found = _SPAN.fullmatch(said) if isinstance(said, str) else None
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < span <= longest:
        raise problem(f"{what} is a span of 1s to {longest.days}d", "such as 90s, 30m, 1h or 7d")
    return span


def _mapping(said: Any, what: str, keys: tuple[str, ...], problem: Problem) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise problem(f"{what} is no mapping", f"it takes {', '.join(keys)}")
    for key in said:
        if key not in keys and not (what == "condition" and key in ("lt", "lte", "eq")):
            raise problem(f"{what}: {str(key)[:40]!r} is not supported", f"it takes {', '.join(keys)}")
    return said


def _texts(said: Any, what: str, problem: Problem) -> tuple[str, ...]:
    listed = said if isinstance(said, list) else [said]
    if not all(isinstance(one, str) and one for one in listed):
        raise problem(f"{what} is a list of texts", f"such as {what}: [one, other]")
    return tuple(listed)
