"""Making a home: server, schema, keys, first login, the ledger's origin, and the profile that names it.

Every step looks first whether it is done already, so an interrupted run is finished by running it again,
and a run that finds everything in place changes nothing. Keys are never written over.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from .. import embedded, schema
from ..config import PROFILE_NAME, Paths, Profile, check_dsn, load_profiles, save_profile
from ..connect import admit, dial
from ..db import queries, transaction
from ..disk import sweep
from ..errors import LuactlError, UsageError
from ..shipped import OF_PEOPLE
from .keyring import lacks_keys, make_keys
from .login import ensure_login, lacks_login
from .target import DATABASE, Options, Say, Target, dsn_target, embedded_target

__all__ = ["Options", "Report", "Step", "run"]


@dataclass(frozen=True)
class Step:
    """One thing that was done, or with a dry run would be."""

    step: str
    """server, schema, keys, login, ledger or profile."""
    detail: str
    """What it is about."""


@dataclass(frozen=True)
class Report:
    """What `luactl init` shows."""

    profile: str
    database: str
    """Where it is, without any secret."""
    login: str
    config: str
    """Folder of config.toml."""
    data: str
    """Folder of the embedded server."""
    keys: str
    """Folder of root secret, key book and signing key."""
    steps: tuple[Step, ...]
    """What was missing; empty when everything was in place."""


def run(paths: Paths, options: Options, say: Say = lambda text: None, *, dry_run: bool = False) -> Report:
    """Make what is missing, in an order that an interruption cannot harm, and check the result by logging in.

    `say` hears of what takes a while; `dry_run` returns the very steps that a run would take. Raises
    UsageError for a DSN with a password or a bad name, NoConnectionError, BusyError while another init runs,
    RefusedError when database or keyring belong to another home or the DSN's rights do not suffice,
    LuactlError on a full disk.
    """
    if not PROFILE_NAME.fullmatch(options.profile):
        raise UsageError(
            f"{options.profile!r} is no name for a profile", hint="up to 31 of a-z, 0-9, - and _"
        )
    if options.dsn is not None:
        check_dsn(options.dsn)
    try:
        if dry_run:
            return _run(paths, options, say, dry_run=True)
        paths.make()
        with embedded.locked(paths.data / "init.lock"):
            return _run(paths, options, say, dry_run=False)
    except OSError as error:
        raise LuactlError(
            f"cannot write {error.filename or paths.config}: {error.strerror}",
            hint="make room on that disk and see to it that you may write there; then run it again",
        ) from error


def _run(paths: Paths, options: Options, say: Say, *, dry_run: bool) -> Report:
    with _target(paths, options, say, dry_run=dry_run) as target:
        steps = plan(target)
        if not dry_run:
            _carry_out(target, steps, say)
    return Report(
        profile=options.profile,
        database=_where(target.profile),
        login=target.login,
        config=str(paths.config),
        data=str(paths.data),
        keys=str(paths.keys),
        steps=tuple(steps),
    )


def _target(paths: Paths, options: Options, say: Say, *, dry_run: bool) -> AbstractContextManager[Target]:
    existing = load_profiles(paths).get(options.profile)
    if options.dsn is None:
        return embedded_target(paths, options, existing, say, dry_run=dry_run)
    return dsn_target(paths, options, existing, say)


def _where(profile: Profile) -> str:
    options = check_dsn(profile.dsn)
    place = options.get("service") or options.get("host") or options.get("hostaddr") or "local socket"
    return f"{'embedded' if profile.embedded else place}/{options.get('dbname', '')}"


def plan(target: Target) -> list[Step]:
    """Return what is missing, in the order in which it will be made; changes nothing."""
    steps = _missing(target) if target.makes else []
    if target.existing != target.profile:
        steps.append(Step("profile", f"{target.profile.name} in {target.paths.config_file}"))
    return steps


def _missing(target: Target) -> list[Step]:
    server = target.paths.server(target.profile.name)
    pending = [str(migration) for migration in schema.migrations()]
    none_yet = target.conn is None
    if target.conn is not None:
        pending = schema.pending(target.conn)
    needed = (
        (target.new, Step("server", f"Postgres in {server}, database {DATABASE}")),
        (bool(pending), Step("schema", ", ".join(pending))),
        (
            none_yet or lacks_keys(target.session, _key_folder(target)),
            Step("keys", f"root at {', '.join(target.profile.holders)}"),
        ),
        (none_yet or _lacks_login(target), Step("login", f"{target.login} with {', '.join(OF_PEOPLE)}")),
        (none_yet or _lacks_ledger(target), Step("ledger", f"signing key {target.profile.signing_key}")),
    )
    return [step for wanted, step in needed if wanted]


def _key_folder(target: Target) -> Path:
    return target.paths.keys / target.profile.name


def _lacks_login(target: Target) -> bool:
    return lacks_login(target.session.conn, target.login, target.profile.passfile)


def _lacks_ledger(target: Target) -> bool:
    """Whether origin or first entry are missing. Raises RefusedError for another database's signing key."""
    from ..ledger.origin import current, own_signer

    session = target.session
    if not queries("init").has_table(session.conn, name="ledger.origin") or current(session) is None:
        return True
    own_signer(session)
    return not queries("init").is_recorded(session.conn)


def _carry_out(target: Target, steps: list[Step], say: Say) -> None:
    """Do what is missing; the profile comes last, so that no other command meets half a home."""
    session, wanted = target.session, {step.step for step in steps}
    if target.profile.signing_key.parent.is_dir():
        sweep(target.profile.signing_key)  # what a killed run left beside the key
    if "schema" in wanted:
        from ..ledger.months import make_months

        say("bringing the schema up to date")
        schema.migrate(session.conn, session.clock, step=session.step)
        make_months(session)
    if "keys" in wanted:
        say("making the keys")
        make_keys(session, _key_folder(target))
    if wanted & {"schema", "keys", "login"} or not queries("init").is_recorded(session.conn):
        _record(target, steps)
    if "ledger" in wanted:
        from ..ledger import create_origin

        create_origin(session)
    profile = target.profile
    with closing(dial(target.reach, passfile=profile.passfile, profile=profile.name, command="init")) as conn:
        admit(conn)
    if "profile" in wanted:
        save_profile(target.paths, profile)
        session.step("profile written")


def _record(target: Target, steps: list[Step]) -> None:
    """Make the login if it is missing and, in the same transaction, write down what this run makes."""
    from ..ledger import Entry, append

    session = target.session
    detail = {step.step: step.detail for step in steps if step.step in ("schema", "login")}
    with transaction(session) as conn:
        if "login" in detail:
            ensure_login(conn, target.login, target.profile.passfile)
            session.step("login made")
        append(session, Entry("init", object=f"login:{target.login}", detail=detail))
