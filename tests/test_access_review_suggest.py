"""What speaks against an item, and who is in the scope: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from luactl.access.graph import Role
from luactl.access.review.category import category_of, checked
from luactl.access.review.deciding import numbers, spans
from luactl.access.review.given import ADMIN, MEMBER, Given
from luactl.access.review.people import People, Somebody
from luactl.access.review.scope import Scope
from luactl.access.review.suggesting import evidence, suggest
from luactl.access.review.taking import _left_out
from luactl.errors import UsageError

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=400)


def given(login: str, object_: str = "lua_operator", **said: Any) -> Given:
    item = Given(login, "membership", "role", 1, object_, (MEMBER,), "now", "", (), 3, (), ("crm",), ())
    return replace(item, **said)


def person(number: int, *, bound: bool = True, kind: str = "employee", team: str = "support") -> Somebody:
    return Somebody(UUID(int=number), f"p{number}", kind, None, frozenset({team}), bound)


def against(item: Given, *others: Given, since: datetime = OLD, seen: datetime | None = NOW,
            first: Somebody | None = None) -> tuple[str, str]:  # fmt: skip
    """Return the suggestion for an item of login l1, among others of the same team."""
    logins = {f"l{n}": person(n) for n in range(2, 8)}
    logins["l1"] = first or person(1)
    people = People({one.person_id: one for one in logins.values()}, logins, dict.fromkeys(logins, since))
    found = suggest(item, evidence(people, {"l1": seen}, NOW, [item, *others]))
    return found.decision, "; ".join(found.why)


ALIKE = [given(f"l{n}") for n in range(2, 8)]


def test_nothing_speaks_against_what_everybody_has_and_uses() -> None:
    assert against(given("l1"), *ALIKE) == ("keep", "")


def test_who_was_not_seen_is_dormant_unless_the_login_is_new() -> None:
    late = NOW - timedelta(days=91)
    assert against(given("l1"), *ALIKE, seen=late) == ("revoke", f"dormant: last seen {late:%Y-%m-%d}")
    assert against(given("l1"), *ALIKE, seen=NOW - timedelta(days=90))[0] == "keep"
    assert against(given("l1"), *ALIKE, seen=None) == ("revoke", "dormant: never seen by ledger or logs")
    assert against(given("l1"), *ALIKE, seen=None, since=NOW - timedelta(days=5))[0] == "keep"


def test_nobodys_login_and_who_is_not_bound() -> None:
    assert "no person or job" in against(given("nobody"), *ALIKE)[1]
    assert "no undertaking" in against(given("l1"), *ALIKE, first=person(1, bound=False))[1]


def test_unlike_peers_of_the_team_else_of_the_kind() -> None:
    assert against(given("l1"))[1] == "unlike peers: 0 of 6 other people of team support have it"
    assert against(given("l1"), given("l2"))[1].startswith("unlike peers: 1 of 6")
    assert against(given("l1"), given("l2"), given("l3"))[0] == "keep"
    alone = against(given("l1"), first=person(1, team="board"))[1]
    assert alone == "unlike peers: 0 of 6 other employees have it"
    assert against(given("l1"), first=person(1, team="board", kind="job"))[0] == "keep"  # too few to compare


def test_what_is_over_broad() -> None:
    admin = given("l1", "lua_admin")
    others = [replace(one, object="lua_admin") for one in ALIKE]
    assert against(admin, *others)[0] == "keep"
    both = against(admin, given("l1", "lua_auditor"), *others)
    assert both == ("revoke", "over-broad: lua_admin together with lua_auditor")
    assert against(given("l1", rights=(ADMIN, MEMBER)), *ALIKE)[0] == "reduce"
    attribute = given("l1", "BYPASSRLS", kind="attribute")
    assert "over-broad: BYPASSRLS" in against(attribute)[1]


def test_the_scope_is_all_that_is_named() -> None:
    item = given("l1", "crew", leads_to=("l1 > crew > lua_operator",), categories=("invoice",))
    assert Scope().fits(item)
    assert Scope(roles=("lua_operator",)).fits(item)
    assert not Scope(roles=("lua_admin",)).fits(item)
    assert Scope(roles=("crew",), categories=("invoice", "key")).fits(item)
    assert not Scope(roles=("crew",), categories=("key",)).fits(item)
    assert Scope(tenants=(("smile", None),)).fits(item)
    assert not Scope(tenants=(("castle", "lua_t1099511627776"),)).fits(item)
    assert Scope(tenants=(("castle", "lua_t1099511627776"),)).fits(given("l1", "lua_t1099511627776_staff"))
    owned = Scope(owners=(("lua_a*", UUID(int=9)), ("*", UUID(int=8))))
    assert owned.meant(given("l1", "lua_admin"), None) == (UUID(int=9), "owner")
    assert owned.meant(item, None) == (UUID(int=8), "owner")
    boss = replace(person(1), manager=UUID(int=7))
    assert Scope().meant(item, boss) == (UUID(int=7), "manager")


def test_categories_are_what_is_read_or_written_of_them() -> None:
    assert category_of("crm.contact", "SELECT", None) == "contact"
    assert category_of("crm.contact_pooled", "SELECT", "personal") == "contact"
    assert category_of("crm.contact_t1099511627776", "DELETE", None) == "contact"
    assert category_of("crm.contact", "SELECT", "created_at") is None
    assert category_of("crm.contact", "REFERENCES", None) is None
    assert category_of("lua.tenant", "SELECT", None) is None
    with pytest.raises(UsageError, match="no category"):
        checked(["weather"])


def test_item_numbers_are_read_and_written() -> None:
    assert numbers("3, 1,7-9") == (1, 3, 7, 8, 9)
    assert spans(numbers("3,1,7-9")) == "1,3,7-9"
    for wrong in ("", "0", "4-2", "1-", "x", "1-999999999"):
        with pytest.raises(UsageError):
            numbers(wrong)


def test_logins_that_end_by_themselves_are_left_out_with_a_reason() -> None:
    own, elevated = Role(1, "lua_t1099511627776", True), Role(2, "lua_e3_1790000000_ab12", True)
    assert [_left_out(one, set()).split(",")[0] for one in (own, elevated, Role(3, "anna", True))] == [
        "the CRM's own login for one tenant", "an elevation", "outside the scope"
    ]  # fmt: skip
    assert "superuser" in _left_out(Role(4, "root", True, True), set())
    assert _left_out(Role(3, "anna", True), {"anna"}) == ""
