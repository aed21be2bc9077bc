"""Random roles, grants, views and functions, and what a login really gets at when it tries everything.

The attempts know nothing of catalogs or rules: a login tries each query as itself, after every SET ROLE that
is let through, and after every GRANT that is let through.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import psycopg
from conftest import Connection, TestServer
from psycopg import sql

ROLES = 30
TABLES = 6
ATTEMPTS = """
DO $do$
DECLARE
    probes constant jsonb := {probes};
    roles constant text[] := {roles};
    opening constant text[] := {opening};
    changes constant text[] := {changes};
    me constant text := session_user;
    level integer;
    state text;
    states text[];
    change text;
    whom text;
    probe record;
    rows bigint;
    came boolean;
    helped boolean;
    opens boolean;
    targets text[] := ARRAY[me];
    target text;
    tried text[] := '{{}}';
    done text[];
    found jsonb := '{{}}';
BEGIN
    -- 0: as oneself; 1: as everybody whom SET ROLE lets one be; 2: after every grant to oneself that is let
    -- through; 3: the same, with every grant to one who sees all rows besides, each in a world of its own.
    FOR level IN 0 .. 3 LOOP
        FOREACH target IN ARRAY CASE level WHEN 3 THEN targets ELSE ARRAY[me] END LOOP
            CONTINUE WHEN level = 3 AND target = ANY (tried);
            tried := tried || target;
            BEGIN
                done := '{{}}';
                helped := false;
                -- First what opens the way to more (roles, schemas), as long as anything comes of it.
                opens := true;
                LOOP
                    EXIT WHEN level < 2;
                    came := false;
                    FOREACH state IN ARRAY ARRAY['none'] || roles LOOP
                        CONTINUE WHEN state = me;
                        BEGIN
                            EXECUTE 'SET ROLE ' || state;
                        EXCEPTION WHEN OTHERS THEN
                            CONTINUE;
                        END;
                        IF level = 2 AND (SELECT rolbypassrls FROM pg_roles WHERE rolname = state) THEN
                            targets := targets || state;
                        END IF;
                        FOR change, whom IN SELECT format(c, t), t
                                            FROM unnest(CASE WHEN opens THEN opening ELSE changes END) AS c
                                            CROSS JOIN unnest(ARRAY[me, nullif(target, me)]) AS t
                                            WHERE t IS NOT NULL LOOP
                            -- What is let through may still have done nothing, or a part, with a warning:
                            -- it is done again as long as anything is let through that was not before.
                            BEGIN
                                EXECUTE change;
                                helped := helped OR whom = target;
                                CONTINUE WHEN state || change = ANY (done);
                                done := done || (state || change);
                                came := true;
                            EXCEPTION WHEN OTHERS THEN
                                NULL;
                            END;
                        END LOOP;
                    END LOOP;
                    EXECUTE 'RESET ROLE';
                    EXIT WHEN NOT opens;
                    opens := came;
                END LOOP;
                IF level >= 2 AND NOT helped THEN
                    RAISE EXCEPTION 'undo';
                END IF;
                FOREACH state IN ARRAY CASE level WHEN 0 THEN ARRAY['none'] WHEN 1 THEN roles
                                       ELSE ARRAY['none'] || roles END LOOP
                    CONTINUE WHEN state = me;
                    BEGIN
                        EXECUTE 'SET ROLE ' || state;
                    EXCEPTION WHEN OTHERS THEN
                        CONTINUE;
                    END;
                    FOR probe IN SELECT key, value #>> '{{}}' AS query FROM jsonb_each(probes) LOOP
                        CONTINUE WHEN found -> probe.key ? 'seen';
                        rows := NULL;
                        BEGIN
                            IF probe.query ~ '^(SELECT|WITH) ' THEN
                                EXECUTE probe.query INTO rows;
                            ELSE
                                EXECUTE probe.query;
                                rows := 1;
                            END IF;
                            RAISE EXCEPTION 'undo';
                        EXCEPTION WHEN OTHERS THEN
                            CONTINUE WHEN rows IS NULL;
                        END;
                        IF NOT found ? probe.key THEN
                            found := jsonb_set(found, ARRAY[probe.key], jsonb_build_object('level', level));
                        END IF;
                        IF rows > 0 THEN
                            found := jsonb_set(found, ARRAY[probe.key, 'seen'], to_jsonb(level));
                        END IF;
                    END LOOP;
                END LOOP;
                EXECUTE 'RESET ROLE';
                RAISE EXCEPTION 'undo';
            EXCEPTION WHEN raise_exception THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    PERFORM set_config('attempt.found', found::text, false);
END
$do$
"""


WRITES = {
    "INSERT": "INSERT INTO {} VALUES (3, 4)",
    "UPDATE": "UPDATE {} SET a = 1, b = 1",
    "DELETE": "DELETE FROM {}",
}


def _writing(verb: str, name: str) -> str:
    return f"WITH x AS ({WRITES[verb].format(name)} RETURNING 1) SELECT count(*) FROM x"


@dataclass(frozen=True)
class Got:
    """What came of one query."""

    level: int
    """0 at once, 1 after SET ROLE, 2 after a grant: when it was let through first."""
    seen: int | None
    """The same, for when rows came; None: never."""


def _got(level: int, seen: int | None = None) -> Got:
    return Got(min(level, 2), None if seen is None else min(seen, 2))


@dataclass
class World:
    """A random world on a database: schemas, tables, views, copies and functions, and roles in a tangle."""

    admin: Connection
    seed: int
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    relations: list[str] = field(default_factory=list)
    """Views and copies."""
    functions: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    """Large objects."""
    ruled: list[str] = field(default_factory=list)
    """Tables with a rule that does something to another table."""
    come: list[str] = field(default_factory=list)
    """Tables that were made when default privileges were there."""
    undone: list[str] = field(default_factory=list)
    """What takes away default privileges: DROP OWNED stumbles over those of several roles."""
    mapped: str = ""
    """Whose credentials for another server there are."""
    log: list[str] = field(default_factory=list)
    """What was run, to look into a difference."""

    def __post_init__(self) -> None:
        """Make it."""
        self.random = random.Random(self.seed)
        self.is_old = self.admin.info.server_version < 160000
        self.password = secrets.token_hex(8)
        self.roles = [f"w{self.tag}_{n}" for n in range(ROLES)]
        self.schemas = [f"s{self.tag}_{n}" for n in range(3)]
        self.tables = [f"{self.random.choice(self.schemas)}.t{n}" for n in range(TABLES)]
        with self.admin.transaction():
            if not self.is_old:
                self.run("SET LOCAL scram_iterations = 1")
            self._make_roles()
            self._make_tables()
            self._make_views()
            self._make_functions()
            self._make_sequences_and_blobs()
            self._make_server()
            self._make_rules()
            self._make_what_comes()
            self._grant()

    def run(self, statement: str) -> None:
        """Run a statement of our own making."""
        self.log.append(statement)
        self.admin.execute(statement.encode())

    def chance(self, share: float) -> bool:
        """Whether something that happens this often happens."""
        return self.random.random() < share

    @property
    def maintains(self) -> bool:
        """Whether the right to MAINTAIN exists."""
        return self.admin.info.server_version >= 170000

    @property
    def predefined(self) -> list[str]:
        """The roles that come with Postgres and bring rights on relations."""
        return ["pg_read_all_data", "pg_write_all_data", *(["pg_maintain"] if self.maintains else [])]

    @property
    def server(self) -> str:
        """Another server."""
        return f"f{self.tag}"

    def _role(self) -> str:
        return self.random.choice(self.roles)

    def _grantee(self) -> str:
        return "PUBLIC" if self.chance(0.06) else self._role()

    def _make_roles(self) -> None:
        for role in self.roles:
            inherits = "NOINHERIT" if self.chance(0.25) else "INHERIT"
            bypasses = "BYPASSRLS" if self.chance(0.05) else ""
            self.run(f"CREATE ROLE {role} LOGIN {inherits} {bypasses} PASSWORD '{self.password}'")
            self.run(f"GRANT CONNECT ON DATABASE {self.admin.info.dbname} TO {role}")
        for number, member in enumerate(self.roles[:-1]):
            for role in self.random.sample(self.roles[number + 1 :], k=min(1, ROLES - number - 1)):
                self.run(f"GRANT {role} TO {member} {self._options()}")
        for _ in range(ROLES // 2):
            low, high = sorted(self.random.sample(range(ROLES), 2))
            self.run(f"GRANT {self.roles[high]} TO {self.roles[low]} {self._options()}")
        for predefined in self.predefined:
            if self.chance(0.3):
                self.run(f"GRANT {predefined} TO {self._role()} {self._options(admin=False)}")

    def _options(self, *, admin: bool = True) -> str:
        administers = admin and self.chance(0.25)
        if self.is_old:
            return "WITH ADMIN OPTION" if administers else ""
        return f"WITH INHERIT {self.chance(0.6)}, SET {self.chance(0.6)}, ADMIN {administers}"

    def _make_tables(self) -> None:
        for schema in self.schemas:
            self.run(f"CREATE SCHEMA {schema}")
            if self.chance(0.3):
                self.run(f"ALTER SCHEMA {schema} OWNER TO {self._role()}")
        for table in self.tables:
            self.run(f"CREATE TABLE {table} (a integer, b integer); INSERT INTO {table} VALUES (1, 2)")
            owner = self._role() if self.chance(0.5) else None
            if owner:
                self.run(f"ALTER TABLE {table} OWNER TO {owner}")
            if owner and self.chance(0.2):
                self.run(f"REVOKE ALL ON {table} FROM {owner}")
            if self.chance(0.4):
                self._secure(table)

    def _secure(self, table: str) -> None:
        self.run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        if self.chance(0.5):
            self.run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        for number in range(self.random.randrange(3)):
            command = self.random.choice(("ALL", "SELECT", "UPDATE"))
            self.run(f"CREATE POLICY p{number} ON {table} FOR {command} TO {self._grantee()} USING (true)")

    def _make_views(self) -> None:
        below = list(self.tables)
        for number in range(5):
            kind = "MATERIALIZED VIEW" if number == 4 else "VIEW"
            asker = kind == "VIEW" and self.chance(0.3)
            view = f"{self.random.choice(self.schemas)}.v{number}"
            columns = self.random.choice(("a, b", "a"))
            options = "WITH (security_invoker)" if asker else ""
            source = self.random.choice(below if kind == "VIEW" else self.tables)
            columns = "a" if source in self.relations else columns
            self.run(f"CREATE {kind} {view} {options} AS SELECT {columns} FROM {source}")
            self.run(f"ALTER {kind} {view} OWNER TO {self._role()}")
            self.relations.append(view)
            below.append(view)

    def _make_functions(self) -> None:
        for number, relation in enumerate(self.random.sample(self.tables + self.relations, 3)):
            function = f"{self.random.choice(self.schemas)}.f{number}()"
            body = (
                f"AS 'SELECT count(a) FROM {relation}'"
                if self.chance(0.6)
                else f"BEGIN ATOMIC SELECT count(a) FROM {relation}; END"
            )
            self.run(f"CREATE FUNCTION {function} RETURNS bigint LANGUAGE sql SECURITY DEFINER {body}")
            self.run(f"ALTER FUNCTION {function} OWNER TO {self._role()}")
            self.functions.append(function)

        plain = f"{self.random.choice(self.schemas)}.p0()"
        self.run(f"CREATE FUNCTION {plain} RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
        self.run(f"ALTER FUNCTION {plain} OWNER TO {self._role()}")
        self.functions.append(plain)

    def _make_sequences_and_blobs(self) -> None:
        for number in range(2):
            sequence = f"{self.random.choice(self.schemas)}.q{number}"
            self.run(f"CREATE SEQUENCE {sequence}")
            row = self.admin.execute("SELECT lo_from_bytea(0, 'x')").fetchone()
            assert row is not None
            blob = str(row[0])
            for kind, name in (("SEQUENCE", sequence), ("LARGE OBJECT", blob)):
                if self.chance(0.4):
                    self.run(f"ALTER {kind} {name} OWNER TO {self._role()}")
                # Of a large object UPDATE alone is no use: who writes it opens it to read as well.
                rights = ("SELECT", "UPDATE", "USAGE") if kind == "SEQUENCE" else ("SELECT", "SELECT, UPDATE")
                for right in self.random.sample(rights, 2):
                    self.run(f"GRANT {right} ON {kind} {name} TO {self._grantee()}")
            self.sequences.append(sequence)
            self.blobs.append(blob)

    def _make_server(self) -> None:
        self.run(f"CREATE FOREIGN DATA WRAPPER {self.server}")
        self.run(f"CREATE SERVER {self.server} FOREIGN DATA WRAPPER {self.server}")
        for _ in range(2):
            self.run(f"GRANT USAGE ON FOREIGN SERVER {self.server} TO {self._grantee()}")
        self.mapped = self._role()
        self.run(f"CREATE USER MAPPING FOR {self.mapped} SERVER {self.server} OPTIONS (password 'x')")

    def _make_rules(self) -> None:
        for number in range(2):
            ruled = f"{self.random.choice(self.schemas)}.r{number}"
            done = self.random.choice(("DELETE FROM {}", "UPDATE {} SET a = 1"))
            how = self.random.choice(("ALSO", "INSTEAD"))
            table = self.random.choice(self.tables)
            self.run(f"CREATE TABLE {ruled} (a integer, b integer)")
            self.run(f"CREATE RULE r AS ON INSERT TO {ruled} DO {how} {done.format(table)}")
            self.run(f"ALTER TABLE {ruled} OWNER TO {self._role()}")
            for _ in range(2):
                self.run(f"GRANT INSERT ON {ruled} TO {self._grantee()}")
            self.ruled.append(ruled)

    def _make_what_comes(self) -> None:
        """Make tables under default privileges; their makers may CREATE for that moment."""
        places = [(self._role(), self.random.choice(self.schemas)) for _ in range(2)]
        for maker, schema in places:
            to, come = self._grantee(), f"ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA {schema}"
            self.run(f"{come} GRANT SELECT ON TABLES TO {to}")
            self.undone.append(f"{come} REVOKE SELECT ON TABLES FROM {to}")
        for number, (maker, schema) in enumerate(places):
            come = f"{schema}.c{number}"
            self.run(f"GRANT CREATE ON SCHEMA {schema} TO {maker}; SET LOCAL ROLE {maker}")
            self.run(f"CREATE TABLE {come} (a integer, b integer); RESET ROLE")
            self.run(f"INSERT INTO {come} VALUES (1, 2); REVOKE CREATE ON SCHEMA {schema} FROM {maker}")
            self.come.append(come)

    def _grant(self) -> None:
        for schema in self.schemas:
            for _ in range(4):
                self.run(f"GRANT USAGE ON SCHEMA {schema} TO {self._grantee()}")
            self.run(f"GRANT CREATE ON SCHEMA {schema} TO {self._grantee()}")
        for table in self.tables:
            right = self.random.choice(("TRIGGER", "MAINTAIN" if self.maintains else "TRIGGER"))
            self.run(f"GRANT {right} ON {table} TO {self._grantee()}")
        for relation in self.tables + self.relations:
            for _ in range(2):
                what = self.random.choice(("SELECT", "SELECT", "SELECT (a)", "INSERT, DELETE", "UPDATE"))
                passes = "WITH GRANT OPTION" if self.chance(0.2) else ""
                to = self._grantee()
                self.run(f"GRANT {what} ON {relation} TO {to} {passes if to != 'PUBLIC' else ''}")
        for function in self.functions:
            if self.chance(0.7):
                self.run(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
                self.run(f"GRANT EXECUTE ON FUNCTION {function} TO {self._role()}")

    def probes(self) -> dict[str, str]:
        """Return each query that is tried, by what it tries. A table's ctid needs the right on the whole."""
        found = {f"{name} SELECT": f"SELECT count(ctid) FROM {name}" for name in self.tables}
        found |= {f"{name}.a SELECT": f"SELECT count(a) FROM {name}" for name in self.tables}
        found |= {f"{name} {verb}": _writing(verb, name) for name in self.tables for verb in WRITES}
        found |= {f"{name} SELECT": f"SELECT count(a) FROM {name}" for name in self.relations}
        found |= {f"{name} EXECUTE": f"SELECT {name}" for name in self.functions}
        found |= {f"{name} CREATE": f"CREATE TABLE {name}.made ()" for name in self.schemas}
        fires = "BEFORE INSERT ON {} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
        found |= {f"{name} TRIGGER": f"CREATE TRIGGER made {fires.format(name)}" for name in self.tables}
        found |= {f"{name} ALTER": f"ALTER TABLE {name} ALTER a SET DEFAULT 1" for name in self.tables}
        if self.maintains:
            found |= {f"{name} MAINTAIN": f"REINDEX TABLE {name}" for name in self.tables}
        for name in self.sequences:
            found[f"{name} SELECT"] = f"SELECT count(last_value) FROM {name}"
            found[f"{name} UPDATE"] = f"SELECT setval('{name}', 7)"
            found[f"{name} UPDATE or USAGE"] = f"SELECT nextval('{name}')"
        for name in self.blobs:
            found[f"{name} SELECT"] = f"SELECT length(lo_get({name}))"
            found[f"{name} UPDATE"] = f"SELECT 1 FROM lo_put({name}, 0, 'y')"
        found |= {f"{name} by rule": f"INSERT INTO {name} VALUES (1, 2)" for name in self.ruled}
        found |= {f"{name} SELECT": f"SELECT count(ctid) FROM {name}" for name in self.come}
        seen = "FROM pg_user_mappings WHERE umoptions IS NOT NULL AND srvname"
        found["user mapping USE"] = f"SELECT 1 / count(*) {seen} = '{self.server}'"
        return found

    def _opening(self) -> list[str]:
        """Return the grants that lead to more grants."""
        options = "" if self.is_old else " WITH INHERIT TRUE, SET TRUE"
        roles = [f"GRANT {role} TO %1$I{options}" for role in self.roles]
        return [*roles, *(f"GRANT ALL ON SCHEMA {name} TO %1$I" for name in self.schemas)]

    def _changes(self) -> list[str]:
        """Return the other grants that a login tries: of ALL it gets what can be granted.

        Rather what one grantor can grant, whoever of its roles can grant most; SELECT may be another's.
        """
        whole = [*self.tables, *self.relations, *self.sequences, *self.ruled, *self.come]
        names = [
            *(f"{'SEQUENCE ' if name in self.sequences else ''}{name}" for name in whole),
            *(f"FUNCTION {name}" for name in self.functions),
            *(f"LARGE OBJECT {name}" for name in self.blobs),
            f"FOREIGN SERVER {self.server}",
        ]
        columns = [f"GRANT SELECT (a) ON {name} TO %1$I" for name in (*self.tables, *self.relations)]
        reading = [f"GRANT SELECT ON {name} TO %1$I" for name in self.tables]
        return [*(f"GRANT ALL ON {name} TO %1$I" for name in names), *reading, *columns]

    def tried_by(self, server: TestServer, role: str) -> dict[str, Got]:
        """Log in as a role, try everything, and leave nothing behind."""
        statement = sql.SQL(ATTEMPTS).format(
            probes=sql.Literal(json.dumps(self.probes())),
            roles=sql.Literal([*self.roles, *self.predefined]),
            opening=sql.Literal(self._opening()),
            changes=sql.Literal(self._changes()),
        )
        with closing(psycopg.connect(self._dsn(server, role))) as conn:
            conn.execute(statement)
            row = conn.execute("SELECT current_setting('attempt.found')").fetchone()
            conn.rollback()
        assert row is not None
        return {name: _got(**one) for name, one in json.loads(row[0]).items()}

    def _dsn(self, server: TestServer, role: str) -> str:
        options = {"user": role, "password": self.password, "dbname": self.admin.info.dbname}
        return psycopg.conninfo.make_conninfo(server.admin_dsn(), **options)

    def remove(self) -> None:
        """Take it away again."""
        names = sql.SQL(", ").join(sql.Identifier(name) for name in self.roles)
        with self.admin.transaction():
            for statement in self.undone:
                self.run(statement)
            self.admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(names))
            for schema in self.schemas:
                self.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            for blob in self.blobs:
                self.run(f"SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = {blob}")
            self.run(f"DROP FOREIGN DATA WRAPPER IF EXISTS {self.server} CASCADE")
            self.admin.execute(sql.SQL("DROP ROLE {}").format(names))


def worlds(admin: Connection, seeds: range) -> Iterator[World]:
    """Yield one world after the other."""
    for seed in seeds:
        world = World(admin, seed)
        try:
            yield world
        finally:
            world.remove()
