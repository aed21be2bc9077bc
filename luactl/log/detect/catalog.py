"""All rules: those that come with luactl and the house's own, with what they say of one another resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from ...errors import NotFoundError, did_you_mean
from .parse import Written, written
from .reading import RuleError, documents, read_documents
from .rule import Count, Rule
from .rule import Sequence as InOrder

SUFFIXES = (".yml", ".yaml")
MOST_FILES = 1_000


@dataclass(frozen=True)
class Listed:
    """A rule, and whether it is asked."""

    rule: Rule
    is_ours: bool
    """Whether it came with luactl."""
    off_because: str | None
    """Why the profile switches it off; None: it does not."""


def shipped() -> tuple[Rule, ...]:
    """Return the rules that come with luactl, by name."""
    folder = files(__package__).joinpath("rules")
    found: list[Written] = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(SUFFIXES):
            data = file.read_bytes()
            found += _written(documents(data, file.name), file.name, data)
    return resolve(found)


def of_files(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """Return the rules of files, by name. Raises RuleError."""
    found: list[Written] = []
    for path in paths:
        read = read_documents(path)
        found += _written(read, path.name, path.read_bytes())
    return resolve(found)


def of_folder(folder: Path) -> tuple[Rule, ...]:
    """Return the rules of the files that lie in a folder. Raises RuleError, also when it is not there."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    except OSError as error:
        raise RuleError(
            f"the folder of rules {folder} cannot be read: {error.strerror}",
            hint="correct `rules` in the profile",
        ) from None
    if len(paths) > MOST_FILES:
        raise RuleError(f"{folder} holds {len(paths):,} files", hint=f"at most {MOST_FILES:,}")
    return of_files(paths)


def every_rule(folder: Path | None, off: Mapping[str, str]) -> tuple[Listed, ...]:
    """Return all rules by name: the shipped ones, and those of the house's folder.

    `off` are reasons by the name or id of a rule. Raises RuleError for rules that cannot be used, and
    for a name that is switched off but not there: it may be a slip of the pen.
    """
    ours = shipped()
    house = of_folder(folder) if folder is not None else ()
    _demand_single([*ours, *house])
    known = {key for rule in (*ours, *house) for key in (rule.name, str(rule.id))}
    for name in off:
        if name not in known:
            raise RuleError(
                f"the profile switches off {name[:60]!r}, and there is no such rule",
                hint="`luactl log rule list` shows them; correct `off` in the profile",
            )
    listed = [
        Listed(rule, rule in ours, off.get(rule.name, off.get(str(rule.id)))) for rule in (*ours, *house)
    ]
    return tuple(sorted(listed, key=lambda one: one.rule.name))


def chosen(listed: Sequence[Listed], names: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules of these names or ids; without any, all that are not switched off.

    A rule that is asked for by name is asked though it is off. Raises NotFoundError.
    """
    if not names:
        return tuple(one.rule for one in listed if one.off_because is None)
    return tuple(dict.fromkeys(find_rule(listed, name).rule for name in names))


def find_rule(listed: Sequence[Listed], name: str) -> Listed:
    """Return a rule by its name or id. Raises NotFoundError."""
    for one in listed:
        if name in (one.rule.name, str(one.rule.id)):
            return one
    meant = did_you_mean(name, [one.rule.name for one in listed], 1)
    raise NotFoundError(f"there is no rule {name[:60]!r}", hint=f"{meant}`luactl log rule list` shows them")


def rule_id(listed: Sequence[Listed], name: str) -> UUID:
    """Return the id of a rule by its name, also of one that is no longer there, or of `coverage`."""
    from .coverage import COVERAGE, NAME

    if name == NAME:
        return COVERAGE
    try:
        return UUID(name)
    except ValueError:
        return find_rule(listed, name).rule.id


def _written(read: Iterable[Mapping[str, object]], name: str, data: bytes) -> list[Written]:
    digest = sha256(data).hexdigest()
    return [written(document, name, digest) for document in read]


def resolve(found: Sequence[Written]) -> tuple[Rule, ...]:
    """Return the rules that stand by themselves. Raises RuleError for names that are double or unknown."""
    _demand_single(found)
    known = {key: one for one in found for key in (one.name, str(one.id))}
    used: set[str] = set()
    for one in found:
        for name in one.rules:
            if name not in known:
                raise RuleError(
                    f"{one.file}: {one.title[:60]}: names a rule {name[:60]!r} that is not there",
                    hint="the rules that a correlation names stand in the same file or folder",
                )
            if not one.generates:
                used.add(known[name].name)
    made = [_rule(one, known) for one in found]  # of all, so that what only others use is looked at too
    return tuple(rule for rule in made if rule.name not in used)


def _demand_single(found: Iterable[Written | Rule]) -> None:
    seen: dict[str, str] = {}
    for one in found:
        for key in (one.name, str(one.id)):
            if key in seen:
                raise RuleError(
                    f"{one.file}: {one.title[:60]}: {key} is the name or id of another one too ({seen[key]})",
                    hint="take another one; `uuidgen` prints new ids",
                )
            seen[key] = one.file


def _rule(one: Written, known: Mapping[str, Written]) -> Rule:
    detects = _in_order(one, known) if one.type == "temporal_ordered" else _count(one, known)
    return Rule(
        one.id, one.name, one.title, one.level, one.description, one.falsepositives, one.tags, detects,
        one.file, one.digest,
    )  # fmt: skip


def _count(one: Written, known: Mapping[str, Written]) -> Count:
    """What a plain rule, or one that counts, asks for."""
    if one.events is not None:
        return Count((one.events,), None, one.group_by, one.timespan, 1)
    events = []
    for name in one.rules:
        other = known[name].events
        if other is None:
            raise RuleError(
                f"{one.file}: {one.title[:60]}: counts the hits of {name!r}, a correlation",
                hint="only temporal_ordered takes a correlation, as the first of its rules",
            )
        events.append(other)
    return Count(
        tuple(events), one.field, one.group_by, one.timespan, one.least, one.lookback, one.needs_history
    )


def _in_order(one: Written, known: Mapping[str, Written]) -> InOrder:
    first, then = (known[name] for name in one.rules)
    if then.events is None or first.type == "temporal_ordered":
        raise RuleError(
            f"{one.file}: {one.title[:60]}: the second must be a plain rule, and the first no sequence",
            hint="such as [many-failed-logins, login]",
        )
    before = _count(first, known)
    if first.events is None and before.group_by != one.group_by:
        raise RuleError(
            f"{one.file}: {one.title[:60]}: groups by other fields than {first.name}",
            hint="give both the same group-by",
        )
    once = Count((then.events,), None, one.group_by, one.timespan, 1)
    if first.events is not None:
        before = Count((first.events,), None, one.group_by, one.timespan, 1)
    return InOrder(before, once, one.timespan)
