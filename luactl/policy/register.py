"""The register of policies: versions as drafts, published, replaced by the next, retired."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

import psycopg

from ..db import Session, queries, transaction
from ..errors import LuactlError, NotFoundError, RefusedError, UsageError
from ..line import checked

State = Literal["draft", "in force", "superseded", "retired"]
LONGEST, LARGEST = 63, 1_048_576
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Policy:
    """One version of a policy."""

    policy: str
    """The name in commands, the same for all versions."""
    version: int
    """1, 2, 3 … without a gap."""
    title: str
    """What people call it."""
    state: State
    """draft; in force: the newest published version; superseded by a newer one; retired."""
    published_at: datetime | None
    """Since when everybody must know it; None: a draft."""
    acknowledge_by: date | None
    """The last day for whoever was there already, UTC."""
    retired_at: datetime | None
    """Since when nobody need know it."""
    acknowledged: int
    """How many people have acknowledged this version, those included who have left."""
    digest: str
    """SHA-256 of the text, in hex: what an acknowledgement is of."""


@dataclass(frozen=True)
class PolicyText:
    """A version of a policy with its text."""

    policy: Policy
    body: str
    """The text, as it was given."""


@dataclass(frozen=True)
class NewVersion:
    """A text that is in no register yet."""

    policy: str
    title: str
    body: str
    """The text; line ends as given."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.body.encode()).digest()


def prepare(policy: str, title: str, text: bytes) -> NewVersion:
    """Return a version that can be added. Raises UsageError for a name, title or text that none can have."""
    if len(policy) > LONGEST or not _NAME.fullmatch(policy):
        raise UsageError(
            f"a policy cannot be called {policy[:80]!r} in commands",
            hint=f"lower-case words and numbers joined by -, at most {LONGEST} characters",
        )
    try:
        body = text.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the text is not in UTF-8", hint="give plain text or Markdown") from None
    if not body.strip() or "\0" in body or len(text) > LARGEST:
        raise UsageError(f"the text must have something to read, and at most {LARGEST:,} bytes")
    return NewVersion(policy, checked("title", title), body)


def list_(session: Session, *, every: bool = False) -> list[Policy]:
    """Return policies in force and drafts; with `every` versions that were replaced or retired, too."""
    return [one for one in _read(session) if every or one.state in ("draft", "in force")]


def _read(session: Session, policy: str | None = None) -> list[Policy]:
    with transaction(session) as conn:
        return [Policy(*row) for row in queries("policy").policies(conn, policy=policy)]


def find(session: Session, policy: str, version: int | None = None) -> Policy:
    """Return a version of a policy: the one named, else the one in force, else the newest.

    Raises NotFoundError.
    """
    found = _read(session, policy)
    if not found:
        raise NotFoundError(
            f"there is no policy {policy[:80]!r}", hint="`luactl policy list --all` shows them all"
        )
    if version is None:
        return next((one for one in found if one.state == "in force"), found[-1])
    wanted = [one for one in found if one.version == version]
    if not wanted:
        raise NotFoundError(
            f"policy {policy} has no version {version}", hint=f"its versions: 1 to {found[-1].version}"
        )
    return wanted[0]


def text(session: Session, one: Policy) -> PolicyText:
    """Return a version with its text."""
    with transaction(session) as conn:
        return PolicyText(one, queries("policy").body(conn, policy=one.policy, version=one.version))


def add(session: Session, new: NewVersion, *, dry_run: bool = False) -> Policy:
    """Add the next version of a policy, as a draft, and return it. Needs lua_admin or lua_dpo.

    The text of the newest version once more adds nothing. Raises LuactlError when somebody adds one just now.
    """
    from ..ledger import Entry, append

    there = _read(session, new.policy)
    newest = there[-1] if there else None
    if (
        newest
        and (newest.title, newest.digest) == (new.title, new.digest.hex())
        and newest.state != "retired"
    ):
        return newest
    version = newest.version + 1 if newest else 1
    made = Policy(new.policy, version, new.title, "draft", None, None, None, 0, new.digest.hex())
    if dry_run:
        return made
    try:
        with transaction(session) as conn:
            detail = {"title": new.title, "digest": made.digest}
            entry_id = append(session, Entry("policy.add", object=_object(made), detail=detail))
            queries("policy").add(
                conn,
                policy=new.policy,
                version=version,
                title=new.title,
                body=new.body,
                digest=new.digest,
                at=session.clock.now(),
                entry_id=entry_id,
            )
    except (psycopg.errors.UniqueViolation, psycopg.errors.CheckViolation):
        raise LuactlError(
            f"somebody has just added a version of {new.policy}", hint="look at theirs, then run it again"
        ) from None
    return made


def publish(session: Session, draft: Policy, by: date | None = None, *, dry_run: bool = False) -> Policy:
    """Put a draft in force; everybody is to acknowledge it until a day, 14 days from now unless given.

    Needs lua_admin or lua_dpo. One that is in force already stays as it is. Raises RefusedError for a version
    that was replaced or retired, UsageError for a day that is past.
    """
    from ..ledger import Entry, append

    now = session.clock.now()
    if draft.state == "in force":
        return draft
    if draft.state != "draft":
        raise RefusedError(
            f"version {draft.version} of {draft.policy} was {draft.state}",
            hint="`luactl policy add` makes its text a new version",
        )
    last = by or (now + timedelta(days=14)).date()
    if last < now.date():
        raise UsageError(f"nobody can acknowledge it by {last} any more", hint="give a later --by")
    made = replace(draft, state="in force", published_at=now, acknowledge_by=last)
    if dry_run:
        return made
    try:
        with transaction(session) as conn:
            detail = {"digest": draft.digest, "acknowledge_by": last.isoformat()}
            entry_id = append(session, Entry("policy.publish", object=_object(draft), detail=detail))
            queries("policy").publish(
                conn, policy=draft.policy, version=draft.version, by=last, at=now, entry_id=entry_id
            )
    except psycopg.errors.CheckViolation:
        raise RefusedError(
            f"a newer version of {draft.policy} is published already",
            hint=f"`luactl policy show {draft.policy}` shows it",
        ) from None
    return find(session, draft.policy, draft.version)


def retire(session: Session, before: Policy, *, dry_run: bool = False) -> Policy:
    """Take a policy out of force, with all its published versions. Needs lua_admin or lua_dpo.

    Raises RefusedError when no version of it is in force.
    """
    from ..ledger import Entry, append

    if before.state == "retired":
        return before
    if before.state != "in force":
        raise RefusedError(
            f"no version of {before.policy} is in force",
            hint="a draft binds nobody: nothing is to be retired",
        )
    made = replace(before, state="retired", retired_at=session.clock.now())
    if dry_run:
        return made
    with transaction(session) as conn:
        entry_id = append(session, Entry("policy.retire", object=f"policy:{before.policy}"))
        queries("policy").retire(conn, policy=before.policy, at=made.retired_at, entry_id=entry_id)
    return find(session, before.policy, before.version)


def _object(one: Policy) -> str:
    return f"policy:{one.policy}:{one.version}"
