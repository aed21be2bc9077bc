-- name: bootstrap#
-- What remembers which migrations ran; made before the first of them.
CREATE SCHEMA IF NOT EXISTS lua;
CREATE TABLE IF NOT EXISTS lua.migration (
    version    integer PRIMARY KEY CHECK (version > 0),
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL
);
COMMENT ON TABLE lua.migration IS 'Migrations that ran in this database';
COMMENT ON COLUMN lua.migration.checksum IS 'SHA-256 of the file, in hex';

-- name: applied
-- What ran so far, oldest first.
SELECT version, name, checksum FROM lua.migration ORDER BY version;

-- name: record!
-- Remembers a migration, in its own transaction.
INSERT INTO lua.migration (version, name, checksum, applied_at)
VALUES (:version::integer, :name::text, :checksum::text, :at::timestamptz);

-- name: is_bootstrapped$
-- Whether any migration ever ran here.
SELECT to_regclass('lua.migration') IS NOT NULL;

-- name: is_superuser$
-- Whether whoever migrates is bound by no right.
SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user;

-- name: open_schemas#
-- Lets definer and role keeper be given functions by somebody who is no superuser; taken back in the same transaction.
DO $open$
BEGIN
    EXECUTE (SELECT string_agg(format('GRANT CREATE ON SCHEMA %I TO lua_definer, lua_rolekeeper', nspname), '; ')
             FROM pg_catalog.pg_namespace WHERE nspname IN ('lua', 'crm', 'ledger', 'vault'));
END
$open$;

-- name: close_schemas#
-- Takes back what open_schemas gave.
DO $close$
BEGIN
    EXECUTE (SELECT string_agg(format('REVOKE CREATE ON SCHEMA %I FROM lua_definer, lua_rolekeeper', nspname), '; ')
             FROM pg_catalog.pg_namespace WHERE nspname IN ('lua', 'crm', 'ledger', 'vault'));
END
$close$;

-- name: ship_rights!
-- Puts the rights of the group roles by the migrations in the place of those of an older luactl.
WITH gone AS (
    DELETE FROM lua.shipped_right r
    WHERE NOT EXISTS (SELECT FROM unnest(:objects::text[], :privileges::text[], :roles::text[]) AS s (object, privilege, role)
                      WHERE (s.object, s.privilege, s.role) = (r.object, r.privilege, r.role))
)
INSERT INTO lua.shipped_right (object, privilege, role, columns)
SELECT s.object, s.privilege, s.role, string_to_array(s.columns, ' ')
FROM unnest(:objects::text[], :privileges::text[], :roles::text[], :columns::text[]) AS s (object, privilege, role, columns)
ON CONFLICT (object, privilege, role) DO UPDATE SET columns = excluded.columns;

-- name: ship_policies!
-- The same with row security and policies.
WITH gone AS (
    DELETE FROM lua.shipped_policy p
    WHERE NOT EXISTS (SELECT FROM unnest(:objects::text[], :policies::text[]) AS s (object, policy) WHERE (s.object, s.policy) = (p.object, p.policy))
)
INSERT INTO lua.shipped_policy (object, policy, definition)
SELECT s.object, s.policy, s.definition
FROM unnest(:objects::text[], :policies::text[], :definitions::text[]) AS s (object, policy, definition)
ON CONFLICT (object, policy) DO UPDATE SET definition = excluded.definition;
