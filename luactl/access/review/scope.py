"""What a review is about, and who is meant to review it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from ...errors import NoTenantError, UsageError
from ...tenant.register import own_login
from .given import Given
from .people import People, Somebody


@dataclass(frozen=True)
class Scope:
    """What is looked at: of each that is named at least one must fit; nothing named: everything."""

    roles: tuple[str, ...] = ()
    """Group roles that are given, or reached over what is given."""
    tenants: tuple[tuple[str, str | None], ...] = ()
    """Slugs; of a dedicated tenant also its own login role."""
    categories: tuple[str, ...] = ()
    """Categories of data that are reached."""
    owners: tuple[tuple[str, UUID], ...] = ()
    """Patterns of roles and objects, and who answers for them; the first that fits counts."""

    def fits(self, item: Given) -> bool:
        """Whether an item is looked at."""
        reached = {item.object, *(path.rpartition(" > ")[2] for path in item.leads_to)}
        return (
            (not self.roles or not reached.isdisjoint(self.roles))
            and (not self.categories or not set(item.categories).isdisjoint(self.categories))
            and (not self.tenants or any(_touches(item, reached, own) for _slug, own in self.tenants))
        )

    def meant(self, item: Given, person: Somebody | None) -> tuple[UUID | None, str]:
        """Return who is meant to review an item, and as what: owner, else manager."""
        for pattern, owner in self.owners:
            if fnmatchcase(item.object, pattern):
                return owner, "owner"
        return (person.manager if person else None), "manager"

    def document(self) -> dict[str, Any]:
        """Return it as the snapshot has it."""
        return {
            "roles": list(self.roles),
            "tenants": [slug for slug, _own in self.tenants],
            "categories": list(self.categories),
            "owners": [[pattern, str(owner)] for pattern, owner in self.owners],
        }


def _touches(item: Given, reached: set[str], own_role: str | None) -> bool:
    """Whether an item touches a tenant: its own roles, or for a pooled tenant any customers' data."""
    if own_role is None:
        return "crm" in item.schemas and item.object != "lua_app"
    return not reached.isdisjoint({own_role, f"{own_role}_staff"})


def owners(rules: Sequence[str], people: People) -> tuple[tuple[str, UUID], ...]:
    """Read rules such as `lua_accounting=mara.lind`. Raises UsageError."""
    found = []
    for rule in rules:
        pattern, equals, handle = rule.rpartition("=")
        person = people.of_handle(handle)
        if person is None:
            raise UsageError(
                f"there is nobody {handle!r} in force", hint="`luactl staff list` shows the handles"
            )
        if person.kind == "job":
            raise UsageError(f"{handle!r} is a job, which reviews nothing", hint="name a person")
        found.append((pattern if equals else "*", person.person_id))
    return tuple(found)


def own_role(slug: str, ids: Mapping[str, int]) -> tuple[str, str | None]:
    """Return a tenant of the scope. Raises NotFoundError for a slug that there is not."""
    if slug not in ids:
        raise NoTenantError(slug)
    return slug, own_login(ids[slug])
