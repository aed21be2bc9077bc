"""A file of rules as plain values: YAML with what could hurt or mislead left out.

No anchors and aliases (a few bytes of them grow without end), no tags, no key twice, bounded in size and
depth: a rule needs none of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError

if TYPE_CHECKING:
    import yaml

LARGEST = 64 * 1024
"""Bytes of a file."""
DEEPEST = 20
_PLAIN = ("str", "int", "bool", "null", "float", "timestamp", "seq", "map")


class RuleError(UsageError):
    """A rule cannot be used, and what of it is wrong."""


def read_documents(file: Path) -> list[dict[str, Any]]:
    """Return the documents of a file. Raises RuleError for one that cannot be read or is no YAML."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise RuleError(
            f"{file} cannot be read: {error.strerror}", hint="the account that runs this needs to read it"
        ) from None
    return documents(data, file.name)


def documents(data: bytes, name: str) -> list[dict[str, Any]]:
    """Return the documents of a file's bytes. Raises RuleError, which says `name`."""
    import yaml

    if len(data) > LARGEST:
        raise RuleError(
            f"{name}: a file of rules has at most {LARGEST // 1024} KiB", hint="split it, one rule a file"
        )
    try:
        text = data.decode("utf-8")
        _demand_plain(text, name)
        nodes = list(yaml.compose_all(text, yaml.SafeLoader))
        for node in nodes:
            _demand_single_keys(node, name)
        found = list(yaml.safe_load_all(text))
    except UnicodeDecodeError:
        raise RuleError(f"{name}: not UTF-8", hint="save it as UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RuleError(f"{name}: not YAML: {_said(error)}", hint="correct it at that place") from None
    if not found or not all(isinstance(one, dict) for one in found):
        raise RuleError(
            f"{name}: a rule is a mapping of names to values", hint="begin with `title:`; see `log rule show`"
        )
    return found


def _demand_plain(text: str, name: str) -> None:
    """Refuse anchors, aliases, tags and depth, before anything is built of them."""
    import yaml

    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        where = f"{name}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RuleError(f"{where}: anchors and aliases are not read", hint="write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN:
            raise RuleError(f"{where}: tags such as {tag[:40]!r} are not read", hint="write a plain value")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise RuleError(f"{where}: more than {DEEPEST} levels deep", hint="no rule needs that")


def _demand_single_keys(node: yaml.Node | None, name: str) -> None:
    for one in _inside(node):
        keys = [key.value for key in one]
        for key in one:
            if keys.count(key.value) > 1:
                line = key.start_mark.line + 1
                raise RuleError(
                    f"{name}, line {line}: {str(key.value)[:40]!r} is there twice",
                    hint="only one would count",
                )


def _inside(node: yaml.Node | None) -> Iterator[list[yaml.Node]]:
    """Yield the keys of each mapping."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        yield [key for key, _value in node.value]
        for _key, value in node.value:
            yield from _inside(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _inside(value)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
