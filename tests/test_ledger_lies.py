"""A superuser who lies: whatever is done to the tables, the check and the anchors tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import support_ledger
from support_ledger import anchor_file, problems, write

from luactl import ledger
from luactl.db import Session
from luactl.errors import RefusedError, UsageError

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login


@pytest.fixture
def lie(init: Session, admin_login: Session) -> Callable[[str], list[str]]:
    """Integrate ten entries in two checkpoints, let the superuser lie, and return what a check finds."""

    def tell(statement: str) -> list[str]:
        for _ in range(2):
            write(admin_login, *["a"] * 5)
            ledger.integrate(admin_login)
        assert not problems(admin_login)
        with init.conn.transaction():
            init.conn.execute("SET LOCAL session_replication_role = replica")
            init.conn.execute("ALTER TABLE ledger.entry DROP CONSTRAINT entry_body")
            for part in statement.split(";"):
                init.conn.execute(part.encode())
        return problems(admin_login)

    return tell


THIRD = " WHERE id = (SELECT id FROM ledger.leaf WHERE index = 3)"
CHANGE_COLUMN = "UPDATE ledger.entry SET outcome = 'failed'"
DELETE = "DELETE FROM ledger.entry"
CHANGE_BODY = """UPDATE ledger.entry
    SET body = convert_to(replace(convert_from(body, 'UTF8'), '"done"', '"failed"'), 'UTF8')"""
REHASH = """; UPDATE ledger.leaf l SET hash = sha256('\\x00'::bytea || e.body)
    FROM ledger.entry e WHERE e.id = l.id"""


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (CHANGE_BODY + THIRD, "changed after it was signed"),
        (
            CHANGE_COLUMN + THIRD,
            "differs from what was signed: outcome",
        ),
        (DELETE + THIRD, "the entry is gone"),
        (
            CHANGE_BODY + ", outcome = 'failed'" + THIRD + REHASH,
            "another root was signed",
        ),
        ("DELETE FROM ledger.leaf WHERE index = 3", "are gone"),
        ("DELETE FROM ledger.leaf WHERE index >= 9", "the log has 9"),
        (
            "DELETE FROM ledger.leaf WHERE index >= 6; DELETE FROM ledger.checkpoint WHERE size > 6;"
            "DELETE FROM ledger.entry e WHERE NOT EXISTS (SELECT FROM ledger.leaf l WHERE l.id = e.id)",
            "anchor: 11 entries were signed, the log has 6",
        ),
        (
            "UPDATE ledger.leaf SET index = 99 WHERE index = 3;"
            "UPDATE ledger.leaf SET index = 3 WHERE index = 4;"
            "UPDATE ledger.leaf SET index = 4 WHERE index = 99",
            "another root was signed",
        ),
        ("UPDATE ledger.checkpoint SET root = sha256('x')", "says something else than was signed"),
        ("UPDATE ledger.checkpoint SET note = replace(note, E'\\n6\\n', E'\\n7\\n')", "does not verify"),
        ("DELETE FROM ledger.checkpoint WHERE size = 11", "no checkpoint covers"),
        ("TRUNCATE ledger.entry, ledger.pending, ledger.leaf, ledger.checkpoint", "the log has 0"),
        ("TRUNCATE ledger.leaf, ledger.checkpoint", "has no index and does not wait"),
        (
            "INSERT INTO ledger.pending SELECT id, at, hash FROM ledger.leaf WHERE index = 3",
            "although it has one",
        ),
        ("INSERT INTO ledger.subtree VALUES (1, 0, sha256('x'))", "leaves that the log does not have"),
    ],
)
def test_a_superuser_who_lies_is_caught(
    lie: Callable[[str], list[str]], statement: str, expected: str
) -> None:
    assert any(expected in problem for problem in lie(statement))


def test_a_log_signed_anew_with_another_key_is_caught(
    lie: Callable[[str], list[str]], init: Session, admin_login: Session, tmp_path: Path
) -> None:
    """The owner of the database makes a new log, key and origin included; only what lies elsewhere tells."""
    kept = tmp_path / "kept"
    lie("SELECT 1")
    kept.write_text(anchor_file(admin_login).read_text().split("\n\nlua")[0] + "\n")
    new_home = replace(
        init.profile, signing_key=tmp_path / "new.key", anchors=(f"file:{tmp_path / 'anchor'}",)
    )
    init.conn.execute("TRUNCATE ledger.origin, ledger.entry, ledger.pending, ledger.leaf, ledger.checkpoint")
    forger = replace(init, profile=new_home)
    ledger.create_origin(forger)
    ledger.integrate(forger)
    assert not problems(forger)
    assert any(
        "not signed by any known key" in p
        for p in problems(replace(admin_login, profile=replace(new_home, anchors=init.profile.anchors)))
    )
    assert problems(forger, checkpoint_file=kept) == [
        "the given checkpoint: the note is not signed by any known key"
    ]


def test_nothing_is_signed_over_a_rewritten_log(
    lie: Callable[[str], list[str]], admin_login: Session
) -> None:
    lie("DELETE FROM ledger.leaf WHERE index >= 6; DELETE FROM ledger.checkpoint WHERE size > 6")
    with pytest.raises(RefusedError):
        ledger.integrate(admin_login)
    assert ledger.status(admin_login).anchors[0].problem


def test_a_checkpoint_kept_elsewhere(admin_login: Session, tmp_path: Path) -> None:
    checkpoint = ledger.integrate(admin_login)
    assert checkpoint is not None
    kept = tmp_path / "kept"
    kept.write_text(checkpoint.note)
    assert not problems(admin_login, checkpoint_file=kept)
    kept.write_text(checkpoint.note.replace("\n1\n", "\n2\n"))
    assert any("does not verify" in p for p in problems(admin_login, checkpoint_file=kept))
    kept.write_bytes(b"\xff\x00")
    with pytest.raises(UsageError):
        ledger.verify(admin_login, kept)


def test_findings_are_bounded(lie: Callable[[str], list[str]], admin_login: Session) -> None:
    write(admin_login, *["a"] * 1_500)
    assert len(lie("UPDATE ledger.entry SET object = 'x'")) == 1_000
    assert ledger.verify(admin_login).found == 1_511


def test_a_changed_entry_is_not_proved(
    init: Session, lie: Callable[[str], list[str]], admin_login: Session
) -> None:
    lie(CHANGE_BODY + THIRD)
    row = init.conn.execute("SELECT id FROM ledger.leaf WHERE index = 3").fetchone()
    assert row is not None
    with pytest.raises(RefusedError):
        ledger.prove(admin_login, row[0])
    assert ledger.show(admin_login, row[0]).intact is False
