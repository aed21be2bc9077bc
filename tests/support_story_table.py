"""The story of all commands: TABLE, in the order in which it is told on one database.

A command that is not in it (or in one of the sets below it) fails tests/test_ledger_complete.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_story import REFERENCE, Args, Case, Rule, T, World, covering, rows
from support_story_ask import ASKED
from support_story_cosign import COSIGNED
from support_story_duty import DUTIES
from support_story_elevation import ELEVATIONS
from support_story_eyes import EYES
from support_story_keys import KEYS, KEYS_DROPPED
from support_story_login import LOGINS
from support_story_plans import PLANS
from support_story_processor import NOTICES, REGISTER
from support_story_prune import PRUNED
from support_story_request import ANSWERED, BOUND, REQUESTS
from support_story_review import REVIEWED
from support_story_staff import LEAVING, POLICIES, STAFF
from support_story_user import USERS

from luactl import embedded

CASTLE = ("castle", "--name", "Castle", "--country", "DE", "--contact", "x", "--isolation", "dedicated")


def who(number: str) -> Args:
    return lambda w: (w.people[number], *T)


def remember_people(w: World, data: Any) -> None:
    w.people.update({one["external_id"]: one["subject_id"] for one in data})


def narrow(w: World) -> None:
    w.admin.execute("UPDATE crm.contact SET index_version = index_version + 1")


def superuser(w: World) -> Sequence[str]:
    return ("--dsn", w.server.admin_dsn(w.database), "--login", w.login)


def subjects(data: Any) -> list[str]:
    return [one["subject_id"] for one in data]


KEYS_MADE = {("vault.node", "insert"), ("vault.counter", "insert"), ("vault.counter", "update")}
KEYS_CLAIMED = KEYS_MADE | {("vault.slot", "insert"), ("vault.period", "insert")}
READS = "read"
TENANTS = "slug,name,country,contact\nkanzlei,Kanzlei,DE,office\nladen,Laden,FR,office\n"
TENANT_ROWS = rows("lua.tenant_directory", "lua.retention_rule", "lua.instruction", "crm.role")
ERASED = rows("crm.contact", "crm.contact_key", "crm.interaction", "vault.slot", how="delete")
HIDDEN = {("crm.invoice", "update"), ("crm.invoice_line", "update"), ("lua.erasure", "update"), REFERENCE}
GONE = rows("crm.interaction", "crm.invoice", "crm.invoice_line", "vault.period", how="delete")
INTEGRATED = rows("ledger.leaf", "ledger.subtree", "ledger.checkpoint") | {("ledger.pending", "delete")}

PROCESSED = (
    "crm.invoice_line", "crm.invoice", "crm.interaction", "crm.contact_key", "crm.contact", "crm.subject",
    "crm.role",
)  # fmt: skip

TABLE: dict[str, tuple[Case, ...]] = {
    "init": (
        Case(
            superuser,
            (
                Rule("vault.tree", "insert", "init"),
                Rule("ledger.origin", "insert", "ledger.origin.create"),
            ),
            covering(KEYS_MADE, rows("vault.place")),
            actor=embedded.SUPERUSER,
        ),
    ),
    **STAFF,
    **POLICIES,
    "tenant create": (
        Case(
            lambda w: ("smile", "--name", "Smile", "--country", "DE", "--contact", "office@smile.example"),
            (Rule("lua.tenant", "insert", "tenant.create"),),
            covering(TENANT_ROWS, KEYS_CLAIMED),
            again=1,
        ),
        Case(
            lambda w: CASTLE,
            (Rule("lua.tenant", "insert", "tenant.create"),),
            covering(TENANT_ROWS, KEYS_CLAIMED),
            again=1,
        ),
    ),
    "tenant dismiss": (
        Case(
            lambda w: ("castle", w.login), (Rule("", "files", "tenant.dismiss", ours=True, tenant="castle"),)
        ),
    ),
    "tenant admit": (
        Case(lambda w: ("castle", w.login), (Rule("", "files", "tenant.admit", ours=True, tenant="castle"),)),
    ),
    "tenant login": (
        Case(
            lambda w: ("castle", "--passfile", str(w.folder / "castle.pgpass")),
            (Rule("", "files", "tenant.login", ours=True, tenant="castle"),),
            anew=True,
        ),
    ),
    "tenant import": (
        Case(
            lambda w: (w.file("tenants.csv", TENANTS),),
            (Rule("lua.tenant", "insert", "tenant.create"),),
            covering(TENANT_ROWS, KEYS_CLAIMED),
        ),
    ),
    "tenant list": (Case(),),
    "tenant show": (Case(lambda w: ("smile",)), Case(lambda w: ("castle",))),
    "tenant suspend": (
        Case(lambda w: ("smile", "--reason", "bills"), (Rule("lua.tenant", "update", "tenant.suspend"),)),
    ),
    "tenant resume": (Case(lambda w: ("smile",), (Rule("lua.tenant", "update", "tenant.resume"),)),),
    "instruction add": (
        Case(
            lambda w: (*T, "--reference", "DPA-2", "--purpose", "support", "--given-by", "office"),
            (Rule("lua.instruction", "insert", "instruction.add"),),
            again=1,
        ),
    ),
    "instruction list": (Case(lambda w: T),),
    "crm customer import": (
        Case(
            lambda w: (w.file("people.csv", PEOPLE), *T),
            (Rule("crm.subject", "insert", "crm.customer.import", by="entry_id"),),
            covering(rows("crm.contact", "crm.contact_key"), KEYS_CLAIMED),
        ),
    ),
    "crm customer list": (Case(lambda w: T, opens=subjects, keep=remember_people),),
    "crm customer show": (Case(who("1"), opens=lambda data: [data["subject_id"]]),),
    "crm interaction import": (
        Case(
            lambda w: (w.file("visits.csv", VISITS), *T),
            (Rule("crm.interaction", "insert", "crm.interaction.import", by="entry_id"),),
            covering(KEYS_CLAIMED),
        ),
    ),
    "crm interaction list": (Case(lambda w: T, opens=subjects),),
    "crm invoice import": (
        Case(
            lambda w: (w.file("bills.csv", BILLS), *T, "--lines", w.file("lines.csv", BILL_LINES)),
            (
                Rule("crm.invoice", "insert", "crm.invoice.import", by="entry_id"),
                # The records name no party, so those of the contacts are opened and sealed anew.
                Rule("crm.invoice", "insert", READS, by="tenant_id"),
            ),
            covering(rows("crm.invoice_line"), KEYS_CLAIMED, {REFERENCE}),
        ),
    ),
    "crm invoice list": (
        Case(lambda w: T),
        Case(lambda w: (*T, "--party"), opens=subjects),
    ),
    "subject find": (
        Case(lambda w: (*T, "--name", "Nele"), opens=subjects),
        Case(lambda w: (*T, "--external-id", "none of ours"), opens=subjects),
    ),
    "subject show": (Case(who("1")),),
    "subject reindex": (
        Case(
            lambda w: T,
            (
                Rule("crm.contact", "update", "subject.reindex", by="tenant_id"),
                Rule("crm.contact", "update", READS, by="tenant_id"),
            ),
            covering({REFERENCE}),
            prepare=narrow,
        ),
    ),
    "tenant export": (
        Case(
            lambda w: ("smile", str(w.folder / "export")),
            (
                Rule("", "files", "tenant.export", ours=True),
                *(Rule("", "files", READS, ours=True) for _table in range(4)),
            ),
            covering({REFERENCE}, INTEGRATED),
            again=5,
            empty=True,
        ),
    ),
    "tenant import-data": (
        Case(
            lambda w: (str(w.folder / "export"), "--as", "twin"),
            (
                Rule("lua.tenant", "insert", "tenant.create"),
                Rule("lua.tenant", "insert", "instruction.add"),  # the second one of the two it had
                *(
                    Rule(f"crm.{name}", "insert", "tenant.import-data", by="entry_id")
                    for name in ("subject", "contact", "interaction", "invoice")
                ),
            ),
            covering(TENANT_ROWS, rows("crm.contact_key", "crm.invoice_line"), KEYS_CLAIMED),
        ),
    ),
    "approval rule set": (
        Case(
            lambda w: ("tenant.terminate", "--approvals", "0"),
            (Rule("lua.approval_rule", "update", "approval.rule-set"),),
        ),
    ),
    **REGISTER,
    "tenant terminate": (
        Case(
            lambda w: ("twin", "--instruction", "letter", "--grace", "0"),
            (Rule("lua.termination", "insert", "tenant.announce-end"),),
            covering({("lua.tenant", "update")}),
            again=5,
        ),
        Case(
            lambda w: ("twin", "--not-wanted", "they said so"),
            (
                Rule("lua.termination", "update", "tenant.terminate", ("intent", "done")),
                *(Rule(name, "delete", "tenant.take-rows", by="tenant_id") for name in PROCESSED),
                Rule("lua.processor_notice", "insert", "processor.notify", by="tenant_id"),
            ),
            covering(
                {("lua.tenant", "update"), ("vault.node", "delete")},
                rows("vault.slot", "vault.period", how="delete"),
                KEYS_DROPPED,
                INTEGRATED,
            ),
        ),
    ),
    **NOTICES,
    **LOGINS,
    **ASKED,
    "secret put": (
        Case(
            lambda w: ("smtp.password", *T),
            (Rule("lua.secret", "insert", "secret.put"),),
            stdin=b"hunter2\n",
            again=1,
        ),
    ),
    "secret issue": (
        Case(
            lambda w: ("api", *T, "--scope", "contact.read"),
            (Rule("lua.secret", "insert", "secret.issue"),),
            covering(rows("lua.token_directory")),
            keep=lambda w, data: w.seen.update(token=data["token"]),
            again=1,
        ),
    ),
    "secret list": (Case(lambda w: T),),
    "secret find": (Case(lambda w: (w.seen["token"].split("_")[1],)),),
    "secret reveal": (
        Case(
            lambda w: ("smtp.password", *T, "--purpose", "mail is late"),
            (Rule("", "files", READS, ours=True),),
            empty=True,
            anew=True,
        ),
    ),
    "secret rotate": (
        Case(
            lambda w: ("smtp.password", *T),
            (Rule("lua.secret", "insert", "secret.rotate"),),
            covering(rows("lua.secret", how="update")),
            stdin=b"hunter3\n",
            anew=True,
        ),
        Case(
            lambda w: ("api", *T),
            (Rule("lua.secret", "insert", "secret.rotate"),),
            covering(rows("lua.secret", how="update"), rows("lua.token_directory")),
            anew=True,
        ),
    ),
    "secret revoke": (
        Case(
            lambda w: ("api", *T, "--reason", "leaked"),
            (Rule("lua.secret", "update", "secret.revoke"),),
            again=1,
        ),
    ),
    **EYES,
    **REQUESTS,
    "subject rectify": (
        Case(
            lambda w: (w.people["2"], *T, "--field", "email", "--instruction", "ticket 2"),
            (
                Rule("crm.contact", "update", "subject.rectify", ("intent", "done"), by="tenant_id"),
                Rule("crm.contact", "update", READS, by="tenant_id"),
            ),
            covering(
                KEYS_CLAIMED,
                KEYS_DROPPED,
                {REFERENCE},
                rows("crm.interaction", "lua.request", how="update"),
                rows("vault.slot", how="delete"),
            ),
            stdin=b"new@smile.example\n",
            anew=True,
        ),
    ),
    **DUTIES,
    **REVIEWED,
    **ELEVATIONS,
    **USERS,
    "retention list": (Case(lambda w: T),),
    "retention set": (
        Case(
            lambda w: (*T, "--class", "interaction", "--months", "24"),
            (Rule("lua.retention_rule", "update", "retention.set"),),
        ),
        Case(lambda w: ("--log", "--months", "24"), (Rule("lua.log_rule", "update", "retention.set"),)),
    ),
    "retention purge": (
        Case(
            lambda w: ("--all",),
            (
                Rule("lua.purge", "insert", "retention.purge", ("intent", "done")),
                # and one for the one batch in which the rows went
                Rule("crm.interaction", "delete", "retention.purge", by="tenant_id"),
            ),
            covering(GONE, KEYS_DROPPED, rows("lua.purge", how="update")),
        ),
    ),
    **KEYS,
    # The checkpoint is its own record: an entry about it would wait for the next one, for ever.
    "ledger integrate": (Case(covers=covering(INTEGRATED)),),
    **PLANS,
    **COSIGNED,
    "erasure run": (
        Case(
            lambda w: (*T, "--subject", w.people["1"], "--instruction", "ticket 4711"),
            (Rule("lua.erasure", "insert", "erasure.run", ("intent", "done")),),
            covering(ERASED, BOUND, KEYS_DROPPED, HIDDEN, INTEGRATED),
            keep=lambda w, data: w.seen.update(erasure=data["erasure_id"], folder=data["certificate"]),
        ),
        Case(
            lambda w: (*T, "--request", w.seen["request_of_3"]),
            (Rule("lua.erasure", "insert", "erasure.run", ("intent", "done")), *ANSWERED),
            covering(ERASED, BOUND, KEYS_DROPPED, HIDDEN, INTEGRATED),
        ),
    ),
    "erasure plan": (Case(lambda w: (*T, "--subject", w.people["2"], "--instruction", "ticket 1")),),
    "erasure replay": (Case(lambda w: ("--all",)),),
    "restore check": (Case(covers=covering(INTEGRATED), empty=True),),
    "erasure list": (Case(lambda w: T),),
    "erasure show": (Case(lambda w: (w.seen["erasure"],)),),
    "erasure verify": (Case(lambda w: (w.seen["erasure"],)),),
    "erasure residue": (Case(lambda w: ("--table", "crm.contact", "--dsn", w.server.admin_dsn(w.database))),),
    "promise list": (Case(),),
    "promise show": (Case(lambda w: ("10.1",)),),
    "promise prove": (
        Case(
            lambda w: ("--all",),
            (Rule("", "files", "promise.prove"),),
            findings=lambda w: True,  # the server has logins that are nobody's
            empty=True,
            anew=True,
        ),
    ),
    "promise waive": (
        Case(
            lambda w: ("10.1", "--reason", "mending", "--until", "2099-01-01"),
            (Rule("lua.waiver", "insert", "promise.waive"),),
            again=1,
        ),
    ),
    "promise status": (Case(findings=lambda w: True),),
    "promise unwaive": (
        Case(lambda w: ("10.1",), (Rule("lua.waiver", "update", "promise.unwaive"),), again=1),
    ),
    "ledger status": (Case(),),
    "ledger anchor list": (Case(),),
    "ledger cosign list": (Case(),),
    "ledger prove": (Case(lambda w: (w.seen["entry"],)),),
    "ledger checkpoint": (Case(),),
    "ledger show": (Case(lambda w: (w.seen["entry"],)),),
    "ledger verify": (Case(),),
    "verify": (Case(lambda w: (w.seen["folder"],)),),
    **LEAVING,
    **PRUNED,
}
# What needs an embedded server is run in a test of its own; the demo makes and ends a home of its own.
SERVER = {
    "embedded status": (),
    "db migrate": ("--yes",),
    "embedded start": ("--yes",),
    "embedded log": (),
    "embedded stop": ("--yes",),
}
OWN_HOME = {"demo"}
# Runs until somebody leaves it, and does only what the commands above do.
SCREENS = {"tui"}
# Change files of this account and no row (tests/test_profile.py).
FILES = {
    "ledger cosign key",  # no database: tests/test_ledger_cosign.py
    "ledger cosign sign",
    "db psql",  # becomes another program (tests/test_db.py)
    "profile list",
    "profile show",
    "profile use",
    "profile add",
    "profile remove",
}
