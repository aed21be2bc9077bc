-- name: passwords
-- Logins with a password that is not stored as SCRAM; only a superuser, or who was given pg_authid, sees it.
SELECT rolname, coalesce(rolpassword LIKE 'SCRAM-SHA-256$%%', true), rolpassword IS NOT NULL
FROM pg_catalog.pg_authid
WHERE rolcanlogin
ORDER BY rolname;

-- name: sealed_columns
-- Columns of customers' data that hold bytes; digests are keyed hashes, not sealed values.
SELECT c.oid::regclass::text, a.attname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.atttypid = 'bytea'::regtype AND a.attname <> 'digest'
ORDER BY 1, 2;
