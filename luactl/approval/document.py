"""What an approver signs: the canonical bytes of a request, and the note over them.

Pure; the format is docs/reference/formats-approval.md. A request says what would happen in words for people
and in digests for the comparison; it names no person.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..errors import LuactlError

if TYPE_CHECKING:
    from ..ledger.note import Signer, Verifier

DOMAIN = "luactl/approval/1"
VERDICTS = {True: "granted", False: "denied"}
LARGEST = 32_768
_TEXTS = ("action", "requested_by", "summary", "target")
_FIELDS = {"v", "id", "tree", "tenant", "requested_at", "expires_at", "exact", "counts", "bound", *_TEXTS}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class DocumentError(LuactlError):
    """A request or a signed answer is not what luactl would have written."""

    def __init__(self, what: str) -> None:
        super().__init__(what, hint="give the file as `luactl approval export` or `approval sign` wrote it")


@dataclass(frozen=True)
class Bound:
    """How far each count may differ when the action runs: by so many rows or percent, whichever is more."""

    rows: int
    percent: int

    def allows(self, then: int, now: int) -> bool:
        """Tell whether a count that was `then` may be `now`."""
        return abs(now - then) <= max(self.rows, then * self.percent // 100)


@dataclass(frozen=True)
class Request:
    """What somebody asks to be allowed."""

    id: UUID
    """UUIDv7."""
    action: str
    """erasure.run, hold.release, …"""
    target: str
    """What it acts on, so that a second request for the same can be told: digests and slugs, no person."""
    tree: UUID
    """The key tree of the installation that it is for."""
    tenant: str | None
    """Slug; None for what is about more than one."""
    summary: str
    """One line for the approver."""
    requested_by: str
    """The login that asks."""
    requested_at: str
    """RFC 3339 in UTC, to the second."""
    expires_at: str
    exact: Mapping[str, str]
    """What must not change at all: texts, and SHA-256 in hex of what is long."""
    counts: Mapping[str, int]
    """What may drift."""
    bound: Bound

    def to_bytes(self) -> bytes:
        """Return the canonical JSON (RFC 8785) that is stored and signed."""
        import rfc8785

        document: dict[str, Any] = {
            "v": 1,
            "id": str(self.id),
            "action": self.action,
            "target": self.target,
            "tree": str(self.tree),
            "tenant": self.tenant,
            "summary": self.summary,
            "requested_by": self.requested_by,
            "requested_at": self.requested_at,
            "expires_at": self.expires_at,
            "exact": dict(self.exact),
            "counts": dict(self.counts),
            "bound": {"rows": self.bound.rows, "percent": self.bound.percent},
        }
        try:
            return rfc8785.dumps(document)
        except (rfc8785.CanonicalizationError, UnicodeError) as error:
            raise DocumentError(f"the request has no canonical form: {error}") from error

    def expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return datetime.fromisoformat(self.expires_at) <= now


def parse(data: bytes) -> Request:
    """Read a request. Raises DocumentError for anything that `to_bytes` would not have written."""
    try:
        document = json.loads(data.decode("utf-8")) if len(data) <= LARGEST else None
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise DocumentError("the request is not JSON") from None
    if not isinstance(document, dict) or document.get("v") != 1 or set(document) != _FIELDS:
        raise DocumentError("the request is not one of version 1")
    try:
        found = _read(document)
        same = found.to_bytes() == data
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DocumentError("the request has a malformed field") from None
    if not same:
        raise DocumentError("the request is not in canonical form")
    return found


def _read(document: dict[str, Any]) -> Request:
    """Take the fields apart. Raises KeyError, TypeError or ValueError for a malformed one."""
    texts = {name: document[name] for name in _TEXTS}
    times = {name: document[name] for name in ("requested_at", "expires_at")}
    exact, counts, bound = document["exact"], document["counts"], document["bound"]
    if not all(isinstance(text, str) and text.isprintable() and text for text in texts.values()):
        raise ValueError
    if not all(_INSTANT.fullmatch(text) and datetime.fromisoformat(text) for text in times.values()):
        raise ValueError
    if not all(isinstance(value, str) for value in exact.values()):
        raise ValueError
    if not all(type(value) is int and value >= 0 for value in (*counts.values(), *bound.values())):
        raise ValueError
    if document["tenant"] is not None and not isinstance(document["tenant"], str):
        raise ValueError
    return Request(
        id=UUID(document["id"]),
        tree=UUID(document["tree"]),
        tenant=document["tenant"],
        exact=exact,
        counts=counts,
        bound=Bound(bound["rows"], bound["percent"]),
        **texts,
        **times,
    )


def signed_text(request: bytes, *, granted: bool) -> str:
    """Return the text of the note: the domain, the verdict, the request on one line."""
    return f"{DOMAIN}\n{VERDICTS[granted]}\n{request.decode('utf-8')}\n"


def sign(signer: Signer, request: bytes, *, granted: bool) -> str:
    """Return the signed note of an answer. Raises DocumentError for bytes that are no request."""
    parse(request)
    return signer.sign(signed_text(request, granted=granted))


def open_answer(note: str, verifiers: Sequence[Verifier]) -> tuple[bool, bytes]:
    """Check a signed answer; returns verdict and request bytes.

    Raises NoteError for a signature that does not verify or is of nobody known, DocumentError for a text of
    another kind: a note that the same key signed elsewhere is worth nothing here.
    """
    from ..ledger.note import open_note

    return split(open_note(note, verifiers).text)


def is_good(note: str, vkey: str, body: bytes, granted: bool) -> bool:
    """Tell whether a note is that key's answer to these very bytes."""
    from ..ledger.note import Verifier

    try:
        return open_answer(note, [Verifier.parse(vkey)]) == (granted, body)
    except LuactlError:
        return False


def split(text: str) -> tuple[bool, bytes]:
    """Take the text of an answer apart, unchecked: verdict and request bytes. Raises DocumentError."""
    lines = text.split("\n")
    verdicts = {word: granted for granted, word in VERDICTS.items()}
    if len(lines) != 4 or lines[0] != DOMAIN or lines[1] not in verdicts or lines[3]:
        raise DocumentError("that is no signed answer to a request for approval")
    return verdicts[lines[1]], lines[2].encode()


def differences(request: Request, exact: Mapping[str, str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return in words what changed since the request beyond what it allows; nothing: it still fits. Pure."""
    changed = [
        f"{name} changed"
        for name in sorted(exact.keys() | request.exact.keys())
        if exact.get(name) != request.exact.get(name)
    ]
    for name in sorted(counts.keys() | request.counts.keys()):
        then, now = request.counts.get(name, 0), counts.get(name, 0)
        if not request.bound.allows(then, now):
            changed.append(f"{name}: {then:,} then, {now:,} now")
    return tuple(changed)
