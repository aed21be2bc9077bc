"""What a notice says: to a program (docs/reference/processor-protocol.md), and to people in Markdown.

It names whom it is about by ids alone: those under which the processor got the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..certificate.markdown import cell, table
from ..clock import instant
from ..db import Session, queries, transaction
from .notice import Notice

VERSION = 1
WHAT = {
    "tenant": "all personal data that you process for this customer, and every copy of them",
    "person": "all personal data of the people below, and every copy of them",
    "special": "the special categories of personal data (Art. 9 GDPR) of the people below, and every copy",
    "interaction": "what was said with the people below (calls, messages, visits, notes), and every copy",
}


@dataclass(frozen=True)
class Letter:
    """A notice in words."""

    notice: Notice
    scope: str
    """tenant, person, special, or a category of an erasure."""
    subjects: tuple[UUID, ...]
    """Whom it is about; empty at the end of a tenant, which is about everybody."""

    def message(self) -> dict[str, Any]:
        """Return what a program is told."""
        one = self.notice
        return {
            "luactl-notice": VERSION,
            "notice": str(one.notice_id),
            "processor": one.processor,
            "contact": one.contact,
            "cause": one.cause,
            "tenant": one.tenant,
            "scope": self.scope,
            "subjects": [str(subject) for subject in self.subjects],
            "ours_gone_at": instant(one.created_at),
            "told_before": one.sent_at is not None,
        }

    def text(self) -> str:
        """Return what people are told, as Markdown."""
        one = self.notice
        field = self.scope.removeprefix("contact.personal.")
        what = WHAT.get(self.scope, f"the field `{cell(field)}` of the people below, and every copy of it")
        head = [
            ("Notice", one.notice_id),
            ("To", f"{one.name}, {one.contact}"),
            ("Customer", one.tenant),
            ("Deleted here", instant(one.created_at)),
            ("Cause", f"{one.cause} {one.cause_id}"),
        ]
        whom = [f"- `{subject}`" for subject in self.subjects]
        return "\n".join(
            [
                "# Notice: personal data must be deleted",
                "",
                *table(("", ""), head),
                f"You process personal data as our processor. Please delete {what}, unless the law of the "
                "Union or of a member state binds you to keep them (Art. 28(3)(g) and 28(4) GDPR; Art. 19 "
                "for an erasure). Tell us on which day they were gone, and the number of this notice.",
                "",
                *(["You know these people by the following ids:", "", *whom, ""] if whom else []),
            ]
        )


def compose(session: Session, notice: Notice) -> Letter:
    """Return a notice in words. Needs lua_dpo or lua_operator."""
    noun, this = queries("processor"), {"notice_id": notice.notice_id}
    with transaction(session) as conn:
        scope = str(noun.scope(conn, **this))
        return Letter(notice, scope, tuple(row[0] for row in noun.subjects(conn, **this)))
