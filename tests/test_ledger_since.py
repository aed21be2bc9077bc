"""A check that begins at a kept checkpoint: what came after is read, what was before must lead there."""

from __future__ import annotations

from pathlib import Path

import pytest
import support_ledger
from support_ledger import write

from luactl import ledger
from luactl.db import Session
from luactl.errors import UsageError
from luactl.ledger.note import Signer

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
CHANGE = "UPDATE ledger.entry SET body = body || ' ' WHERE id = (SELECT id FROM ledger.leaf WHERE index = %s)"


@pytest.fixture
def kept(admin_login: Session, tmp_path: Path) -> Path:
    """A checkpoint of 301 entries, and 300 more under later ones."""
    write(admin_login, *["a"] * 300)
    checkpoint = ledger.integrate(admin_login)
    assert checkpoint is not None
    (tmp_path / "kept").write_text(checkpoint.note)
    for _ in range(3):
        write(admin_login, *["b"] * 100)
        ledger.integrate(admin_login)
    return tmp_path / "kept"


def lie(init: Session, statement: str, *values: object) -> None:
    with init.conn.transaction():
        init.conn.execute("ALTER TABLE ledger.entry DROP CONSTRAINT IF EXISTS entry_body")
        init.conn.execute(statement.encode(), values)


def found(session: Session, since: Path) -> list[str]:
    return [one.problem for one in ledger.verify(session, since=since).findings]


def test_only_what_came_after_is_read(admin_login: Session, init: Session, kept: Path) -> None:
    heard: list[int] = []
    result = ledger.verify(admin_login, since=kept, progress=heard.append)
    assert (result.ok, result.since, result.size, sum(heard)) == (True, 301, 601, 300)
    lie(init, CHANGE, 300)
    assert found(admin_login, kept) == []
    assert not ledger.verify(admin_login).ok
    lie(init, CHANGE, 301)
    assert found(admin_login, kept) == ["the entry was changed after it was signed"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE ledger.leaf SET hash = sha256('x') WHERE index = 290", "another root was signed for 301"),
        ("UPDATE ledger.subtree SET hash = sha256('x') WHERE index = 0", "another root was signed for 301"),
        ("DELETE FROM ledger.leaf WHERE index = 290", "do not reach the given checkpoint"),
        ("DELETE FROM ledger.leaf WHERE index >= 301", "has no index and does not wait"),
        ("DELETE FROM ledger.checkpoint WHERE size = 601", "no checkpoint covers"),
    ],
)
def test_what_lies_before_must_lead_to_it(
    admin_login: Session, init: Session, kept: Path, statement: str, expected: str
) -> None:
    lie(init, statement)
    assert any(expected in one for one in found(admin_login, kept))


def test_a_checkpoint_of_another_log_is_refused(admin_login: Session, kept: Path) -> None:
    for text in (
        kept.read_text().replace("301", "300"),
        Signer("other", bytes(32)).sign("other\n1\nx\n"),
        "",
    ):
        kept.write_text(text)
        with pytest.raises(UsageError) as refused:
            ledger.verify(admin_login, since=kept)
        assert "`luactl ledger checkpoint --out FILE`" in str(refused.value.hint)
