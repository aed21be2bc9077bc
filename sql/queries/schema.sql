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

-- name: lock!
-- One migration of this database at a time; waits until lock_timeout.
SELECT pg_advisory_lock(:key::bigint);

-- name: unlock!
-- Lets the next one in.
SELECT pg_advisory_unlock(:key::bigint);

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
