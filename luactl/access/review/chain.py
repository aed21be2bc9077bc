"""The chain from a snapshot over all decisions: recomputed from bytes alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

KIND = "access-review"
SNAPSHOT, DECISIONS, OUTCOME = "snapshot.json", "decisions.chain", "outcome.json"
"""Files of a report, beside what every certificate has."""


def head_of(snapshot: bytes, bodies: Iterable[bytes]) -> str:
    """Return the digest at the end of a chain, in hex: of the snapshot, then over each before and a body."""
    head = sha256(snapshot).digest()
    for body in bodies:
        head = sha256(head + body).digest()
    return head.hex()


def problems(facts: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a report's chain, with the file: nothing, it is whole.

    What the manifest says of digests is checked elsewhere; here it is whether these files are one review.
    """
    if not {SNAPSHOT, DECISIONS} <= files.keys():
        yield SNAPSHOT, "or decisions.chain is missing or too large to be checked"
        return
    bodies = files[DECISIONS].splitlines()
    try:
        if facts["snapshot"]["sha256"] != sha256(files[SNAPSHOT]).hexdigest():
            yield SNAPSHOT, "is not the snapshot that certificate.json names"
        if facts["decisions"]["head"] != head_of(files[SNAPSHOT], bodies):
            yield DECISIONS, "does not lead from the snapshot to the head that certificate.json names"
        said = json.loads(files[SNAPSHOT])
        yield from _population(said)
        yield from _decisions(said, facts, [json.loads(body) for body in bodies])
    except (ValueError, KeyError, TypeError, AttributeError):
        yield SNAPSHOT, "or what belongs to it is malformed"


def _population(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    logins = {one["login"]: one["left_out"] for one in said["population"]}
    for item in said["items"]:
        if logins.get(item["login"], "missing") is not None:
            yield SNAPSHOT, f"has item {item['no']} of a login that its population leaves out"


def _decisions(
    said: Mapping[str, Any], facts: Mapping[str, Any], made: list[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    if [one["no"] for one in made] != list(range(1, len(made) + 1)):
        yield DECISIONS, "is not numbered from 1 without a gap"
    persons = {item["no"]: item["person"] for item in said["items"]}
    for one in made:
        if one["review"] != said["review"] or one["item"] not in persons:
            yield DECISIONS, f"has decision {one['no']} of another review"
        elif one["person"] == persons[one["item"]]:
            yield DECISIONS, f"has decision {one['no']} of somebody about their own access"
    last = {one["item"]: one["decision"] for one in made}
    for step in facts["items"]:
        decided = last.get(step["item"])
        if step["decision"] != (None if decided in ("delegate", "withdraw") else decided):
            yield DECISIONS, f"decides item {step['item']} otherwise than certificate.json says"
