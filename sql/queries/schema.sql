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
