-- name: facts^
-- What is known of the connection and its database, whoever asks.
SELECT
    current_setting('server_version') AS server_version,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    current_database() AS database,
    session_user::text AS login,
    pg_catalog.pg_database_size(current_database()) AS size,
    (SELECT version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls;

-- name: version$
-- The newest migration that ran; asked only where the table is there and may be read.
SELECT max(version) FROM lua.migration;

-- name: may_read_version$
-- Whether this login may read which migrations ran; null when none ever did.
SELECT has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = 'lua' AND c.relname = 'migration';

-- name: may_migrate$
-- Whether this login can make every object of the schema: a superuser, or a member of owner, definer and role keeper.
SELECT r.rolsuper OR coalesce((
    SELECT count(*) = 3 FROM pg_catalog.pg_roles AS g
    WHERE g.rolname IN ('lua_owner', 'lua_definer', 'lua_rolekeeper') AND pg_has_role(r.oid, g.oid, 'MEMBER')), false)
FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user;

-- name: told$
-- Number of the newest migration that the ledger remembers; 0: none.
SELECT coalesce(max(left(t.name, 4)::integer), 0)
FROM ledger.entry e
CROSS JOIN LATERAL jsonb_array_elements_text(convert_from(e.body, 'UTF8')::jsonb #> '{detail,migrations}') AS t (name)
WHERE e.action = 'db.migrate';

-- name: has_ledger$
-- Whether the ledger is there to remember a migration, with the way into it that this luactl takes.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
               WHERE n.nspname = 'ledger' AND p.proname = 'append');

-- name: again#
-- For a DBA who runs it a second time: what the first time lent would be taken for a stranger's membership.
DO $again$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {migrator_name}) THEN
        EXECUTE (SELECT string_agg(format('REVOKE %I FROM %I', rolname, {migrator_name}), '; ') FROM pg_catalog.pg_roles
                 WHERE rolname IN ('lua_owner', 'lua_definer', 'lua_rolekeeper'));
    END IF;
END
$again$;

-- name: before#
-- For a DBA, after the roles themselves: who migrates, and who works with luactl every day.
DO $logins$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[{migrator_name}, {login_name}] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', wanted);  -- \password sets its password
        END IF;
    END LOOP;
END
$logins$;
GRANT {groups} TO {login} GRANTED BY lua_rolekeeper;
ALTER DATABASE {database} OWNER TO {migrator};
GRANT CREATE ON DATABASE {database} TO lua_owner;
GRANT lua_owner, lua_definer, lua_rolekeeper TO {migrator};

-- name: after#
-- For a DBA, when the migration is done: nobody may become owner, definer or role keeper any more.
REVOKE lua_owner, lua_definer, lua_rolekeeper FROM {migrator};
REVOKE CREATE ON DATABASE {database} FROM lua_owner;
ALTER DATABASE {database} OWNER TO CURRENT_USER;
