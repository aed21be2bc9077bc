"""Opening without the root: with node keys that were released to the one who works here (formats.md, 2.7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from uuid import UUID

from ..db import Session, queries
from ..errors import RefusedError
from .classes import SealError
from .holder import Holder
from .node import OpenNode
from .path import ancestors
from .person import PersonKey, bound, load, open_sealed, person_file
from .tree import Nodes

HINT = "work on a key host, or ask for a release: `luactl key person init`, docs/how-to/release-keys.md"


class Borrowed(Nodes):
    """The nodes of one tenant, from where they were released; nothing above, and nothing new.

    Raises RefusedError when nothing is released to this login, or the release has run out.
    """

    def __init__(self, session: Session, tenant_id: int) -> None:
        self._tenant_id = tenant_id
        self._person = self._find_person(session)
        super().__init__(session)
        rows = self._rows()
        self._bases = [row[2] for row in rows]

    def _find_person(self, session: Session) -> PersonKey:
        found = load(person_file(session.profile.name))
        if found is None:
            raise RefusedError("this host holds no keys, so nothing sealed can be opened here", hint=HINT)
        return found

    def _find_holders(self) -> list[Holder]:
        return []

    def _rows(self) -> list[tuple[int, UUID, bytes, int, bytes]]:
        """Return epoch, release, path, version and sealed key of what is released to this login and runs."""
        rows = list(queries("key").my_release_keys(self.session.conn, tenant_id=self._tenant_id))
        now = self.session.clock.now()
        running = [row[:5] for row in rows if row[5] > now]
        if running:
            return running
        who = self.session.actor
        if not rows:
            raise RefusedError(f"no keys of this tenant are released to {who}", hint=HINT)
        at = max(row[5] for row in rows).astimezone(UTC)
        raise RefusedError(f"the keys released to {who} expired at {at:%Y-%m-%d %H:%M} UTC", hint=HINT)

    def _find_starts(self, tree_id: UUID, epoch: int) -> dict[bytes, bytes]:
        """Return the released node keys by path; nothing when the epoch has moved on meanwhile."""
        starts, problem = {}, None
        for now, release_id, path, version, sealed in self._rows():
            if now != epoch:
                return {}
            place = bound(tree_id.bytes, release_id.bytes, path, version)
            try:
                starts[path] = open_sealed(self._person, sealed, place)
            except SealError as found:  # released to an earlier key pair of theirs
                problem = found
        if not starts and problem:
            raise problem
        return starts

    def reaches(self, path: bytes) -> bool:
        """Whether a node was released, or is below one that was."""
        return any(path.startswith(base) for base in self._bases)

    def _needed(self, paths: Iterable[bytes]) -> list[bytes]:
        return [path for path in ancestors(paths) if self.reaches(path)]

    def __getitem__(self, path: bytes) -> OpenNode:
        """Return a node that was loaded. Raises RefusedError outside of what was released."""
        if not self.reaches(path):
            raise RefusedError("keys of that part were not released to you", hint=HINT)
        return super().__getitem__(path)

    def create(self, paths: Iterable[bytes]) -> None:
        """Refuse: new keys are made where the root is."""
        raise RefusedError("new keys are made on a key host only", hint="released keys open, and no more")
