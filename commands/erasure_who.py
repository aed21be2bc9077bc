"""Who and what an erasure is about: the options that `luactl erasure plan`, `propose` and `run` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .diagnostics import note
from .options import identifier
from .table import origin

if TYPE_CHECKING:
    from uuid import UUID

    from luactl.db import Session
    from luactl.erasure import ErasurePlan
    from luactl.tenant import Tenant

Subject = Annotated[
    str | None,
    typer.Option("--subject", metavar="ID", help="Who; `luactl subject find` tells it.", show_default=False),
]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="FILE|-", help="Many: one subject id or external id a line."),
]
All = Annotated[bool, typer.Option("--all", help="Everybody of the tenant.")]
SkipUnknown = Annotated[
    bool, typer.Option("--skip-unknown", help="With --file: leave out lines that name nobody.")
]
Class = Annotated[
    str | None,
    typer.Option("--class", metavar="CLASS", help="special: only what is sealed under that class (Art. 9)."),
]
Category = Annotated[
    str | None,
    typer.Option(
        "--category", metavar="NAME", help="Only interaction, or one field: contact.personal.FIELD."
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option("--instruction", metavar="REF", help="Where the tenant's order is found; no personal data."),
]
Request = Annotated[
    str | None,
    typer.Option(
        "--request", metavar="ID", help="The person's own request, as in `luactl request list`; says who."
    ),
]


@dataclass(frozen=True)
class Asked:
    """Who and what the options of a command ask for."""

    subject: str | None
    file: str | None
    everyone: bool
    skip_unknown: bool
    key_class: str | None
    category: str | None
    instruction: str | None
    request: str | None

    def plan(self, s: Session, tenant: str) -> ErasurePlan:
        """Plan for the one selection that was made. Raises UsageError unless it is exactly one."""
        from luactl import erasure
        from luactl.tenant import find

        if self.request is not None:
            return self.requested(s, find(s, tenant), self.request)
        if [self.subject is not None, self.file is not None, self.everyone].count(True) != 1:
            raise UsageError("exactly one of --subject, --file and --all is needed", hint="say who is meant")
        if self.instruction is None:
            raise UsageError(
                "--instruction or --request is needed", hint="where is the tenant's order found?"
            )
        found = find(s, tenant)
        return erasure.plan(s, found, self.who(s, found), self.instruction, scope=self.scope())

    def requested(self, s: Session, tenant: Tenant, request: str) -> ErasurePlan:
        """Plan for a person's own request: for them, and for all of it."""
        from luactl import erasure

        if self.file or self.everyone or self.scope() != "person":
            raise UsageError(
                "--request is about one person as a whole",
                hint="a part goes with --instruction; `luactl request close` then answers the request",
            )
        return erasure.plan_request(
            s,
            tenant,
            identifier(request, "request", "request list"),
            subject_id=None if self.subject is None else identifier(self.subject),
            instruction=self.instruction,
        )

    def scope(self) -> str:
        """Return what of these people goes. Raises UsageError."""
        if self.key_class and self.category:
            raise UsageError("--class and --category exclude each other", hint="one at a time")
        if self.key_class not in (None, "special"):
            raise UsageError(
                "the only class that goes alone is special",
                hint="main is the person; accounting and medical-record are kept by law until the purge",
            )
        return self.category or self.key_class or "person"

    def who(self, s: Session, tenant: Tenant) -> UUID | tuple[UUID, ...]:
        """Return who is meant."""
        from luactl import erasure

        if self.subject is not None:
            return identifier(self.subject)
        if self.file is None:
            return erasure.everybody(s, tenant)
        named = erasure.from_file(s, tenant, origin(self.file), skip_unknown=self.skip_unknown)
        if named.unknown:
            note(f"{len(named.unknown):,} lines name nobody and are left out")
        return named.subjects

    def saved(self, s: Session, tenant: str, where: str) -> ErasurePlan:
        """Return a plan from a file or from the record, as it is now.

        Raises UsageError when options say anything else.
        """
        from luactl import erasure
        from luactl.tenant import find

        said = (self.subject, self.file, self.key_class, self.category, self.instruction, self.request)
        if any(said) or self.everyone:
            raise UsageError("--plan says who and why", hint="give nothing else that a plan says")
        plan_id = _plan_id(where)
        kept = erasure.kept(s, plan_id).saved if plan_id else erasure.read_saved(Path(where))
        if kept.tenant != tenant:
            raise UsageError("the plan is another tenant's", hint="name that one with --tenant")
        plan = erasure.plan_again(s, find(s, tenant), kept)
        erasure.again(kept, plan)
        return plan


def _plan_id(where: str) -> UUID | None:
    """Return the id of a plan on record; None for the name of a file."""
    from uuid import UUID

    try:
        return UUID(where)
    except ValueError:
        return None
