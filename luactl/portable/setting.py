"""The tenant that an export is taken into: made from it, or there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from .. import instruction, retention, tenant
from ..db import Session
from ..errors import LuactlError, NotFoundError, UsageError
from ..instruction import Instruction
from ..line import checked
from ..tenant import NewTenant, Tenant


@dataclass(frozen=True)
class Setting:
    """What is there, and what has to be set so that the tenant is as it was."""

    slug: str
    tenant: Tenant | None
    """None when it is not there yet."""
    new: NewTenant | None
    """What it is made from when it is not there yet."""
    months: tuple[tuple[str, int], ...]
    """Deletion rules that differ: class and months as they were."""
    instructions: tuple[Instruction, ...]
    """Instructions of the export that the tenant does not have."""
    said: tuple[str, ...]
    """The same in words."""


def plan_setting(session: Session, register: Mapping[str, Any], slug: str) -> Setting:
    """Compare the register of an export (tenant.json) with the tenant of that slug. Changes nothing.

    Raises UsageError for a register that no tenant could have.
    """
    try:
        there: Tenant | None = tenant.find(session, slug)
    except NotFoundError:
        there = None
    try:
        new = tenant.checked_tenant(
            NewTenant(slug, register["name"], register["country"], register["contact"])
        )
        wanted = {rule["class"]: rule["months"] for rule in register["rules"]}
        orders = [_order(one) for one in register["instructions"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError("tenant.json of the export is malformed", hint="get the export again") from None
    if there is None:
        known = {rule.retention_class: rule.months for rule in tenant.rules_for(new.country)}
        references = {"contract"}
    else:
        known = {rule.retention_class: rule.months for rule in retention.rules(session, there)}
        references = {one.reference for one in instruction.list_(session, there)}
    months = tuple(
        (name, count)
        for name, count in sorted(wanted.items())
        if count is not None and known.get(name, count) != count
    )
    fresh = tuple(one for one in orders if one.reference not in references)
    said = [f"{name} is kept for {count} months, not {known[name]}" for name, count in months]
    said += [f"instruction {one.reference!r} is added" for one in fresh]
    return Setting(slug, there, new if there is None else None, months, fresh, tuple(said))


def _order(one: Mapping[str, Any]) -> Instruction:
    until = one["valid_until"]
    return Instruction(
        uuid7(),
        checked("reference", one["reference"]),
        checked("purpose", one["purpose"]),
        checked("name", one["given_by"]),
        datetime.fromisoformat(one["valid_from"]),
        None if until is None else datetime.fromisoformat(until),
    )


def set_up(session: Session, setting: Setting) -> Tenant:
    """Make the tenant if it is not there, and set what differs, each in a transaction of its own."""
    if setting.new is not None:
        tenant.create(session, setting.new, if_absent=True)
    found = tenant.find(session, setting.slug)
    for name, months in setting.months:
        retention.set_rule(session, found, name, months)
    for one in setting.instructions:
        try:
            instruction.add(session, found, one)
        except LuactlError:
            if one.reference not in {there.reference for there in instruction.list_(session, found)}:
                raise
    return found
